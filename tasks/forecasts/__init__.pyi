from .chunks import (
    keep_seen as keep_seen,
    known_times as known_times,
)
from .cutoffs import known_rows as known_rows
from .explain import (
    Explained as Explained,
    explain_vintages as explain_vintages,
)
from .fanout import (
    Chunk as Chunk,
    forecast_chunk as forecast_chunk,
    known_api as known_api,
)
from .forecast import (
    BY_MODEL as BY_MODEL,
    Forecast as Forecast,
    check_forecast as check_forecast,
    require_fresh as require_fresh,
    unseen_sentence as unseen_sentence,
    write_forecast as write_forecast,
)
from .known import (
    Known as Known,
    forecasts_as_of as forecasts_as_of,
    write_known as write_known,
)
from .vintages import (
    VintageFile as VintageFile,
    by_model as by_model,
    commit_vintage as commit_vintage,
    last_made as last_made,
    output_dir as output_dir,
    part_name as part_name,
    read_vintages as read_vintages,
    stamp_parts as stamp_parts,
    vintage_path as vintage_path,
)
