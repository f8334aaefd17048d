from .failures import (
    TrialFailed as TrialFailed,
    failure_of as failure_of,
)
from .studies import (
    RUN_ATTRIBUTE as RUN_ATTRIBUTE,
    abandon as abandon,
    fail_stale as fail_stale,
    open_storage as open_storage,
)
from .train import (
    Trained as Trained,
    log_training as log_training,
    train_model as train_model,
)
from .trial import suggest as suggest
from .tune import (
    Tuned as Tuned,
    plan as plan,
    present_values as present_values,
    tune_study as tune_study,
)
