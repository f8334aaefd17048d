"""Numbers that cannot be measurements: what a data base or a sensor writes where nothing was read.

n values of one column, of one series or of all
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["LARGEST", "Sentinels", "find_sentinels", "is_code"]

_Floats = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]
_Rule = Callable[[_Floats], _Mask]  # of n values, none of them missing

# Sums of a million squares of this size are finite; the squares of larger values soon are not.
LARGEST = 1e150
# The square of a smaller spread is no normal number, so a deviation of 0 comes out.
LEAST_SPREAD = 1e-150
FAR = 1e6  # deviations of the rest
TAIL = 4.0  # deviations that the largest of the rest is taken to lie from its middle, at most
FLOOR = 1e-3  # least deviation of the rest, as a share of its size: rounding noise is no measure
MOST_FAR = 0.1  # share of the values that may be far; more of them are a level, or another unit
MIN_REST = 8  # values that a deviation is taken of
# How many times the range of the rest a value lies away from it, by what else speaks against it.
CODE_GAP, SHORT_CODE_GAP, REPEAT_GAP = 3.0, 10.0, 30.0
SAME_SIGN_GAP = 2.0  # likewise, in sizes of a rest of the same sign
SHORT = 1000.0  # size of a code that a measurement may well have
MIN_REPEATS, MIN_DISTINCT, MAX_CONSTANTS = 3, 20, 3
HUGE = 1e15  # beside zeros alone, what is larger than any count
SHOWN = 3

# Codes that stand for a missing value. Sources: NetCDF users' guide (fill values), CF conventions,
# NOAA's GSOD and ISD formats (9s), GDAL and ESRI grids, limits of the number types.
_TYPE_LIMITS = (
    32767, 32768, 65535, 2147483647, 2147483648, 4294967295, 9223372036854775807,
    3.4028234663852886e38, 9.969209968386869e36,
)  # fmt: skip
_POWERS = tuple(10.0**n for n in (15, 18, 20, 30, 31, 33, 34, 35, 36, 37, 38))
_NINES = (*(10.0**n - 1 for n in range(2, 11)), 8888.0, 7777.0)
_NINES_AND_FRACTION = tuple(
    float(f"{'9' * whole}.{'9' * part}") for whole in (2, 3, 4, 5) for part in (1, 2, 3, 4)
)
_CODES = np.unique(np.array([*_TYPE_LIMITS, *_POWERS, *_NINES, *_NINES_AND_FRACTION]))


@dataclass(frozen=True, eq=False)
class Sentinels:
    """What was found in a column.

    Attributes:
        mask: (n,) values that cannot be measurements.
        overflowing: (n,) those of them with which no sum of squares is finite, infinite ones
            included. They are no data whatever a contract says.
        underflows: whether the values differ by so little that their deviation comes out as 0.
            None of them is masked for it.
        reason: one sentence without its full stop, which names up to three values and how often
            each occurs; empty where nothing was found.
    """

    mask: _Mask
    overflowing: _Mask
    underflows: bool
    reason: str

    def __bool__(self) -> bool:
        """Whether anything was found."""
        return bool(self.reason)


def find_sentinels(values: npt.NDArray[np.float64]) -> Sentinels:
    """Find the values that cannot be measurements, by how they lie to all others.

    A value is one where a sum of squares overflows with it; where it lies 1e6 deviations of the
    rest away; where it is a known code (-9999, 1e20, 9.96921e36 and their like) far outside the
    range of the rest; where it is an extreme that repeats exactly, far from everything else. A
    heavy tail, a level shift, a rare large sale and a constant that jumps are data.

    Call it with one series at a time: series of different size are no sentinels of one another.

    Args:
        values: (n,) in the column's own units; NaN is a missing value and never found.

    Returns:
        What was found. It takes O(n log n).
    """
    values = np.asarray(values, dtype=np.float64)
    there = ~np.isnan(values)
    with np.errstate(all="ignore"):
        overflowing = there & ~(np.abs(values) <= LARGEST)
        mask = overflowing | _found(values, there & ~overflowing, _far)
        mask |= _found(values, there & ~mask, _codes)
        mask |= _found(values, there & ~mask, _repeated_extremes)
        rest = values[there & ~mask]
    spread = float(np.ptp(rest)) if len(rest) else 0.0
    underflows = 0.0 < spread < LEAST_SPREAD
    return Sentinels(mask, overflowing, underflows, _reason(values, mask, rest, underflows))


def _found(values: _Floats, among: _Mask, rule: _Rule) -> _Mask:
    """The (n,) mask of what a rule of sorted values finds among some of them."""
    mask = np.zeros(len(values), dtype=np.bool_)
    mask[among] = rule(values[among])
    return mask


def _far(values: _Floats) -> _Mask:
    """Values 1e6 deviations away from the rest, the rest being all that lie nearer."""
    n = len(values)
    mask = np.zeros(n, dtype=np.bool_)
    if n <= MIN_REST:
        return mask
    away = np.abs(values - np.median(values))
    order = np.argsort(away, kind="stable")
    near, size = away[order], np.maximum.accumulate(np.abs(values[order]))
    unit = near[-1] or 1.0  # squares of values in this unit do not overflow
    mean_square = np.cumsum((near[:-1] / unit) ** 2) / np.arange(1, n)
    deviation = np.maximum(unit * np.sqrt(mean_square), near[:-1] / TAIL)
    # Of a constant there is no deviation: its size stands for it.
    deviation = np.where(near[:-1] == 0, size[:-1], np.maximum(deviation, FLOOR * size[:-1]))
    limit = np.where(size[:-1] == 0, HUGE, FAR * deviation)
    splits = np.flatnonzero(near[1:] > limit) + 1  # how many values are the rest
    splits = splits[splits >= max(MIN_REST, n / 2)]
    for split in splits[:MAX_CONSTANTS]:
        far = order[split:]
        if len(far) <= max(1, MOST_FAR * n) or len(np.unique(values[far])) <= MAX_CONSTANTS:
            mask[far] = True
            break
    return mask


def _codes(values: _Floats) -> _Mask:
    """Known codes that lie far outside the range of all values that are none."""
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    known = is_code(distinct)
    rest = distinct[~known]
    if not len(rest):
        return np.zeros(len(values), dtype=np.bool_)
    low, high = rest[0], rest[-1]
    spread, size = high - low, max(abs(low), abs(high))
    positive = distinct > 0
    short = np.abs(distinct) < SHORT
    repeats = (counts >= MIN_REPEATS) & ~positive
    needed = np.where(short & ~repeats, SHORT_CODE_GAP, CODE_GAP) * spread
    # A sensor that is moved goes to another value of the same sign and order.
    needed = np.maximum(needed, np.where(positive, high, -low) * SAME_SIGN_GAP)
    # A positive 99 is a count, and so are any 9s beside a constant, which may just have jumped.
    plausible = positive & (np.abs(distinct) < 999)
    if spread == 0:
        plausible |= positive & (distinct < HUGE)
        needed = np.full(len(distinct), 100 * size)
    gap = np.maximum(low - distinct, distinct - high)
    far: _Mask = known & (gap > np.maximum(needed, 0)) & ~plausible
    return far[place]


def is_code(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which of (n,) values are known codes, as text, single and double precision keep them."""
    size = np.abs(values)
    at = np.clip(np.searchsorted(_CODES, size), 1, len(_CODES) - 1)
    known = np.zeros(len(values), dtype=np.bool_)
    for code in (_CODES[at - 1], _CODES[at]):
        single = code.astype(np.float32).astype(np.float64)
        is_rounded = (single == size) & ~np.isin(code, _NINES)  # nine 9s would become a number
        as_text = (size > 1e30) & (np.abs(size - code) <= 1e-3 * code)
        known |= (size == code) | is_rounded | as_text
    return known


