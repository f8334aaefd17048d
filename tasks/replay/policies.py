"""When a policy retrains: never, after so much time, or when the monitor raises an alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from informer.errors import ConfigError
from tasks.settings import RunConfig, duration

__all__ = ["DEFAULT", "NEVER", "Policy", "cadence", "read_policies"]

DAY = "1d"
NEVER, ON_ALARM = "never", "drift"
DEFAULT = (NEVER, "7d", ON_ALARM)


@dataclass(frozen=True)
class Policy:
    """A rule that says when to retrain.

    Attributes:
        name: as it was asked for.
        every: retrain after so much time; None: not by the clock.
        rest: None: alarms are not heeded; else an alarm leads to a retraining, and the same kind
            of alarm to no other before so much time has passed.
    """

    name: str
    every: pd.Timedelta | None = None
    rest: pd.Timedelta | None = None

    def cause(
        self,
        cutoff: pd.Timestamp,
        last: pd.Timestamp,
        alarms: Sequence[str],
        answered: Mapping[str, pd.Timestamp],
    ) -> str:
        """Why to retrain at a cutoff; empty where there is no reason.

        Args:
            cutoff: the last time that is known.
            last: the cutoff of the last training.
            alarms: kinds of alarm that the monitor raises at this cutoff.
            answered: kind to the cutoff at which it last led to a retraining.
        """
        if self.every is not None and cutoff - last >= self.every:
            return "schedule"
        if self.rest is None:
            return ""
        fresh = [a for a in alarms if a not in answered or cutoff - answered[a] >= self.rest]
        return ", ".join(fresh)


def cadence(config: RunConfig) -> pd.Timedelta:
    """The time from one forecast to the next: forecast.every, else a day."""
    return duration(config.forecast.every or DAY)


def read_policies(names: Sequence[str], config: RunConfig) -> tuple[Policy, ...]:
    """The policies of these names: never, drift, or a time such as 7d.

    For monitor.window an alarm that led to a retraining counts as answered: until then the monitor
    still looks at what came before it.

    Raises:
        ConfigError: a name is none of these, stands twice, or is a time below the cadence.
    """
    if len(set(names)) < len(names):
        raise ConfigError(
            f"--policies names a policy more than once: {' '.join(names)}. Name each once."
        )
    return tuple(_policy(name, cadence(config), config.monitor.window) for name in names)


def _policy(name: str, every: pd.Timedelta, window: str) -> Policy:
    if name == NEVER:
        return Policy(name)
    if name == ON_ALARM:
        return Policy(name, rest=duration(window))
    try:
        period = duration(name)
    except ValueError as error:
        raise ConfigError(
            f"there is no policy named {name!r}; use {NEVER}, {ON_ALARM}, or a time such as 7d."
        ) from error
    if period < every:
        raise ConfigError(
            f"policy {name!r} retrains more often than it forecasts (every {every}). Give a "
            "longer time, or set forecast.every."
        )
    return Policy(name, every=period)
