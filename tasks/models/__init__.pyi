from .aliases import (
    CHAMPION as CHAMPION,
    alias_version as alias_version,
    champion_of_run as champion_of_run,
    champion_version as champion_version,
)
from .ledger import (
    Action as Action,
    read_ledger as read_ledger,
    record as record,
)
from .moves import (
    carry_move_out as carry_move_out,
    facts_of as facts_of,
    promote_version as promote_version,
    rollback as rollback,
)
from .registry import (
    Served as Served,
    load_version as load_version,
    register as register,
    require_champion as require_champion,
    version_url as version_url,
)
from .versions import (
    Version as Version,
    list_versions as list_versions,
    promotions as promotions,
    require_challenger as require_challenger,
    serving as serving,
)
