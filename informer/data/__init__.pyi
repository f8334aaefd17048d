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
    regular_frame as regular_frame,
    regular_panel as regular_panel,
    series_names as series_names,
    until_last_target as until_last_target,
)
from .grid import placed as placed
from .local import instants_of as instants_of
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
from .step import (
    fitting_freq as fitting_freq,
    infer_freq as infer_freq,
    mend_of_freq as mend_of_freq,
)
from .times import (
    as_kept as as_kept,
    as_written as as_written,
    border_text as border_text,
    border_time as border_time,
    dates_in as dates_in,
    for_regular as for_regular,
    frame_times as frame_times,
    kept_times as kept_times,
    local_texts as local_texts,
    on_clock as on_clock,
    shown as shown,
)
from .windows import (
    Batch as Batch,
    Windows as Windows,
    horizon_rows as horizon_rows,
)
from .written import (
    Written as Written,
    parse_times as parse_times,
    read_column as read_column,
)
