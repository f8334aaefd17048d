from .policies import (
    DEFAULT as DEFAULT,
    read_policies as read_policies,
)
from .report import Outcome as Outcome
from .run import (
    Replayed as Replayed,
    play_policy as play_policy,
    replay_dir as replay_dir,
    replay_run as replay_run,
    write_report as write_report,
)
from .stage import set_stage as set_stage
