"""A training that was cut off goes on as if it had not been; another one's files are refused."""

import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from informer.config import TrainingConfig
from informer.errors import CheckpointError
from informer.training import checkpoint
from informer.training.loop import fit
from tests.informer.training.tiny import make_network, make_windows, without_seconds

CONFIG = TrainingConfig(
    epochs=4, batch_size=16, learning_rate=1e-2, schedule="onecycle", accelerator="cpu"
)
REPOSITORY = Path(__file__).resolve().parents[3]


class CutOffError(Exception):
    pass


@pytest.fixture
def windows():
    return make_windows()


@pytest.fixture
def whole(windows):
    """A training that nothing interrupted."""
    model = make_network()
    return model, fit(model, *windows, CONFIG)


def cut_off_after(n_epochs):
    def on_epoch(record):
        if record.epoch == n_epochs:
            raise CutOffError

    return on_epoch


def cut_off(folder, windows, config=CONFIG, n_epochs=2):
    with pytest.raises(CutOffError):
        fit(
            make_network(),
            *windows,
            config,
            checkpoint_dir=folder,
            on_epoch=cut_off_after(n_epochs),
        )


def assert_same(result, model, whole):
    expected_model, expected = whole
    assert without_seconds(result.history) == without_seconds(expected.history)
    assert result.best_epoch == expected.best_epoch
    for name, value in expected_model.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 4])
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path, windows, whole, n_epochs):
    cut_off(tmp_path, windows, n_epochs=n_epochs)
    model = make_network()
    with torch.no_grad():
        model.out.bias.fill_(9.0)  # the weights come from the checkpoint
    result = fit(model, *windows, CONFIG, checkpoint_dir=tmp_path)
    assert result.resumed_from == n_epochs
    assert_same(result, model, whole)


