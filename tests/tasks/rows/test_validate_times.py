"""The content gate reads times as the forecaster will, and names the step or setting that fits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from informer.config import FrameConfig
from informer.errors import TimesError
from tasks.rows.contract import Contract
from tasks.rows.report import RuleResult, ValidationReport, report_message
from tasks.rows.validate import validate_frame

pytestmark = pytest.mark.filterwarnings(
    "ignore:module 'sre_(constants|parse)' is deprecated:DeprecationWarning"
)

Check = Callable[..., ValidationReport]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Validate a single series without the pages, which take half of the time."""
    monkeypatch.setattr(
        "tasks.rows.suites._write_docs", lambda _context, folder: folder / "index.html"
    )

    def run(frame: pd.DataFrame, contract: Contract, clock: FrameConfig) -> ValidationReport:
        return validate_frame(
            frame, contract, time_column="ds", id_column=None, docs_dir=tmp_path, clock=clock
        )

    return run


def broken(report: ValidationReport) -> dict[tuple[str | None, str], RuleResult]:
    return {(rule.column, rule.rule): rule for rule in report.broken}


def of_times(times: Any, freq: str, **clock: Any) -> tuple[pd.DataFrame, Contract, FrameConfig]:
    """A single series with these times, a contract for it, and how its times are read."""
    frame = pd.DataFrame({"ds": times, "y": 50.0})
    contract = Contract.model_validate(
        {
            "name": "times",
            "table": {"freq": freq},
            "columns": {"ds": {"type": "time"}, "y": {"type": "number"}},
        }
    )
    return frame, contract, FrameConfig(id_column=None, freq=freq, **clock)


MIDNIGHTS = pd.date_range("2024-02-25", periods=60, tz="Europe/Berlin")  # over March 31
AUTUMN = pd.date_range("2024-10-26 18:00", periods=60, freq="h", tz="UTC").tz_convert(
    "Europe/Berlin"
)


@pytest.mark.parametrize(
    ("times", "freq", "clock"),
    [
        ([time.isoformat() for time in MIDNIGHTS], "d", {}),
        ([time.isoformat() for time in MIDNIGHTS], "d", {"time_zone": "Europe/Berlin"}),
        ([int(time.strftime("%Y%m%d")) for time in MIDNIGHTS], "d", {}),
        ([time.strftime("%d.%m.%Y") for time in MIDNIGHTS], "d", {}),
        ([time.strftime("%d.%m.%y") for time in MIDNIGHTS], "d", {"time_format": "%d.%m.%y"}),
        (AUTUMN.tz_localize(None), "h", {"time_zone": "Europe/Berlin", "naive": "local"}),
        (AUTUMN.tz_convert(None).astype("datetime64[s]").astype("int64"), "h", {}),
        (range(1900, 2000), "YS", {}),
        (range(1900, 2000), "y", {}),
        (pd.date_range("2004-01-15", periods=40, freq=pd.DateOffset(months=1)), "M-15", {}),
    ],
)  # fmt: skip
def test_times_as_people_write_them_keep_the_contract(
    check: Check, times: Any, freq: str, clock: dict[str, Any]
) -> None:
    report = check(*of_times(times, freq, **clock))
    assert not report.broken, report_message(report)


def test_a_step_that_fits_is_named_and_keeps_the_contract(check: Check) -> None:
    months = pd.date_range("2004-01-01", periods=40, freq="MS")
    report = check(*of_times(months, "m"))
    assert set(broken(report)) == {("ds", "regular")}
    message = report_message(report)
    assert "set frame.freq, and freq under table in the contract, to MS." in message
    assert "Correct the data" not in message
    assert not check(*of_times(months, "MS")).broken


@pytest.mark.parametrize(
    ("times", "freq", "clock", "said"),
    [
        (AUTUMN.tz_localize(None), "h", {}, "frame.naive to local"),
        (AUTUMN.tz_localize(None), "h", {"time_zone": "Europe/Berlin"}, "frame.naive to local"),
        ([f"0{k}.02.2024" for k in range(1, 9)], "d", {}, "frame.time_format"),
        (range(60), "h", {}, "row numbers"),
    ],
)
def test_times_that_a_setting_must_settle_are_told_with_it(
    check: Check, times: Any, freq: str, clock: dict[str, Any], said: str
) -> None:
    with pytest.raises(TimesError, match=said):
        check(*of_times(times, freq, **clock))


def test_a_number_that_is_no_date_is_named_and_no_time_of_1970(check: Check) -> None:
    report = check(*of_times([20240227, 20240228, 20240229, 20240230, 20240301], "d"))
    rule = broken(report)[("ds", "type")]
    assert [row.time for row in rule.rows] == ["20240230"]


def test_a_missing_month_of_the_30th_is_a_gap(check: Check) -> None:
    months = [f"2004-{m:02}-{30 if m != 2 else 29}" for m in range(1, 13) if m != 5]
    rule = broken(check(*of_times(months, "M-30")))[("ds", "gap")]
    assert (rule.rows[0].time, rule.rows[0].value) == ("2004-05-30T00:00:00", "1 steps")


def test_series_may_begin_their_weeks_on_other_days(tmp_path):
    weeks = [pd.date_range(f"2024-01-0{day}", periods=20, freq="7D") for day in (1, 3)]
    frame = pd.concat(
        [
            pd.DataFrame({"ds": own, "id": name, "y": 1.0})
            for own, name in zip(weeks, "ab", strict=True)
        ],
        ignore_index=True,
    )
    columns = {"ds": {"type": "time"}, "id": {"type": "text"}, "y": {"type": "number"}}
    contract = Contract.model_validate({"name": "x", "table": {"freq": "w"}, "columns": columns})
    report = validate_frame(frame, contract, time_column="ds", id_column="id", docs_dir=tmp_path)
    assert report.success, report.broken
    stray = frame.assign(ds=frame["ds"].mask(frame.index == 25, frame["ds"] + pd.Timedelta("1D")))
    report = validate_frame(stray, contract, time_column="ds", id_column="id", docs_dir=tmp_path)
    (regular, gap) = sorted(report.broken, key=lambda rule: rule.rule, reverse=True)
    assert (regular.rule, regular.n_unexpected, regular.rows[0].series) == ("regular", 1, "b")
    assert gap.rows[0].time == "2024-02-07T00:00:00"
