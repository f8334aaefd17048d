"""A signal in the middle of a write to MLflow's SQLite locks nobody out."""

from __future__ import annotations

import pytest
from prefect.exceptions import TerminationSignal
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tasks.runs import child_run, opened_run


@pytest.fixture
def cut_off():
    """From `cut_off.append(...)` on, a signal ends the first statement behind a write."""
    armed: list[bool] = []

    def signalled(cursor, statement, parameters, _context) -> bool | None:
        if not armed:
            return None
        if statement.startswith(("INSERT", "UPDATE")):
            armed.append(True)
        elif len(armed) > 1 and statement.startswith("SELECT"):
            cursor.execute(statement, parameters)
            armed.clear()
            raise TerminationSignal(signal=15)
        return None

    event.listen(Engine, "do_execute", signalled)
    yield armed
    event.remove(Engine, "do_execute", signalled)


def test_a_run_that_is_told_to_stop_while_it_writes_is_closed_at_once(registry, cut_off):
    home, client = registry.home, registry.client
    runs: list[str] = []

    def work() -> None:
        with (
            opened_run("cut", {}, home, "outer") as outer,
            child_run(outer, "inner", {}, home) as inner,
        ):
            runs.extend((outer, inner))
            client.log_metric(inner, "val_loss", 0.5)
            cut_off.append(True)
            client.log_metric(inner, "val_loss", 0.4, step=1)  # reads the one before

    with pytest.raises(TerminationSignal):
        work()
    assert [client.get_run(run_id).info.status for run_id in runs] == ["KILLED", "KILLED"]
