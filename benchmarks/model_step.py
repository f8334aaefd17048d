"""One training step of the whole network: the fast backend against the reference's way.

    python benchmarks/model_step.py            both backends, float32 and bfloat16
    python benchmarks/model_step.py --peers    also `neuralforecast`, at its own default sizes

A step is forward, mean squared error, backward and Adam. The reference backend computes as the
reference implementation does and steps with `torch.optim.Adam` as that does; the fast backend
steps with the fused Adam that `informer.training` uses. bfloat16 is left out where the device
multiplies it more slowly than float32.
"""

from __future__ import annotations

import argparse
import importlib
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from harness import environment, peak_memory, print_methods, time_in_turn, write_results
from torch import nn
from torch.nn import functional as F

from informer.config import InformerConfig
from informer.nn import Informer

SHORT = InformerConfig(seq_len=96, label_len=48, pred_len=24)
LONG = InformerConfig(seq_len=720, label_len=336, pred_len=720)
# The defaults of neuralforecast's Informer at h=24, input_size=96, but for its hidden size.
SMALL = InformerConfig(
    enc_in=1, dec_in=1, c_out=1, seq_len=96, label_len=48, pred_len=24,
    d_model=64, n_heads=4, d_ff=32, factor=3,
)  # fmt: skip
CASES = (("short", SHORT, 32), ("long", LONG, 8), ("small", SMALL, 256))


def our_step(config: InformerConfig, n_batch: int, precision: str) -> Callable[[], None]:
    """A training step of our network on fixed random windows."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    model = Informer(config).to(device).train()
    fused = True if config.backend == "fast" else None
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=fused)
    n_decoder = config.label_len + config.pred_len
    x = torch.randn(n_batch, config.seq_len, config.enc_in, device=device)
    marks = torch.rand(n_batch, config.seq_len + n_decoder, config.n_marks, device=device) - 0.5
    target = torch.randn(n_batch, config.pred_len, config.c_out, device=device)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext():
            y = model(x, marks[:, : config.seq_len], None, marks[:, config.seq_len :])
            loss = F.mse_loss(y.float(), target)
        torch.autograd.backward(loss)
        optimizer.step()

    return step


def neuralforecast_model(config: InformerConfig) -> nn.Module:
    """The network of neuralforecast at the same sizes."""
    module: Any = importlib.import_module("neuralforecast.models.informer")
    torch.manual_seed(0)
    model: nn.Module = module.Informer(
        h=config.pred_len,
        input_size=config.seq_len,
        hidden_size=config.d_model,
        n_head=config.n_heads,
        conv_hidden_size=config.d_ff,
        factor=config.factor,
        dropout=config.dropout,
    )
    return model


def neuralforecast_step(config: InformerConfig, n_batch: int) -> Callable[[], None]:
    """A training step of neuralforecast's network at the same sizes, on random windows."""
    model = neuralforecast_model(config).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    window = {"insample_y": torch.randn(n_batch, config.seq_len, 1), "futr_exog": None}
    target = torch.randn(n_batch, config.pred_len, 1)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(F.mse_loss(model(window), target))
        optimizer.step()

    return step


def precisions() -> tuple[str, ...]:
    """Those that are worth measuring on this device; says what it leaves out."""
    speed = environment()
    if torch.cuda.is_available() or speed["bf16_gflops"] > speed["fp32_gflops"]:
        return ("fp32", "bf16")
    print(
        f"bf16 is left out: it multiplies at {speed['bf16_gflops']} GFLOP/s here, "
        f"float32 at {speed['fp32_gflops']}"
    )
    return ("fp32",)


def labels_of(case: str, precision: str, n_batch: int, config: InformerConfig) -> dict[str, object]:
    """What a row is about."""
    return {
        "case": case,
        "precision": precision,
        "B": n_batch,
        "sizes": f"{config.seq_len}/{config.label_len}/{config.pred_len}",
        "d_model": config.d_model,
    }


def measure(
    config: InformerConfig, n_batch: int, precision: str, n_rounds: int, with_peers: bool
) -> dict[str, dict[str, float]]:
    """Seconds and bytes of a step of each implementation."""
    steps = {
        backend: our_step(replace(config, backend=backend), n_batch, precision)
        for backend in ("fast", "reference")
    }
    if with_peers and config is SMALL and precision == "fp32":
        try:
            steps["neuralforecast"] = neuralforecast_step(config, n_batch)
        except ImportError as error:
            print(f"neuralforecast is left out: {error}")
    measured = time_in_turn(steps, n_rounds)
    for name, step in steps.items():
        measured[name]["peak_bytes"] = float(peak_memory(step) or math.nan)
    return measured


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--peers", action="store_true", help="also peers that are installed")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    precisions_here = precisions()
    rows: list[dict[str, object]] = []
    for case, config, n_batch in CASES:
        for precision in precisions_here:
            measured = measure(config, n_batch, precision, options.rounds, options.peers)
            labels = labels_of(case, precision, n_batch, config)
            for name, numbers in measured.items():
                rows.append({**labels, "method": name, **numbers})
            columns = {
                "best s": lambda m: f"{m['best_s']:.3f}",
                "median s": lambda m: f"{m['median_s']:.3f}",
                "MB": lambda m: f"{m['peak_bytes'] / 1e6:.0f}",
            }
            print_methods(labels, measured, columns)
    write_results("model_step", rows)


if __name__ == "__main__":
    main()
