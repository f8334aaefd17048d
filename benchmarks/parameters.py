"""What each parameter of the network and of the training does, one at a time around one base.

    python benchmarks/parameters.py                every variant, half an hour on one core
    python benchmarks/parameters.py --only attn    those that change it; nothing is written
    python benchmarks/parameters.py --table en     the table of docs/parameters.md, from the results
    python benchmarks/parameters.py --write        the same table put into both pages

ETTh1, all seven columns from all, 24 steps ahead. Trained on the train rows and scored on the
validation rows, in scaled units; the test rows are dropped as soon as they are read. Every variant
takes the same number of steps. Each is compared with the base of the same process: a training step
of either in turn, round by round. What further seeds of the base change is the noise.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd
import parameters_page as page
import torch
from harness import peak_memory, print_table, time_in_turn, write_results
from torch import Tensor

from informer.config import ForecasterConfig, FrameConfig, InformerConfig, TrainingConfig
from informer.data import ETT_HOUR, Panel, StandardScaler, Windows, regular_panel
from informer.estimators import ClosedFormLinear, NetworkPredictor, predict_levels
from informer.nn import Informer
from informer.training import Phases, fit, make_fabric, train_step
from tasks.settings import SourceError, enter, find_home

Variant = Mapping[str, Any]  # name in conf/ to value
Row = dict[str, float]

VAL_STRIDE = 4  # an epoch is judged on every fourth validation window, the result on all
COLUMNS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
BASE = ForecasterConfig(
    frame=FrameConfig(
        time_column="date", id_column=None, columns=COLUMNS, target="OT", features="M", max_gap=0
    ),
    model=InformerConfig(
        seq_len=96, label_len=48, pred_len=24, d_model=64, d_ff=128, n_heads=4
    ),
    training=TrainingConfig(learning_rate=1e-3, epochs=4, steps_per_epoch=100),
)  # fmt: skip


def each(name: str, *values: object) -> list[Variant]:
    """One variant for each value of one parameter."""
    return [{name: value} for value in values]


SEEDS = each("train.seed", 1, 2, 3, 4)
VARIANTS: tuple[Variant, ...] = (
    {"model.model": "informerstack", "model.e_layers": (3, 2, 1)},
    *each("model.seq_len", 48, 192, 336),
    *each("model.label_len", 0, 24),
    *each("model.pred_len", 48, 96),
    *each("model.factor", 1, 3, 10),
    *each("model.d_model", 32, 128),
    *each("model.n_heads", 2, 8),
    *each("model.e_layers", 1, 3),
    *each("model.d_layers", 2),
    *each("model.d_ff", 64, 256),
    *each("model.dropout", 0.0, 0.2),
    *each("model.attn", "full"),
    *each("model.embed", "fixed", "learned"),
    *each("model.padding", 1),
    *each("model.activation", "relu"),
    *each("model.distil", False),
    *each("model.mix", False),
    *each("model.instance_norm", True),
    *each("model.highway", "ridge"),
    {"model.instance_norm": True, "model.highway": "ridge"},
    *each("model.highway", "ridge_seen"),
    *each("model.channel_independent", True),
    *each("model.patch_len", 4, 8),
    {"train.optimizer": "adamw", "train.weight_decay": 0.01},
    *each("train.weight_decay", 1e-4),
    *each("train.learning_rate", 3e-4, 3e-3),
    *each("train.schedule", "type2", "cosine", "onecycle", "constant"),
    *each("train.loss", "mae", "huber"),
    *each("train.batch_size", 16, 64),
    *each("train.steps_per_epoch", 50, 200),
    *each("train.max_grad_norm", 1.0),
    *each("train.weight_average", "ema", "swa"),
    *each("train.precision", "bf16"),
    *SEEDS,
)


def configured(base: ForecasterConfig, variant: Variant) -> ForecasterConfig:
    """The base with the variant's values."""
    own = {
        section: {
            name.partition(".")[2]: v for name, v in variant.items() if name.startswith(section)
        }
        for section in ("model.", "train.")
    }
    return replace(
        base,
        model=replace(base.model, **own["model."]),
        training=replace(base.training, **own["train."]),
    )


def selected(only: Sequence[str]) -> list[Variant]:
    """The variants that change one of the parameters named, with or without their section."""
    found = [
        variant
        for variant in VARIANTS
        if not only or any(name in only or name.partition(".")[2] in only for name in variant)
    ]
    if not found:
        names = sorted({name for variant in VARIANTS for name in variant})
        raise SystemExit(f"no variant changes {', '.join(only)}; known are {', '.join(names)}.")
    return found


def load() -> tuple[Panel, pd.Timestamp]:
    """ETTh1 without its test rows, and where the validation rows begin."""
    home = find_home()
    enter(home)
    from tasks.rows import read  # brings Prefect, which wants what `enter` sets

    try:
        rows = read("ETTh1", home)
    except SourceError as error:
        raise SystemExit(f"error: {error}") from error
    times = pd.to_datetime(rows["date"])
    split = ETT_HOUR.resolve(times.iloc[0], times.iloc[-1], BASE.frame)
    return regular_panel(rows[times < split.test_start], BASE.frame), split.val_start


def cut(panel: Panel, val_start: pd.Timestamp, config: ForecasterConfig) -> tuple[Windows, Windows]:
    """The train and the validation windows, scaled by the train rows."""
    (train_rows,) = panel.rows_between(None, val_start)
    scaler = StandardScaler.fit(panel.values[train_rows], panel.observed[train_rows])
    model = config.model
    train, val = (
        Windows.cut(
            scaler.transform(panel.values),
            panel.marks(config.frame, model.embed),
            panel.origins(between, model.seq_len, model.pred_len),
            seq_len=model.seq_len,
            label_len=model.label_len,
            pred_len=model.pred_len,
            n_targets=len(config.frame.targets),
        )
        for between in ((None, val_start), (val_start, None))
    )
    return train, val


