from .config import (
    RunConfig as RunConfig,
    load_config as load_config,
)
from .errors import (
    ContractError as ContractError,
    PipelineError as PipelineError,
    RegistryError as RegistryError,
    SourceError as SourceError,
    StoreError as StoreError,
)
from .files import (
    locked_draft as locked_draft,
    locked_name as locked_name,
    mark_used as mark_used,
    replaced as replaced,
    replaced_folder as replaced_folder,
)
from .home import (
    DATA_VARIABLE as DATA_VARIABLE,
    STUDY_VARIABLE as STUDY_VARIABLE,
    Home as Home,
    check_writable as check_writable,
    enter as enter,
    find_home as find_home,
    without_password as without_password,
)
from .locks import give_locks_back as give_locks_back
from .records import by_size as by_size, finite as finite
from .retired import with_relatives as with_relatives
from .sections import (
    Dimension as Dimension,
    ForecastConfig as ForecastConfig,
    MonitorConfig as MonitorConfig,
    PromoteConfig as PromoteConfig,
    duration as duration,
)
from .signals import (
    Terminated as Terminated,
    hear_dropped_signals as hear_dropped_signals,
    signals_raised as signals_raised,
)
from .times import time_of as time_of, utc_naive as utc_naive, utc_now as utc_now
