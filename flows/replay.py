"""Held-back rows played as a live stream, once for each policy of retraining."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from prefect import flow
from prefect.runtime import flow_run

from tasks.config import RunConfig
from tasks.evaluate import check_baselines
from tasks.home import find_home
from tasks.prepare import prepare
from tasks.replay.policies import DEFAULT, read_policies
from tasks.replay.run import Replayed, play_policy, replay_dir, replay_run, report
from tasks.replay.stage import set_stage
from tasks.sources import load
from tasks.validate import validate

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
    raw = load(config.data.source, config.frame, home)
    with replay_run(config, chosen, home, flow_run.name) as run_id:
        docs_dir = home.run_dir(run_id) / "validation"
        validate(raw.path, home.conf_dir / config.data.contract, config.frame, docs_dir)
        prepared = prepare(raw, config, home)
        stage = set_stage(prepared, config, start)
        played = [play_policy(policy, stage, config, run_id, home) for policy in chosen]
        return report(played, stage, config, run_id, folder, home)
