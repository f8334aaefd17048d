"""When a result is taken over, what is made anew, and what is left of a failed attempt."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import tasks.runs.stages
from tasks.operations import clean_home
from tasks.runs.stages import Stage, code_digest
from tasks.settings import Home


@dataclass(frozen=True)
class Kept:
    files: dict[str, Path]
    numbers: tuple[float, ...]


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def stage() -> Stage[Kept]:
    return Stage("stage", Kept, code=("tasks.runs.stages",), libraries=("numpy",))


def made(folder: Path) -> Kept:
    (folder / "model").mkdir()  # fails where an earlier attempt has left one
    (folder / "model" / "weights").write_text("1")
    return Kept({"model": folder / "model"}, (1.0, float("nan"), float("inf")))


def run(stage: Stage[Kept], home: Home, make=made, inputs=("data",)) -> Kept:
    return stage.kept_or_made(stage.key(home, inputs), home, make)[0]


def refused(_folder: Path) -> Kept:
    raise AssertionError("the result is there")


def test_a_result_is_made_once_and_then_read_back_as_it_was(stage, home):
    first = run(stage, home)
    again = run(stage, home, refused)
    assert again.files == first.files
    assert str(again.numbers) == str(first.numbers)
    assert isinstance(again, Kept)


def test_what_a_failed_attempt_left_is_replaced_but_for_its_work(stage, home):
    def fails(folder: Path) -> Kept:
        made(folder)
        (folder / "work").mkdir(exist_ok=True)
        (folder / "work" / "checkpoint").write_text("epoch 3")
        raise ValueError("the disk is full")

    def goes_on(folder: Path) -> Kept:
        assert (folder / "work" / "checkpoint").read_text() == "epoch 3"
        return made(folder)

    for _ in range(2):
        with pytest.raises(ValueError, match="full"):
            run(stage, home, fails)
    kept = run(stage, home, goes_on)
    assert not (kept.files["model"].parent / "work").exists()


@pytest.mark.parametrize("lost", ["model", "result.json"])
def test_a_result_of_which_a_file_is_lost_is_made_anew(stage, home, lost):
    path = run(stage, home).files["model"].parent / lost
    path.rename(path.with_name("elsewhere"))
    assert run(stage, home).files["model"].is_dir()
    run(stage, home, refused)


def test_a_result_that_cannot_be_read_is_made_anew(stage, home):
    folder = run(stage, home).files["model"].parent
    for content in ("{", "[]", '{"files": {}}'):
        (folder / "result.json").write_text(content)
        assert run(stage, home).files["model"].is_dir()


def test_two_runs_of_the_same_inputs_make_the_result_once(stage, home):
    n_made = []

    def slow(folder: Path) -> Kept:
        n_made.append(1)
        time.sleep(0.5)
        return made(folder)

    threads = [threading.Thread(target=run, args=(stage, home, slow)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(n_made) == 1


def test_a_key_changes_with_all_that_a_result_depends_on(stage, home, tmp_path, monkeypatch):
    key = stage.key(home, "data", {"train": {"seed": 0}})
    assert key == stage.key(home, "data", {"train": {"seed": 0}})
    others = [
        Stage("other", Kept, stage.code, stage.libraries).key(home, "data", {"train": {"seed": 0}}),
        Stage("stage", Kept, stage.code, stage.libraries, version=2).key(
            home, "data", {"train": {"seed": 0}}
        ),
        stage.key(Home(tmp_path / "other"), "data", {"train": {"seed": 0}}),
        stage.key(home, "other", {"train": {"seed": 0}}),
        stage.key(home, "data", {"train": {"seed": 1}}),
    ]
    monkeypatch.setattr(tasks.runs.stages.importlib.metadata, "version", lambda name: "0")
    others.append(stage.key(home, "data", {"train": {"seed": 0}}))
    monkeypatch.undo()
    monkeypatch.setattr(tasks.runs.stages, "code_digest", lambda names: "another")
    others.append(stage.key(home, "data", {"train": {"seed": 0}}))
    assert len({key, *others}) == 8


def test_comments_and_docstrings_are_no_code(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks.runs.stages, "ROOT", tmp_path)
    package = tmp_path / "package"
    package.mkdir()

    def digest_of(text: str) -> str:
        (package / "one.py").write_text(text)
        code_digest.cache_clear()
        return code_digest(("package",))

    first = digest_of("X = 1\n\n\ndef f(a):\n    return a\n")
    same = '"""Words."""\nX = 1  # one\n\ndef f(a):\n    """More."""\n    # why\n    return a\n'
    assert digest_of(same) == first
    assert digest_of(same.replace("return a", "return -a")) != first
    (package / "kernel.c").write_text("int x;")
    assert digest_of(same) != first
    code_digest.cache_clear()


def test_every_stage_names_code_that_is_there():
    from tasks.fitting.train import TRAIN
    from tasks.fitting.tune import TUNE
    from tasks.judging.evaluate import EVALUATE
    from tasks.judging.spread import SCORE_SEED
    from tasks.rows.prepare import FEATURES
    from tasks.rows.sources import LOAD

    digests = {one.name: code_digest(one.code) for one in
               (LOAD, FEATURES, TUNE, TRAIN, EVALUATE, SCORE_SEED)}  # fmt: skip
    assert len(set(digests.values())) == 6


def test_the_files_of_a_result_that_is_taken_over_count_as_used(stage, home):
    folder = run(stage, home).files["model"].parent
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (0, 0))
    assert [one.n for one in clean_home(home, 1, dry_run=True)] == [0, 1, 0, 0]
    run(stage, home, refused)
    assert [one.n for one in clean_home(home, 1)] == [0, 0, 0, 0]


def test_a_result_can_be_made_anew_though_it_is_kept(stage, home):
    key = stage.key(home, "data")
    stage.kept_or_made(key, home, made)
    again = Kept({}, (2.0,))
    assert stage.kept_or_made(key, home, lambda _: again, anew=True) == (again, False)
    assert stage.kept_or_made(key, home, refused) == (again, True)
