"""Which errors say that values do not work, and nothing of the search or the machine's state."""

from __future__ import annotations

import torch

from informer.errors import FrameError, TrainingError

__all__ = ["FAILURE", "TrialFailed", "failure_of"]

FAILURE = "failure"  # the attribute of a trial, and the tag of its MLflow run, that has the reason
LONGEST = 300  # characters of a reason
# What torch says where a device or the machine has too little memory, whichever class it raises.
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "CUDA error", "CUBLAS_STATUS", "cuDNN")


class TrialFailed(Exception):
    """The values of one trial do not work; its text says why. The search goes on with others."""


def failure_of(error: Exception) -> str | None:
    """Why a training with suggested values failed; None where the error is not of their making.

    Values may let a loss diverge, leave no window, or need too much memory. Values that make no
    configuration are found before a training begins.
    """
    kinds = (TrainingError, FrameError, MemoryError, torch.linalg.LinAlgError)  # type: ignore[attr-defined]
    is_of_device = isinstance(error, RuntimeError) and any(
        sign in str(error) for sign in OUT_OF_MEMORY
    )
    if not (isinstance(error, (*kinds, torch.OutOfMemoryError)) or is_of_device):
        return None
    text = " ".join(str(error).split()) or "no reason was given"
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or is_of_device:
        text = f"out of memory or of the device ({type(error).__name__}: {text})"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
