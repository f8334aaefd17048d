"""The step of a series is read off its times, gaps or not."""

import pandas as pd
import pytest

from informer.data.step import infer_freq
from informer.frequency import pandas_offset

STEPS = [
    "s", "min", "15min", "h", "3h", "D", "2D", "B", "W-MON", "W-SUN", "MS", "ME", "BME", "QS", "QE",
    "QE-FEB", "YS", "YE",
]  # fmt: skip


@pytest.mark.parametrize("freq", STEPS)
@pytest.mark.parametrize("left_out", [[], [5, 6, 20]], ids=["complete", "with gaps"])
def test_the_step_found_gives_the_same_times_again(freq, left_out):
    times = pd.date_range("2024-01-01 00:00", periods=40, freq=freq)
    found = infer_freq(times.delete(left_out))
    assert found is not None
    assert list(pd.date_range(times[0], periods=40, freq=pandas_offset(found))) == list(times)


def test_order_and_repetitions_do_not_matter():
    times = pd.date_range("2024-01-01", periods=9, freq="h")
    assert infer_freq(times[::-1].append(times[:3])) == "h"


def test_days_keep_the_calendar_of_days():
    assert infer_freq(pd.date_range("2024-01-05", periods=9, freq="D")) == "1D"


@pytest.mark.parametrize(
    "times",
    [["2024-01-01", "2024-01-02"], ["2024-01-01", "2024-01-02", "2024-01-05", "2024-01-12"]],
)
def test_no_common_step_is_none(times):
    assert infer_freq(pd.DatetimeIndex(times)) is None
