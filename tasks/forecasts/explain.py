"""Two vintages of a pipeline's forecasts, and what the difference between them is due to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from informer.data import as_kept, regular_panel, series_names
from informer.errors import ConfigError
from informer.evaluation import PARTS, Origin, covariates_of, explain_change, forecast_churn
from informer.forecaster import Forecaster
from tasks.forecasts.vintages import (
    VintageFile,
    list_vintages,
    output_dir,
    parts_of,
    read_vintage,
    vintage_of,
)
from tasks.models import Served, load_version
from tasks.runs import change_by_part
from tasks.settings import Home, PipelineError, RunConfig, StoreError, replaced

__all__ = ["Explained", "explain_vintages"]

TOLERANCE = 1e-4  # of the targets' deviation: what another processor may make of float32


@dataclass(frozen=True)
class Explained:
    """Why the forecasts of one vintage are not those of another.

    Attributes:
        before: the older vintage.
        after: the newer one.
        table: unique_id, ds, before, after, change and its parts data, weights, covariates.
        by_series: unique_id, n, the means of change and parts, and churn, the mean absolute
            change; all in the data's units.
        has_covariates: False where every channel is forecast, so that no part can be theirs.
        folder: where tables and chart are.
    """

    before: VintageFile
    after: VintageFile
    table: pd.DataFrame
    by_series: pd.DataFrame
    has_covariates: bool
    folder: Path


def explain_vintages(
    config: RunConfig, before: str | None, after: str | None, output: Path | None, home: Home
) -> Explained:
    """Reproduce two vintages and split the difference between them.

    Args:
        config: the pipeline.
        before: cutoff or file of the older vintage; None: the one before `after`.
        after: cutoff or file of the newer one; None: the last.
        output: folder of the tables and the chart; None: one under mlruns/changes/<name>/.
        home: where the stores are.

    Raises:
        PipelineError: there are not two vintages, or one cannot be reproduced.
        RegistryError: a model version is gone.
        StoreError: the rows that a vintage was made from are gone.
        ConfigError: `before` or `after` names no vintage.
    """
    older, newer = _chosen(output_dir(config, home), before, after)
    models: dict[str, Served] = {}
    origins = [_origin(vintage, config.name, models, home) for vintage in (older, newer)]
    table = explain_change(*origins)
    folder = (
        output or home.store_dir / "changes" / config.name / f"{older.path.stem}--{newer.path.stem}"
    )
    frame = origins[1].forecaster.config.frame
    found = Explained(
        before=older,
        after=newer,
        table=table,
        by_series=_by_series(table),
        has_covariates=bool(covariates_of(frame)),
        folder=folder.absolute(),
    )
    _write(found)
    return found


def _chosen(folder: Path, before: str | None, after: str | None) -> tuple[VintageFile, VintageFile]:
    """The two vintages that are meant."""
    found = list_vintages(folder)
    if not found:
        raise StoreError(
            f"there is no forecast in {folder}. Run: informer forecast CONF, now and again after "
            "new rows arrive."
        )
    newer = _newest(found) if after is None else _named(after, found, folder)
    if before is not None:
        return _named(before, found, folder), newer
    made = _created(newer)
    earlier = [
        vintage
        for vintage in found
        if vintage.cutoff < newer.cutoff
        or (vintage.cutoff == newer.cutoff and vintage != newer and _created(vintage) <= made)
    ]
    if not earlier:
        raise StoreError(
            f"{newer.path.name} is the first forecast in {folder}, so there is no earlier one to "
            "compare it with. Forecast again after new rows arrive."
        )
    return _newest(earlier), newer


def _created(vintage: VintageFile) -> pd.Timestamp:
    made: pd.Timestamp = read_vintage(parts_of(vintage.path)[0])["created_at"].iloc[0]
    return made


def _newest(found: list[VintageFile]) -> VintageFile:
    """The one of the latest cutoff; of several of these the one created last."""
    latest = max(vintage.cutoff for vintage in found)
    return max((v for v in found if v.cutoff == latest), key=_created)


def _named(text: str, found: list[VintageFile], folder: Path) -> VintageFile:
    """The vintage meant by a file, a file's name, or a cutoff."""
    for path in (Path(text), folder / text, folder / f"{text}.parquet"):
        vintage = vintage_of(path.absolute())
        if path.is_file() or (vintage is not None and path.is_dir()):
            if vintage is None:
                raise ConfigError(
                    f"{path} is not a stored forecast; choose a Parquet file from {folder}."
                )
            return vintage
    try:
        time = pd.Timestamp(text)
        cutoff = time if time.tz is None else time.tz_convert("UTC").tz_localize(None)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is neither a file in {folder} nor a time. Give a cutoff, such as "
            f"{found[-1].cutoff.isoformat()}."
        ) from error
    meant = [vintage for vintage in found if vintage.cutoff == cutoff]
    if not meant:
        known = ", ".join(v.cutoff.isoformat() for v in found[-3:])
        raise ConfigError(
            f"there is no forecast with the cutoff {cutoff}; the last cutoffs are {known}."
        )
    return _newest(meant)


