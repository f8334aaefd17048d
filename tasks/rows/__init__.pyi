from .contract import (
    check_columns as check_columns,
    read_contract as read_contract,
)
from .datasets import (
    DATASETS as DATASETS,
    fetch as fetch,
    find_dataset as find_dataset,
    locate as locate,
)
from .layout import (
    Layout as Layout,
    layout_of as layout_of,
)
from .prepare import (
    Prepared as Prepared,
    history as history,
    left_out_lines as left_out_lines,
    prepare_rows as prepare_rows,
    read_rows as read_rows,
    regular_rows as regular_rows,
    require_trainable as require_trainable,
)
from .reads import (
    Read as Read,
    forget_lost_reads as forget_lost_reads,
    layout_for as layout_for,
    load_rows as load_rows,
    newest_read as newest_read,
)
from .sentinels import (
    missing_by_contract as missing_by_contract,
    refuse_sentinels as refuse_sentinels,
)
from .sources import (
    Snapshot as Snapshot,
    load as load,
    read as read,
    snapshot as snapshot,
)
from .suites import run_suites as run_suites
from .validate import validate_snapshot as validate_snapshot