def _repeated_extremes(values: _Floats) -> _Mask:
    """Up to three constants on a side that repeat, far from a rest that varies."""
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    flagged = np.zeros(len(distinct), dtype=np.bool_)
    for side in (slice(None), slice(None, None, -1)):
        ordered, often = distinct[side], counts[side]
        for k in range(1, MAX_CONSTANTS + 1):
            rest = ordered[k:]
            if len(rest) < MIN_DISTINCT or (often[:k] < MIN_REPEATS).any():
                break
            gap, spread = abs(rest[0] - ordered[k - 1]), abs(rest[-1] - rest[0])
            needed = max(REPEAT_GAP * spread, SAME_SIGN_GAP * max(abs(rest[0]), abs(rest[-1])))
            if gap > needed and 2 * often[:k].sum() < len(values):
                flagged[side][:k] = True
                break
    found: _Mask = flagged[place]
    return found


def _reason(values: _Floats, mask: _Mask, rest: _Floats, underflows: bool) -> str:
    if not mask.any():
        return _underflow(rest) if underflows else ""
    counts = Counter(values[mask].tolist()).most_common()
    shown = [f"{value:.10g} ({_times(count)})" for value, count in counts[:SHOWN]]
    more = sum(count for _, count in counts[SHOWN:])
    further = f" and {more:,} more such value{'s' * (more > 1)}" if more else ""
    where = "so large that their squares cannot be summed"
    if len(rest):
        where = f"far from the others, which lie within {rest.min():.6g} to {rest.max():.6g}"
    text = f"{', '.join(shown)}{further} cannot be measurements: {where}"
    return f"{text}; {_underflow(rest)}" if underflows else text


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _underflow(rest: _Floats) -> str:
    return (
        f"the values differ by no more than {np.ptp(rest):.3g}, of which no deviation can be "
        "computed"
    )
