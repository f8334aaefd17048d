"""What the pages of parameters and the library's examples say is what the code does."""

from __future__ import annotations

import importlib
import re
import sys
from collections import Counter
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import BaseModel

from benchmarks import parameters_page as measured
from informer import ForecasterConfig, Informer, InformerConfig, TrainingConfig
from informer.config import BESIDE_THE_PAPER
from informer.interop import save_reference_checkpoint
from informer.network import NetworkConfig
from tasks.settings import Dimension, RunConfig

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ENGLISH, CHINESE = DOCS / "parameters.md", DOCS / "parameters.zh.md"
PAGES = sorted(DOCS.glob("parameters*.md"))  # the same content in each language
LIBRARY = (DOCS / "library.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", LIBRARY, flags=re.DOTALL)
REQUIRED = "required"
WORDS_FOR_REQUIRED = {"parameters": REQUIRED, "parameters.zh": "必填"}
CJK = re.compile(r"[\u4e00-\u9fff]")

# Fields of the network and of the training that benchmarks/parameters.py does not vary.
NOT_VARIED = {
    "train.epochs", "train.patience", "train.accelerator", "train.devices", "train.compile",
    "train.max_windows", "train.max_val_windows",
}  # fmt: skip
SECTIONS = ("frame", "model", "training")  # of ForecasterConfig, which the pipeline has too
N_COLUMNS = 6  # conf/, reference, default, what it does, range, cost

# Of main_informer.py in zhouhaoyi/Informer2020.
FLAGS = """
model data root_path data_path features target freq checkpoints seq_len label_len pred_len
enc_in dec_in c_out d_model n_heads e_layers d_layers s_layers d_ff factor padding distil
dropout attn embed activation output_attention do_predict mix cols num_workers itr train_epochs
batch_size patience learning_rate des loss lradj use_amp inverse use_gpu gpu use_multi_gpu
devices
"""
REFERENCE_FLAGS = set(FLAGS.split())

# What the examples are run with: the same code, a small network and little data.
SMALLER = {
    "seq_len=168, label_len=48, pred_len=48": "seq_len=24, label_len=12, pred_len=12",
    "d_model=64, d_ff=128, n_heads=4": "d_model=8, d_ff=16, n_heads=2",
    "epochs=8": "epochs=1, steps_per_epoch=2",
    "2024-11-01": "2024-01-17",
    "2025-01-01": "2024-01-21",
    '"pred_len": 24}': '"pred_len": 24, "d_model": 8, "d_ff": 16, "n_heads": 2}',
}

EXAMPLE = {
    "command": "python benchmarks/parameters.py", "commit": "0123456789", "device": "a CPU",
    "threads": 2, "torch": "2",
    "rows": [
        {
            "variant": {}, "val_mse": 0.4, "val_mae": 0.5, "step_ms": 50.0, "peak_bytes": 2e7,
            "n_weights": 1000,
        },
        {
            "variant": {"model.d_ff": 64},
            "difference": {
                "val_mse": -0.1, "val_mae": 0.005, "step_ms": 0.0, "peak_bytes": float("nan"),
                "n_weights": -0.5,
            },
        },
        {
            "variant": {"train.seed": 1},
            "difference": {
                "val_mse": 0.02, "val_mae": -0.01, "step_ms": 0.03, "peak_bytes": 0.04,
                "n_weights": 0.0,
            },
        },
    ],
}  # fmt: skip


def default_of(info: Any) -> object:
    return REQUIRED if info.is_required() else info.default


def defaults_of(section: type) -> dict[str, object]:
    if issubclass(section, BaseModel):
        return {name: default_of(info) for name, info in section.model_fields.items()}
    return {field.name: field.default for field in fields(section)}


def defaults_in_the_code() -> dict[str, object]:
    found: dict[str, object] = {}
    for name, info in RunConfig.model_fields.items():
        section = info.annotation
        assert isinstance(section, type)
        if is_dataclass(section) or issubclass(section, BaseModel):
            found |= {f"{name}.{key}": value for key, value in defaults_of(section).items()}
        else:
            found[name] = default_of(info)
    found |= {f"tune.space.*.{key}": value for key, value in defaults_of(Dimension).items()}
    own = {k: v for k, v in defaults_of(ForecasterConfig).items() if k not in SECTIONS}
    found |= {f"ForecasterConfig.{key}": value for key, value in own.items()}
    of_data = defaults_of(InformerConfig).items() - defaults_of(NetworkConfig).items()
    return found | {f"InformerConfig.{key}": value for key, value in of_data}


CODE = defaults_in_the_code()


