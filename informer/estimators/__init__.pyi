from .baselines import (
    LINEAR_WEIGHT as LINEAR_WEIGHT,
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
from .ensemble import train_networks as train_networks
from .fallback import (
    FALLBACK as FALLBACK,
    Fallback as Fallback,
    fall_back as fall_back,
)
from .names import (
    CLASSICAL as CLASSICAL,
    LIBRARY as LIBRARY,
    Baseline as Baseline,
    require_library as require_library,
)
from .predictor import (
    NetworkPredictor as NetworkPredictor,
    Predictor as Predictor,
    predict_levels as predict_levels,
)
