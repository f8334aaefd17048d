"""The house: sizes, names, the public door."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import informer

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for top in ("informer", "tasks", "flows") for p in (ROOT / top).rglob("*.py"))
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
