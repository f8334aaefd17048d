"""The deployments of every pipeline under conf/, as `prefect.yaml` spells them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from informer.errors import ConfigError
from tasks.settings import Home, RunConfig, load_config

__all__ = [
    "ALL", "PROJECT_TAG", "Deployment", "all_deployments", "is_current", "path_of", "pipelines",
    "prefect_yaml",
]  # fmt: skip

PROJECT_TAG = "informer"
ALL = "all"
HEAD = """\
# The deployments of every pipeline under conf/: prefect deploy --all
# Made by `informer deployments --write`. Change conf/ and make it anew, rather than change it here.
"""
ABOUT = {
    "retrain": "The whole pipeline: the data are checked, a search goes on where the last one "
    "ended, a model is trained, judged against the champion and the baselines, and serves if it is "
    "better. If it fails, read the error in the run's log, mend the cause and run it again: the "
    "stages that were finished are not repeated. A run is refused while another one goes on.",
    "tune": "One of several flows that search at once (workers.tuning_flows): each takes one trial "
    "of the study after another. A retrain run starts them; they are not meant to be started by "
    "hand. If one fails, the others do its work; if all do, the retrain run fails: look there.",
    "train": "A search or a training that a retrain run sends to the pool for training. It has no "
    "schedule and is not meant to be started by hand. If it fails, the retrain run that waits for "
    "it fails too: look there.",
    "forecast": "The champion's forecast of the next horizon; where forecast.every is set, missed "
    "cutoffs are caught up on. If it fails, no row was written: the run's log says what was "
    "missing or stale. A run is refused while another one goes on; the next one covers it.",
    "monitor": "Past forecasts against what came, and the inputs against the train rows. Drift or "
    "degradation is an event that an automation answers with a retrain. If it fails, nothing is "
    "lost: the next run looks at the same rows.",
    "reconcile": "Closes what a dead worker left open (flow runs, MLflow runs, trials, concurrency "
    "slots), with a reason, and runs again what can go on. If it fails, the server or the MLflow "
    "store could not be reached: informer doctor.",
}
RECONCILE_CRON = "*/15 * * * *"
COMMIT = "sh -c 'git rev-parse --short HEAD 2>/dev/null || echo unknown'"
FOLDER = """sh -c 'echo "${INFORMER_HOME:-$PWD}"'"""


@dataclass(frozen=True)
class Deployment:
    """One deployment, named `<kind>/<pipeline>` on the server: its flow is flows/<kind>.py's.

    Attributes:
        kind: the flow's name.
        pipeline: the configuration's name, or `all`.
        pool: the work pool that its runs are sent to.
        cron: when it runs by itself; None: only when asked for.
        time_zone: whose clock `cron` is read by.
        once: whether a run is refused while another one goes on.
    """

    kind: str
    pipeline: str
    pool: str
    cron: str | None = None
    time_zone: str = "UTC"
    once: bool = True

    @property
    def name(self) -> str:
        """The name that Prefect's commands take."""
        return f"{self.kind}/{self.pipeline}"


def pipelines(home: Home) -> list[RunConfig]:
    """The configuration of every pipeline: each YAML file right under conf/ but base.yaml.

    Raises:
        ConfigError: there is none, a file is wrong, or two have one name.
    """
    paths = sorted(path for path in home.conf_dir.glob("*.yaml") if path.stem != "base")
    configs = [load_config(str(path), conf_dir=home.conf_dir) for path in paths]
    names = [config.name for config in configs]
    if not names:
        raise ConfigError(
            f"there is no pipeline in {home.conf_dir}; add a file such as etth1.yaml."
        )
    for name in names:
        if names.count(name) > 1 or name == ALL:
            raise ConfigError(f"two pipelines are named {name!r}; give each a name of its own.")
    return configs


