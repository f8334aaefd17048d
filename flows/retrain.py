"""From a data set to a promoted model and a forecast."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from prefect import flow
from prefect.runtime import flow_run

from flows.train import tune_and_train
from tasks.approval import approved, check_approval
from tasks.config import RunConfig
from tasks.evaluate import Evaluation, check_baselines, evaluate
from tasks.forecast import Forecast, forecast, output_dir, require_fresh
from tasks.home import Home, check_writable, find_home
from tasks.pool import is_sent_away, run_in_pool
from tasks.prepare import Prepared, prepare
from tasks.promote import Promotion, judge, promote
from tasks.registry import register
from tasks.sources import load
from tasks.stages import run_stage, stage_key
from tasks.track import connect, tracked_run, validation_logged
from tasks.train import Trained
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
    config = config.with_space(home.conf_dir)
    check_baselines(config)
    check_approval(config)
    connect(home)
    check_writable(output_dir(config, home))
    raw = run_stage(load, lambda done: [done.path], config.data.source, config.frame, home)
    identity = stage_key("retrain", home, raw.sha256, config.model_dump(mode="json"))
    with tracked_run(config, home, flow_run.name, identity) as run_id:
        work_dir = home.run_dir(run_id)
        docs_dir, contract = work_dir / "validation", home.conf_dir / config.data.contract
        with validation_logged(run_id, docs_dir, home):
            validate(raw.path, contract, config.frame, docs_dir)
        prepared = run_stage(prepare, lambda done: [done.snapshot.path], raw, config, home)
        require_fresh(prepared.snapshot.path, config)
        trained = _trained(prepared, config, run_id, home)
        evaluation = evaluate(prepared, trained, run_id, work_dir, home)
        metrics = evaluation.metrics["informer"]
        version = register(trained.model_dir, prepared, config.name, metrics, run_id, home)
        decision = judge(evaluation, prepared, trained, run_id, work_dir, home)
        decision = approved(decision, version, evaluation, config, home)
        promotion = promote(version, decision, evaluation, prepared, trained, run_id, home)
        made = forecast(prepared.snapshot.path, config, home, run_id=run_id)
    return Retrained(run_id, version, evaluation, promotion, made)


def _trained(prepared: Prepared, config: RunConfig, run_id: str, home: Home) -> Trained:
    """Tune and train, here or on the workers that train."""
    if not is_sent_away(config):
        return tune_and_train(prepared, config, run_id, home)
    given = {
        "config": config.model_dump(mode="json"),
        "raw": asdict(prepared.raw),
        "run_id": run_id,
    }
    hours = 2 * config.workers.timeout_hours  # of a search and of a training
    trained: Trained = run_in_pool(f"train/{config.name}", given, 3600 * hours)
    return trained
