"""What every test may ask for: golden files, the ETT data where they are at hand, one thread."""

import os
import tempfile
from pathlib import Path

from tasks.settings import Home, enter

REPOSITORY = Path(__file__).resolve().parent.parent
# Before Prefect, MLflow or torch is imported: no telemetry, and no store of the user's own.
_STORES = tempfile.TemporaryDirectory(prefix="informer-tests-")
for _name in (
    "INFORMER_HOME", "INFORMER_STUDY_URL", "MLFLOW_TRACKING_URI", "PREFECT_HOME", "PREFECT_API_URL",
):  # fmt: skip
    os.environ.pop(_name, None)
enter(Home(Path(_STORES.name)))
for _name in ("INFORMER_HOME", "MLFLOW_TRACKING_URI"):
    os.environ.pop(_name)

import pytest  # noqa: E402
import torch  # noqa: E402

N_THREADS = 1  # small tensors gain nothing from more, and threads that wait for a core lose much


@pytest.fixture(scope="session", autouse=True)
def _fixed_number_of_threads():
    torch.set_num_threads(N_THREADS)


@pytest.fixture(scope="session")
def golden_dir():
    """The reference implementation's results that are kept with the tests."""
    return REPOSITORY / "tests" / "golden"


@pytest.fixture(scope="session")
def shared_golden():
    """The reference implementation's results that hold rows of ETTh1, which is never committed."""
    folder = _folder("INFORMER_GOLDEN_DIR", "golden")
    if not (folder / "etth1_windows_96_48_24.npz").is_file():
        pytest.skip(f"the golden files of ETTh1 are not in {folder}; set INFORMER_GOLDEN_DIR")
    return folder


@pytest.fixture(scope="session")
def etth1_path():
    """The file ETTh1.csv, which is never committed."""
    path = _folder("INFORMER_DATA_DIR", "data") / "ETTh1.csv"
    if not path.is_file():
        pytest.skip(f"ETTh1.csv is not in {path.parent}; set INFORMER_DATA_DIR")
    return path


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """MLflow's SQLite file before the first run: to copy it is quicker than to make it."""
    from tasks.runs import connect

    made = Home(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", made.local_tracking_uri)
        connect(made)
    return made.store_dir / "mlflow.db"


def _folder(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable) or REPOSITORY.parent / "shared" / name)
