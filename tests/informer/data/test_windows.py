"""Windows are cut where the reference cuts them, from rows that are stored once."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from informer.config import FrameConfig
from informer.data.calendar import calendar_features
from informer.data.scaler import StandardScaler
from informer.data.split import ETT_HOUR
from informer.data.windows import Windows, window_origins
from informer.errors import FrameError

SEQ_LEN, LABEL_LEN, PRED_LEN = 6, 3, 2


def assert_same_batch(here, there):
    for name, a, b in zip(here._fields, here, there, strict=True):
        assert (a is None) == (b is None), name
        if a is not None:
            torch.testing.assert_close(a, b.cpu(), rtol=0, atol=0, equal_nan=True)


@pytest.fixture
def gappy(windows):
    """The same, but that rows 20 to 23 of one target and row 22 of the other were filled."""
    observed = torch.ones(40, 3, dtype=torch.bool)
    observed[20:24, 1] = False
    observed[22, 2] = False
    return replace(windows, observed=observed)


@pytest.fixture
def windows():
    rows = torch.arange(40, dtype=torch.float32)
    return Windows(
        values=torch.stack([rows, rows + 100, rows + 200], dim=1),
        marks=-rows.unsqueeze(1),
        origins=window_origins(0, 0, 40, SEQ_LEN, PRED_LEN),
        seq_len=SEQ_LEN,
        label_len=LABEL_LEN,
        pred_len=PRED_LEN,
        n_targets=2,
    )


def test_a_batch_holds_the_rows_around_each_origin(windows):
    batch = windows.batch(torch.tensor([0, 32]))
    assert windows.origins[[0, 32]].tolist() == [6, 38]
    assert batch.x_enc[:, :, 0].tolist() == [[0, 1, 2, 3, 4, 5], [32, 33, 34, 35, 36, 37]]
    assert batch.x_mark_enc[0, :, 0].tolist() == [0, -1, -2, -3, -4, -5]
    assert batch.x_mark_dec[0, :, 0].tolist() == [-3, -4, -5, -6, -7]
    assert batch.y.tolist() == [[[106, 206], [107, 207]], [[138, 238], [139, 239]]]


def test_every_window_of_the_rows_is_counted_and_no_more(windows):
    assert len(windows) == 40 - SEQ_LEN - PRED_LEN + 1


def test_a_subset_shares_the_rows(windows):
    other = windows.subset(torch.tensor([14]))
    assert len(other) == 1
    assert other.values.data_ptr() == windows.values.data_ptr()
    assert other.batch(torch.tensor([0])).y[0, 0].tolist() == [120, 220]
    assert len(windows.subset(slice(0, 5))) == 5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("which", ["windows", "gappy"])
def test_batches_made_on_a_gpu_equal_those_made_on_the_cpu(which, request):
    windows = request.getfixturevalue(which)
    index = torch.tensor([3, 0, 14, 32])
    moved = windows.to("cuda")
    assert moved.device.type == "cuda"
    assert_same_batch(windows.batch(index), moved.batch(index.cuda()))


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((0, 0, 20), range(6, 19)),  # history from within
        ((0, 10, 20), range(10, 19)),  # history may reach back before the start
        ((8, 10, 20), range(14, 19)),  # but never before the series
        ((0, 10, 12), range(10, 11)),
        ((0, 10, 11), range(0)),  # too short for a horizon
        ((0, 15, 10), range(0)),
    ],
)
def test_origins_keep_within_their_series_and_part(bounds, expected):
    assert window_origins(*bounds, SEQ_LEN, PRED_LEN).tolist() == list(expected)


def test_a_stride_leaves_origins_out_but_not_the_first():
    assert window_origins(0, 0, 20, SEQ_LEN, PRED_LEN, stride=5).tolist() == [6, 11, 16]


def test_of_too_many_origins_some_of_every_stretch_are_drawn():
    bounds = np.array([0, 100, 130, 134])  # the last series is too short for a window
    begin, end = bounds[:-1], bounds[1:]
    whole = window_origins(begin, begin, end, SEQ_LEN, PRED_LEN)
    some = window_origins(begin, begin, end, SEQ_LEN, PRED_LEN, at_most=23)
    assert len(whole) == (100 - 7) + (30 - 7)
    assert len(some) == 23
    assert set(some.tolist()) <= set(whole.tolist())
    places = torch.searchsorted(whole, some)
    edges = torch.arange(24) * len(whole) // 23
    assert torch.equal(torch.searchsorted(edges, places, right=True) - 1, torch.arange(23))
    assert len(set(torch.diff(places).tolist())) > 1  # no period that a season could share
    assert torch.equal(some, window_origins(begin, begin, end, SEQ_LEN, PRED_LEN, at_most=23))
    assert torch.equal(whole, window_origins(begin, begin, end, SEQ_LEN, PRED_LEN, at_most=116))


def test_rows_may_share_the_marks_of_a_grid(windows):
    """Two series of 20 rows, the second five steps later on the grid."""
    rows = torch.arange(40)
    steps = torch.where(rows < 20, rows, rows - 15)
    by_row = replace(windows, marks=steps[:, None].float())
    shared = replace(
        windows,
        marks=torch.arange(25.0)[:, None],
        shifts=torch.tensor([[0, 20], [0, 15]]),
    )
    index = torch.tensor([0, 12, 20, 32])
    assert_same_batch(by_row.batch(index), shared.batch(index))
    assert shared.batch(torch.tensor([32])).x_mark_dec[0, :, 0].tolist() == [20, 21, 22, 23, 24]


def test_windows_of_all_series_know_the_time_at_which_they_begin(windows):
    shared = replace(
        windows,
        marks=torch.arange(25.0)[:, None],
        shifts=torch.tensor([[0, 20], [0, 15]]),
        origins=torch.tensor([6, 18, 26, 38]),
    )
    assert shared.times.tolist() == [6, 18, 11, 23]
    assert shared.subset(slice(None, None, 2)).times.tolist() == [6, 11]
    assert windows.times.tolist() == windows.origins.tolist()


def test_the_past_is_what_a_forecaster_knew_and_the_horizon_what_came(windows):
    index = torch.tensor([0, 32])
    assert windows.past(index, 3)[:, :, 0].tolist() == [[103, 104, 105], [135, 136, 137]]
    assert torch.equal(windows.horizon(index), windows.batch(index).y)
    assert windows.past_observed(index, 3) is windows.horizon_observed(index) is None
    with pytest.raises(IndexError):
        windows.past(index, SEQ_LEN + 1)


def test_a_filled_value_is_known_as_such_and_is_no_truth(gappy):
    index = torch.tensor([14, 15, 18])  # the horizons 20 and 21, 21 and 22, 24 and 25
    y = gappy.horizon(index)
    assert y.isnan().tolist() == [
        [[True, False], [True, False]],
        [[True, False], [True, True]],
        [[False, False], [False, False]],
    ]
    batch = gappy.batch(index)
    torch.testing.assert_close(batch.y, y, equal_nan=True)
    assert torch.equal(batch.seen, ~y.isnan())
    assert torch.equal(gappy.past(index, 6), replace(gappy, observed=None).past(index, 6))
    assert gappy.past_observed(index[2:], 4)[0].tolist() == [
        [False, True], [False, True], [False, False], [False, True],
    ]  # fmt: skip


def test_windows_are_counted_by_what_was_observed_and_left_out_where_nothing_was(gappy):
    counts = gappy.n_observed()
    assert counts[[0, 14, 15, 18]].tolist() == [4, 2, 1, 4]
    assert gappy.with_truth() is gappy
    observed = gappy.observed.clone()
    observed[20:22] = False
    known = replace(gappy, observed=observed).with_truth()
    assert sorted({*range(6, 39)} - {*known.origins.tolist()}) == [20, 21]
    whole = replace(gappy, observed=None)
    assert whole.with_truth() is whole
    assert whole.n_observed().tolist() == [4] * 33


def test_each_value_needs_its_observation(windows):
    with pytest.raises(FrameError, match=r"the shape \(40, 3\) and observed \(39, 3\)"):
        replace(windows, observed=torch.ones(39, 3, dtype=torch.bool))


def test_no_window_crosses_from_one_series_into_the_next():
    bounds = [0, 15, 40]
    origins = torch.cat(
        [window_origins(low, low, high, SEQ_LEN, PRED_LEN) for low, high in pairwise(bounds)]
    )
    for origin in origins.tolist():
        first, last = origin - SEQ_LEN, origin + PRED_LEN - 1
        assert (first < 15) == (last < 15)


def test_a_horizon_beyond_the_rows_is_refused(windows):
    with pytest.raises(FrameError, match="forecast up to row 40, but the rows are 0 to 39"):
        replace(windows, origins=torch.tensor([39]))


def test_history_before_the_first_row_is_never_read(windows):
    early = replace(windows, origins=torch.tensor([SEQ_LEN - 1]))
    with pytest.raises(IndexError):
        early.batch(torch.tensor([0]))


def test_each_row_needs_its_marks(windows):
    with pytest.raises(FrameError, match="values have 40 rows and marks 39"):
        replace(windows, marks=windows.marks[1:])


def etth1_windows(path, features, part):
    """The windows of the reference's ETT data set, from the file."""
    frame = pd.read_csv(path, parse_dates=["date"])
    times = pd.DatetimeIndex(frame.pop("date"))
    columns = ["OT"] if features == "S" else list(frame)
    split = ETT_HOUR.resolve(times[0], times[-1], FrameConfig())
    ends = [0, *times.searchsorted([split.val_start, split.test_start, split.test_end])]
    values = frame[columns].to_numpy()
    k = ["train", "val", "test"].index(part)
    return Windows.cut(
        StandardScaler.fit(values[: ends[1]]).transform(values),
        calendar_features(times, "h", "timeF"),
        window_origins(0, int(ends[k]), int(ends[k + 1]), 96, 24),
        seq_len=96,
        label_len=48,
        pred_len=24,
        n_targets=7 if features == "M" else 1,
    )


@pytest.mark.parametrize("part", ["train", "val", "test"])
@pytest.mark.parametrize("features", ["M", "S", "MS"])
def test_windows_of_etth1_equal_the_reference(shared_golden, etth1_path, features, part):
    golden = np.load(shared_golden / "etth1_windows_96_48_24.npz")
    windows = etth1_windows(etth1_path, features, part)
    assert len(windows) == golden[f"{features}/{part}/count"]
    batch = windows.batch(torch.tensor([0, len(windows) - 1]))
    n_targets = batch.y.shape[2]
    for i, which in enumerate(["first", "last"]):
        expected = {
            name: golden[f"{features}/{part}/{which}/{name}"]
            for name in ("x", "y", "x_mark", "y_mark")
        }
        np.testing.assert_array_equal(batch.x_enc[i], expected["x"])
        np.testing.assert_array_equal(batch.x_enc[i, -48:], expected["y"][:48])
        np.testing.assert_array_equal(batch.y[i], expected["y"][48:, -n_targets:])
        np.testing.assert_allclose(batch.x_mark_enc[i], expected["x_mark"], atol=1e-6)
        np.testing.assert_allclose(batch.x_mark_dec[i], expected["y_mark"], atol=1e-6)
