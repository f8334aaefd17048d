"""A registered version gives the library's own forecast, or the library's own message.

By `mlflow.pyfunc.load_model`, and by MLflow's server in JSON and CSV, for the frames that people
have: whole numbers, decimals, numbers that may be missing, times with and without a zone, as text.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest

from informer import Forecaster, ForecasterConfig, FrameConfig, InformerConfig
from informer.data import Split
from informer.errors import FrameError
from tasks.models.registry import _logged, changed_name
from tasks.rows import Prepared, snapshot
from tasks.runs import opened_run
from tasks.settings import Home
from tests.servers import free_port, until

N_ROWS = 96


def history(ids: tuple[str, ...]) -> pd.DataFrame:
    """Whole numbers with a daily rhythm, some of which are missing."""
    steps = np.arange(N_ROWS)
    parts = [
        pd.DataFrame(
            {
                "shop": name,
                "ds": pd.date_range("2024-03-30", periods=N_ROWS, freq="h"),
                "rain": (steps + place) % 2,
                "y": np.round(100 * (place + 1) + 20 * np.sin(steps * 2 * np.pi / 24)),
            }
        )
        for place, name in enumerate(ids)
    ]
    return pd.concat(parts, ignore_index=True)


def registered(name: str, ids: tuple[str, ...], home: Home) -> Forecaster:
    rows = history(ids)
    config = ForecasterConfig(
        frame=FrameConfig(id_column="shop", columns=("rain", "y"), target="y", features="MS",
                          max_gap=3),
        model=InformerConfig(seq_len=24, label_len=12, pred_len=6),
        linear_look_back=24, val=24,
    )  # fmt: skip
    forecaster = Forecaster.fit(rows, config, estimator="linear")
    folder = forecaster.save(home.root / name)
    kept = snapshot(rows, "rows.csv", home)
    split = Split(*pd.to_datetime(["2024-04-01", "2024-04-02", "2024-04-03"]))
    prepared = Prepared(kept, kept, split, len(ids))
    with opened_run(name, {}, home, name) as run_id:
        assert _logged(forecaster, folder, "", prepared, name, {}, run_id, home) == "1"
    return forecaster


@pytest.fixture(scope="module")
def home(tmp_path_factory, empty_store):
    made = Home(tmp_path_factory.mktemp("home"))
    made.store_dir.mkdir()
    shutil.copy(empty_store, made.store_dir)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", made.local_tracking_uri)
        yield made


@pytest.fixture(scope="module")
def own(home) -> Forecaster:
    """A version whose series are called 7 and 12."""
    return registered("plain", ("7", "12"), home)


@pytest.fixture(scope="module")
def zeros(home) -> Forecaster:
    """A version whose series are called 007 and 012."""
    return registered("zeros", ("007", "012"), home)


@pytest.fixture(scope="module")
def loaded(own):
    return mlflow.pyfunc.load_model("models:/plain/1")


ROWS = history(("7", "12"))
SOME = ROWS.assign(y=ROWS["y"].where(ROWS.index != 80))
VARIANTS = {
    "int64, as read_csv has it": ROWS.astype({"shop": "int64", "rain": "int64", "y": "int64"}),
    "Int64": SOME.astype({"rain": "Int64", "y": "Int64"}),
    "int8 and float16": ROWS.astype({"rain": "int8", "y": "float16"}),
    "float32": SOME.astype({"rain": "float32", "y": "float32"}),
    "booleans": ROWS.astype({"rain": "bool"}),
    "booleans that may be missing": ROWS.astype({"rain": "boolean"}),
    "decimals": SOME.assign(y=[None if pd.isna(y) else Decimal(str(y)) for y in SOME["y"]]),
    "missing values": SOME,
    "names as objects": ROWS.astype({"shop": object}),
    "names as categories": ROWS.astype({"shop": "category"}),
    "names as whole floats": ROWS.astype({"shop": "float64"}),
    "times with a zone": ROWS.assign(
        ds=ROWS["ds"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    ),
    "times as text": ROWS.assign(ds=ROWS["ds"].astype("str")),
    "times as ISO text": ROWS.assign(ds=ROWS["ds"].dt.strftime("%Y-%m-%dT%H:%M:%S")),
    "times with an offset": ROWS.assign(ds=ROWS["ds"].dt.strftime("%Y-%m-%dT%H:%M:%S+00:00")),
    "another order, and more columns": ROWS[["y", "ds", "rain", "shop"]].assign(note="x"),
}
REFUSED = {
    "a column is missing": (ROWS.drop(columns="rain"), "lacks the columns \\['rain'\\]"),
    "numbers as text": (ROWS.astype({"y": "str"}), "numbers written as text"),
    "a word among numbers": (
        ROWS.astype({"y": object}).assign(y=lambda rows: rows["y"].where(rows.index != 5, "-")),
        "such as '-' in row 5",
    ),
    "no name": (ROWS.assign(shop=ROWS["shop"].where(ROWS.index != 4)), "no series name in row 4"),
    "a name of half a number": (ROWS.assign(shop=1.5), "Write the names of series as text"),
    "no time": (ROWS.assign(ds="soon"), "'soon' is not a time"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_loaded_version_takes_what_the_library_takes(own, loaded, variant):
    given = VARIANTS[variant]
    pd.testing.assert_frame_equal(loaded.predict(given), own.predict(given))


@pytest.mark.parametrize("variant", REFUSED)
def test_a_loaded_version_refuses_in_the_words_of_the_library(own, loaded, variant):
    given, message = REFUSED[variant]
    with pytest.raises(FrameError, match=message) as mine:
        own.predict(given)
    with pytest.raises(FrameError) as served:
        loaded.predict(given)
    assert str(served.value) == str(mine.value)


def test_a_version_shows_its_columns_and_carries_an_example(own, loaded, zeros):
    assert loaded.metadata.metadata["inputs"].keys() == {"shop", "ds", "rain", "y"}
    assert loaded.metadata.get_input_schema() is None
    assert loaded.metadata.get_output_schema().input_names()[:2] == ["unique_id", "ds"]
    example = loaded.input_example
    assert len(loaded.predict(example)) == 12


def test_names_that_numbers_would_change_are_not_taken_as_numbers(zeros):
    model = mlflow.pyfunc.load_model("models:/zeros/1")
    rows = history(("007", "012"))
    assert set(model.predict(rows)["unique_id"]) == {"007", "012"}
    with pytest.raises(FrameError, match="names such as '007', but column 'shop' came as numbers"):
        model.predict(rows.astype({"shop": "int64"}))


@pytest.mark.parametrize("given", [[1, 2], "rows", None])
def test_what_is_no_table_is_refused(loaded, given):
    with pytest.raises(FrameError, match="expected a table with the columns"):
        loaded.predict(given)


def test_columns_are_a_table_too(own, loaded):
    pd.testing.assert_frame_equal(loaded.predict(ROWS.to_dict("list")), own.predict(ROWS))


@pytest.mark.parametrize(
    ("names", "found"),
    [(["a", "7", "True", "0x10", "2024-01-01", "NA", "1.5"], None), (["7", "007"], "007"),
     (["1E3"], "1E3"), (["true"], "true"), ([" 7"], " 7"), (["7.0"], "7.0"), (["+7"], "+7")],
)  # fmt: skip
def test_a_name_that_a_number_would_change_is_found(names, found):
    assert changed_name(pd.Series(names)) == found


class Server:
    """MLflow's own server of one version."""

    def __init__(self, name: str, home: Home) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        log = home.root / f"{name}.log"
        command = [
            sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{name}/1",
            "--env-manager", "local", "--host", "127.0.0.1", "--port", self.url.rpartition(":")[2],
            "--workers", "1",
        ]  # fmt: skip
        self._log = log.open("wb")
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=subprocess.STDOUT, cwd=home.root,
            env=os.environ | {"PATH": path}, start_new_session=True,
        )  # fmt: skip
        try:
            until(self._is_up, 120, "the start of mlflow models serve", log)
        except BaseException:
            self.stop()
            raise

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ping").status_code == 200
        except httpx.TransportError:
            return False

    def post(self, content: str, kind: str) -> httpx.Response:
        return httpx.post(
            f"{self.url}/invocations", content=content, headers={"Content-Type": kind}, timeout=60
        )

    def stop(self) -> None:
        os.killpg(self._process.pid, 15)
        self._process.wait(30)
        self._log.close()


