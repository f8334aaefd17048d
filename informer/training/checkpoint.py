"""The files from which a training goes on: `last.ckpt` after each epoch, `best.ckpt` of the best.

Both are written beside themselves and renamed, so that a reader never sees half of one. A kill
between the two writes of a best epoch leaves its weights in `last` alone; before `last` goes on to
a worse epoch they are written to `best`, so that at any time one of the files holds them. `weights`
are those that are validated and kept; where they are averages, `last` also holds the weights that
are trained. No generator's state is stored, because every epoch seeds its own (see `batches`).
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from informer.config import TrainingConfig
from informer.data import Windows
from informer.errors import CheckpointError
from informer.training.records import EpochRecord
from informer.training.stopping import Stopping

__all__ = ["Checkpoints", "Progress", "identity"]

FORMAT = 2

# Where a training runs is no part of what it computes: it may go on elsewhere.
_HARDWARE = ("accelerator", "devices", "compile")


@dataclass(frozen=True)
class Progress:
    """How far a training has come, but for the weights and the optimiser."""

    epoch: int = 0
    step: int = 0
    stopping: Stopping = field(default_factory=Stopping)
    history: tuple[EpochRecord, ...] = ()


def identity(
    model: nn.Module, train: Windows, val: Windows, config: TrainingConfig
) -> dict[str, str]:
    """What a checkpoint must share with the training that goes on from it, by dotted name."""
    training = {k: v for k, v in asdict(config).items() if k not in _HARDWARE}
    settings = getattr(model, "config", None)
    if is_dataclass(settings) and not isinstance(settings, type):
        network = asdict(settings)
    else:
        network = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    sizes = ("seq_len", "label_len", "pred_len", "n_targets")
    data: dict[str, object] = {name: getattr(train, name) for name in sizes}
    data |= {"train": _digest(train), "val": _digest(val)}
    parts = {"training": training, "network": network, "data": data}
    return {f"{part}.{k}": str(v) for part, values in parts.items() for k, v in values.items()}


def _digest(windows: Windows) -> str:
    """A fingerprint of the rows, of which were observed, and of the windows cut from them."""
    digest = hashlib.sha256()
    parts = (windows.values, windows.marks, windows.origins, windows.shifts, windows.observed)
    for tensor in parts:
        if tensor is not None:
            digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]


class Checkpoints:
    """The checkpoint files of one training.

    Args:
        folder: Where they are; made on the first write.
        identity: Of the training, from `identity`.
    """

    def __init__(self, folder: Path, identity: dict[str, str]) -> None:
        self.last_path = folder / "last.ckpt"
        self.best_path = folder / "best.ckpt"
        self._identity = identity
        self._kept: int | None = None  # the epoch that `best.ckpt` is known to hold

    def save(
        self,
        progress: Progress,
        weights: Mapping[str, Tensor],
        optimizer: Mapping[str, Any],
        best: Mapping[str, Tensor],
        trained: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write `last.ckpt`, and `best.ckpt` where it does not hold the best epoch so far.

        Args:
            progress: The epoch that is over.
            weights: Those that were validated.
            best: Those of the best epoch.
            optimizer: Its state.
            trained: The weights that it goes on with, where `weights` are their average.
        """
        common = {"format": FORMAT, "identity": self._identity}
        stopping = progress.stopping
        last = {"progress": asdict(progress), "optimizer": dict(optimizer), "trained": trained}
        kept = {"epoch": stopping.best_epoch, "val_loss": stopping.best_val_loss}

        def keep() -> None:
            if self._kept != stopping.best_epoch:
                _write(self.best_path, common | {"weights": dict(best)} | kept)
                self._kept = stopping.best_epoch

        if stopping.best_epoch != progress.epoch:
            keep()
        _write(self.last_path, common | {"weights": dict(weights)} | last)
        keep()

    def load(
        self, trained: nn.Module, judged: nn.Module, optimizer: torch.optim.Optimizer
    ) -> tuple[Progress, dict[str, Tensor]] | None:
        """Put the last epoch's state into both networks and `optimizer`; None where there is none.

        Args:
            trained: The network that is trained.
            judged: The network that is validated: the same, or its average.
            optimizer: Of `trained`.

        Returns:
            How far the training had come, and the best weights.

        Raises:
            CheckpointError: A file is damaged, or of another training.
        """
        if not self.last_path.is_file():
            return None
        last = self._read(self.last_path)
        progress = _progress(last["progress"])
        best = last
        if progress.stopping.best_epoch == progress.epoch:
            with suppress(CheckpointError):  # it may hold the epoch already, or still be to come
                found = self._read(self.best_path)
                if found["val_loss"] == progress.stopping.best_val_loss:
                    self._kept = found["epoch"]
        else:
            best = self._read(self.best_path)
            if best["epoch"] != progress.stopping.best_epoch:
                raise CheckpointError(
                    f"{self.best_path} is of epoch {best['epoch']}, but {self.last_path.name} "
                    f"wants the best epoch {progress.stopping.best_epoch}. Delete both files and "
                    "train again."
                )
            self._kept = best["epoch"]
        judged.load_state_dict(last["weights"])
        if judged is not trained:
            trained.load_state_dict(last["trained"])
        optimizer.load_state_dict(last["optimizer"])
        return progress, best["weights"]

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            found = content["identity"]
            known = content["format"] == FORMAT
        except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, LookupError, TypeError,
                ValueError) as error:  # fmt: skip
            raise CheckpointError(
                f"{path} is missing, damaged or not a checkpoint of this library "
                f"({type(error).__name__}). Delete last.ckpt and best.ckpt in its folder, or "
                "train from the beginning with resume=False."
            ) from error
        if not known:
            raise CheckpointError(
                f"{path} has format {content['format']}; this version reads format {FORMAT}. "
                "Train from the beginning with resume=False."
            )
        names = sorted(set(found) | set(self._identity))
        other = [name for name in names if found.get(name) != self._identity.get(name)]
        if other:
            name = other[0]
            more = f" and {len(other) - 1} more" if len(other) > 1 else ""
            raise CheckpointError(
                f"{path} was made with {name}={found.get(name)}, now "
                f"{self._identity.get(name)}{more}. Use another checkpoint_dir, or train from the "
                "beginning with resume=False."
            )
        return content


def _progress(values: Mapping[str, Any]) -> Progress:
    return Progress(
        epoch=values["epoch"],
        step=values["step"],
        stopping=Stopping(**values["stopping"]),
        history=tuple(EpochRecord(**record) for record in values["history"]),
    )


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write all or nothing, on the disk before it bears its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
