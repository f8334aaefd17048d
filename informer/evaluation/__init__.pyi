from .churn import forecast_churn as forecast_churn
from .comparison import (
    Comparison as Comparison,
    block_bootstrap as block_bootstrap,
    diebold_mariano as diebold_mariano,
    overlapping as overlapping,
)
from .drift import (
    Bins as Bins,
    channel_values as channel_values,
    drift_table as drift_table,
    ks as ks,
    psi as psi,
    smoothed as smoothed,
)
from .explain import (
    PARTS as PARTS,
    Origin as Origin,
    covariates_of as covariates_of,
    explain_change as explain_change,
)
from .harm import Harmed as Harmed, find_harmed as find_harmed
from .metrics import (
    summarize as summarize,
    worst_tenth as worst_tenth,
)
from .realized import (
    joined as joined,
    realized_errors as realized_errors,
    scored as scored,
    train_scales as train_scales,
)
from .rolling import (
    Rolled as Rolled,
    roll as roll,
)
from .scoring import (
    mase_scales as mase_scales,
    measured as measured,
    score_windows as score_windows,
)
from .stream import (
    Scales as Scales,
    Stream as Stream,
    moves as moves,
)
from .windows import (
    LOSSES as LOSSES,
    Pairs as Pairs,
    on_common_windows as on_common_windows,
    paired as paired,
    pooled as pooled,
)