@pytest.fixture(scope="module")
def server(own, home):
    made = Server("plain", home)
    yield made
    made.stop()


def as_json(frame: pd.DataFrame, orient: str) -> str:
    frame = frame.map(lambda value: float(value) if isinstance(value, Decimal) else value)
    plain = json.loads(frame.to_json(orient=orient, date_format="iso"))
    if orient == "split":
        plain.pop("index")
    return json.dumps({f"dataframe_{orient}": plain})


BODIES = {
    "split": (lambda frame: as_json(frame, "split"), "application/json"),
    "records": (lambda frame: as_json(frame, "records"), "application/json"),
    "csv": (lambda frame: frame.to_csv(index=False), "text/csv"),
}


@pytest.mark.slow
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_server_gives_the_forecast_of_the_library(own, server, variant, body):
    write, kind = BODIES[body]
    answer = server.post(write(VARIANTS[variant]), kind)
    assert answer.status_code == 200, answer.text
    made = pd.DataFrame(answer.json()["predictions"])
    expected = own.predict(VARIANTS[variant])
    assert made["ds"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d").all()
    made = made.assign(**{name: pd.to_datetime(made[name]) for name in ("ds", "cutoff")})
    pd.testing.assert_frame_equal(made, expected, check_dtype=False, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("body", ["split", "records"])
@pytest.mark.parametrize("variant", REFUSED)
def test_a_server_refuses_in_the_words_of_the_library(own, server, variant, body):
    write, kind = BODIES[body]
    given, _ = REFUSED[variant]
    with pytest.raises(FrameError) as mine:
        own.predict(given)
    answer = server.post(write(given), kind)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert answer.json()["message"].endswith(str(mine.value))


@pytest.mark.slow
def test_a_server_does_not_mistake_names_with_zeros_in_csv(zeros, home):
    rows = history(("007", "012"))
    served = Server("zeros", home)
    try:
        refused = served.post(rows.to_csv(index=False), "text/csv")
        answer = served.post(as_json(rows, "records"), "application/json")
    finally:
        served.stop()
    assert refused.status_code == 400
    assert "Send the names as text, in JSON" in refused.json()["message"]
    assert {row["unique_id"] for row in answer.json()["predictions"]} == {"007", "012"}
