"""When a result is taken over, and which failures are worth another try."""

from __future__ import annotations

import errno
import os
import urllib.error
from types import SimpleNamespace

import pytest
import requests

import tasks.runs.stages
from tasks.operations import clean_home
from tasks.runs.stages import is_passing, run_stage, stage_key
from tasks.settings import Home, SourceError, StoreError


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (caused(SourceError("no answer"), urllib.error.URLError("refused")), True),
        (caused(StoreError("busy"), OSError(errno.EBUSY, "busy")), True),
        (requests.exceptions.ConnectionError("reset"), True),
        (TimeoutError("slow"), True),
        (caused(StoreError("full"), OSError(errno.ENOSPC, "full")), False),
        (SourceError("there is no file"), False),
        (ValueError("wrong"), False),
    ],
)
def test_only_what_may_pass_by_itself_is_tried_again(error, passes):
    assert is_passing(None, None, SimpleNamespace(data=error)) is passes


def test_a_key_changes_with_all_that_a_result_depends_on(tmp_path, monkeypatch):
    home = Home(tmp_path)
    key = stage_key("train", home, "data", {"train": {"seed": 0}})
    assert key == stage_key("train", home, "data", {"train": {"seed": 0}})
    others = [
        stage_key("tune", home, "data", {"train": {"seed": 0}}),
        stage_key("train", Home(tmp_path / "other"), "data", {"train": {"seed": 0}}),
        stage_key("train", home, "other", {"train": {"seed": 0}}),
        stage_key("train", home, "data", {"train": {"seed": 1}}),
    ]
    monkeypatch.setattr(tasks.runs.stages, "code_version", lambda: "another")
    others.append(stage_key("train", home, "data", {"train": {"seed": 0}}))
    assert len({key, *others}) == 6


def test_the_files_of_a_result_that_is_taken_over_count_as_used(tmp_path):
    home = Home(tmp_path)
    model_dir = home.stage_dir("key") / "model"
    model_dir.mkdir(parents=True)
    for path in (model_dir, model_dir.parent):
        os.utime(path, (0, 0))
    assert [one.n for one in clean_home(home, 1, dry_run=True)] == [0, 1, 0, 0]
    assert run_stage(lambda: model_dir, lambda done: [done]) == model_dir
    assert [one.n for one in clean_home(home, 1)] == [0, 0, 0, 0]
