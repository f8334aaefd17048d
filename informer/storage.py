"""A saved model is a folder of JSON and safetensors: it holds no code and opens no pickle."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from informer.errors import CheckpointError

__all__ = ["read_model", "write_model"]

FORMAT = 3
SETTINGS, WEIGHTS = "forecaster.json", "weights.safetensors"


def write_model(folder: Path, settings: dict[str, Any], tensors: dict[str, Tensor]) -> Path:
    """Write both files beside `folder` and move them there in one step.

    Raises:
        CheckpointError: `folder` exists already, or its parent cannot be written.
    """
    if folder.exists():
        raise CheckpointError(
            f"{folder} already exists, and a model is never overwritten. Name another folder."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
        draft.mkdir()  # for all whom the umask lets in, as a temporary folder is not
    except OSError as error:
        raise CheckpointError(
            f"cannot write {folder}: {error.strerror}. Choose a folder that you may write to."
        ) from error
    try:
        text = json.dumps({"format": FORMAT} | settings, indent=2)
        (draft / SETTINGS).write_text(text + "\n", encoding="utf-8")
        save_file({name: value.contiguous() for name, value in tensors.items()}, draft / WEIGHTS)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read the settings and the tensors of a saved model; those of earlier formats as today's.

    Raises:
        CheckpointError: a file is missing, damaged or of another format.
    """
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder} holds no model: {Path(str(error.filename or folder / WEIGHTS)).name} is "
            f"missing. A saved model has {SETTINGS} and {WEIGHTS}."
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder} is damaged: {error}. Save it again, or copy it again."
        ) from error
    if settings.get("format") not in (1, 2, FORMAT):
        raise CheckpointError(
            f"{folder} has format {settings.get('format')!r}; this version reads 1 to {FORMAT}. "
            "Load it with the version that saved it."
        )
    if settings["format"] == 1:
        settings, tensors = _from_first_format(settings, tensors)
    if settings["format"] < FORMAT:
        settings, tensors = _from_second_format(settings, tensors)
    return settings, tensors


def _from_second_format(
    settings: dict[str, Any], tensors: dict[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Format 2 had one scale for all series, and did not know what range the train rows had."""
    scaler = {name: torch.tensor(v, dtype=torch.float64) for name, v in settings["scaler"].items()}
    mean, std = scaler["mean"][None], scaler["std"][None]
    unknown = torch.full_like(mean, torch.nan)
    n_targets = tensors["calibration.offsets"].shape[-1]
    added = {
        "scales.center": mean, "scales.spread": std, "scales.deviation": std.clone(),
        "scales.low": unknown, "scales.high": unknown.clone(),
        "calibration.spread": torch.ones(0, n_targets),
    }  # fmt: skip
    return settings | {"scaled": [], "n_log": 0, "calibrated": []}, tensors | added


def _from_first_format(
    settings: dict[str, Any], tensors: dict[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Format 1 had one network, and intervals of one width for all windows."""
    renamed = {
        f"network.0.{name.removeprefix('network.')}" if name.startswith("network.") else name: value
        for name, value in tensors.items()
    }
    renamed["calibration.typical"] = torch.ones(tensors["calibration.offsets"].shape[-1])
    return settings | {"scale": {"form": "none", "lag": 1, "share": 1.0}}, renamed
