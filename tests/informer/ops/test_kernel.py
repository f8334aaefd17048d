"""The C functions are built once and kept; whatever is wrong with that, a training goes on."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from informer.ops import kernel
from informer.ops.dropout import Dropout

COMPILER = shutil.which("cc") or shutil.which("gcc")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")
USES = """
import logging, torch
logging.basicConfig()
from informer.ops.dropout import Dropout
from informer.ops.kernel import load_kernel
Dropout(0.5, is_fast=True).train()(torch.randn(8, 64))
print(load_kernel() is not None)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own, and a process that has loaded nothing yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernel.load_kernel.cache_clear()
    yield tmp_path / "informer-pipeline"
    kernel.load_kernel.cache_clear()


def started() -> tuple[bool, str]:
    """Whether a new process has the functions, after it has called one; and what it says."""
    done = subprocess.run(
        [sys.executable, "-c", USES], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip() == "True", done.stderr


def kept(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@needs_compiler
def test_a_library_is_built_once(cache, monkeypatch):
    assert kernel.load_kernel() is not None
    path = kept(cache)
    kernel.load_kernel.cache_clear()
    monkeypatch.setattr(kernel, "_built", lambda *_: pytest.fail("built again"))
    assert kernel.load_kernel() is not None
    assert kept(cache) == path


@needs_compiler
@pytest.mark.parametrize("share", [0.0, 0.6])
def test_a_cut_library_is_built_again_and_not_loaded(cache, share):
    assert kernel.load_kernel() is not None
    whole = kept(cache).read_bytes()
    kept(cache).unlink()  # this process goes on with what it has loaded
    name = f"{kernel._name(COMPILER, kernel._FLAGS[0])}-0123456789abcdef.so"
    (cache / name).write_bytes(whole[: int(share * len(whole))])
    works, said = started()
    assert works, said
    assert len(kept(cache).read_bytes()) == len(whole)


@needs_compiler
def test_a_sound_file_that_this_machine_cannot_load_is_built_again(cache):
    cache.mkdir()
    other = cache / "x.so"
    other.write_bytes(b"\x7fELF of another processor")
    name = kernel._name(COMPILER, kernel._FLAGS[0])
    other.rename(cache / f"{name}-{kernel._digest(other)}.so")
    assert kernel.load_kernel() is not None
    assert kept(cache).stat().st_size > 1000


def works() -> bool:
    x, total = torch.ones(1, 3, 2), torch.empty(1, 3, 2)
    kernel.call("running_sum", x, total, 1, 3, 2, 0)
    return bool((total == x.cumsum(1)).all())


@needs_compiler
def test_where_the_cache_cannot_be_written_the_library_serves_this_process(cache):
    cache.write_text("in the way")
    assert kernel.load_kernel() is not None
    assert works()
    assert cache.read_text() == "in the way"


@needs_compiler
def test_a_full_disk_does_not_keep_a_process_from_its_library(cache, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    assert kernel.load_kernel() is not None
    assert works()
    assert list(cache.iterdir()) == []


def test_a_user_without_a_home_has_no_cache(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: Path("~nobody-of-that-name").expanduser())
    assert kernel._cache_dir() is None


@pytest.mark.parametrize("script", ["exit 1", "echo not a library", "echo no space >&2; exit 4"])
def test_a_compiler_that_fails_leaves_the_work_to_torch_and_is_told_once(
    cache, tmp_path, monkeypatch, caplog, script
):
    compiler = tmp_path / "cc"
    compiler.write_text(f"#!/bin/sh\n{script}\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    for _ in range(2):
        assert kernel.load_kernel() is None
    (told,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert "training is slower" in told
    y = Dropout(0.5, is_fast=True).train()(torch.ones(4, 8))
    assert set(y.unique().tolist()) <= {0.0, 2.0}
    assert not cache.exists() or list(cache.iterdir()) == []


def test_without_a_compiler_there_is_no_library_and_no_noise(monkeypatch, caplog):
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(kernel.shutil, "which", lambda _: None)
    assert kernel.load_kernel() is None
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