def network(config: ForecasterConfig, train: Windows, val: Windows) -> Informer:
    """The network as a training begins with it."""
    torch.manual_seed(config.training.seed)
    model = Informer(config.network)
    if config.model.linear.fit:
        model.highway.copy_(ClosedFormLinear.fit(train, val, config.model.seq_len).weight)
    return model


def train_and_score(config: ForecasterConfig, train: Windows, val: Windows) -> Row:
    """Errors on all validation windows, and how many weights were trained."""
    model = network(config, train, val)
    fit(
        model, train, val.subset(slice(None, None, VAL_STRIDE)), config.training,
        validate_start=config.model.linear.fit is not None,
    )  # fmt: skip
    predictor = NetworkPredictor((model,), config.training.seed)
    forecast = torch.cat([levels[:, 0] for _, levels in predict_levels(predictor, val)])
    error: Tensor = forecast - val.batch(torch.arange(len(val))).y  # (N, P, C)
    return {
        "val_mse": float(error.square().mean()),
        "val_mae": float(error.abs().mean()),
        "n_weights": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }


def step_of(config: ForecasterConfig, train: Windows, val: Windows) -> Callable[[], None]:
    """One training step on one batch, as the training does it."""
    fabric = make_fabric(config.training)
    fabric.launch()
    phases = Phases(
        fabric, network(config, train, val), train, val, config.training,
        checkpoint_dir=None, on_step=None,
    )  # fmt: skip
    phases.model.train()
    keys = torch.Generator().manual_seed(config.training.seed)
    index = torch.arange(config.training.batch_size, device=fabric.device)

    def step() -> None:
        train_step(
            phases.network,
            phases.parameters,
            phases.optimizer,
            phases.train.batch(index),
            phases.loss,
            max_grad_norm=config.training.max_grad_norm,
            generator=keys,
        )

    return step


def cost(steps: Mapping[str, Callable[[], None]], n_rounds: int) -> dict[str, Row]:
    """Milliseconds and peak bytes of a step of each, in turn; medians."""
    times = time_in_turn(steps, n_rounds)
    peaks: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(n_rounds):
        for name, step in steps.items():
            peaks[name].append(float(peak_memory(step) or math.nan))
    return {
        name: {
            "step_ms": 1e3 * times[name]["median_s"],
            "peak_bytes": statistics.median(peaks[name]),
        }
        for name in steps
    }


def measure(only: Sequence[str], steps: int, n_rounds: int) -> None:
    """Measure, print, and write where every variant was measured."""
    variants = selected(only)
    panel, val_start = load()
    base = replace(BASE, training=replace(BASE.training, steps_per_epoch=steps))
    train, val = cut(panel, val_start, base)
    base_step = step_of(base, train, val)
    base_row = train_and_score(base, train, val)
    base_costs: list[Row] = []
    rows: list[page.Row] = []
    for number, variant in enumerate(variants, start=1):
        name = " ".join(f"{key}={value}" for key, value in variant.items())
        print(f"{number} of {len(variants)}: {name}", flush=True)
        config = configured(base, variant)
        windows = cut(panel, val_start, config)
        row = train_and_score(config, *windows)
        costs = cost({"base": base_step, "own": step_of(config, *windows)}, n_rounds)
        change = {
            **{key: row[key] / base_row[key] - 1 for key in row},
            **{key: costs["own"][key] / costs["base"][key] - 1 for key in costs["own"]},
        }
        base_costs.append(costs["base"])
        rows.append({"variant": variant, **row, **costs["own"], "difference": change})
    for key in base_costs[0]:
        base_row[key] = statistics.median(costs[key] for costs in base_costs)
    rows.insert(0, {"variant": {}, **base_row})
    report(rows)
    if only:
        print("nothing written: a file of results holds every variant, measured in one process")
        return
    write_results(
        "parameters",
        rows,
        base={
            "frame": asdict(base.frame),
            "model": asdict(base.network),
            "train": asdict(base.training),
        },
        n_train_windows=len(train),
        n_val_windows=len(val),
    )
    print("next: python benchmarks/parameters.py --write")


def report(rows: Sequence[page.Row]) -> None:
    """Print every variant with its differences, and what another seed of the base changes."""
    noise = page.spread(rows)
    print_table(
        (
            "variant", "val MSE", "val MAE", "ms/step", "MB", "weights",
            "+ MSE", "+ MAE", "+ time", "+ memory", "+ weights",
        ),
        [
            (
                ", ".join(f"{name}={page.label(value)}" for name, value in row["variant"].items())
                or "base",
                f"{row['val_mse']:.4f}",
                f"{row['val_mae']:.4f}",
                f"{row['step_ms']:.1f}",
                f"{row['peak_bytes'] / 1e6:.1f}",
                f"{row['n_weights']:,}",
                *(page.difference(row, field, noise) for field in page.FIELDS),
            )
            for row in rows
        ],
    )  # fmt: skip


def main() -> None:
    """Measure, or bring what was measured into the pages."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="parameters to vary")
    parser.add_argument("--steps", type=int, default=100, help="training steps of each of 4 epochs")
    parser.add_argument("--rounds", type=int, default=10, help="timed steps of each variant")
    parser.add_argument(
        "--table", choices=sorted(page.WORDS), help="print the table, measure nothing"
    )
    parser.add_argument("--write", action="store_true", help="write it into both pages")
    options = parser.parse_args()
    if options.table:
        print(page.render(page.read_results(), options.table))
    elif options.write:
        page.write()
    else:
        measure(options.only, options.steps, options.rounds)


if __name__ == "__main__":
    main()
