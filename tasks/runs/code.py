"""Which code runs: the commit that is told with every run and version."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
from functools import cache
from pathlib import Path

import tasks

__all__ = ["git_commit"]

COMMIT_VARIABLE = "INFORMER_GIT_COMMIT"  # set in the images, whose build is told the commit
UNKNOWN = "unknown"
PACKAGES = ("informer", "tasks", "flows")


@cache
def git_commit() -> str:
    """The commit of the code that this process runs, as it was when first asked for.

    It is that of the repository which tracks the code, with `-dirty` behind it where the code
    differs from it; else the one that pip installed from, else what the image was built from
    (`INFORMER_GIT_COMMIT`); else `unknown`. The repository of the working folder does not matter.
    """
    found = _of_repository(Path(tasks.__file__)) or _of_distribution()
    return found or os.environ.get(COMMIT_VARIABLE) or UNKNOWN


def _of_repository(source: Path) -> str | None:
    """The commit of the repository that tracks a file of the code; None where none does."""
    folder = source.resolve().parent.parent
    if _git(folder, "ls-files", "--error-unmatch", str(source.resolve())) is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    changed = _git(folder, "status", "--porcelain", "--", *PACKAGES)
    return f"{commit}-dirty" if commit and changed else commit


def _git(folder: Path, *arguments: str) -> str | None:
    # A hook of another repository would point git to that one.
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, env=own
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _of_distribution() -> str | None:
    """What pip noted of an installation from a repository (PEP 610)."""
    try:
        noted = importlib.metadata.distribution("informer-pipeline").read_text("direct_url.json")
        commit = json.loads(noted or "{}").get("vcs_info", {}).get("commit_id")
    except (importlib.metadata.PackageNotFoundError, ValueError, AttributeError):
        return None
    return str(commit) if commit else None
