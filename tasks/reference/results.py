"""The files that a run leaves: those of the reference, and beside them what a person reads.

N test windows   P pred_len   C_t targets
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from informer.data import StandardScaler, horizon_rows, long_targets
from informer.evaluation import mase_scales, measured, score_windows as score
from informer.forecaster import Forecaster
from tasks.reference.experiment import Experiment
from tasks.runs import forecast_fan

__all__ = ["METRICS", "Scored", "reference_metrics", "score_windows", "write_results"]

METRICS = ("mae", "mse", "rmse", "mape", "mspe")
"""What `metrics.npy` holds, in its order."""

CHECKPOINT = "checkpoint.pth"

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scored:
    """How a model did on every test window.

    Attributes:
        pred: (N, P, C_t) forecasts, scaled by the train rows; with `--inverse` in the data's units.
        true: (N, P, C_t) the same of what was measured, NaN where nothing was.
        metrics: name to value, of `METRICS`.
        scores: unique_id, step, n, mse, mae, mae_units, mase, coverage and more, see
            `informer.evaluation.metrics.score_table`.
    """

    pred: Array
    true: Array
    metrics: dict[str, float]
    scores: pd.DataFrame


def score_windows(forecaster: Forecaster, experiment: Experiment) -> Scored:
    """Forecast every window whose horizon lies in the test rows; none is left out."""
    config, panel, origins = forecaster.config, experiment.panel, experiment.test_origins
    test_start, n_targets = experiment.split.test_start, len(config.frame.targets)
    scales = mase_scales(panel, test_start, config.frame.season, n_targets)
    scores, forecast = score(forecaster, panel, origins, (forecaster.deviations(panel), scales))
    rows = horizon_rows(origins.numpy(), config.model.pred_len)  # (N, P)
    truth = measured(panel, n_targets)[rows]  # (N, P, C_t)
    pred, true = (_as_written(values, forecaster, experiment) for values in (forecast, truth))
    return Scored(pred, true, reference_metrics(pred, true), scores)


def reference_metrics(pred: npt.NDArray[Any], true: npt.NDArray[Any]) -> dict[str, float]:
    """`METRICS` over all values that were measured, as the reference defines them.

    MAPE and MSPE divide by what was measured: they are infinite where that is 0.
    """
    seen = ~np.isnan(true)
    wanted = true[seen].astype(np.float64)
    error = pred[seen].astype(np.float64) - wanted
    with np.errstate(divide="ignore", invalid="ignore"):
        share = error / wanted
    mse = float((error**2).mean())
    values = (np.abs(error).mean(), mse, mse**0.5, np.abs(share).mean(), (share**2).mean())
    return {name: float(value) for name, value in zip(METRICS, values, strict=True)}


def _as_written(
    units: npt.NDArray[np.float64], forecaster: Forecaster, experiment: Experiment
) -> Array:
    """(..., C_t) in the data's units as the arrays of the reference have them."""
    if experiment.flags.inverse:
        return units.astype(np.float32)
    scales = forecaster.scales  # of the one series that a file of the reference holds
    scaler = StandardScaler(scales.center[0], scales.spread[0]).last(units.shape[-1])
    return scaler.transform(units).astype(np.float32)


def write_results(
    folder: Path, forecaster: Forecaster, scored: Scored, experiment: Experiment
) -> None:
    """Write everything but the checkpoint into `folder`, which is there and empty."""
    flags, clock = experiment.flags, experiment.source.clock
    np.save(folder / "metrics.npy", np.array([scored.metrics[name] for name in METRICS]))
    np.save(folder / "pred.npy", scored.pred)
    np.save(folder / "true.npy", scored.true)

    table = forecaster.predict(experiment.rows)
    if flags.do_predict:
        n_targets = len(forecaster.config.frame.targets)
        units = table["y_hat"].to_numpy().reshape(n_targets, -1).T[None]  # (1, P, C_t)
        np.save(folder / "real_prediction.npy", _as_written(units, forecaster, experiment))
    shown = table.assign(ds=clock.show(table["ds"]), cutoff=clock.show(table["cutoff"]))
    shown.to_csv(folder / "forecast.csv", index=False)

    frame = forecaster.config.frame
    past = long_targets(experiment.rows, frame)
    ahead = table.sort_values("unique_id", key=lambda name: name != frame.target, kind="stable")
    figure = forecast_fan(  # the target first: of many columns not all are drawn
        past.assign(ds=clock.wall(past["ds"])),
        ahead.assign(ds=clock.wall(ahead["ds"])),
        f"Forecast by {flags.model}, {flags.data}",
    )
    figure.savefig(folder / "forecast.png", dpi=110)
    (folder / "config.json").write_text(_understood(forecaster, experiment), encoding="utf-8")


def _understood(forecaster: Forecaster, experiment: Experiment) -> str:
    """The flags with what the data implies, and all that they came to, as JSON."""
    config, source = forecaster.config, experiment.source
    flags = {k: v for k, v in asdict(experiment.flags).items() if k not in ("given", "bare")}
    network = asdict(config.network)
    flags |= {name: network[name] for name in ("enc_in", "dec_in", "c_out", "freq")}
    flags |= {"target": config.frame.target, "cols": config.frame.columns}
    record = {
        "flags": flags,
        "given": sorted(experiment.flags.given),
        "file": source.name,
        "split": {name: str(time) for name, time in asdict(experiment.split).items()},
        "forecaster": asdict(config) | {"model": network},
        "epochs": [asdict(record) for record in forecaster.history],
        "warnings": list(experiment.warnings),
    }
    return json.dumps(record, indent=2) + "\n"
