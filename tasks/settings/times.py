"""Times as people write them, on the command line and in the Prefect UI's forms."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from informer.errors import ConfigError

__all__ = ["time_of", "utc_naive", "utc_now"]


def time_of(text: str, option: str = "--as-of") -> pd.Timestamp:
    """Read a time; one with a zone is kept in UTC, all are naive.

    Raises:
        ConfigError: `text` is none; the message names `option`.
    """
    try:
        time = pd.Timestamp(text)
        if pd.isna(time):
            raise ValueError("not a time")
    except ValueError as error:
        raise ConfigError(
            f"{option} {text!r} is not a time; write it as 2013-12-01T06:00."
        ) from error
    return utc_naive(time)


def utc_naive(time: datetime) -> pd.Timestamp:
    """A time as the rows have it: in UTC, without a zone."""
    stamp = pd.Timestamp(time)
    return stamp if stamp.tz is None else stamp.tz_convert("UTC").tz_localize(None)


def utc_now() -> pd.Timestamp:
    """The clock, UTC-naive as all times of the project, to the microsecond."""
    return utc_naive(pd.Timestamp.now("UTC")).as_unit("us")
