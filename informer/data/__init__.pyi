from .calendar import (
    calendar_features as calendar_features,
    future_times as future_times,
)
from .chunks import series_chunks as series_chunks
from .columns import (
    as_names as as_names,
    as_numbers as as_numbers,
)
from .continuation import (
    Continuation as Continuation,
    continued as continued,
)
from .frame import (
    long_targets as long_targets,
    parse_times as parse_times,
    regular_frame as regular_frame,
    regular_panel as regular_panel,
    series_names as series_names,
)
from .mapped import map_panel as map_panel
from .panel import Panel as Panel
from .scaler import (
    Scales as Scales,
    StandardScaler as StandardScaler,
)
from .scaling import (
    fit_scales as fit_scales,
    scales_of as scales_of,
    unseen_series as unseen_series,
)
from .sentinels import (
    LARGEST as LARGEST,
    Sentinels as Sentinels,
    find_sentinels as find_sentinels,
    is_code as is_code,
)
from .split import (
    ETT_HOUR as ETT_HOUR,
    ETT_MINUTE as ETT_MINUTE,
    Split as Split,
    SplitConfig as SplitConfig,
    tail_start as tail_start,
)
from .step import infer_freq as infer_freq
from .windows import (
    Batch as Batch,
    Windows as Windows,
    horizon_rows as horizon_rows,
)
