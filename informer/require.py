"""What a configuration must be: each check raises a `ConfigError` that names the field."""

from __future__ import annotations

from informer.errors import ConfigError

__all__ = ["require", "require_at_least", "require_choice", "require_levels"]


def require(condition: bool, message: str) -> None:
    """Raise `message` unless `condition` holds."""
    if not condition:
        raise ConfigError(message)


def require_choice(config: object, name: str, choices: tuple[str, ...]) -> None:
    """The field `name` must be one of `choices`."""
    value = getattr(config, name)
    require(value in choices, f"{name} is {value!r}; use one of {', '.join(choices)}.")


def require_at_least(config: object, minimum: float, *names: str) -> None:
    """The fields `names` must be at least `minimum`, or None where that is a value of theirs."""
    for name in names:
        value = getattr(config, name)
        require(
            value is None or value >= minimum, f"{name} is {value}; it must be at least {minimum}."
        )


def require_levels(levels: tuple[float, ...], *, median: bool) -> None:
    """Quantile levels must rise strictly between 0 and 1; with `median`, 0.5 must be among them."""
    require(
        all(0 < q < 1 for q in levels) and list(levels) == sorted(set(levels)),
        f"quantiles are {list(levels)}; give rising levels strictly between 0 and 1.",
    )
    require(
        not median or 0.5 in levels,
        f"quantiles are {list(levels)}, without the median. The forecast y_hat is the median, so "
        "add 0.5.",
    )
