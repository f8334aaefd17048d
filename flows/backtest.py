"""How good the champion is: on the test rows, and rolling over rows that came since."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from tasks.judging import (
    Backtested,
    RolledOver,
    RollOptions,
    backtest_dir,
    check_baselines,
    roll_champion,
    score_champion,
)
from tasks.models import champion_version
from tasks.rows import load_rows, prepare_rows, validate_snapshot
from tasks.runs import tracked_run, validation_logged
from tasks.settings import RunConfig, check_writable, find_home

__all__ = ["BacktestRun", "backtest"]


@dataclass(frozen=True)
class BacktestRun:
    """What one run of `backtest` did.

    Attributes:
        run_id: the MLflow run.
        scored: the errors on the test rows.
        rolled: the rolling forecast; None where none was asked for.
        folder: where the tables and charts are.
    """

    run_id: str
    scored: Backtested
    rolled: RolledOver | None
    folder: Path


def _name() -> str:
    return f"backtest {flow_run.parameters['config'].name}"


@flow(name="backtest", flow_run_name=_name)
def backtest(
    config: RunConfig, roll_over: RollOptions | None = None, output: Path | None = None
) -> BacktestRun:
    """Load, validate, prepare, score the champion, and roll it over what came since."""
    home = find_home()
    check_baselines(config)
    champion_version(config.name, home)  # without one, nothing is begun
    raw = load_rows(config, home)
    came = None if roll_over is None else load_rows(config, home, roll_over.source)
    contract, rolled = home.conf_dir / config.data.contract, None
    with tracked_run(config, home, flow_run.name) as run_id:
        folder = backtest_dir(config, run_id, output, home)
        check_writable(folder)
        docs_dir = home.run_dir(run_id) / "validation"
        with validation_logged(run_id, docs_dir, home):
            validate_snapshot(raw.path, contract, config.frame, docs_dir)
            if came is not None:
                validate_snapshot(
                    came.path, contract, config.frame, docs_dir / "rolling", is_part=True
                )
        prepared = prepare_rows(raw, config, home)
        scored = score_champion(prepared, config, run_id, folder, home)
        if roll_over is not None and came is not None:
            rolled = roll_champion(prepared, came, roll_over, config, run_id, folder, home)
    return BacktestRun(run_id, scored, rolled, folder)
