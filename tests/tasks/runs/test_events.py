"""Events from a process without a flow run."""

from __future__ import annotations

import socket

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tasks.runs.events import PROMOTED, tell


@pytest.fixture
def emitted(monkeypatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr("tasks.runs.events.emit_event", lambda event, **_: found.append(event))
    return found


def test_without_a_server_nothing_is_started_and_nothing_said(emitted, caplog):
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        tell(PROMOTED, "tiny", {})
    assert emitted == []
    assert caplog.text == ""


def test_a_server_that_does_not_answer_is_a_warning_and_no_failure(emitted, caplog):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        tell(PROMOTED, "tiny", {})
    assert emitted == []
    assert "does not answer" in caplog.text
    assert PROMOTED in caplog.text
