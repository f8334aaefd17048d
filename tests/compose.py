"""What docker/compose.yaml says of a service, as processes on this machine can be started by it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).resolve().parent.parent / "docker"
VARIABLE = re.compile(r"\$\{(\w+)(?::[?-][^}]*)?\}")


def text() -> str:
    return (DOCKER / "compose.yaml").read_text()


def services() -> dict[str, dict[str, Any]]:
    """Each service with its variables as .env.example has them."""
    return yaml.safe_load(VARIABLE.sub(lambda found: examples()[found[1]], text()))["services"]


def examples() -> dict[str, str]:
    """The variables of .env.example."""
    lines = (DOCKER / ".env.example").read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return dict(pairs)


def environment(service: str, here: dict[str, str]) -> dict[str, str]:
    """A service's environment, with the parts of its values that `here` gives otherwise."""
    found = services()[service].get("environment", {})
    return {name: replaced(str(value), here) for name, value in found.items()}


def replaced(value: str, here: dict[str, str]) -> str:
    """A value with hosts, ports and folders of a container exchanged for those of this machine."""
    for inside, outside in here.items():
        value = value.replace(inside, outside)
    return value
