from .adopt import (
    Adopted as Adopted,
    adopt_checkpoint as adopt_checkpoint,
    given_flags as given_flags,
    model_name as model_name,
    read_args as read_args,
    to_flags as to_flags,
)
from .experiment import Experiment as Experiment
from .flags import (
    Flags as Flags,
    add_flags as add_flags,
    read_flags as read_flags,
)
from .run import (
    Finished as Finished,
    prepare as prepare,
    repeat as repeat,
)
from .times import (
    find_time_column as find_time_column,
    read_clock as read_clock,
)
