"""The page for those who come from the reference holds the parser's flags, and its commands run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows.commands import make_parser
from tasks.reference import Flags
from tasks.reference.flags import SPECS

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "from-reference.md").read_text(encoding="utf-8")
LINES = PAGE.replace("\\\n", "").splitlines()  # a command may go on in the next line
COMMANDS = [line for line in LINES if line.startswith(".venv/bin/informer ")]


def options() -> set[str]:
    """Every flag that `informer reference` takes."""
    (commands,) = (a for a in make_parser()._actions if a.dest == "command")
    parser = commands.choices["reference"].filled()
    return {name for action in parser._actions for name in action.option_strings} - {"-h", "--help"}


def rows() -> dict[str, str]:
    """Each flag of the table with its default."""
    found: dict[str, str] = {}
    for line in PAGE.splitlines():
        if line.startswith("| `--") and line.count("|") == 4:
            first, default, _ = (cell.strip() for cell in line.strip("|").split("|"))
            for name in re.findall(r"`(--[\w-]+)`", first):
                assert name not in found, f"{name} stands twice"
                found[name] = default
    return found


def test_every_flag_stands_in_the_table_once_and_no_other_does():
    assert set(rows()) == options()


def test_no_flag_is_invented_in_the_text():
    assert set(re.findall(r"`(--[\w-]+)", PAGE)) <= options()


@pytest.mark.parametrize("name", SPECS)
def test_the_default_on_the_page_is_the_code_s(name):
    default = getattr(Flags(), name)
    told = rows()[f"--{name}"].strip("`")
    words = {"on": "True", "none": "None", "all": "None"}
    expected = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    assert words.get(told, told) == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_parses(command):
    make_parser().parse_args(command.split("#")[0].split()[1:])


def test_a_linked_file_exists():
    targets = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert [t for t in targets if not t.startswith("http") and not (DOCS / t).exists()] == []


def test_a_named_place_of_this_project_exists():
    here = [line.split("|")[2] for line in PAGE.splitlines() if line.count("|") == 3]
    named = re.findall(r"`((?:informer|tasks)/[\w/.]+)`", " ".join(here))
    assert named
    assert [path for path in named if not (DOCS.parent / path).exists()] == []
