"""The door of the library: a frame in, a forecast frame out.

Scaling in and out, the calendar, the windows and the calibration of the intervals all happen in
here, so that no caller can forget one of them.

S series   L look_back   P pred_len   C_t targets   Q quantiles   N windows
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from informer.config import MEDIAN, ForecasterConfig, InformerConfig
from informer.data import (
    Panel,
    StandardScaler,
    Windows,
    horizon_rows,
    regular_panel,
    series_names,
    shown,
    tail_start,
)
from informer.errors import ConfigError, FrameError
from informer.estimators import (
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
from informer.nn import Informer
from informer.storage import read_model, write_model
from informer.training import EpochRecord

__all__ = ["Estimator", "Forecaster"]

Estimator = Literal["informer", Baseline]


@dataclass(frozen=True)
class Forecaster:
    """A fitted forecaster: a function of data alone.

    Attributes:
        config: what it was fitted with.
        estimator: `informer`, or the name of the baseline that it serves.
        scaler: fitted once, on the train rows.
        predictor: the network or the baseline.
        calibration: what turns forecasts into quantiles, from the validation residuals.
        history: what each epoch of each network's training gave; empty for a baseline.
    """

    config: ForecasterConfig
    estimator: Estimator
    scaler: StandardScaler
    predictor: Predictor
    calibration: Calibration
    history: tuple[EpochRecord, ...] = field(default=(), compare=False)

    @property
    def look_back(self) -> int:
        """Rows of history that each series must bring to `predict`."""
        return max(self.config.model.seq_len, self.predictor.look_back)

    @property
    def target_std(self) -> npt.NDArray[np.float64]:
        """(C_t,) standard deviation of the targets over the train rows, in their own units."""
        return self.scaler.std[-len(self.config.frame.targets) :]

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

        Raises:
            FrameError: the frame breaks the structural contract or is too short for a window.
            ConfigError: `config.val` leaves no train or no validation rows.
        """
        panel = frame if isinstance(frame, Panel) else regular_panel(frame, config.frame)
        own = 0 if estimator == "informer" else look_back_of(estimator, config)
        look_back = max(config.model.seq_len, own)
        scaler, train, val = _train_and_val(panel, config, look_back)
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
        calibration = _calibrated(predictor, train, val, config)
        return cls(config, estimator, scaler, predictor, calibration, history)

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
        _check_agreement(model.config, config.network)
        panel = regular_panel(frame, config.frame)
        scaler, train, val = _train_and_val(panel, config, config.model.seq_len)
        predictor = NetworkPredictor((model.eval(),), config.training.seed)
        calibration = _calibrated(predictor, train, val, config)
        return cls(config, "informer", scaler, predictor, calibration)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Forecast the `pred_len` steps after the last row of each series.

        Args:
            frame: long frame as `fit` takes it, with at least `look_back` rows a series.

        Returns:
            Columns unique_id, ds, cutoff (the last time seen), y_hat and one `y_hat_q..` for each
            quantile, in the data's units; ordered by series, target and time. Times are as
            `informer.data.times.shown` gives them: on the clock of the frame.

        Raises:
            FrameError: the frame breaks the structural contract, or a series is too short.
        """
        panel = regular_panel(frame, self.config.frame)
        _check_length(panel, self.look_back)
        n_steps = self.config.model.pred_len
        ahead = panel.last(self.look_back).extended(n_steps, self.config.frame.freq)
        made = self.forecast_from(ahead, torch.from_numpy(ahead.bounds[1:] - n_steps))
        return shown(made, frame, self.config.frame)

    def forecast_from(self, panel: Panel, origins: Tensor) -> pd.DataFrame:
        """Forecast from any origins of a panel.

        Args:
            panel: regular series in the data's units; those of its rows that a horizon covers are
                not read.
            origins: (N,) rows of `panel` that are the first forecast step.

        Returns:
            The columns of `predict`; ordered as `origins`, then by target and time.
        """
        forecast, quantiles = self.forecast_windows(panel, origins)
        first = origins.numpy()
        names = np.array(series_names(panel.ids, self.config.frame), dtype=object)  # (S, C_t)
        _, n_steps, n_targets = forecast.shape
        rows = np.repeat(horizon_rows(first, n_steps), n_targets, axis=0)  # (N * C_t, P)
        by_target = (0, 2, 1)
        columns: dict[str, object] = {
            "unique_id": np.repeat(names[panel.series_of(first)].ravel(), n_steps),
            "ds": panel.times[rows.ravel()],
            "cutoff": panel.times[first - 1].repeat(n_steps * n_targets),
            "y_hat": forecast.transpose(by_target).ravel(),
        }
        for place, level in enumerate(self.config.quantiles):
            columns[f"y_hat_q{level * 100:g}"] = quantiles[:, place].transpose(by_target).ravel()
        return pd.DataFrame(columns).astype({"unique_id": "str"})

    def forecast_windows(
        self, panel: Panel, origins: Tensor
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Forecast from past origins, as a backtest does.

        Args:
            panel: regular series in the data's units.
            origins: (N,) rows of `panel` that are the first forecast step.

        Returns:
            The forecasts, (N, P, C_t), and their calibrated quantiles, (N, Q, P, C_t), in the
            data's units. They take Q times the forecasts' memory: ask for many windows in parts.
        """
        windows = _cut(panel, self.scaler, self.config, origins)
        values, quantiles = [], []
        for index, forecast in predict_levels(self.predictor, windows):
            place = self.config.quantiles.index(MEDIAN) if forecast.shape[1] > 1 else 0
            values.append(forecast[:, place])
            quantiles.append(self.calibration.quantiles(forecast, windows, index))
        targets = self.scaler.last(windows.n_targets)
        return targets.inverse(torch.cat(values)), targets.inverse(torch.cat(quantiles))

    def save(self, folder: Path | str) -> Path:
        """Write config, scaler, weights and calibration as JSON and safetensors, all or nothing.

        Raises:
            CheckpointError: `folder` exists already or cannot be written.
        """
        scale = self.calibration.scale
        tensors = {"calibration.offsets": self.calibration.offsets}
        tensors["calibration.typical"] = scale.typical
        if isinstance(self.predictor, NetworkPredictor):
            for i, model in enumerate(self.predictor.models):
                state = model.state_dict()
                tensors |= {f"network.{i}.{name}": value for name, value in state.items()}
        elif isinstance(self.predictor, ClosedFormLinear):
            tensors[LINEAR_WEIGHT] = self.predictor.weight
        settings = {
            "estimator": self.estimator,
            "config": asdict(self.config),
            "scaler": self.scaler.to_dict(),
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
            scaler=StandardScaler.from_dict(settings["scaler"]),
            predictor=predictor,
            calibration=Calibration(tensors["calibration.offsets"], scale),
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


def _calibrated(
    predictor: Predictor, train: Windows, val: Windows, config: ForecasterConfig
) -> Calibration:
    frame = config.frame
    return calibrate(predictor, train, val, config.quantiles, frame.season, frame.targets)


def _check_agreement(network: InformerConfig, wanted: InformerConfig) -> None:
    """The frequency may be spelled in another way, as long as the calendar has the same parts."""
    names = [f.name for f in fields(network) if f.name not in ("freq", "backend")]
    differing = [
        f"{name} is {getattr(network, name)!r}, expected {getattr(wanted, name)!r}"
        for name in (*names, "n_marks")
        if getattr(network, name) != getattr(wanted, name)
    ]
    if differing:
        raise ConfigError(
            f"the network does not match the configuration: {'; '.join(differing)}. Correct the "
            "configuration, or the columns of its frame."
        )


def _train_and_val(
    panel: Panel, config: ForecasterConfig, look_back: int
) -> tuple[StandardScaler, Windows, Windows]:
    """The scaler of the train rows, and the windows of both parts."""
    boundary = tail_start(config.val, panel.grid[0], panel.grid[-1], config.frame)
    scaler = panel.fit_scaler(boundary)
    sizes, training = (look_back, config.model.pred_len), config.training
    train = _cut(
        panel, scaler, config, _origins(panel, (None, boundary), *sizes, training.max_windows)
    )
    later = _origins(panel, (boundary, None), *sizes, training.max_val_windows)
    return scaler, train, replace(train, origins=later)


def _cut(
    panel: Panel, scaler: StandardScaler, config: ForecasterConfig, origins: Tensor
) -> Windows:
    return panel.windows(
        scaler,
        panel.marks(config.frame, config.model.embed),
        origins,
        seq_len=config.model.seq_len,
        label_len=config.model.label_len,
        pred_len=config.model.pred_len,
        n_targets=len(config.frame.targets),
    )


def _origins(
    panel: Panel,
    between: tuple[pd.Timestamp | None, pd.Timestamp | None],
    look_back: int,
    pred_len: int,
    at_most: int,
) -> Tensor:
    origins = panel.origins(between, look_back, pred_len, at_most=at_most)
    if not len(origins):
        longest = int(np.diff(panel.bounds).argmax())
        raise FrameError(
            f"series {panel.ids[longest]!r}, the longest, has {np.diff(panel.bounds)[longest]} "
            f"rows; from {between[0] or 'its start'} to {between[1] or 'its end'} they hold no "
            f"window of {look_back} + {pred_len} steps. Shorten "
            "seq_len, linear_look_back or pred_len, move the split, or supply more history."
        )
    return origins


def _check_length(panel: Panel, look_back: int) -> None:
    lengths = np.diff(panel.bounds)
    if lengths.min() < look_back:
        short = int(lengths.argmin())
        raise FrameError(
            f"series {panel.ids[short]!r} has {lengths[short]} rows; a forecast reads at least "
            f"{look_back}. Supply more history."
        )
