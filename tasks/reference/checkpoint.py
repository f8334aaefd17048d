"""A checkpoint of the reference, with the scaler and intervals that it does not hold."""

from __future__ import annotations

from pathlib import Path

from informer.forecaster import Forecaster
from informer.interop import NETWORK_FLAGS, load_reference_checkpoint
from tasks.reference.experiment import Experiment

__all__ = ["serve_checkpoint"]


def serve_checkpoint(checkpoint: Path, experiment: Experiment) -> Forecaster:
    """Load the network; the scaler and the intervals come from the data, as after a training.

    Raises:
        CheckpointError: the file cannot be read, would run code, or is of another network.
        FrameError: the data is too short for a window.
    """
    network = experiment.config.network
    flags = {name: getattr(network, name) for name in NETWORK_FLAGS}
    model = load_reference_checkpoint(checkpoint, flags)
    return Forecaster.from_network(model, experiment.known, experiment.config)
