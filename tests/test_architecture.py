"""The house: sizes, names, rooms and their doors."""

from __future__ import annotations

import ast
import itertools
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import informer

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for top in ("informer", "tasks", "flows") for p in (ROOT / top).rglob("*.py"))
ROOMS = sorted(
    p.parent for top in ("informer", "tasks") for p in (ROOT / top).glob("*/__init__.py")
)
STUBS = sorted(p for top in ("informer", "tasks") for p in (ROOT / top).rglob("*.pyi"))
FORBIDDEN_NAMES = {"utils.py", "helpers.py", "common.py", "base.py"}


def test_no_file_is_too_long_or_namelessly_named():
    too_long = {p.name: n for p in SOURCES if (n := len(p.read_text().splitlines())) > 400}
    assert too_long == {}
    assert [p for p in SOURCES if p.name in FORBIDDEN_NAMES] == []


def test_no_function_is_over_sixty_lines():
    long = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60:
                long.append(f"{path.name}:{node.name}")
    assert long == []


def test_the_times_of_rows_are_read_in_one_place():
    """Rows on a local clock bear a zone: who takes the column as it is compares two clocks."""
    taken = re.compile(r"\w\[[\w.]*frame\.time_column\]")
    found = [str(p) for p in SOURCES if p.parent.name != "data" and taken.search(p.read_text())]
    assert found == []


def test_every_name_of_the_public_door_can_be_imported_and_the_list_is_sorted():
    assert list(informer.__all__) == sorted(informer.__all__)
    assert all(hasattr(informer, name) for name in informer.__all__)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_none_has_a_mutable_default(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
            assert not [d for d in defaults if isinstance(d, ast.List | ast.Dict | ast.Set)]


def room_name(room: Path) -> str:
    return ".".join(room.relative_to(ROOT).parts)


@pytest.mark.parametrize("room", ROOMS, ids=room_name)
def test_a_room_says_what_comes_in_and_out_and_its_door_opens_to_every_name(room):
    door = import_module(room_name(room))
    assert re.search(r"\n(In|In and out): ", door.__doc__)
    assert re.search(r"(Out|In and out): ", door.__doc__)
    assert list(door.__all__) == sorted(door.__all__)
    assert [name for name in door.__all__ if not hasattr(door, name)] == []


@pytest.mark.parametrize("stub", STUBS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_door_renames_what_it_opens(stub):
    """The loader opens the name before `as`, type checkers see the one behind it."""
    imports = [n for n in ast.parse(stub.read_text()).body if isinstance(n, ast.ImportFrom)]
    assert imports
    assert [a.name for n in imports for a in n.names if a.name != a.asname] == []


@pytest.mark.parametrize("room", ROOMS, ids=room_name)
def test_no_name_of_a_door_is_also_a_file_behind_it(room):
    files = {path.stem for path in room.iterdir()}
    assert files & set(import_module(room_name(room)).__all__) == set()


def drawn(top: str) -> list[set[str]]:
    """The floors of the drawing in docs/architecture.md, the highest first."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("## The rooms")[1]
    lines = re.search(rf"^{top}/ .*?(?=^\s*$|^```)", page, flags=re.DOTALL | re.MULTILINE)[0]
    rooms = (re.split(r" {3,}", line[11:])[0] for line in lines.splitlines())
    return [set(re.findall(r"[a-z]+", floor)) for floor in rooms]


def floors(top: str) -> list[set[str]]:
    """The floors that import-linter holds, the highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (contract,) = (c for c in contracts if c.get("containers") == [top])
    return [set(layer.split(" | ")) for layer in contract["layers"]]


def test_the_drawing_of_tasks_is_its_folders_and_the_floors_that_are_held():
    folders = {room.name for room in ROOMS if room.parent.name == "tasks"}
    assert set().union(*drawn("tasks")) == folders
    assert drawn("tasks") == floors("tasks")


def test_the_drawing_of_the_library_is_its_folders_and_the_floors_that_are_held():
    folders = {room.name for room in ROOMS if room.parent.name == "informer"}
    files = {path.stem for path in (ROOT / "informer").glob("[a-z]*.py")}
    held = set().union(*floors("informer"))
    assert held == folders | files
    assert set().union(*drawn("informer")) <= held
    assert folders <= set().union(*drawn("informer"))
    order = {name: i for i, floor in enumerate(floors("informer")) for name in floor}
    heights = [{order[name] for name in floor} for floor in drawn("informer")]
    assert all(max(above) < min(below) for above, below in itertools.pairwise(heights))


def test_every_room_has_a_door_that_is_held():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    held = {name for c in contracts if c["type"] == "protected" for name in c["allowed_importers"]}
    assert held == {room_name(room) for room in ROOMS}


def test_the_tests_lie_in_the_same_rooms():
    for top in ("informer", "tasks"):
        mirrored = {p.name for p in (ROOT / "tests" / top).iterdir() if p.is_dir()}
        rooms = {room.name for room in ROOMS if room.parent.name == top}
        assert mirrored - {"__pycache__"} <= rooms
        loose = {path.stem for path in (ROOT / "tests" / top).glob("test_*.py")}
        assert loose <= {f"test_{path.stem}" for path in (ROOT / top).glob("*.py")}


def test_every_command_has_a_file_and_every_file_is_a_command():
    from flows.commands import COMMANDS

    files = {path.stem for path in (ROOT / "flows" / "commands").glob("[a-z]*.py")}
    assert {command.module.rpartition(".")[2] for command in COMMANDS.values()} == files
