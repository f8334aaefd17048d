"""Forecasts per second of the whole network, and the memory they take.

    python benchmarks/inference.py            both backends, float32 and bfloat16
    python benchmarks/inference.py --peers    also `neuralforecast` and `transformers`

A forecast is one forward pass in eval mode on windows that lie in memory. `transformers` generates
its horizon step by step, one pass of the decoder each; it draws one sample here.
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
from harness import peak_memory, print_methods, time_in_turn, write_results
from model_step import CASES, SMALL, labels_of, neuralforecast_model, precisions

from informer.config import InformerConfig
from informer.nn import Informer

Forecast = Callable[[], object]


def our_forecast(config: InformerConfig, n_batch: int, precision: str) -> Forecast:
    """A forecast by our network of fixed random windows."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    model = Informer(config).to(device).eval()
    n_decoder = config.label_len + config.pred_len
    x = torch.randn(n_batch, config.seq_len, config.enc_in, device=device)
    marks = torch.rand(n_batch, config.seq_len + n_decoder, config.n_marks, device=device) - 0.5

    @torch.inference_mode()
    def forecast() -> None:
        with torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext():
            model(x, marks[:, : config.seq_len], None, marks[:, config.seq_len :])

    return forecast


def neuralforecast(config: InformerConfig, n_batch: int) -> Forecast:
    """A forecast by neuralforecast's network at the same sizes."""
    model = neuralforecast_model(config).eval()
    window = {"insample_y": torch.randn(n_batch, config.seq_len, 1), "futr_exog": None}
    return torch.inference_mode()(lambda: model(window))


def transformers(config: InformerConfig, n_batch: int) -> Forecast:
    """A forecast by the network of transformers at the same sizes."""
    module: Any = importlib.import_module("transformers.models.informer")
    lags = [1]
    settings = module.InformerConfig(
        prediction_length=config.pred_len,
        context_length=config.seq_len,
        lags_sequence=lags,
        num_time_features=config.n_marks,
        d_model=config.d_model,
        encoder_layers=config.e_layers,
        decoder_layers=config.d_layers,
        encoder_attention_heads=config.n_heads,
        decoder_attention_heads=config.n_heads,
        encoder_ffn_dim=config.d_ff,
        decoder_ffn_dim=config.d_ff,
        sampling_factor=config.factor,
        num_parallel_samples=1,
    )
    torch.manual_seed(0)
    model = module.InformerForPrediction(settings).eval()
    n_past = config.seq_len + max(lags)
    past = torch.randn(n_batch, n_past)
    marks = torch.rand(n_batch, n_past + config.pred_len, config.n_marks) - 0.5
    observed = torch.ones(n_batch, n_past)
    return torch.inference_mode()(
        lambda: model.generate(
            past_values=past,
            past_time_features=marks[:, :n_past],
            past_observed_mask=observed,
            future_time_features=marks[:, n_past:],
        )
    )


def methods(
    config: InformerConfig, n_batch: int, precision: str, with_peers: bool
) -> dict[str, Forecast]:
    """Every implementation that is at hand at these sizes, by name."""
    found = {
        backend: our_forecast(replace(config, backend=backend), n_batch, precision)
        for backend in ("fast", "reference")
    }
    if with_peers and config is SMALL and precision == "fp32":
        for name, make in (("neuralforecast", neuralforecast), ("transformers", transformers)):
            try:
                found[name] = make(config, n_batch)
            except ImportError as error:
                print(f"{name} is left out: {error}")
    return found


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
            forecasts = methods(config, n_batch, precision, options.peers)
            measured = time_in_turn(forecasts, options.rounds)
            labels = labels_of(case, precision, n_batch, config)
            for name, numbers in measured.items():
                numbers["windows_per_s"] = n_batch / numbers["best_s"]
                numbers["rows_per_s"] = numbers["windows_per_s"] * config.pred_len * config.c_out
                numbers["peak_bytes"] = float(peak_memory(forecasts[name]) or math.nan)
                rows.append({**labels, "method": name, **numbers})
            columns = {
                "best s": lambda m: f"{m['best_s']:.3f}",
                "windows/s": lambda m: f"{m['windows_per_s']:.0f}",
                "rows/s": lambda m: f"{m['rows_per_s']:,.0f}",
                "MB": lambda m: f"{m['peak_bytes'] / 1e6:.0f}",
            }
            print_methods(labels, measured, columns)
    write_results("inference", rows)


if __name__ == "__main__":
    main()
