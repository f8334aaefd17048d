"""The door of the library: a frame in, a forecast frame out.

Scaling in and out, the calendar, the windows and the calibration of the intervals all happen in
here, so that no caller can forget one of them.

S series   L look_back   P pred_len   C_t targets   Q quantiles   N windows
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from informer.config import ForecasterConfig
from informer.data import (
    Panel,
    Scales,
    horizon_rows,
    regular_panel,
    scales_of,
    shown,
)
from informer.estimators import (
    FALLBACK,
    LINEAR_WEIGHT,
    Baseline,
    Calibration,
    ClosedFormLinear,
    LocalScale,
    NetworkPredictor,
    Predictor,
    calibrate,
    calibration_windows,
    fit_baseline,
    look_back_of,
    predict_levels,
    restore_baseline,
    train_networks,
)
from informer.horizons import (
    against,
    bounded,
    far_inputs,
    find_horizons,
    forecast_table,
    named,
    new_series,
    none_forecast,
    wild,
    with_fallbacks,
)
from informer.network import check_agreement
from informer.nn import Informer
from informer.parts import FittedRows, cut_windows, fitted_rows
from informer.storage import read_model, write_model
from informer.training import EpochRecord

__all__ = ["Estimator", "Forecaster"]

Estimator = Literal["informer", Baseline]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forecaster:
    """A fitted forecaster: a function of data alone.

    Attributes:
        config: what it was fitted with.
        estimator: `informer`, or the name of the baseline that it serves.
        scales: of each series, fitted once, on the train rows.
        predictor: the network or the baseline.
        calibration: what turns forecasts into quantiles, from the validation residuals.
        history: what each epoch of each network's training gave; empty for a baseline.
        left_out: series that it was not fitted on, each with the reason.
    """

    config: ForecasterConfig
    estimator: Estimator
    scales: Scales
    predictor: Predictor
    calibration: Calibration
    history: tuple[EpochRecord, ...] = field(default=(), compare=False)
    left_out: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def look_back(self) -> int:
        """Rows of history that each series must bring to `predict`."""
        return max(self.config.model.seq_len, self.predictor.look_back)

    def deviations(self, panel: Panel) -> npt.NDArray[np.float64]:
        """(S, C_t) standard deviation of each series' targets over its train rows, in its units.

        Of a series that was not there, over its first `look_back` rows.
        """
        own = scales_of(self.scales, panel, self.look_back)
        return own.deviation[:, -len(self.config.frame.targets) :]

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame | Panel,
        config: ForecasterConfig,
        *,
        estimator: Estimator = "informer",
        checkpoint_dir: Path | None = None,
        on_epoch: Callable[[EpochRecord], None] | None = None,
        on_step: Callable[[int, int, float], None] | None = None,
        check_values: bool = True,
    ) -> Forecaster:
        """Fit on a frame of train and validation rows; the last `config.val` of it validates.

        Args:
            frame: long frame with the columns that `config.frame` names, or the panel made of it,
                such as `informer.data.mapped` maps from a file; no test rows.
            config: network, training, and what of the frame validates.
            estimator: the Informer, or a baseline in its place.
            checkpoint_dir: where a training that was cut off goes on from.
            on_epoch: called after each epoch; what it raises ends the training.
            on_step: called now and then with step, steps in all, and train loss.
            check_values: look in a frame for values that cannot be measurements, such as -9999.

        Raises:
            FrameError: the frame breaks the structural contract or is too short for a window.
            ConfigError: `config.val` leaves no train or no validation rows.
        """
        own = 0 if estimator == "informer" else look_back_of(estimator, config)
        look_back = max(config.model.seq_len, own)
        rows = fitted_rows(frame, config, look_back, check_values=check_values)
        train, val = rows.train, rows.val
        history: tuple[EpochRecord, ...] = ()
        predictor: Predictor
        if estimator != "informer":
            predictor = fit_baseline(estimator, train, val, config)
            val = calibration_windows(estimator, val)
        else:
            networks, history = train_networks(
                train, val, config,
                checkpoint_dir=checkpoint_dir, on_epoch=on_epoch, on_step=on_step,
            )  # fmt: skip
            predictor = NetworkPredictor(networks, config.training.seed)
        calibration = _calibrated(predictor, replace(rows, val=val), config)
        for name, reason in rows.left_out.items():
            logger.warning("series %r is not learnt from: it %s", name, reason)
        return cls(config, estimator, rows.scales, predictor, calibration, history, rows.left_out)

    @classmethod
    def from_network(
        cls, model: Informer, frame: pd.DataFrame, config: ForecasterConfig
    ) -> Forecaster:
        """Serve a network that was trained elsewhere: fit all but its weights.

        Args:
            model: the network, its weights in place.
            frame: the rows that it was trained and validated on, as `fit` takes them: the scaler
                is fitted on the first part, the intervals are calibrated on the last `config.val`.
            config: what the network is; `config.network` must agree with `model.config`.

        Raises:
            ConfigError: the two disagree, or `config.val` leaves no train or no validation rows.
            FrameError: the frame breaks the structural contract or is too short for a window.
        """
        check_agreement(model.config, config.network)
        rows = fitted_rows(frame, config, config.model.seq_len)
        predictor = NetworkPredictor((model.eval(),), config.training.seed)
        calibration = _calibrated(predictor, rows, config)
        return cls(config, "informer", rows.scales, predictor, calibration, left_out=rows.left_out)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Forecast the `pred_len` steps after the last observed value of each target.

        Series that cannot be forecast are left out, one by one: `attrs["left_out"]` of the result
        gives the reason of each, and `attrs["unseen"]` names the series that the model was not
        fitted on, which are scaled by their first rows. A series that only has too few rows is
        forecast by a naive baseline, where it has enough for that. Then the result has the column
        `fallback`, which names that baseline and is empty elsewhere.

        Args:
            frame: long frame as `fit` takes it, with at least `look_back` rows a series.

        Returns:
            Columns unique_id, ds, cutoff (the last time seen), y_hat and one `y_hat_q..` for each
            quantile, in the data's units; ordered by series, target and time. y_hat is the model's
            point forecast, and lies within its intervals. Times are as `informer.data.times.shown`
            gives them: on the clock of the frame.

        Raises:
            FrameError: the frame breaks the structural contract, or no series can be forecast.
        """
        table = self.predict_all(frame)
        left_out = table.attrs["left_out"]
        if table.empty or (FALLBACK in table and table[FALLBACK].ne("").all()):
            raise none_forecast(left_out)
        return table

    def predict_all(self, frame: pd.DataFrame) -> pd.DataFrame:
        """As `predict`, but of series none of which the model can forecast too.

        The result then holds their naive forecasts, or no row.
        """
        panel = regular_panel(frame, self.config.frame, on_gap="split")
        found = find_horizons(panel, self.look_back, self.config.frame)
        n_steps = self.config.model.pred_len
        ahead = panel.ahead(found.last, self.look_back, n_steps, self.config.frame.freq)
        scales = scales_of(self.scales, panel, self.look_back)
        origins = torch.from_numpy(ahead.bounds[1:] - n_steps)
        point, quantiles = self.forecast_windows(ahead, origins, scales)
        far = far_inputs(ahead, self.look_back, scales, self.config.frame)
        bad = wild(ahead, self.look_back, scales, point, quantiles)
        reasons = found.reasons | against(found, far, bad)
        is_given = np.ones(found.rows.shape, dtype=bool)
        for place in reasons:
            is_given[place] = False
        left_out = named(reasons, panel, self.config.frame)
        places = np.argwhere(is_given)  # (M, 2)
        window = np.searchsorted(found.last, found.rows[is_given])  # (M,)
        rows = horizon_rows(ahead.bounds[window + 1] - n_steps, n_steps)
        table = forecast_table(
            panel,
            self.config,
            places,
            (ahead.times_of(rows.ravel()), ahead.times_of(rows[:, 0] - 1)),
            (point[window, :, places[:, 1]], quantiles[window, :, :, places[:, 1]]),
        )
        table = with_fallbacks(table, panel, self.config, places, found)
        table = shown(table, frame, self.config.frame)
        for name, reason in left_out.items():
            logger.info("series %r is not forecast by the model: it %s", name, reason)
        new = new_series(self.scales, panel, table, self.config.frame)
        table.attrs |= {"left_out": left_out, "unseen": new}
        return table

    def forecast_from(self, panel: Panel, origins: Tensor) -> pd.DataFrame:
        """Forecast from any origins of a panel.

        Args:
            panel: regular series in the data's units; those of its rows that a horizon covers are
                not read.
            origins: (N,) rows of `panel` that are the first forecast step.

        Returns:
            The columns of `predict`; ordered as `origins`, then by target and time.
        """
        point, quantiles = self.forecast_windows(panel, origins)
        first = origins.numpy()
        n_windows, n_steps, n_targets = point.shape
        rows = np.repeat(horizon_rows(first, n_steps), n_targets, axis=0)  # (N * C_t, P)
        places = np.stack(
            [
                np.repeat(panel.series_of(first), n_targets),
                np.tile(np.arange(n_targets), n_windows),
            ],
            axis=1,
        )
        return forecast_table(
            panel,
            self.config,
            places,
            (panel.times_of(rows.ravel()), panel.times_of(np.repeat(first - 1, n_targets))),
            (
                point.transpose(0, 2, 1).reshape(-1, n_steps),
                quantiles.transpose(0, 3, 1, 2).reshape(-1, quantiles.shape[1], n_steps),
            ),
        )

    def forecast_windows(
        self, panel: Panel, origins: Tensor, scales: Scales | None = None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Forecast from past origins, as a backtest does.

        Args:
            panel: regular series in the data's units.
            origins: (N,) rows of `panel` that are the first forecast step.
            scales: of the panel's series; None: as `panel` shows them.

        Returns:
            The forecasts, (N, P, C_t), and their calibrated quantiles, (N, Q, P, C_t), in the
            data's units. They take Q times the forecasts' memory: ask for many windows in parts.
        """
        n_steps, n_targets = self.config.model.pred_len, len(self.config.frame.targets)
        if not len(origins):
            shape = (0, len(self.config.quantiles), n_steps, n_targets)
            return np.empty((0, n_steps, n_targets)), np.empty(shape)
        scales = scales_of(self.scales, panel, self.look_back) if scales is None else scales
        windows = cut_windows(panel, scales, self.config, origins)
        spread = self.calibration.spread_of(panel.ids)
        values, quantiles = [], []
        for index, forecast in predict_levels(self.predictor, windows):
            point, levels = self.calibration.quantiles(forecast, windows, index, spread)
            values.append(point)
            quantiles.append(levels)
        series = panel.series_of(origins.numpy())
        made = (
            bounded(scales.inverse_targets(part.numpy(), series, n_targets), self.config.frame)
            for part in (torch.cat(values), torch.cat(quantiles))
        )
        return next(made), next(made)

    def save(self, folder: Path | str) -> Path:
        """Write config, scaler, weights and calibration as JSON and safetensors, all or nothing.

        Raises:
            CheckpointError: `folder` exists already or cannot be written.
        """
        scale = self.calibration.scale
        tensors = {"calibration.offsets": self.calibration.offsets}
        tensors["calibration.typical"] = scale.typical
        tensors["calibration.spread"] = self.calibration.spread
        arrays = self.scales.to_arrays()
        tensors |= {f"scales.{name}": torch.tensor(value) for name, value in arrays.items()}
        if isinstance(self.predictor, NetworkPredictor):
            for i, model in enumerate(self.predictor.models):
                state = model.state_dict()
                tensors |= {f"network.{i}.{name}": value for name, value in state.items()}
        elif isinstance(self.predictor, ClosedFormLinear):
            tensors[LINEAR_WEIGHT] = self.predictor.weight
        settings = {
            "estimator": self.estimator,
            "config": asdict(self.config),
            "scaled": list(self.scales.ids),
            "n_log": self.scales.n_log,
            "calibrated": list(self.calibration.ids),
            "scale": {"form": scale.form, "lag": scale.lag, "share": scale.share},
            "history": [asdict(record) for record in self.history],
        }
        return write_model(Path(folder), settings, tensors)

    @classmethod
    def load(cls, folder: Path | str) -> Forecaster:
        """Read back what `save` wrote; no pickle is opened.

        Raises:
            CheckpointError: a file is missing, damaged or of another version.
        """
        settings, tensors = read_model(Path(folder))
        config = ForecasterConfig.from_dict(settings["config"])
        predictor: Predictor
        if settings["estimator"] != "informer":
            predictor = restore_baseline(settings["estimator"], config, tensors)
        else:
            models = tuple(_network(config, tensors, i) for i in range(config.ensemble))
            predictor = NetworkPredictor(models, config.training.seed)
        scale = LocalScale(**settings["scale"], typical=tensors["calibration.typical"])
        return cls(
            config=config,
            estimator=settings["estimator"],
            scales=Scales.from_arrays(
                settings["scaled"],
                settings["n_log"],
                {
                    name.removeprefix("scales."): tensor.numpy()
                    for name, tensor in tensors.items()
                    if name.startswith("scales.")
                },
            ),
            predictor=predictor,
            calibration=Calibration(
                config.quantiles,
                tensors["calibration.offsets"],
                scale,
                tuple(settings["calibrated"]),
                tensors["calibration.spread"],
            ),
            history=tuple(EpochRecord(**record) for record in settings["history"]),
        )


def _network(config: ForecasterConfig, tensors: dict[str, Tensor], member: int) -> Informer:
    """One network of a saved model, in eval mode."""
    with torch.random.fork_rng(devices=[]):  # the start values are overwritten: spend no numbers
        model = Informer(config.network)
    prefix = f"network.{member}."
    model.load_state_dict(
        {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    )
    return model.eval()


def _calibrated(predictor: Predictor, rows: FittedRows, config: ForecasterConfig) -> Calibration:
    frame = config.frame
    return calibrate(
        predictor, rows.train, rows.val, config.quantiles, frame.season, frame.targets, rows.ids
    )
