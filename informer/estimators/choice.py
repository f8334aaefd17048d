"""Which of several candidates errs least, where a loss may be no number."""

from __future__ import annotations

import math
from collections.abc import Sequence

from informer.errors import TrainingError

__all__ = ["least"]


def least(losses: Sequence[float], of: str) -> int:
    """The place of the least finite loss; `min` alone would take a NaN that comes first.

    Args:
        losses: of the candidates, one at least.
        of: what they are of, in the error's words.

    Raises:
        TrainingError: no loss is finite.
    """
    finite = [place for place, loss in enumerate(losses) if math.isfinite(loss)]
    if not finite:
        raise TrainingError(
            f"no validation loss of {of} is finite ({losses[0]} is the first). Look for extreme "
            "values in the data."
        )
    return min(finite, key=lambda place: losses[place])
