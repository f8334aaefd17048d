from .assets import (
    data_asset as data_asset,
    forecast_asset as forecast_asset,
    materialized as materialized,
    model_asset as model_asset,
)
from .bar import Bar as Bar
from .events import (
    DEGRADED as DEGRADED,
    DRIFTED as DRIFTED,
    PROMOTED as PROMOTED,
    resource_id as resource_id,
    tell as tell,
)
from .origin import (
    FLOW_RUN_TAG as FLOW_RUN_TAG,
    PID_TAG as PID_TAG,
    alive as alive,
    is_abandoned as is_abandoned,
)
from .passing import RETRIES as RETRIES
from .plots import (
    BLACK as BLACK,
    BLUE as BLUE,
    GREY as GREY,
    MARKERS as MARKERS,
    MAX_SERIES as MAX_SERIES,
    PALETTE as PALETTE,
    change_by_part as change_by_part,
    error_by_step as error_by_step,
    forecast_against_actual as forecast_against_actual,
    forecast_fan as forecast_fan,
    learning_curve as learning_curve,
    png_data_uri as png_data_uri,
    rolling_forecast as rolling_forecast,
)
from .progress import Progress as Progress
from .stages import (
    Stage as Stage,
    code_digest as code_digest,
    digest as digest,
)
from .store import connect as connect, run_url as run_url, ui_url as ui_url
from .track import (
    child_run as child_run,
    log_figure as log_figure,
    log_frame as log_frame,
    opened_run as opened_run,
    resumed_run as resumed_run,
    tracked_run as tracked_run,
    validation_logged as validation_logged,
)
