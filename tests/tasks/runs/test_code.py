"""Which commit a run tells of: that of the code, wherever the code and the stores lie."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.runs import code
from tasks.runs.code import git_commit
from tests.compose import DOCKER


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch):
    monkeypatch.delenv(code.COMMIT_VARIABLE, raising=False)
    git_commit.cache_clear()
    yield
    git_commit.cache_clear()


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def repository(folder: Path, *, tracks_code: bool = True) -> tuple[Path, str]:
    """One with a module in it; its file, and the commit."""
    module = folder / "tasks" / "__init__.py"
    module.parent.mkdir(parents=True)
    module.touch()
    (folder / "notes").touch()
    git(folder, "init", "--quiet")
    git(folder, "add", "notes", *(["tasks"] if tracks_code else []))
    git(folder, "commit", "--quiet", "-m", folder.name)
    return module, git(folder, "rev-parse", "HEAD")


def test_it_is_the_commit_of_the_code_and_not_of_the_working_folder(tmp_path, monkeypatch):
    module, commit = repository(tmp_path / "code")
    _, other = repository(tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "home" / ".git"))  # as in a hook of another one
    monkeypatch.setattr(code.tasks, "__file__", str(module))
    assert git_commit() == commit != other


def test_code_that_differs_from_its_commit_is_dirty(tmp_path):
    module, commit = repository(tmp_path)
    (tmp_path / "notes").write_text("not code")
    assert code._of_repository(module) == commit
    (tmp_path / "tasks" / "new.py").touch()
    assert code._of_repository(module) == f"{commit}-dirty"
    (tmp_path / "tasks" / "new.py").unlink()
    module.write_text("x = 1")
    assert code._of_repository(module) == f"{commit}-dirty"


def test_a_repository_that_does_not_track_the_code_says_nothing(tmp_path, monkeypatch):
    """Such as a user's project with its virtual environment in it."""
    module, _ = repository(tmp_path, tracks_code=False)
    assert code._of_repository(module) is None
    monkeypatch.setattr(code.tasks, "__file__", str(module))
    monkeypatch.setattr(code, "_of_distribution", lambda: None)
    assert git_commit() == "unknown"
    git_commit.cache_clear()
    monkeypatch.setenv(code.COMMIT_VARIABLE, "c0ffee")
    assert git_commit() == "c0ffee"


def test_an_installation_from_a_repository_is_noted_by_pip(tmp_path, monkeypatch):
    """As pip leaves it behind, see PEP 610; read by a process that finds only that distribution."""
    noted = tmp_path / "informer_pipeline-9.9.dist-info"
    noted.mkdir()
    (noted / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: informer-pipeline\nVersion: 9.9\n"
    )
    about = {"url": "https://x/y.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}
    (noted / "direct_url.json").write_text(json.dumps(about))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert code._of_distribution() == "c0ffee"
    (noted / "direct_url.json").write_text(json.dumps({"url": "file:///x", "dir_info": {}}))
    assert code._of_distribution() is None


def test_this_checkout_tells_its_own_commit(tmp_path):
    root = DOCKER.parent
    try:
        commit = git(root, "rev-parse", "HEAD")
    except subprocess.CalledProcessError:
        pytest.skip("this is no checkout")
    asks = "from tasks.runs.code import git_commit; print(git_commit())"
    done = subprocess.run(
        [sys.executable, "-c", asks], cwd=tmp_path, check=True, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.stdout.strip().removesuffix("-dirty") == commit


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_an_image_is_told_the_commit_that_it_is_built_from(name):
    text = (DOCKER / name).read_text()
    assert f"ARG GIT_COMMIT=unknown\nENV {code.COMMIT_VARIABLE}=$GIT_COMMIT\n" in text
    built = [
        line for line in (DOCKER / "compose.yaml").read_text().splitlines() if "build:" in line
    ]
    assert all('GIT_COMMIT: "${GIT_COMMIT:-unknown}"' in line for line in built)
    assert "export GIT_COMMIT" in (DOCKER / "stack.sh").read_text()
