from .published import (
    Published as Published,
    read_published as read_published,
)
from .results import (
    read_rows as read_rows,
    write_rows as write_rows,
)
from .run import (
    Row as Row,
    count_fits as count_fits,
    run_horizon as run_horizon,
)
from .setting import (
    PARTS as PARTS,
    Options as Options,
    prepare as prepare,
)
