"""Pools, limits and automations on the Prefect server, for every pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from uuid import UUID

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.events.actions import RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from tasks.operations.deployments import PROJECT_TAG
from tasks.operations.server import named_server
from tasks.runs import DEGRADED, DRIFTED, PROMOTED, resource_id
from tasks.settings import RunConfig

__all__ = ["Change", "set_up"]

BLOCK = "informer-webhook"
ONCE_A_DAY = timedelta(days=1)
STATE = "prefect.flow-run."
FAILED = {f"{STATE}{name}" for name in ("Failed", "Crashed", "TimedOut")}
OVER = FAILED | {f"{STATE}{name}" for name in ("Completed", "Cancelled", "Suspended", "Paused")}
BODY = (
    "Flow run {{ flow_run.name }} of {{ flow.name }} is {{ flow_run.state.name }}: "
    "{{ flow_run.state.message }} {{ flow_run|ui_url }}"
)


@dataclass(frozen=True)
class Change:
    """What was done with one object on the server.

    Attributes:
        kind: pool, limit, block or automation.
        name: its name.
        what: created, updated, unchanged, or missing with the reason.
    """

    kind: str
    name: str
    what: str


def set_up(configs: list[RunConfig], webhook: str | None) -> list[Change]:
    """Create what is missing and update what differs. A second call changes nothing.

    Args:
        configs: every pipeline.
        webhook: the URL that gets a message about runs that fail, crash or last too long. None:
            nobody gets one.

    Raises:
        StoreError: there is no server, or it does not answer.
    """
    pools = {config.workers.pool for config in configs}
    pools |= {c.workers.training_pool for c in configs if c.workers.training_pool is not None}
    with named_server() as client:
        changes = [_pool(client, name) for name in sorted(pools)]
        limits = sorted({config.workers.training_limit for config in configs})
        changes += [_limit(client, name) for name in limits]
        for config in configs:
            changes += _of_pipeline(client, config)
        if webhook is not None:
            block, block_id = _block(client, webhook)
            changes.append(block)
            hours = 2 * max(config.workers.timeout_hours for config in configs)
            changes += [_kept(client, wanted) for wanted in _notifications(block_id, hours)]
    return changes


def _pool(client: SyncPrefectClient, name: str) -> Change:
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        return Change("pool", name, "created")
    return Change("pool", name, "unchanged")


def _limit(client: SyncPrefectClient, name: str) -> Change:
    """Create a missing limit with one slot. An existing limit keeps its number of slots."""
    try:
        client.read_global_concurrency_limit_by_name(name)
    except ObjectNotFound:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=1))
        return Change("limit", name, "created")
    return Change("limit", name, "unchanged")


def _of_pipeline(client: SyncPrefectClient, config: RunConfig) -> Iterator[Change]:
    """Drift or degradation retrains, at most once a day; a promotion forecasts."""
    once, always = ONCE_A_DAY, timedelta(0)
    for events, cause, kind, within in (
        ({DRIFTED, DEGRADED}, "drift or degradation", "retrain", once),
        ({PROMOTED}, "promotion", "forecast", always),
    ):
        name = f"{PROJECT_TAG} {config.name}: {cause} -> {kind}"
        try:
            deployment = client.read_deployment_by_name(f"{kind}/{config.name}")
        except ObjectNotFound:
            missing = f"missing: deploy {kind}/{config.name} (prefect deploy --all), then run again"
            yield Change("automation", name, missing)
            continue
        trigger = EventTrigger(
            expect=events,
            match=ResourceSpecification({"prefect.resource.id": resource_id(config.name)}),
            posture=Posture.Reactive,
            threshold=1,
            within=within,  # it fires at the first event, and not again within this time
        )
        wanted = AutomationCore(
            name=name,
            description=f"Runs the deployment {kind}/{config.name} after {cause}.",
            tags=[PROJECT_TAG, config.name],
            trigger=trigger,
            actions=[
                RunDeployment(
                    source="selected",
                    deployment_id=deployment.id,
                    parameters=None,
                    job_variables=None,
                )
            ],
        )
        yield _kept(client, wanted)


def _notifications(block_id: UUID, hours: float) -> Iterator[AutomationCore]:
    """The messages to the webhook: a run failed, or a run lasts too long."""
    ours = ResourceSpecification(
        {"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{PROJECT_TAG}"}
    )
    runs = ResourceSpecification({"prefect.resource.id": f"{STATE}*"})
    failed = EventTrigger(
        expect=FAILED,
        match=runs,
        match_related=ours,
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
    )
    endless = EventTrigger(
        after={f"{STATE}Running"},
        expect=OVER,
        match=runs,
        match_related=ours,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        within=timedelta(hours=hours),
    )
    told = "Sends a message to the webhook when a run"
    for name, trigger, when in (
        ("failed or crashed", failed, "failed, crashed or ran into its time limit"),
        ("runs too long", endless, f"has lasted more than {hours:g} hours"),
    ):
        yield AutomationCore(
            name=f"{PROJECT_TAG}: {name} -> webhook",
            description=f"{told} {when}.",
            tags=[PROJECT_TAG],
            trigger=trigger,
            actions=[
                SendNotification(
                    block_document_id=block_id,
                    subject=f"{PROJECT_TAG}: {{{{ flow_run.name }}}} {name}",
                    body=BODY,
                )
            ],
        )


def _kept(client: SyncPrefectClient, wanted: AutomationCore) -> Change:
    """Create an automation, or update the one that has its name."""
    found = client.read_automations_by_name(wanted.name)
    if not found:
        client.create_automation(wanted)
        return Change("automation", wanted.name, "created")
    for double in found[1:]:
        client.delete_automation(double.id)
    present = AutomationCore.model_validate(found[0].model_dump(mode="json"))
    wanted = wanted.model_copy(update={"enabled": present.enabled})  # a person may have paused it
    if present == wanted:
        return Change("automation", wanted.name, "unchanged")
    client.update_automation(found[0].id, wanted)
    return Change("automation", wanted.name, "updated")


def _block(client: SyncPrefectClient, webhook: str) -> tuple[Change, UUID]:
    """The notification block. It posts `{"text": ...}`, the format of chat services."""
    try:
        present = client.read_block_document_by_name(
            BLOCK, CustomWebhookNotificationBlock.get_block_type_slug()
        )
    except ObjectNotFound:
        present = None
    if present is not None and present.data.get("url") == webhook:
        return Change("block", BLOCK, "unchanged"), present.id
    block = CustomWebhookNotificationBlock(
        name=PROJECT_TAG,
        url=webhook,
        json_data={"text": "{{subject}}\n{{body}}"},
        headers=None,
        cookies=None,
    )
    saved = cast(UUID, block.save(BLOCK, overwrite=True))
    return Change("block", BLOCK, "created" if present is None else "updated"), saved
