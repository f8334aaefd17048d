from .automations import set_up as set_up
from .clean import clean_home as clean_home
from .deployments import (
    all_deployments as all_deployments,
    is_current as is_current,
    path_of as path_of,
    pipelines as pipelines,
    prefect_yaml as prefect_yaml,
)
from .doctor import (
    FAIL as FAIL,
    examine as examine,
)
from .local_server import start_local_server as start_local_server
from .pool import (
    is_sent_away as is_sent_away,
    run_in_pool as run_in_pool,
    share_in_pool as share_in_pool,
    training_slot as training_slot,
)
from .reconcile.flow_runs import (
    close_flow_runs as close_flow_runs,
    resume as resume,
)
from .reconcile.record import (
    Reconciled as Reconciled,
    report as report,
)
from .reconcile.slots import free_slots as free_slots
from .reconcile.stores import (
    close_mlflow_runs as close_mlflow_runs,
    close_trials as close_trials,
)
from .server import named_server as named_server
from .submit import submit_retrain as submit_retrain
from .worker import supervise as supervise
