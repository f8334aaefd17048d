"""From a data set to a promoted model and a forecast."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from prefect import flow
from prefect.runtime import flow_run

from flows.train import errors_by_seed, train_anywhere
from tasks.forecasts import Forecast, check_forecast, require_fresh, write_forecast
from tasks.judging import (
    Decision,
    Evaluation,
    Promotion,
    approved,
    carry_out,
    check_approval,
    check_baselines,
    decided_once,
    evaluate_model,
    judge,
    require_candidate,
)
from tasks.models import champion_of_run, register
from tasks.rows import load_rows, prepare_rows, require_trainable, validate_snapshot
from tasks.runs import connect, digest, tracked_run, validation_logged
from tasks.settings import RunConfig, find_home

__all__ = ["Retrained", "retrain"]


@dataclass(frozen=True)
class Retrained:
    """What one run of `retrain` did.

    `left_out` are the series that no model was trained on, or that were not forecast, with reasons.
    """

    run_id: str
    version: str
    evaluation: Evaluation
    promotion: Promotion
    forecast: Forecast
    left_out: dict[str, str]


def _name() -> str:
    return f"retrain {flow_run.parameters['config'].name}"


@flow(name="retrain", flow_run_name=_name)
def retrain(config: RunConfig) -> Retrained:
    """Load, validate, prepare, tune, train, evaluate, register, promote, forecast."""
    home = find_home()
    config = config.with_space(home.conf_dir)
    check_baselines(config)
    check_approval(config)
    connect(home)
    check_forecast(config, home)
    raw = load_rows(config, home)
    identity = digest("retrain", str(home.root), raw.sha256, config.model_dump(mode="json"))
    with tracked_run(config, home, flow_run.name, identity) as run_id:
        champion = champion_of_run(run_id, config.name, home)
        docs_dir, contract = home.docs_dir(raw.sha256), home.conf_dir / config.data.contract
        with validation_logged(run_id, docs_dir, home):
            validate_snapshot(raw.path, contract, config.frame, docs_dir)
        prepared = prepare_rows(raw, config, home)
        require_trainable(prepared)
        require_fresh(prepared.snapshot.path, config)
        trained = train_anywhere(prepared, config, run_id, home)
        evaluation = evaluate_model(prepared, trained, champion, run_id, home)

        def decide() -> Decision:
            require_candidate(evaluation, config)
            errors, model_dir = evaluation.metrics["informer"], trained.model_dir
            version = register(model_dir, prepared, config.name, errors, run_id, home)
            seeds = partial(errors_by_seed, prepared, trained, run_id, home)
            evidence, ruling = judge(evaluation, trained.config, seeds)
            ruling = approved(evidence, ruling, version, evaluation, config, run_id, home)
            return Decision(run_id, version, champion, ruling, evidence, evaluation.windows)

        decision = decided_once(run_id, home, decide)
        promotion = carry_out(decision, evaluation.baseline_dirs, prepared, config.name, home)
        serving = promotion.champion_version
        made = write_forecast(prepared.snapshot.path, config, home, run_id=run_id, version=serving)
    left_out = {**prepared.left_out, **made.left_out}
    return Retrained(run_id, decision.challenger, evaluation, promotion, made, left_out)
