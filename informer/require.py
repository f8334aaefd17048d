"""What a configuration must be: each check raises a `ConfigError` that names the field."""

from __future__ import annotations

from informer.errors import ConfigError

__all__ = ["require", "require_at_least", "require_choice"]


def require(condition: bool, message: str) -> None:
    """Raise `message` unless `condition` holds."""
    if not condition:
        raise ConfigError(message)


def require_choice(config: object, name: str, choices: tuple[str, ...]) -> None:
    """The field `name` must be one of `choices`."""
    value = getattr(config, name)
    require(value in choices, f"{name} is {value!r}; use one of {', '.join(choices)}.")


def require_at_least(config: object, minimum: float, *names: str) -> None:
    """The fields `names` must be at least `minimum`."""
    for name in names:
        value = getattr(config, name)
        require(value >= minimum, f"{name} is {value}; it must be at least {minimum}.")
