from .baselines import (
    CLASSICAL as CLASSICAL,
    LINEAR_WEIGHT as LINEAR_WEIGHT,
    Baseline as Baseline,
    ClosedFormLinear as ClosedFormLinear,
    calibration_windows as calibration_windows,
    fit_baseline as fit_baseline,
    look_back_of as look_back_of,
    restore_baseline as restore_baseline,
)
from .calibration import (
    Calibration as Calibration,
    LocalScale as LocalScale,
    calibrate as calibrate,
)
from .classical import (
    LIBRARY as LIBRARY,
    require_library as require_library,
)
from .ensemble import train_networks as train_networks
from .predictor import (
    NetworkPredictor as NetworkPredictor,
    Predictor as Predictor,
    predict_levels as predict_levels,
)
