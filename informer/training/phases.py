"""The phases of one training: resume, train an epoch, validate, decide, save.

B batch   N windows
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from informer.config import TrainingConfig
from informer.data import Windows
from informer.errors import TrainingError
from informer.training.averaging import WeightAverage
from informer.training.batches import epoch_batches, epoch_seed, n_batches, share
from informer.training.checkpoint import Checkpoints, Progress, identity
from informer.training.device import compiled, for_processes, seed_generators
from informer.training.losses import loss_for
from informer.training.records import EpochRecord, OnStep
from informer.training.schedules import learning_rate
from informer.training.step import Network, evaluate, train_step

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Phases"]

REPORT_EVERY = 20  # steps between two looks at the losses, each of which waits for the device


class Phases:
    """What the phases share: the network on its device, the optimiser, the data.

    Args:
        fabric: Brings device, precision and the other processes.
        model: Trained in place; stays on the device.
        train: Windows to learn from.
        val: Windows that choose the best epoch.
        config: Of the training.
        checkpoint_dir: Where each epoch is saved; None saves nothing.
        on_step: Told now and then the steps done, the steps in all, and the train loss.

    Attributes:
        best: The weights of the best epoch so far.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: nn.Module,
        train: Windows,
        val: Windows,
        config: TrainingConfig,
        *,
        checkpoint_dir: Path | None,
        on_step: OnStep | None,
    ) -> None:
        self.fabric, self.config, self.on_step = fabric, config, on_step
        self.checkpoints = None
        if checkpoint_dir is not None:
            self.checkpoints = Checkpoints(checkpoint_dir, identity(model, train, val, config))
        self.train, self.val = train.to(fabric.device), val.to(fabric.device)
        # (N,) observed values of each train window; None where all were observed.
        self.n_seen = None if train.observed is None else train.n_observed().to(fabric.device)
        self.n_steps = n_batches(len(train), config)
        self.full_batch = min(config.batch_size, len(train))
        self.model = for_processes(model.to(fabric.device), fabric)
        self.average = None
        if config.weight_average != "none":
            n_planned = config.epochs * self.n_steps
            self.average = WeightAverage(self.model, config.weight_average, n_planned)
        self.loss = loss_for(config.loss, self.model)
        self.network = self._trained_network()
        self.parameters = list(self.model.parameters())
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
        self.optimizer = kind(
            self.parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.best: dict[str, Tensor] = {}

    @property
    def judged(self) -> nn.Module:
        """What is validated and kept: the averaged network, or the trained one."""
        return self.model if self.average is None else self.average.model

    def resume(self) -> Progress:
        """Go on from the checkpoint files, or from the start where there are none."""
        if self.checkpoints is None:
            return Progress()
        found = self.checkpoints.load(self.model, self.judged, self.optimizer)
        if found is None:
            return Progress()
        progress, self.best = found
        return progress

    def start(self) -> Progress:
        """Validate the weights as they are: epoch 0, the best so far."""
        return self._judged(Progress(), 0, math.nan, time.perf_counter())

    def epoch(self, progress: Progress) -> Progress:
        """Train, validate, decide."""
        started = time.perf_counter()
        number = progress.epoch + 1
        return self._judged(progress, number, self._train(number), started)

    def _judged(
        self, progress: Progress, number: int, train_loss: float, started: float
    ) -> Progress:
        val_loss = self._validate(number)
        stopping = progress.stopping.after(number, val_loss)
        if stopping.best_epoch == number:
            self.best = {k: v.detach().clone() for k, v in self.judged.state_dict().items()}
        record = EpochRecord(
            epoch=number,
            train_loss=train_loss,
            val_loss=val_loss,
            learning_rate=self.optimizer.param_groups[0]["lr"],
            seconds=time.perf_counter() - started,
        )
        return Progress(number, number * self.n_steps, stopping, (*progress.history, record))

    def save(self, progress: Progress) -> None:
        """Write the checkpoint files, in the first process."""
        if self.checkpoints is not None and self.fabric.is_global_zero:
            self.checkpoints.save(
                progress,
                self.judged.state_dict(),
                self.optimizer.state_dict(),
                self.best,
                None if self.average is None else dict(self.model.state_dict()),
            )

    def _train(self, epoch: int) -> float:
        """One epoch: the mean loss over the observed values of its windows."""
        config, process = self.config, self.fabric.global_rank
        seed_generators(self.fabric.device, epoch_seed(config.seed, epoch, "dropout", process))
        keys = torch.Generator().manual_seed(epoch_seed(config.seed, epoch, "keys"))
        order = epoch_batches(len(self.train), config, epoch)
        sizes = [len(index) for index in order]
        batches = torch.split(torch.cat(order).to(self.fabric.device), sizes)
        self.model.train()
        losses: list[float] = []
        unread: list[Tensor] = []
        for step, index in enumerate(batches):
            rate = learning_rate(config, epoch, step, self.n_steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            unread.append(self._step(index, keys))
            if self.average is not None:
                self.average.update(self.model, (epoch - 1) * self.n_steps + step + 1)
            if len(unread) == REPORT_EVERY or step + 1 == self.n_steps:
                losses += self._read(unread, epoch, step + 1)
                unread = []
        if self.n_seen is not None:
            sizes = torch.stack([self.n_seen[index].sum() for index in batches]).tolist()
        return sum(a * b for a, b in zip(losses, sizes, strict=True)) / sum(sizes)

    def _step(self, index: Tensor, keys: torch.Generator) -> Tensor:
        """Train on this process's share of the windows `index` (B,): () its share of the loss."""
        n_processes = self.fabric.world_size
        part, portion = self._share(index)
        done = train_step(
            self.network if len(index) >= self.full_batch else self._short_network(),
            self.parameters,
            self.optimizer,
            self.train.batch(part),
            self.loss,
            weight=portion * n_processes,
            max_grad_norm=self.config.max_grad_norm,
            # A generator would cut the compiled network in pieces; it draws from the global one.
            generator=None if self.config.compile else keys,
        )
        return done.loss if n_processes == 1 else done.loss * portion

    def _share(self, index: Tensor) -> tuple[Tensor, float | Tensor]:
        """What this process trains on, and its share of the observed values of the batch."""
        part, portion = share(index, self.fabric.global_rank, self.fabric.world_size)
        if self.n_seen is None or self.fabric.world_size == 1 or portion == 0:
            return part, portion
        return part, self.n_seen[part].sum() / self.n_seen[index].sum()

    def _read(self, unread: list[Tensor], epoch: int, step: int) -> list[float]:
        """Wait for the losses of the last steps, up to `step` of the epoch; report and check."""
        stacked = torch.stack(unread)
        if self.fabric.world_size > 1:
            stacked = self.fabric.all_reduce(stacked, reduce_op="sum")
        losses: list[float] = stacked.tolist()
        bad = [i for i, loss in enumerate(losses) if not math.isfinite(loss)]
        if bad:
            self._refuse(
                "train", losses[bad[0]], f"{epoch}, step {step - len(losses) + bad[0] + 1}"
            )
        if self.on_step is not None:
            done = (epoch - 1) * self.n_steps + step
            self.on_step(done, self.config.epochs * self.n_steps, losses[-1])
        return losses

    def _validate(self, epoch: int) -> float:
        """The mean loss over the observed values of all validation windows."""
        process, n_processes = self.fabric.global_rank, self.fabric.world_size
        if n_processes > 1:  # batch norms without synchronisation have gone apart
            for buffer in (*self.model.buffers(), *self.judged.buffers()):
                torch.distributed.broadcast(buffer, src=0)
        self.judged.eval()
        batches = self.val.parts(self.config.batch_size)[process::n_processes]
        network = self._in_precision(self.judged)
        total = evaluate(network, self.val, batches, self.loss, self.config.seed)
        if n_processes > 1:
            total = self.fabric.all_reduce(total, reduce_op="sum")
        val_loss = float(total[0] / total[1])
        if not math.isfinite(val_loss):
            self._refuse("validation", val_loss, str(epoch))
        return val_loss

    def _refuse(self, part: str, loss: float, where: str) -> None:
        bound = self.config.max_grad_norm
        raise TrainingError(
            f"the {part} loss became {loss} in epoch {where}; lower learning_rate (now "
            f"{self.config.learning_rate:g}), set max_grad_norm (now "
            f"{'off' if bound is None else f'{bound:g}'}), or look for extreme values in the data."
        )

    def _trained_network(self) -> Network:
        """The model as it is trained: compiled if wanted, its gradients averaged over processes."""
        model = compiled(self.model, self.fabric.device) if self.config.compile else self.model
        if self.fabric.world_size == 1:
            return self._in_precision(model)
        wrapped: Network = self.fabric.setup(model, move_to_device=False)
        return wrapped

    def _short_network(self) -> Network:
        """What trains on a short last batch, which is not worth a compilation of its own."""
        return self.network if self.fabric.world_size > 1 else self._in_precision(self.model)

    def _in_precision(self, model: nn.Module) -> Network:
        def network(*inputs: Tensor | None, generator: torch.Generator | None) -> Any:  # noqa: ANN401
            with self.fabric.autocast():
                return model(*inputs, generator=generator)

        return network
