"""The door of the library: a frame in, a forecast frame out.

Scaling in and out, the calendar, the windows and the calibration of the intervals all happen in
here, so that no caller can forget one of them.

S series   L look_back   P pred_len   C channels   C_t targets   Q quantiles   N windows
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from informer.baselines import ClosedFormLinear, SeasonalNaive
from informer.config import ForecasterConfig
from informer.data.calendar import future_times
from informer.data.frame import regular_panel, series_names
from informer.data.panel import Panel, clock_features
from informer.data.scaler import StandardScaler
from informer.data.split import tail_start
from informer.data.windows import Windows
from informer.errors import FrameError
from informer.nn.model import Informer
from informer.storage import read_model, write_model
from informer.training.loop import EpochRecord, fit

__all__ = ["Estimator", "Forecaster", "NetworkPredictor"]

Estimator = Literal["informer", "linear", "seasonal_naive"]
BATCH = 512


class Predictor(Protocol):
    """What a forecaster scales for and asks: windows in, scaled forecasts out."""

    @property
    def look_back(self) -> int:
        """L, rows of history that a forecast reads."""

    def predict(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, P, C_t) scaled forecasts of the windows numbered by `index`."""


@dataclass(frozen=True)
class NetworkPredictor:
    """An Informer whose ProbSparse keys come from `seed`, the same in every call and batch."""

    model: Informer
    seed: int

    @property
    def look_back(self) -> int:
        """L, rows of history that a forecast reads."""
        return self.model.config.seq_len

    def predict(self, windows: Windows, index: Tensor) -> Tensor:
        """(B, P, C_t) scaled forecasts of the windows numbered by `index`."""
        batch = windows.batch(index)
        generator = torch.Generator().manual_seed(self.seed)
        self.model.eval()
        forecast = self.model(
            batch.x_enc, batch.x_mark_enc, None, batch.x_mark_dec, generator=generator
        )
        assert isinstance(forecast, Tensor)
        return forecast


