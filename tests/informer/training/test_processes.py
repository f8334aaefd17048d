"""Two processes train as one does at the same batch, and the caller's functions stay with it."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from informer.config import InformerConfig, TrainingConfig
from informer.errors import TrainingError
from informer.nn import Informer
from informer.training.loop import fit
from tests.informer.training.tiny import (
    LABEL_LEN,
    N_CHANNELS,
    PRED_LEN,
    SEQ_LEN,
    make_network,
    make_windows,
    without_seconds,
)

# Two processes round differently from one, and each has a batch norm and dropout of its own.
EXACT = {"dropout": 0.0, "batch_norm": False}
ONE = TrainingConfig(
    epochs=3, batch_size=16, learning_rate=1e-2, accelerator="cpu", max_grad_norm=1.0
)
TWO = replace(ONE, devices=2)

REPOSITORY = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.slow


@pytest.fixture
def windows():
    return make_windows(n_train=65)  # the last batch has one window, and so one idle process


def assert_alike(history, expected):
    assert len(history) == len(expected)
    for a, b in zip(history, expected, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-4)
        assert a.val_loss == pytest.approx(b.val_loss, rel=1e-4)


def test_two_processes_have_the_loss_curve_of_one(windows):
    here, there = make_network(**EXACT), make_network(**EXACT)
    one = fit(here, *windows, ONE)
    records, steps = [], []
    two = fit(
        there,
        *windows,
        TWO,
        on_epoch=records.append,
        on_step=lambda *report: steps.append((os.getpid(), *report[:2])),
    )
    assert_alike(two.history, one.history)
    assert tuple(records) == two.history
    assert steps == [(os.getpid(), done, 15) for done in (5, 10, 15)]
    for name, value in here.state_dict().items():
        torch.testing.assert_close(there.state_dict()[name], value, rtol=1e-4, atol=1e-6)


def test_two_processes_count_each_observed_value_once_as_one_does():
    """Their parts of a batch hold different numbers of observed values."""
    windows = make_windows(n_train=65, share_filled=0.5)
    here, there = make_network(**EXACT), make_network(**EXACT)
    one, two = fit(here, *windows, ONE), fit(there, *windows, TWO)
    assert_alike(two.history, one.history)
    for name, value in here.state_dict().items():
        torch.testing.assert_close(there.state_dict()[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_averaged_weights_and_the_start_are_the_same_in_two_processes(windows, kind):
    here, there = make_network(**EXACT), make_network(**EXACT)
    one, two = (
        fit(model, *windows, replace(config, weight_average=kind), validate_start=True)
        for model, config in ((here, ONE), (there, TWO))
    )
    assert [record.epoch for record in two.history] == [0, 1, 2, 3]
    assert two.history[0].val_loss == pytest.approx(one.history[0].val_loss, rel=1e-4)
    assert_alike(two.history[1:], one.history[1:])
    for name, value in here.state_dict().items():
        torch.testing.assert_close(there.state_dict()[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("attn", ["prob", "full"])
def test_an_informer_has_the_same_loss_curve_in_two_processes(windows, attn):
    settings = InformerConfig(
        attn=attn, distil=False, dropout=0.0, d_model=16, n_heads=2, d_ff=32,
        enc_in=N_CHANNELS, dec_in=N_CHANNELS, c_out=N_CHANNELS, freq="m",
        seq_len=SEQ_LEN, label_len=LABEL_LEN, pred_len=PRED_LEN,
    )  # fmt: skip
    one, two = (fit(_informer(settings), *windows, config).history for config in (ONE, TWO))
    assert_alike(two, one)


def _informer(settings):
    torch.manual_seed(0)
    return Informer(settings)


def test_what_on_epoch_raises_ends_the_processes_and_a_resume_goes_on(windows, tmp_path):
    class PrunedError(Exception):  # could not be pickled: it never leaves this process
        pass

    def on_epoch(record):
        if record.epoch == 2:
            raise PrunedError

    with pytest.raises(PrunedError):
        fit(make_network(**EXACT), *windows, TWO, checkpoint_dir=tmp_path, on_epoch=on_epoch)
    resumed = fit(make_network(**EXACT), *windows, ONE, checkpoint_dir=tmp_path)
    assert resumed.resumed_from == 2
    assert_alike(resumed.history, fit(make_network(**EXACT), *windows, ONE).history)


def test_an_error_in_a_process_is_an_error_here(windows):
    with pytest.raises(TrainingError, match="train loss became"):
        fit(make_network(**EXACT), *windows, replace(TWO, learning_rate=1e30, max_grad_norm=None))


def test_batch_norms_and_dropout_train_in_two_processes(windows):
    for kind in ("none", "ema"):
        history = fit(make_network(), *windows, replace(TWO, weight_average=kind)).history
        assert history[-1].train_loss < history[0].train_loss


def test_processes_started_by_torchrun_train_together(windows, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import json, os, sys
            sys.path.insert(0, {str(REPOSITORY)!r})
            from informer.training.loop import fit
            from tests.informer.training.test_processes import EXACT, TWO
            from tests.informer.training.tiny import make_network, make_windows, without_seconds

            result = fit(make_network(**EXACT), *make_windows(n_train=65), TWO)
            if os.environ["RANK"] == "0":
                with open({str(tmp_path / "history")!r}, "w") as file:
                    json.dump(without_seconds(result.history), file)
            """
        )
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    subprocess.run([*torchrun, "--nproc-per-node=2", script], check=True, timeout=200)
    found = json.loads((tmp_path / "history").read_text())
    expected = without_seconds(fit(make_network(**EXACT), *windows, ONE).history)
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(list(b), rel=1e-4)