def all_deployments(configs: list[RunConfig]) -> Iterator[Deployment]:
    """What there is to deploy for these pipelines, and the reconciler for all of them."""
    for config in configs:
        schedule, pool, zone = config.schedule, config.workers.pool, config.schedule.time_zone
        yield Deployment("retrain", config.name, pool, schedule.retrain, zone)
        if config.workers.training_pool is not None:
            for kind in ("tune", "train"):
                yield Deployment(kind, config.name, config.workers.training_pool, once=False)
        yield Deployment("forecast", config.name, pool, schedule.forecast, zone)
        yield Deployment("monitor", config.name, pool, schedule.monitor, zone)
    yield Deployment("reconcile", ALL, configs[0].workers.pool, RECONCILE_CRON)


def prefect_yaml(home: Home) -> str:
    """The text of `prefect.yaml` that the files under conf/ make."""
    configs = pipelines(home)
    values = {config.name: _differing(config) for config in configs}
    entries = [_entry(deployment, values) for deployment in all_deployments(configs)]
    shell = "prefect.deployments.steps.run_shell_script"
    steps = {"commit": COMMIT, "folder": FOLDER}
    whole = {
        "name": "informer-pipeline",
        "build": [
            {shell: {"id": name, "script": script, "stream_output": False}}
            for name, script in steps.items()
        ],
        "pull": [
            {
                "prefect.deployments.steps.set_working_directory": {
                    "directory": "{{ folder.stdout }}"
                }
            }
        ],
        "configurations": values,
        "deployments": entries,
    }
    dumper = _named_anchors({id(value): name for name, value in values.items()})
    return HEAD + yaml.dump(
        whole, Dumper=dumper, sort_keys=False, default_flow_style=None, width=100
    )


def is_current(home: Home) -> bool:
    """Whether the home's prefect.yaml is what conf/ makes."""
    path = path_of(home)
    return path.is_file() and path.read_text(encoding="utf-8") == prefect_yaml(home)


def path_of(home: Home) -> Path:
    """Where prefect.yaml lies: `prefect deploy` looks for it in the working folder."""
    return home.root / "prefect.yaml"


def _differing(config: RunConfig) -> dict[str, Any]:
    """The fields that are not at the code's default, as the pipeline's own file would say them."""
    return config.model_dump(mode="json", exclude_defaults=True)


def _entry(deployment: Deployment, values: dict[str, dict[str, Any]]) -> dict[str, Any]:
    kind, pipeline = deployment.kind, deployment.pipeline
    entry: dict[str, Any] = {
        "name": pipeline,
        "entrypoint": f"flows.{kind}.{kind}",
        "description": f"{_often(deployment)} {ABOUT[kind]}",
        "version": "{{ commit.stdout }}",
        "tags": [PROJECT_TAG, *([] if pipeline == ALL else [pipeline]), kind],
        "work_pool": {"name": deployment.pool},
    }
    if deployment.once:
        entry["concurrency_limit"] = {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    if deployment.cron is not None:
        entry["schedules"] = [{"cron": deployment.cron, "timezone": deployment.time_zone}]
    if pipeline in values:
        entry["parameters"] = {"config": values[pipeline]}
    return entry


def _often(deployment: Deployment) -> str:
    if deployment.cron is None:
        return "Only when asked for."
    return f"By the clock of {deployment.time_zone} at {deployment.cron} (cron)."


def _named_anchors(names: dict[int, str]) -> type[yaml.SafeDumper]:
    """A YAML writer that names the anchors of the given objects; none else is shared."""

    class Dumper(yaml.SafeDumper):
        def represent_data(self, data: Any) -> yaml.Node:  # noqa: ANN401
            node = super().represent_data(data)
            if id(data) in names:
                self.anchor_names[node] = names[id(data)]
            return node

        def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            super().__init__(*args, **kwargs)
            self.anchor_names: dict[yaml.Node, str] = {}

        def generate_anchor(self, node: yaml.Node) -> str:
            return self.anchor_names[node]

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401
            return id(data) not in names

    return Dumper