@dataclass(frozen=True)
class Forecaster:
    """A fitted forecaster: a function of data alone.

    Attributes:
        config: what it was fitted with.
        estimator: `informer`, or the name of the baseline that it serves.
        scaler: fitted once, on the train rows.
        predictor: the network or the baseline.
        offsets: (Q, P, C_t) split-conformal quantiles of the validation residuals, scaled.
        history: what each epoch of the training gave; empty for a baseline.
    """

    config: ForecasterConfig
    estimator: Estimator
    scaler: StandardScaler
    predictor: Predictor
    offsets: Tensor
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
        frame: pd.DataFrame,
        config: ForecasterConfig,
        *,
        estimator: Estimator = "informer",
        checkpoint_dir: Path | None = None,
        on_epoch: Callable[[EpochRecord], None] | None = None,
        on_step: Callable[[int, int, float], None] | None = None,
    ) -> Forecaster:
        """Fit on a frame of train and validation rows; the last `config.val` of it validates.

        Args:
            frame: long frame with the columns that `config.frame` names; no test rows.
            config: network, training, and what of the frame validates.
            estimator: the Informer, or a baseline in its place.
            checkpoint_dir: where a training that was cut off goes on from.
            on_epoch: called after each epoch; what it raises ends the training.
            on_step: called now and then with step, steps in all, and train loss.

        Raises:
            FrameError: the frame breaks the structural contract or is too short for a window.
            ConfigError: `config.val` leaves no train or no validation rows.
        """
        panel = regular_panel(frame, config.frame)
        boundary = tail_start(config.val, panel.grid[0], panel.grid[-1], config.frame.freq)
        scaler = _fit_scaler(panel, boundary)
        own = {"linear": config.look_back, "seasonal_naive": config.season, "informer": 0}
        reach = (max(config.model.seq_len, own[estimator]), config.model.pred_len)
        train = _cut(panel, scaler, config, _origins(panel, (None, boundary), *reach))
        val = _cut(panel, scaler, config, _origins(panel, (boundary, None), *reach))
        history: tuple[EpochRecord, ...] = ()
        predictor: Predictor
        if estimator == "linear":
            predictor = ClosedFormLinear.fit(train, val, config.look_back)
        elif estimator == "seasonal_naive":
            predictor = SeasonalNaive(config.season)
        else:
            torch.manual_seed(config.training.seed)
            model = Informer(config.network)
            if config.model.linear_highway:
                linear = ClosedFormLinear.fit(train, val, config.model.seq_len)
                model.highway.copy_(linear.weight)
            result = fit(
                model, train, val, config.training,
                checkpoint_dir=checkpoint_dir, on_epoch=on_epoch, on_step=on_step,
            )  # fmt: skip
            history = tuple(result.history)
            predictor = NetworkPredictor(model, config.training.seed)
        offsets = _conformal_offsets(predictor, val, panel.observed, config.quantiles)
        return cls(config, estimator, scaler, predictor, offsets, history)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Forecast the `pred_len` steps after the last row of each series.

        Args:
            frame: long frame as `fit` takes it, with at least `look_back` rows a series.

        Returns:
            Columns unique_id, ds, cutoff (the last time seen), y_hat and one `y_hat_q..` for each
            quantile, in the data's units; ordered by series, target and time.

        Raises:
            FrameError: the frame breaks the structural contract, or a series is too short.
        """
        panel = regular_panel(frame, self.config.frame)
        windows, steps, grid = self._future_windows(panel)
        forecast = self._predict_scaled(windows)  # (S, P, C_t)
        names = np.array(series_names(panel.ids, self.config.frame), dtype=object)  # (S, C_t)
        n_steps = forecast.shape[1]
        cutoff = panel.times[panel.bounds[1:] - 1]
        by_target = (0, 2, 1)
        columns: dict[str, object] = {
            "unique_id": np.repeat(names.ravel(), n_steps),
            "ds": grid[np.repeat(steps, names.shape[1], axis=0).ravel()],
            "cutoff": cutoff.repeat(n_steps * names.shape[1]),
            "y_hat": self._to_units(forecast).transpose(by_target).ravel(),
        }
        for level, offset in zip(self.config.quantiles, self.offsets, strict=True):
            units = self._to_units(forecast + offset)
            columns[f"y_hat_q{level * 100:g}"] = units.transpose(by_target).ravel()
        return pd.DataFrame(columns).astype({"unique_id": "str"})

    def forecast_windows(
        self, panel: Panel, origins: Tensor
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Forecast from past origins, as a backtest does.

        Args:
            panel: regular series in the data's units.
            origins: (N,) rows of `panel` that are the first forecast step.

        Returns:
            The forecasts, (N, P, C_t) in the data's units, and the calibrated quantiles less the
            forecast, (Q, P, C_t) in the same units.
        """
        windows = _cut(panel, self.scaler, self.config, origins)
        units = self._to_units(self._predict_scaled(windows))
        return units, self.offsets.double().numpy() * self.target_std

    def save(self, folder: Path | str) -> Path:
        """Write config, scaler, weights and calibration as JSON and safetensors, all or nothing.

        Raises:
            CheckpointError: `folder` exists already or cannot be written.
        """
        tensors = {"calibration.offsets": self.offsets}
        if isinstance(self.predictor, NetworkPredictor):
            state = self.predictor.model.state_dict()
            tensors |= {f"network.{name}": value for name, value in state.items()}
        elif isinstance(self.predictor, ClosedFormLinear):
            tensors["linear.weight"] = self.predictor.weight
        settings = {
            "estimator": self.estimator,
            "config": asdict(self.config),
            "scaler": self.scaler.to_dict(),
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
        predictor: Predictor = SeasonalNaive(config.season)
        if settings["estimator"] == "linear":
            predictor = ClosedFormLinear(tensors["linear.weight"])
        elif settings["estimator"] == "informer":
            model = Informer(config.network)
            prefix = "network."
            state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            model.load_state_dict(state)
            predictor = NetworkPredictor(model.eval(), config.training.seed)
        return cls(
            config=config,
            estimator=settings["estimator"],
            scaler=StandardScaler.from_dict(settings["scaler"]),
            predictor=predictor,
            offsets=tensors["calibration.offsets"],
            history=tuple(EpochRecord(**record) for record in settings["history"]),
        )

    def _to_units(self, scaled: Tensor) -> npt.NDArray[np.float64]:
        mean = self.scaler.mean[-len(self.config.frame.targets) :]
        units: npt.NDArray[np.float64] = scaled.double().numpy() * self.target_std + mean
        return units

    @torch.inference_mode()
    def _predict_scaled(self, windows: Windows) -> Tensor:
        parts = torch.split(torch.arange(len(windows)), BATCH)
        return torch.cat([self.predictor.predict(windows, part) for part in parts])

    def _future_windows(
        self, panel: Panel
    ) -> tuple[Windows, npt.NDArray[np.int64], pd.DatetimeIndex]:
        """One window a series, the horizon blank: windows, (S, P) steps ahead, their grid."""
        _check_length(panel, self.look_back)
        pred_len, n_past = self.config.model.pred_len, self.look_back
        ends = panel.bounds[1:]
        past = ends[:, None] + np.arange(-n_past, 0)  # (S, L)
        ahead = panel.steps[ends - 1][:, None] + np.arange(1, pred_len + 1)  # (S, P)
        later = future_times(panel.grid[-1], self.config.frame.freq, pred_len)
        grid = pd.DatetimeIndex(panel.grid.append(later))
        marks = clock_features(grid, self.config.frame, self.config.model.embed)
        steps = np.concatenate([panel.steps[past], ahead], axis=1)  # (S, L + P)
        values = np.zeros((*steps.shape, panel.values.shape[1]))
        values[:, :n_past] = self.scaler.transform(panel.values[past])
        windows = Windows.cut(
            values.reshape(-1, values.shape[-1]),
            marks[steps.ravel()],
            torch.arange(len(panel.ids)) * steps.shape[1] + n_past,
            seq_len=self.config.model.seq_len,
            label_len=self.config.model.label_len,
            pred_len=pred_len,
            n_targets=len(self.config.frame.targets),
        )
        return windows, ahead, grid


def _fit_scaler(panel: Panel, boundary: pd.Timestamp) -> StandardScaler:
    rows = np.concatenate([np.arange(s.start, s.stop) for s in panel.rows_between(None, boundary)])
    return StandardScaler.fit(panel.values[rows], panel.observed[rows])


def _cut(
    panel: Panel, scaler: StandardScaler, config: ForecasterConfig, origins: Tensor
) -> Windows:
    return Windows.cut(
        scaler.transform(panel.values),
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
) -> Tensor:
    origins = panel.origins(between, look_back, pred_len)
    if not len(origins):
        longest = int(np.diff(panel.bounds).argmax())
        raise FrameError(
            f"series {panel.ids[longest]!r}, the longest, has {np.diff(panel.bounds)[longest]} "
            f"rows; from {between[0] or 'its start'} to {between[1] or 'its end'} they hold no "
            f"window of {look_back} + {pred_len} steps. Shorten seq_len, look_back or pred_len, "
            "move the split, or supply more history."
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


@torch.inference_mode()
def _conformal_offsets(
    predictor: Predictor,
    val: Windows,
    observed: npt.NDArray[np.bool_],
    quantiles: tuple[float, ...],
) -> Tensor:
    """(Q, P, C_t) quantiles of the validation residuals (split conformal, Vovk et al. 2005).

    With n residuals the level q takes the ceil((n + 1) q)-th smallest above the median and the
    floor((n + 1) q)-th below it, so that an interval covers at least its nominal share where
    validation and test rows are exchangeable.
    """
    seen = torch.from_numpy(observed[:, -val.n_targets :])
    residuals = []
    for index in torch.split(torch.arange(len(val)), BATCH):
        rows = val.origins[index][:, None] + torch.arange(val.pred_len)  # (B, P)
        error = val.values[rows][..., -val.n_targets :] - predictor.predict(val, index)
        residuals.append(error.masked_fill(~seen[rows], torch.nan))
    ordered = torch.cat(residuals).sort(dim=0).values  # (N, P, C_t), NaN last
    count = (~ordered.isnan()).sum(dim=0)  # (P, C_t)
    offsets = []
    for level in quantiles:
        exact = (count + 1) * level
        rank = exact.ceil() if level > 0.5 else exact.floor()
        place = torch.minimum(rank.long().clamp(min=1), count.clamp(min=1)) - 1
        offsets.append(ordered.gather(0, place[None])[0])
    return torch.stack(offsets).nan_to_num(0.0)
