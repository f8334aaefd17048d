"""Where a run finds its configuration and keeps its stores, and what keeps it quiet.

Unset, everything is local: SQLite and files under `mlruns/`, Prefect's embedded API.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tasks.settings.errors import StoreError

__all__ = [
    "STUDY_VARIABLE", "Home", "check_writable", "enter", "find_home", "local_environment",
    "without_password",
]  # fmt: skip

HOME_VARIABLE = "INFORMER_HOME"
DATA_VARIABLE = "INFORMER_DATA_DIR"
STUDY_VARIABLE = "INFORMER_STUDY_URL"


@dataclass(frozen=True)
class Home:
    """The folder that holds `conf/` and `mlruns/`; all paths below are absolute."""

    root: Path

    @property
    def conf_dir(self) -> Path:
        """Configuration files, contracts and search spaces."""
        return self.root / "conf"

    @property
    def store_dir(self) -> Path:
        """Everything that local runs write."""
        return self.root / "mlruns"

    @property
    def snapshot_dir(self) -> Path:
        """Parquet snapshots of what was read, named by their content."""
        return self.store_dir / "snapshots"

    @property
    def cache_dir(self) -> Path:
        """Downloaded data files."""
        return self.store_dir / "data"

    def run_dir(self, run_id: str) -> Path:
        """What one run writes before it is logged: checkpoints, models, Data Docs."""
        return self.store_dir / "runs" / run_id

    def docs_dir(self, sha256: str) -> Path:
        """The Data Docs of rows by their content, and the report beside them."""
        return self.run_dir(f"docs-{sha256[:16]}")

    def stage_dir(self, key: str) -> Path:
        """What one stage leaves for those after it, and for a run that begins anew."""
        return self.store_dir / "stages" / key

    def trials_dir(self, study: str) -> Path:
        """Checkpoints of a study's trials that are not finished, a folder each."""
        return self.store_dir / "trials" / study

    @property
    def forecast_dir(self) -> Path:
        """Forecasts, a folder per pipeline."""
        return self.store_dir / "forecasts"

    @property
    def artifact_dir(self) -> Path:
        """The local MLflow store's artifacts."""
        return self.store_dir / "artifacts"

    @property
    def study_url(self) -> str:
        """Optuna's storage: `INFORMER_STUDY_URL`, else SQLite under `mlruns/`."""
        return os.environ.get(STUDY_VARIABLE) or self.local_study_url

    @property
    def local_study_url(self) -> str:
        """Optuna's SQLite file under `mlruns/`, as an address."""
        return f"sqlite:///{self.local_study_path}"

    @property
    def local_study_path(self) -> Path:
        """Optuna's SQLite file under `mlruns/`."""
        return self.store_dir / "optuna.db"

    @property
    def may_have_studies(self) -> bool:
        """Whether there may be a study: a local file is not made only to look into it."""
        return self.study_url != self.local_study_url or self.local_study_path.is_file()

    @property
    def tracking_uri(self) -> str:
        """MLflow's store: the standard variable, else SQLite under `mlruns/`."""
        return os.environ.get("MLFLOW_TRACKING_URI") or self.local_tracking_uri

    @property
    def local_tracking_uri(self) -> str:
        """MLflow's SQLite file under `mlruns/`."""
        return f"sqlite:///{self.store_dir / 'mlflow.db'}"

    @property
    def data_dirs(self) -> list[Path]:
        """Folders in which a named data file is looked for, in order."""
        named = os.environ.get(DATA_VARIABLE)
        return ([Path(named).expanduser().absolute()] if named else []) + [self.cache_dir]


def find_home() -> Home:
    """`INFORMER_HOME`, else the working folder where it has a `conf/`, else the project's own."""
    named = os.environ.get(HOME_VARIABLE)
    if named:
        return Home(Path(named).expanduser().absolute())
    if (Path.cwd() / "conf").is_dir():
        return Home(Path.cwd())
    return Home(Path(__file__).resolve().parents[2])


def enter(home: Home) -> None:
    """Set `local_environment` where unset, and make the folder that Prefect wants at its import.

    A folder that cannot be made is not reported here: `tasks.runs.connect` says so clearly.
    """
    for name, value in local_environment(home).items():
        os.environ.setdefault(name, value)
    with suppress(OSError):
        Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


def without_password(url: str) -> str:
    """An address as it may be shown: of `user:password@`, the password is left out.

    A password may hold any character but `@`, `/` and white space, which addresses must escape;
    up to the last `@` before the path all is taken, should one not be escaped.
    """
    return re.sub(r"(://[^:@/\s]*):[^/\s]*@", r"\1@", url)


def check_writable(folder: Path) -> None:
    """Make sure that files can be written into `folder`, before any work is done.

    Raises:
        StoreError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StoreError(
            f"cannot write into {folder}: {error.strerror}. Choose a folder that you may write to."
        ) from error


def local_environment(home: Home) -> dict[str, str]:
    """Variables to set, where unset, before Prefect, MLflow and torch are imported.

    They switch every telemetry off and keep local runs in the store folder. OpenMP's threads sleep
    while they wait: spinning, they made a training step five times slower on two cores that
    another process (such as Prefect's server) used too.
    """
    return {
        HOME_VARIABLE: str(home.root),
        "DO_NOT_TRACK": "true",
        "OMP_WAIT_POLICY": "PASSIVE",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": home.tracking_uri,
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "PREFECT_HOME": str(home.store_dir / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "DASK_LOGGING__DISTRIBUTED": "warning",
    }
