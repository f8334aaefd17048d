"""What was known when, and why it changed: real versions of a model, real vintages."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.__main__ import main
from tasks.forecasts import output_dir, read_vintages
from tasks.forecasts.vintages import list_vintages
from tasks.models import promote_version
from tasks.settings import load_config
from tests.flows.conftest import answer as run

pytestmark = pytest.mark.slow
END = pd.Timestamp("2024-01-25 23:00")
EARLIER = END - pd.Timedelta(hours=2)
MIXED = """\
extends: tiny
frame: {features: MS}
tune: {n_trials: 0}
"""


@pytest.fixture(scope="module")
def store(home) -> Path:
    """Two versions of a model with covariates, and a vintage of each, two hours apart."""
    (home.conf_dir / "mixed.yaml").write_text(MIXED)
    one = run("retrain", "mixed")
    two = run("retrain", "mixed", "train.seed=7", "train.learning_rate=3e-2")
    folder = output_dir(load_config("mixed", conf_dir=home.conf_dir), home)
    shutil.rmtree(folder)  # what retrain forecast
    for version, time in ((one["model_version"], EARLIER), (two["model_version"], END)):
        promote_version("mixed", version, home)
        run("forecast", "mixed", "--as-of", time.isoformat())
    return folder


def test_the_parts_of_a_change_add_up_to_it(store, home, tmp_path):
    record = run("explain-change", "mixed", "--output", str(tmp_path))
    assert record["before"]["cutoff"] == EARLIER.isoformat()
    assert record["after"]["cutoff"] == END.isoformat()
    assert record["before"]["model_version"] != record["after"]["model_version"]
    assert record["n_rows"] == 2 * 4
    assert record["covariates_apply"] is True
    assert sum(record["parts"].values()) == pytest.approx(record["change"], abs=1e-9)
    table = pd.read_csv(tmp_path / "change.csv")
    parts = table[["data", "weights", "covariates"]]
    assert np.abs(parts.sum(axis=1) - table["change"]).max() < 1e-9
    assert (parts.abs().mean() > 1e-6).all()
    assert record["churn"] == pytest.approx(table["change"].abs().mean())
    assert (tmp_path / "change.png").stat().st_size > 10_000
    stored = read_vintages(store)
    for name, cutoff in (("before", EARLIER), ("after", END)):
        own = stored[stored["cutoff"] == cutoff].assign(ds=lambda t: t["ds"].astype(str))
        both = table.merge(own, on=["unique_id", "ds"])
        assert both[name].tolist() == pytest.approx(both["y_hat"].tolist(), abs=1e-9)
        assert len(both) == len(table)


def test_where_only_the_weights_changed_they_are_all_of_it(store, home, tmp_path):
    newest = list_vintages(store)[-1]
    older = str(1 + (newest.version == "1"))
    promote_version("mixed", older, home)
    run("forecast", "mixed", "--as-of", END.isoformat())
    record = run("explain-change", "mixed", "--output", str(tmp_path))
    assert record["before"]["cutoff"] == record["after"]["cutoff"] == END.isoformat()
    assert record["after"]["model_version"] == older  # of the same cutoff the one made last
    assert record["change"] != 0
    assert record["parts"]["weights"] == pytest.approx(record["change"], abs=1e-9)
    assert record["parts"]["data"] == record["parts"]["covariates"] == 0


def test_where_only_the_covariates_were_revised_they_are_all_of_it(store, home, tmp_path):
    rows = pd.read_csv(home.root / "rows.csv", parse_dates=["ds"])
    own = tmp_path / "store"
    for name, added in (("first", 0.0), ("revised", 4.0)):
        changed = rows.assign(
            wind=rows["wind"] + np.where(rows["ds"] > END - pd.Timedelta("9h"), added, 0)
        )
        changed.to_csv(tmp_path / f"{name}.csv", index=False)
        source = f"data.source={tmp_path / name}.csv"
        run("forecast", "mixed", source, "--output", str(own))
    record = run("explain-change", "mixed", f"forecast.output={own}", "--output", str(tmp_path))
    assert record["churn"] > 1e-3
    assert record["parts"]["covariates"] == pytest.approx(record["change"], abs=1e-9)
    assert record["parts"]["data"] == record["parts"]["weights"] == 0


def test_a_run_is_of_one_version_while_the_champion_is_rolled_back_and_forth(store, home, tmp_path):
    versions = sorted({v.version for v in list_vintages(store)})
    assert len(versions) == 2
    own, over = tmp_path / "store", threading.Event()
    rows = pd.read_csv(home.root / "rows.csv", parse_dates=["ds"])
    for hours in (3, 2, 1):
        known = rows[rows["ds"] <= END - pd.Timedelta(hours=5 * hours)]
        known.to_csv(tmp_path / f"{hours}.csv", index=False)

    def roll_back() -> None:
        while not over.is_set():
            for version in versions:
                promote_version("mixed", version, home)

    with ThreadPoolExecutor(1) as pool:
        rolling = pool.submit(roll_back)
        try:
            made = [
                run(
                    "forecast", "mixed", "forecast.every=1h", "--output", str(own),
                    f"data.source={tmp_path / str(hours)}.csv",
                )
                for hours in (3, 2, 1)
            ]  # fmt: skip
        finally:
            over.set()
        rolling.result()
    rows = read_vintages(own)
    for record in made:
        cutoffs = pd.to_datetime([*record["caught_up"], record["cutoff"]])
        of_run = rows[rows["cutoff"].isin(cutoffs)]
        assert set(of_run["model_version"]) == {record["model_version"]}
    assert [len(record["caught_up"]) for record in made] == [0, 4, 4]


def test_vintages_can_be_named_by_cutoff_or_file(store, home, tmp_path, capsys):
    first = list_vintages(store)[0]
    by_file = ["--before", first.path.name, "--after", END.isoformat(), "--output", str(tmp_path)]
    record = run("explain-change", "mixed", *by_file)
    assert record["before"]["path"] == str(first.path)
    assert main(["explain-change", "mixed", "--before", "2024-01-02"]) == 2
    assert "there is no forecast with the cutoff 2024-01-02" in capsys.readouterr().err
    assert main(["explain-change", "mixed", "--before", "yesterday-ish"]) == 2
    assert "neither a file" in capsys.readouterr().err


def test_with_features_m_there_is_no_covariate(home, tmp_path, capsys):
    run("retrain", "tiny", "name=every", "tune.n_trials=0")
    run("forecast", "tiny", "name=every", "--as-of", EARLIER.isoformat())
    assert main(["explain-change", "tiny", "name=every", "--output", str(tmp_path)]) == 0
    assert "there are no covariates" in capsys.readouterr().out
    record = run("explain-change", "tiny", "name=every", "--output", str(tmp_path))
    assert record["covariates_apply"] is False
    assert record["parts"]["covariates"] == 0
    assert record["parts"]["data"] == pytest.approx(record["change"])


def test_what_cannot_be_reproduced_is_named(store, home, tmp_path, capsys):
    own = tmp_path / "store"
    shutil.copytree(store, own)
    argv = ["explain-change", "mixed", f"forecast.output={own}", "--output", str(tmp_path)]
    newest = max(list_vintages(own), key=lambda v: pd.read_parquet(v.path)["created_at"].max())
    table = pd.read_parquet(newest.path)
    table.assign(y_hat=table["y_hat"] + 1).to_parquet(newest.path, index=False)
    assert main(argv) == 1
    assert f"{newest.path.name} cannot be reproduced" in capsys.readouterr().err
    table.assign(model_version="99").to_parquet(newest.path, index=False)
    assert main(argv) == 1
    assert "version 99 of mixed cannot be loaded" in capsys.readouterr().err
    table.assign(data_sha256="f" * 64).to_parquet(newest.path, index=False)
    assert main(argv) == 1
    text = capsys.readouterr().err
    assert f"the rows that {newest.path.name} was made from are gone" in text
    table.drop(columns=["created_at", "data_sha256"]).to_parquet(newest.path, index=False)
    assert main(argv) == 1
    assert "does not say which rows it was made from" in capsys.readouterr().err


def test_one_vintage_alone_cannot_be_compared(store, home, tmp_path, capsys):
    own = tmp_path / "store"
    argv = ["explain-change", "mixed", f"forecast.output={own}"]
    assert main(argv) == 1
    assert "there is no forecast in" in capsys.readouterr().err
    run("forecast", "mixed", "--output", str(own))
    assert main(argv) == 1
    assert "there is no earlier one" in capsys.readouterr().err


def test_what_was_known_at_a_time(store, home, tmp_path, capsys):
    made = read_vintages(store)
    first = made["created_at"].min()
    path = tmp_path / "known.csv"
    record = run("forecasts", "as-of", first.isoformat(), "mixed", "--output", str(path))
    assert record == {
        "as_of": first.isoformat(), "n_rows": 12, "n_series": 2, "path": str(path),
        "pipelines": ["mixed"],
    }  # fmt: skip
    known, own = pd.read_csv(path), made[made["created_at"] == first]
    assert known["y_hat"].tolist() == pytest.approx(own["y_hat"].tolist())
    now = pd.Timestamp.now("UTC")
    assert main(["forecasts", "as-of", now.isoformat(), "--output", str(path)]) == 0
    assert "rows known at" in capsys.readouterr().out
    known = pd.read_csv(path, parse_dates=["ds", "cutoff"])
    known = known[known["pipeline"] == "mixed"]
    assert len(known) == 2 * 8  # two hours of the first vintage, the six of the last
    assert (known.loc[known["ds"] > END, "cutoff"] == END).all()


def test_before_anything_was_known_is_a_clear_failure(store, home, capsys):
    assert main(["forecasts", "as-of", "2001-01-01"]) == 1
    text = capsys.readouterr().err
    assert "at 2001-01-01 00:00:00 (UTC) no forecast was known of" in text
    assert "mixed" in text
    assert main(["forecasts", "as-of", "whenever"]) == 2
    assert "TIME 'whenever' is not a time" in capsys.readouterr().err
