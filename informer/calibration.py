"""How far a forecast may be off: intervals from the residuals of the validation rows.

N windows   P pred_len   C_t targets   Q quantiles   T rows
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from informer.data.windows import Windows
from informer.predictor import Predictor, predict_windows

__all__ = ["conformal_offsets"]


def conformal_offsets(
    predictor: Predictor,
    val: Windows,
    observed: npt.NDArray[np.bool_],
    quantiles: tuple[float, ...],
) -> Tensor:
    """Quantiles of the validation residuals (split conformal, Vovk et al. 2005).

    With n residuals the level q takes the ceil((n + 1) q)-th smallest above the median and the
    floor((n + 1) q)-th below it, so that an interval covers at least its nominal share where
    validation and test rows are exchangeable.

    Args:
        predictor: what forecasts.
        val: N windows whose horizons lie in the validation rows.
        observed: (T, C) False where a value was filled; its residual does not count.
        quantiles: Q levels.

    Returns:
        (Q, P, C_t) truth less forecast, scaled; 0 where nothing was observed.
    """
    rows = val.origins[:, None] + torch.arange(val.pred_len)  # (N, P)
    seen = torch.from_numpy(observed[:, -val.n_targets :])[rows]  # (N, P, C_t)
    error = val.values[:, -val.n_targets :][rows] - predict_windows(predictor, val)
    ordered = error.masked_fill(~seen, torch.nan).sort(dim=0).values  # NaN last
    count = (~ordered.isnan()).sum(dim=0)  # (P, C_t)
    offsets = []
    for level in quantiles:
        exact = (count + 1) * level
        rank = exact.ceil() if level > 0.5 else exact.floor()
        place = torch.minimum(rank.long().clamp(min=1), count.clamp(min=1)) - 1
        offsets.append(ordered.gather(0, place[None])[0])
    return torch.stack(offsets).nan_to_num(0.0)