def _origin(vintage: VintageFile, name: str, models: dict[str, Served], home: Home) -> Origin:
    """The model and the rows that a vintage was made from, after it was made from them again."""
    stored = read_vintage(vintage.path)
    rows = _rows_seen(vintage, stored["data_sha256"].iloc[0], home)
    version = stored["model_version"].iloc[0]
    if version not in models:
        models[version] = load_version(name, version, home)
    forecaster = models[version].forecaster
    again = as_kept(forecaster.predict_all(rows))
    keys = ["unique_id", "ds"]
    both = stored.merge(again, on=keys, how="outer", suffixes=("", "_again"))
    off = (both["y_hat"] - both["y_hat_again"]).abs().to_numpy()
    limits = TOLERANCE * both["unique_id"].map(_deviations(forecaster, rows)).to_numpy()
    if not np.all(off <= limits):  # a row that only one of them has is NaN here
        raise PipelineError(
            f"{vintage.path.name} cannot be reproduced: version {version} of {name} gives another "
            f"forecast from the same rows, different by up to {np.nanmax(off, initial=0.0):.3g} "
            f"(allowed: {np.nanmin(limits):.3g}) or for other times. Perhaps another release of "
            "the code made it. Choose other vintages."
        )
    return Origin(forecaster, rows)


def _deviations(forecaster: Forecaster, rows: pd.DataFrame) -> pd.Series[float]:
    """The standard deviation of each `unique_id`, in its units."""
    frame = forecaster.config.frame
    panel = regular_panel(rows, frame, on_gap="split")
    names = [name for own in series_names(panel.ids, frame) for name in own]
    return pd.Series(forecaster.deviations(panel).ravel(), index=names)


def _rows_seen(vintage: VintageFile, sha256: str, home: Home) -> pd.DataFrame:
    if not sha256:
        raise StoreError(
            f"{vintage.path.name} does not say which rows it was made from. An older release made "
            "it, which did not keep them. Choose a later vintage."
        )
    path = home.snapshot_dir / f"{sha256[:16]}.parquet"
    if not path.is_file():
        raise StoreError(
            f"the rows that {vintage.path.name} was made from are gone: there is no {path}. "
            "Restore the file, or choose another vintage."
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise StoreError(
            f"{path} is not what {vintage.path.name} was made from: its sha256 is not {sha256}. "
            "Restore the file, or choose another vintage."
        )
    return pd.read_parquet(path)


def _by_series(table: pd.DataFrame) -> pd.DataFrame:
    series = table.groupby("unique_id")
    means = series[["change", *PARTS]].mean()
    means.insert(0, "n", series.size())
    sides = [
        table[["unique_id", "ds"]].assign(cutoff=place, y_hat=table[name])
        for place, name in enumerate(("before", "after"))
    ]
    moved = forecast_churn(pd.concat(sides, ignore_index=True)).set_index("unique_id")["churn"]
    return means.assign(churn=moved).reset_index()


def _write(found: Explained) -> None:
    """`change.csv`, `change_by_series.csv` and `change.png`, each whole or not at all."""
    for name, table in (("change", found.table), ("change_by_series", found.by_series)):
        with replaced(found.folder / f"{name}.csv") as draft:
            table.to_csv(draft, index=False)
    title = f"From {found.before.label} to {found.after.label}"
    parts = PARTS if found.has_covariates else PARTS[:2]
    with replaced(found.folder / "change.png") as draft:
        change_by_part(found.table, parts, title).savefig(draft, dpi=110)
