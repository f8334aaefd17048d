"""Rows that are mapped from files are the rows of a frame, and train the same network."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import informer.data.windows
from informer.config import ForecasterConfig, FrameConfig, InformerConfig, TrainingConfig
from informer.data.frame import regular_panel
from informer.data.mapped import map_panel
from informer.data.scaling import fit_scales, scales_of
from informer.errors import FrameError
from informer.forecaster import Forecaster
from tests.informer.data.test_windows import assert_same_batch

FRAME = FrameConfig(columns=("x", "y"), target="y", features="MS", max_gap=4)
CONFIG = ForecasterConfig(
    frame=FRAME,
    model=InformerConfig(
        seq_len=12, label_len=6, pred_len=4, d_model=8, n_heads=2, d_ff=16, e_layers=1
    ),
    training=TrainingConfig(epochs=2, batch_size=16, learning_rate=1e-3),
    val=24,
)


def rows(n_series=7, n_steps=90):
    """Series that begin and end at different times, with gaps."""
    generator = np.random.default_rng(3)
    parts = []
    for i in range(n_series):
        times = pd.date_range("2024-01-01", periods=n_steps, freq="h")[i : n_steps - i // 2]
        part = pd.DataFrame({"unique_id": f"s{i}", "ds": times})
        part["y"] = np.sin(np.arange(len(times)) / 4) * (i + 1) + generator.normal(size=len(times))
        part["x"] = generator.normal(size=len(times))
        part.loc[part.index[20:22], "y"] = np.nan
        parts.append(part.drop(index=part.index[[30, 31, 50]]))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def stored(tmp_path):
    """Many small row groups, whose borders are not those of the series."""
    path = tmp_path / "rows.parquet"
    rows().to_parquet(path, index=False, row_group_size=37)
    return path


def assert_same(panel, expected):
    assert panel.ids == expected.ids
    assert panel.grid.equals(expected.grid)
    for name in ("bounds", "steps", "values", "observed"):
        np.testing.assert_array_equal(getattr(panel, name), getattr(expected, name))


def test_a_mapped_panel_is_the_panel_of_the_frame(stored, tmp_path):
    panel = map_panel(stored, FRAME, tmp_path / "panel", chunk_rows=100)
    assert_same(panel, regular_panel(rows(), FRAME))
    assert isinstance(panel.values, np.memmap)
    stored.unlink()  # the files are all that is needed from now on
    assert_same(map_panel(stored, FRAME, tmp_path / "panel"), panel)


def test_rows_from_a_time_on_are_left_out(stored, tmp_path):
    time = pd.Timestamp("2024-01-03")
    panel = map_panel(stored, FRAME, tmp_path / "panel", before=time, chunk_rows=100)
    all_rows = rows()
    assert_same(panel, regular_panel(all_rows[all_rows["ds"] < time], FRAME))


def test_a_folder_of_files_is_read_in_the_order_of_names(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    all_rows = rows()
    for i, name in enumerate(["a", "b"]):
        half = all_rows[(all_rows["unique_id"] < "s3") == (i == 0)]
        half.to_parquet(folder / f"{name}.parquet", index=False)
    assert_same(map_panel(folder, FRAME, tmp_path / "panel"), regular_panel(all_rows, FRAME))


def test_the_same_network_comes_of_mapped_rows(stored, tmp_path):
    panel = map_panel(stored, FRAME, tmp_path / "panel", chunk_rows=100)
    here, there = Forecaster.fit(rows(), CONFIG), Forecaster.fit(panel, CONFIG)
    assert [r.val_loss for r in there.history] == [r.val_loss for r in here.history]
    pd.testing.assert_frame_equal(there.predict(rows()), here.predict(rows()))
    assert [p.name for p in panel.folder.glob("scaled-*")]


def test_no_more_windows_are_taken_than_allowed(stored, tmp_path):
    panel = map_panel(stored, FRAME, tmp_path / "panel")

    def trained(**limits):
        """The steps of an epoch of single windows, and its validation loss."""
        seen = []
        training = replace(CONFIG.training, epochs=1, batch_size=1, **limits)
        config = replace(CONFIG, training=training)
        fitted = Forecaster.fit(panel, config, on_step=lambda *step: seen.append(step))
        return seen[-1][1], fitted.history[-1].val_loss

    n_steps, loss = trained()
    assert n_steps > 300
    assert trained(max_windows=7)[0] == 7
    few, other = trained(max_val_windows=5)
    assert few == n_steps
    assert other != loss


def test_no_process_gets_a_copy_of_mapped_rows(stored, tmp_path):
    windows = mapped_windows(stored, tmp_path / "panel")
    assert windows.file.stat().st_size == windows.values.numel() * 4
    assert windows.observed_file.stat().st_size == windows.observed.numel()
    parcel = pickle.dumps(windows)
    again = pickle.loads(parcel)
    index = torch.arange(len(windows))
    assert_same_batch(windows.batch(index), again.batch(index))
    assert not windows.batch(index).seen.all()
    many = pickle.dumps(windows.subset(slice(0, 1)))
    assert len(parcel) - len(many) < 8 * len(windows) + 200  # the origins alone


def mapped_windows(stored, folder):
    panel = map_panel(stored, FRAME, folder)
    return panel.windows(
        scales_of(fit_scales(panel, None, FRAME, 12), panel, 12),
        panel.marks(FRAME, "timeF"), panel.origins((None, None), 12, 4),
        seq_len=12, label_len=6, pred_len=4, n_targets=1,
    )  # fmt: skip


def test_what_was_observed_is_mapped_only_where_something_was_not(stored, tmp_path):
    assert mapped_windows(stored, tmp_path / "panel").observed_file is not None
    whole = tmp_path / "whole.parquet"
    pd.read_parquet(stored)[lambda frame: frame["y"].notna()].groupby("unique_id").head(
        20
    ).to_parquet(whole, index=False)
    windows = mapped_windows(whole, tmp_path / "other")
    assert windows.observed is windows.observed_file is None


def test_of_large_files_an_accelerator_takes_batches(stored, tmp_path, monkeypatch):
    windows = mapped_windows(stored, tmp_path / "panel")
    assert windows.to("cpu").file == windows.file
    monkeypatch.setattr(informer.data.windows, "RESIDENT_BYTES", windows.values.nbytes - 1)
    moved = windows.to("meta")
    assert moved.values.data_ptr() == windows.values.data_ptr()
    batch = moved.batch(torch.arange(3))
    assert batch.x_enc.shape == (3, 12, 2)
    assert {part.device.type for part in batch} == {moved.device.type} == {"meta"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_small_files_go_to_an_accelerator_whole(stored, tmp_path):
    windows = mapped_windows(stored, tmp_path / "panel")
    moved = windows.to("cuda")
    assert moved.file is None
    assert moved.values.device.type == "cuda"
    index = torch.arange(3)
    assert_same_batch(windows.batch(index), moved.batch(index.cuda()))


@pytest.mark.slow
def test_two_processes_train_on_mapped_rows_as_one_does(stored, tmp_path):
    panel = map_panel(stored, FRAME, tmp_path / "panel")
    model = replace(CONFIG.model, dropout=0.0, distil=False)
    one = replace(CONFIG, model=model, training=replace(CONFIG.training, accelerator="cpu"))
    two = replace(one, training=replace(one.training, devices=2))
    losses = [[r.val_loss for r in Forecaster.fit(panel, c).history] for c in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_file_that_is_not_sorted_by_series_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    rows().sort_values("ds").to_parquet(path, index=False)
    with pytest.raises(FrameError, match="must be sorted by 'unique_id'"):
        map_panel(path, FRAME, tmp_path / "panel")
    assert [p.name for p in tmp_path.iterdir()] == ["rows.parquet"]


def test_a_folder_of_another_configuration_is_refused(stored, tmp_path):
    map_panel(stored, FRAME, tmp_path / "panel")
    other = FrameConfig(columns=("x", "y"), target="y", features="S")
    with pytest.raises(FrameError, match="another configuration"):
        map_panel(stored, other, tmp_path / "panel")


def test_a_folder_serves_every_season_of_its_rows(stored, tmp_path):
    weekly = map_panel(stored, replace(FRAME, season=168), tmp_path / "panel")
    assert_same(weekly, map_panel(stored, FRAME, tmp_path / "panel"))
    (place,) = tmp_path.glob("panel/panel.json")
    assert "season" not in place.read_text()  # so folders of earlier versions are opened too


def test_missing_columns_are_named(stored, tmp_path):
    other = FrameConfig(columns=("z", "y"), target="y", features="MS")
    with pytest.raises(FrameError, match=r"lacks the columns \['z'\]"):
        map_panel(stored, other, tmp_path / "panel")
