"""Times as the command line takes them."""

from __future__ import annotations

import pandas as pd

from informer.errors import ConfigError

__all__ = ["time_of"]


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
        raise ConfigError(f"{option} {text!r} is no time; write 2013-12-01T06:00.") from error
    return time if time.tz is None else time.tz_convert("UTC").tz_localize(None)
