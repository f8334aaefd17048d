"""Held-back rows played as a live stream, once for each policy of retraining."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from prefect import flow
from prefect.runtime import flow_run

from tasks.judging import check_baselines
from tasks.replay import (
    DEFAULT,
    Replayed,
    play_policy,
    read_policies,
    replay_dir,
    replay_run,
    set_stage,
    write_report,
)
from tasks.rows import load_rows, prepare_rows, validate_snapshot
from tasks.settings import RunConfig, find_home

__all__ = ["replay"]


def _name() -> str:
    return f"replay {flow_run.parameters['config'].name}"


@flow(name="replay", flow_run_name=_name)
def replay(
    config: RunConfig,
    policies: tuple[str, ...] = DEFAULT,
    start: pd.Timestamp | None = None,
    output: Path | None = None,
) -> Replayed:
    """Load, validate, prepare, set the stage, play every policy, report."""
    home = find_home()
    check_baselines(config)
    chosen = read_policies(policies, config)
    folder = replay_dir(config, output, home)
    raw = load_rows(config, home)
    with replay_run(config, chosen, home, flow_run.name) as run_id:
        docs_dir = home.run_dir(run_id) / "validation"
        validate_snapshot(raw.path, home.conf_dir / config.data.contract, config.frame, docs_dir)
        prepared = prepare_rows(raw, config, home)
        stage = set_stage(prepared, config, start)
        played = [play_policy(policy, stage, config, run_id, home) for policy in chosen]
        return write_report(played, stage, config, run_id, folder, home)
