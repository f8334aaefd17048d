from .drift import measure_drift as measure_drift
from .monitor import (
    Findings as Findings,
    announce as announce,
    compare as compare,
    monitor_dir as monitor_dir,
    watched as watched,
)
from .report import (
    record as record,
    write_report as write_report,
)
from .verdict import (
    Promised as Promised,
    drift_of as drift_of,
    in_window as in_window,
    judge as judge,
)