def test_a_killed_training_goes_on_where_it_was(tmp_path, windows, whole):
    script = f"""
        import os, signal
        from pathlib import Path
        import torch
        from informer.training.loop import fit
        from tests.informer.training.test_checkpoint import CONFIG
        from tests.informer.training.tiny import make_network, make_windows

        torch.set_num_threads({torch.get_num_threads()})  # sums round as in this process

        def on_step(done, total, loss):
            if done > 2 * total // 4:
                os.kill(os.getpid(), signal.SIGKILL)

        fit(make_network(), *make_windows(), CONFIG, checkpoint_dir=Path({str(tmp_path)!r}),
            on_step=on_step)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=REPOSITORY, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL
    model = make_network()
    result = fit(model, *windows, CONFIG, checkpoint_dir=tmp_path)
    assert result.resumed_from == 2
    assert_same(result, model, whole)


def test_a_finished_training_is_read_back_at_once(tmp_path, windows, whole):
    fit(make_network(), *windows, CONFIG, checkpoint_dir=tmp_path)
    seen = []
    model = make_network()
    result = fit(model, *windows, CONFIG, checkpoint_dir=tmp_path, on_epoch=seen.append)
    assert not seen
    assert_same(result, model, whole)


def test_a_training_out_of_patience_stays_ended(tmp_path, windows):
    config = replace(CONFIG, learning_rate=0.5, schedule="constant", epochs=50, patience=2)
    first = fit(make_network(), *windows, config, checkpoint_dir=tmp_path)
    again = fit(make_network(), *windows, config, checkpoint_dir=tmp_path)
    assert first.stopped_early
    assert again.stopped_early
    assert again.history == first.history


def test_the_best_weights_survive_a_resume_in_a_worse_epoch(tmp_path, windows):
    config = replace(CONFIG, learning_rate=0.5, schedule="constant", epochs=50, patience=2)
    model = make_network()
    expected = fit(model, *windows, config)
    cut_off(tmp_path, windows, config, n_epochs=expected.best_epoch + 1)
    again = make_network()
    result = fit(again, *windows, config, checkpoint_dir=tmp_path)
    assert_same(result, again, (model, expected))


def kills(monkeypatch, at, after):
    """Cut the process off at its `at`-th write, before or after the file has its name."""
    write, n_written = checkpoint._write, []

    def killed(path, content):
        n_written.append(path)
        if len(n_written) == at and not after:
            raise CutOffError
        write(path, content)
        if len(n_written) == at:
            raise CutOffError

    monkeypatch.setattr(checkpoint, "_write", killed)
    return n_written


WORSE = replace(CONFIG, learning_rate=0.5, schedule="constant", epochs=6, patience=6)


@pytest.fixture(scope="module")
def uneven():
    """A training with better and worse epochs in turn, and how often it writes."""
    model = make_network()
    result = fit(model, *make_windows(), WORSE)
    losses = [record.val_loss for record in result.history]
    best = [i for i in range(6) if losses[i] == min(losses[: i + 1])]
    assert 1 < len(best) < 6, "the case is worthless without better and worse epochs"
    return model, result, 6 + len(best)


@pytest.mark.parametrize(("at", "after"), [(1, True), (2, False), (2, True), (3, False), (3, True)])
def test_a_training_that_is_killed_again_and_again_comes_to_its_end(
    tmp_path, windows, uneven, monkeypatch, at, after
):
    expected_model, expected, n_writes = uneven
    for _ in range(n_writes + 1):
        kills(monkeypatch, at, after)
        model = make_network()
        with suppress(CutOffError):
            result = fit(model, *windows, WORSE, checkpoint_dir=tmp_path)
            break
        monkeypatch.undo()
    assert_same(result, model, (expected_model, expected))


@pytest.mark.parametrize("after", [False, True])
def test_a_training_that_was_killed_once_at_any_write_goes_on(
    tmp_path, windows, uneven, monkeypatch, after
):
    expected_model, expected, n_writes = uneven
    for at in range(1, n_writes + 1):
        folder = tmp_path / str(at)
        kills(monkeypatch, at, after)
        with pytest.raises(CutOffError):
            fit(make_network(), *windows, WORSE, checkpoint_dir=folder)
        monkeypatch.undo()
        model = make_network()
        result = fit(model, *windows, WORSE, checkpoint_dir=folder)
        assert_same(result, model, (expected_model, expected))


def test_a_write_that_fails_leaves_the_file_before_it(tmp_path, windows, whole, monkeypatch):
    cut_off(tmp_path, windows, n_epochs=1)
    save = torch.save

    def half_a_file(content, file):
        save(content, file)
        file.truncate(file.tell() // 2)
        raise OSError("no space left")

    monkeypatch.setattr("torch.save", half_a_file)
    with pytest.raises(OSError, match="no space"):
        fit(make_network(), *windows, CONFIG, checkpoint_dir=tmp_path)
    monkeypatch.undo()
    model = make_network()
    result = fit(model, *windows, CONFIG, checkpoint_dir=tmp_path)
    assert result.resumed_from == 1
    assert_same(result, model, whole)


def test_resume_false_begins_afresh(tmp_path, windows, whole):
    cut_off(tmp_path, windows)
    model = make_network()
    result = fit(model, *windows, CONFIG, checkpoint_dir=tmp_path, resume=False)
    assert result.resumed_from == 0
    assert_same(result, model, whole)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": 0.5}, "training.learning_rate=0.01, now 0.5"),
        ({"epochs": 9}, "training.epochs=4, now 9"),
        ({"seed": 7}, "training.seed=0, now 7"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused(tmp_path, windows, change, named):
    cut_off(tmp_path, windows)
    with pytest.raises(CheckpointError, match=f"was made with {named}.*resume=False"):
        fit(make_network(), *windows, replace(CONFIG, **change), checkpoint_dir=tmp_path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path, windows):
    cut_off(tmp_path, windows)
    with pytest.raises(CheckpointError, match=r"was made with network\.norm\.bias"):
        fit(make_network(batch_norm=False), *windows, CONFIG, checkpoint_dir=tmp_path)


def test_a_checkpoint_of_other_data_is_refused(tmp_path, windows):
    cut_off(tmp_path, windows)
    train, val = windows
    other = replace(train, values=train.values + 1e-6)
    with pytest.raises(CheckpointError, match=r"was made with data\.train="):
        fit(make_network(), other, val, CONFIG, checkpoint_dir=tmp_path)


def test_a_checkpoint_of_rows_that_were_filled_elsewhere_is_refused(tmp_path, windows):
    cut_off(tmp_path, windows)
    train, val = windows
    observed = torch.ones(train.values.shape, dtype=torch.bool)
    observed[40, 0] = False
    with pytest.raises(CheckpointError, match=r"was made with data\.train="):
        fit(make_network(), replace(train, observed=observed), val, CONFIG, checkpoint_dir=tmp_path)


@pytest.mark.parametrize("config", [replace(CONFIG, accelerator="auto", devices="auto")])
def test_where_a_training_runs_is_no_part_of_what_it_is(tmp_path, windows, config):
    cut_off(tmp_path, windows)
    assert fit(make_network(), *windows, config, checkpoint_dir=tmp_path).resumed_from == 2


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", "half"])
def test_a_damaged_checkpoint_is_refused(tmp_path, windows, damage):
    cut_off(tmp_path, windows)
    path = tmp_path / "last.ckpt"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage == "half" else damage)
    with pytest.raises(
        CheckpointError, match=r"last\.ckpt is missing, damaged or not a checkpoint"
    ):
        fit(make_network(), *windows, CONFIG, checkpoint_dir=tmp_path)


def test_a_pickle_that_would_run_code_is_refused(tmp_path, windows):
    torch.save({"format": 1, "identity": {}, "weights": Path("/")}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        fit(make_network(), *windows, CONFIG, checkpoint_dir=tmp_path)


def test_best_weights_of_another_epoch_are_refused(tmp_path, windows):
    config = replace(CONFIG, learning_rate=0.5, schedule="constant", epochs=50, patience=2)
    fit(make_network(), *windows, config, checkpoint_dir=tmp_path)
    content = torch.load(tmp_path / "best.ckpt", weights_only=True)
    torch.save(content | {"epoch": 40}, tmp_path / "best.ckpt")
    with pytest.raises(CheckpointError, match=r"best\.ckpt is of epoch 40"):
        fit(make_network(), *windows, config, checkpoint_dir=tmp_path)
