from .device import (
    has_gpu as has_gpu,
    make_fabric as make_fabric,
)
from .loop import fit as fit
from .phases import Phases as Phases
from .records import (
    EpochRecord as EpochRecord,
    OnEpoch as OnEpoch,
    OnStep as OnStep,
    best_val_loss as best_val_loss,
)
from .step import train_step as train_step
