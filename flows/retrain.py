"""From a data set to a promoted model and a forecast."""

from __future__ import annotations

from dataclasses import dataclass

from prefect import flow
from prefect.runtime import flow_run

from tasks.approval import approved, check_approval
from tasks.config import RunConfig
from tasks.evaluate import Evaluation, check_baselines, evaluate
from tasks.forecast import Forecast, forecast, output_dir
from tasks.home import check_writable, find_home
from tasks.prepare import prepare
from tasks.promote import Promotion, judge, promote
from tasks.registry import register
from tasks.sources import load
from tasks.track import connect, tracked_run, validation_logged
from tasks.train import train
from tasks.tune import tune
from tasks.validate import validate

__all__ = ["Retrained", "retrain"]


@dataclass(frozen=True)
class Retrained:
    """What one run of `retrain` did."""

    run_id: str
    version: str
    evaluation: Evaluation
    promotion: Promotion
    forecast: Forecast


def _name() -> str:
    return f"retrain {flow_run.parameters['config'].name}"


@flow(name="retrain", flow_run_name=_name)
def retrain(config: RunConfig) -> Retrained:
    """Load, validate, prepare, tune, train, evaluate, register, promote, forecast."""
    home = find_home()
    check_baselines(config)
    check_approval(config)
    connect(home)
    check_writable(output_dir(config, home))
    raw = load(config.data.source, config.frame, home)
    with tracked_run(config, home, flow_run.name) as run_id:
        work_dir = home.run_dir(run_id)
        docs_dir, contract = work_dir / "validation", home.conf_dir / config.data.contract
        with validation_logged(run_id, docs_dir, home):
            validate(raw.path, contract, config.frame, docs_dir)
        prepared = prepare(raw, config, home)
        tuned = tune(prepared, config, run_id, home)
        trained = train(prepared, config, tuned, run_id, work_dir, home)
        evaluation = evaluate(prepared, trained, run_id, work_dir, home)
        metrics = evaluation.metrics["informer"]
        version = register(trained.model_dir, prepared, config.name, metrics, run_id, home)
        decision = judge(evaluation, prepared, trained, run_id, work_dir, home)
        decision = approved(decision, version, evaluation, config, home)
        promotion = promote(version, decision, evaluation, prepared, trained, run_id, home)
        made = forecast(prepared.snapshot.path, config, home, run_id=run_id)
    return Retrained(run_id, version, evaluation, promotion, made)