def rows_of(page: Path) -> list[list[str]]:
    """The cells of every row that describes a parameter: its name stands first, in backticks."""
    text = page.read_text(encoding="utf-8")
    lines = text.replace(measured.measured(text), "").splitlines()
    tables = [line for line in lines if re.match(r"\| `[A-Za-z]", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in tables]


def section_measured(page: Path) -> str:
    """The section that says what was measured, and how."""
    sections = page.read_text(encoding="utf-8").split("\n## ")
    return next(text for text in sections if measured.BEGIN in text)


def plain(value: object) -> object:
    """A value as YAML has it."""
    return list(value) if isinstance(value, tuple) else value


@pytest.fixture
def script(monkeypatch) -> ModuleType:
    """benchmarks/parameters.py, which finds its neighbours as a script does."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    return importlib.import_module("parameters")


def test_there_is_a_page_of_parameters_in_each_language():
    assert PAGES == sorted([ENGLISH, CHINESE]) == sorted(measured.PAGES.values())


def test_the_pages_link_to_each_other_on_their_first_line_and_the_contents_to_both():
    contents = (DOCS / "README.md").read_text(encoding="utf-8")
    for page, other in ((ENGLISH, CHINESE), (CHINESE, ENGLISH)):
        assert f"]({other.name})" in page.read_text(encoding="utf-8").splitlines()[0]
        assert f"]({other.name})" in contents


def test_both_pages_have_the_same_sections_tables_and_rows():
    def outline(page: Path) -> list[str]:
        lines = page.read_text(encoding="utf-8").splitlines()
        marks = [re.match(r"#+ |\|(?=---)|\d\. |\| `?--|<!--.*", line) for line in lines]
        return [mark.group() for mark in marks if mark]

    assert outline(CHINESE) == outline(ENGLISH)
    of_both = zip(rows_of(ENGLISH), rows_of(CHINESE), strict=True)
    assert [(one, other) for one, other in of_both if one[:2] != other[:2]] == []


def test_a_cell_names_the_same_numbers_and_values_on_both_pages():
    def named(cell: str) -> list[str]:
        return sorted(re.findall(r"`[^`]+`|\d+(?:\.\d+)?", cell))

    differing = [
        (english, chinese)
        for one, other in zip(rows_of(ENGLISH), rows_of(CHINESE), strict=True)
        for english, chinese in zip(one[3:], other[3:], strict=True)
        if named(english) != named(chinese)
    ]
    assert differing == []


def test_the_chinese_page_is_in_chinese():
    assert [row[0] for row in rows_of(CHINESE) if not CJK.search(row[3])] == []
    assert not CJK.search("\n".join(ENGLISH.read_text(encoding="utf-8").splitlines()[1:]))


@pytest.mark.parametrize("language", measured.PAGES)
def test_what_the_page_says_was_measured_is_what_was_measured(language):
    page = measured.PAGES[language].read_text(encoding="utf-8")
    assert measured.measured(page) == measured.render(measured.read_results(), language)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_base_that_the_page_names_is_the_one_that_is_measured(page, script):
    named = re.findall(r"`(frame|model|train)\.(\w+): ([^`]+)`", section_measured(page))
    assert len(named) > 9
    base = {**vars(script.BASE), "train": script.BASE.training}
    wrong = [n for n in named if getattr(base[n[0]], n[1]) != yaml.safe_load(n[2])]
    assert wrong == []


def test_every_parameter_of_network_and_training_is_varied_or_said_not_to_be(script):
    sections = {"model": NetworkConfig, "train": TrainingConfig}
    known = {f"{name}.{field.name}" for name, of in sections.items() for field in fields(of)}
    varied = {name for variant in script.VARIANTS for name in variant}
    assert varied == known - NOT_VARIED
    for page in PAGES:
        assert [name for name in NOT_VARIED if f"`{name}`" not in section_measured(page)] == []


def test_every_variant_is_another_configuration(script):
    made = [script.configured(script.BASE, variant) for variant in script.VARIANTS]
    assert script.BASE not in made
    assert [a for i, a in enumerate(made) if a in made[:i]] == []


def test_the_results_are_of_the_variants_of_the_code(script):
    results = measured.read_results()
    if results is None:
        pytest.skip("benchmarks/parameters.py has not run yet")
    found = [row["variant"] for row in results["rows"]]
    expected = [{k: plain(v) for k, v in variant.items()} for variant in script.VARIANTS]
    assert found == [{}, *expected]


def test_a_difference_within_the_noise_stands_in_parentheses():
    table = measured.render(EXAMPLE, "en").splitlines()[2:]
    assert table[2] == "| the base | - | 0.400 | 0.500 | 50 ms | 20 MB | 1,000 |"
    assert table[3] == "| noise: base, 2 seeds | - | 2.0 % | 1.0 % | 3.0 % | 4.0 % | = |"
    assert table[4] == "| `model.d_ff` | `64` | -10.0 % | (+0.5 %) | = | - | -50.0 % |"
    assert len(table) == 5


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_parameter_stands_on_the_page_once_and_no_other_does(page):
    listed = Counter(row[0].strip("`") for row in rows_of(page))
    assert set(listed) - set(CODE) == set(), "no such parameters"
    assert set(CODE) - set(listed) == set(), "parameters that the page leaves out"
    assert [name for name, count in listed.items() if count > 1] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_default_on_the_page_is_the_code_s(page):
    wrong = {}
    for name, _, default, *_ in rows_of(page):
        expected = plain(CODE[name.strip("`")])
        given = yaml.safe_load(default.strip("`")) if "`" in default else default
        if given == WORDS_FOR_REQUIRED[page.stem]:
            given = REQUIRED
        if (type(given), given) != (type(expected), expected):
            wrong[name] = (given, expected)
    assert wrong == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_row_says_everything(page):
    rows = rows_of(page)
    assert [row[0] for row in rows if len(row) != N_COLUMNS or not all(row)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_flag_of_the_reference_is_answered_and_none_is_invented(page):
    named = set(re.findall(r"`--(\w+)`", page.read_text(encoding="utf-8")))
    assert named == REFERENCE_FLAGS


def test_a_parameter_of_the_reference_s_name_stands_beside_its_flag():
    flags = {row[0].strip("`"): row[1] for row in rows_of(ENGLISH)}
    own = {*BESIDE_THE_PAPER, "backend"}
    chosen = {field.name for field in fields(NetworkConfig)}
    rows = {
        field.name: f"{'model' if field.name in chosen else 'InformerConfig'}.{field.name}"
        for field in fields(InformerConfig)
    }
    assert [n for n, row in rows.items() if n not in own and f"`--{n}`" not in flags[row]] == []
    assert {flags[rows[name]] for name in own} == {"-"}


@pytest.mark.parametrize("page", [*PAGES, DOCS / "library.md"], ids=lambda p: p.stem)
def test_a_parameter_that_the_text_names_exists(page):
    sections = "|".join(name for name in RunConfig.model_fields if name != "name")
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(rf"`((?:{sections})\.[a-z_]+)\b(?![./])", text))
    assert named - set(CODE) == set()


@pytest.mark.parametrize(
    "page", [*PAGES, DOCS / "library.md", DOCS / "README.md"], ids=lambda p: p.stem
)
def test_a_linked_file_exists(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if not (t.startswith("http") or (DOCS / t).exists())]
    assert missing == []


def test_the_first_example_has_ten_lines():
    assert len(EXAMPLES[0].splitlines()) == 10


def test_the_examples_of_the_library_run_one_after_another(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_load_csv(tmp_path / "load.csv")
    small = InformerConfig(d_model=8, d_ff=16, n_heads=2)
    save_reference_checkpoint(Informer(small), tmp_path / "checkpoint.pth")
    names: dict[str, Any] = {}
    for code in smaller(EXAMPLES):
        exec(code, names)

    written = pd.read_csv(tmp_path / "forecast.csv")
    assert len(written) == 12
    assert pd.to_datetime(written["ds"]).min() == pd.Timestamp("2024-01-21 20:00")
    assert (names["interval"]["y_hat_q10"] <= names["interval"]["y_hat_q90"]).all()
    assert len(names["naive"].predict(names["history"])) == 12
    printed = capsys.readouterr().out
    assert all(model in printed for model in ("informer", "linear", "seasonal_naive"))
    assert (tmp_path / "again.pth").is_file()
    assert names["y"].shape == (8, 24, 7)


def smaller(examples: list[str]) -> list[str]:
    """The examples with the sizes of `SMALLER`, every one of which must occur."""
    text = "\0".join(examples)
    for large, little in SMALLER.items():
        assert large in text, f"the examples no longer say {large!r}"
        text = text.replace(large, little)
    return text.split("\0")


def write_load_csv(path: Path) -> None:
    hours = np.arange(500)
    times = pd.date_range("2024-01-01", periods=len(hours), freq="h")
    rng = np.random.default_rng(0)
    load = 100 + 10 * np.sin(hours / 24 * 2 * np.pi) + rng.normal(size=len(hours))
    temp = 15 + 5 * np.cos(hours / 24 * 2 * np.pi)
    pd.DataFrame({"ds": times, "load": load, "temp": temp}).to_csv(path, index=False)
