from .ledger import (
    read_ledger as read_ledger,
    record as record,
)
from .registry import (
    CHAMPION as CHAMPION,
    Served as Served,
    alias_version as alias_version,
    champion as champion,
    facts_of as facts_of,
    load_version as load_version,
    promote_version as promote_version,
    register as register,
    require_champion as require_champion,
    rollback as rollback,
    version_url as version_url,
)
from .versions import (
    Version as Version,
    list_versions as list_versions,
    promotions as promotions,
    require_challenger as require_challenger,
    serving as serving,
)
