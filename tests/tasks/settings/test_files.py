"""Files and folders written whole or not at all, and errors told as what they are."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.settings import StoreError, locked_draft, replaced, replaced_folder

WRITERS = {
    "file": (replaced, "new.csv"), "folder": (replaced_folder, "new"), "draft": (locked_draft, "in")
}  # fmt: skip


@pytest.fixture(params=list(WRITERS))
def writer(request, tmp_path):
    """Opens a draft, and its target."""
    make, name = WRITERS[request.param]
    return lambda: make(tmp_path / name)


def failure(code: int, path: object = None) -> OSError:
    return OSError(code, os.strerror(code), path) if path else OSError(code, os.strerror(code))


@pytest.mark.parametrize(
    "error",
    [
        failure(errno.EACCES, "/somewhere/data.csv"),
        failure(errno.ENOSPC, "/elsewhere/full"),
        failure(errno.ENOENT, "/somewhere/missing.csv"),
        failure(errno.EIO),
        failure(errno.ECONNREFUSED),
        failure(errno.EACCES),
        ConnectionError("the server is gone"),
        TimeoutError("too late"),
    ],
    ids=repr,
)
def test_what_goes_wrong_with_other_things_comes_out_as_it_is(writer, error, tmp_path):
    with pytest.raises(type(error)) as raised, writer():
        raise error
    assert raised.value is error
    left = [path for path in tmp_path.rglob("*") if path != tmp_path / "in"]
    assert left == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_draft_that_cannot_be_written_is_told_as_that(writer, code):
    with pytest.raises(StoreError, match=r"cannot write .*Choose a folder"), writer() as draft:
        raise failure(code, os.fsencode(draft / "part") if draft.is_dir() else str(draft))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_which_names_no_file_is_told_as_that(writer):
    with pytest.raises(StoreError, match="No space left"), writer():
        Path("/dev/full").write_text("x" * 100_000)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for make in (replaced, replaced_folder, locked_draft):
        with pytest.raises(StoreError, match="cannot write"), make(tmp_path / "file" / "x" / "y"):
            pytest.fail("there is no draft")


def test_where_the_work_fails_the_target_stays(tmp_path):
    target = tmp_path / "a.csv"
    target.write_text("old")
    with pytest.raises(UnicodeEncodeError), replaced(target) as draft:
        draft.write_text("new \udcff", encoding="utf-8")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
    with replaced(target) as draft:
        draft.write_text("new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


def test_whoever_the_umask_lets_in_may_use_what_is_written(tmp_path):
    before = os.umask(0o002)
    try:
        with replaced(tmp_path / "a.csv") as draft:
            draft.write_text("x")
        with replaced_folder(tmp_path / "b") as draft:
            (draft / "x").write_text("x")
        with locked_draft(tmp_path) as draft:
            assert draft.stat().st_mode & 0o777 == 0o775
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"a.csv": 0o664, "b": 0o775}


HOLDS = """
import sys
from pathlib import Path
from tasks.settings import locked_draft
with locked_draft(Path(sys.argv[1])) as draft:
    (draft / "half").write_text("a part")
    print(draft.name, flush=True)
    sys.stdin.read()
"""


def test_the_draft_of_another_process_at_work_stays_until_that_is_killed(tmp_path):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with other:
        assert other.stdout is not None
        draft = tmp_path / other.stdout.readline().strip()
        for _ in range(2):
            with locked_draft(tmp_path) as own:
                assert own != draft
        assert (draft / "half").exists()
        other.kill()
    with locked_draft(tmp_path):
        assert not draft.exists()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_of_an_earlier_release_left_goes_too(tmp_path):
    (tmp_path / ".run-x1y2").mkdir()
    (tmp_path / ".run-x1y2" / "lock").touch()
    (tmp_path / ".run-x1y2" / "half").touch()
    with locked_draft(tmp_path):
        assert not (tmp_path / ".run-x1y2").exists()
