"""Where candidates are compared by their losses, one that is no number never comes first."""

import math

import pytest
import torch

from informer.errors import TrainingError
from informer.estimators import shrinkage
from informer.estimators.baselines import squared_error
from informer.estimators.choice import least
from informer.training import best_val_loss
from informer.training.records import EpochRecord
from informer.training.stopping import Stopping

NAN = math.nan


@pytest.mark.parametrize(
    ("losses", "place"),
    [([NAN, 2.0, 1.0], 2), ([1.0, NAN], 0), ([math.inf, NAN, 3.0], 2), ([-math.inf, 3.0], 1)],
)
def test_the_least_finite_loss_is_taken_wherever_the_others_stand(losses, place):
    assert least(losses, "anything") == place


def test_of_nothing_finite_none_is_taken():
    with pytest.raises(TrainingError, match="no validation loss of the highway is finite"):
        least([NAN, math.inf], "the highway")


def test_a_share_of_a_correction_that_is_no_number_is_not_kept():
    errors = torch.ones(30, 2, len(shrinkage.SHARES), dtype=torch.float64)
    errors[:, :, 1:] = NAN
    stretch = torch.arange(30) // 10
    assert shrinkage.kept_share(errors, stretch) == 0.0
    truth, added = torch.ones(4, 2, 1), torch.full((4, 2, 1), torch.inf)
    found = shrinkage._errors(truth, added)
    assert found[..., 0].isfinite().all()
    assert not found[..., 1:].isfinite().any()


def test_a_validation_loss_that_is_no_number_is_never_the_best():
    state = Stopping().after(1, NAN).after(2, 0.5).after(3, -math.inf).after(4, NAN)
    assert (state.best_epoch, state.best_val_loss, state.n_worse) == (2, 0.5, 2)
    losses = [NAN, 0.5, NAN, 0.7]
    records = [EpochRecord(i, 0.0, loss, 0.1, 0.0) for i, loss in enumerate(losses, 1)]
    assert best_val_loss(records) == 0.5


class _Past:
    """Windows of which each has a past of ones and a horizon of twos, one value unobserved."""

    observed, pred_len = None, 2

    def parts(self, _size):
        return [torch.arange(3)]

    def past(self, index, look_back):
        return torch.ones(len(index), look_back, 1)

    def horizon(self, index):
        future = torch.full((len(index), 2, 1), 2.0)
        future[0, 0] = NAN
        return future


def test_a_map_of_no_numbers_does_not_err_by_nothing():
    assert squared_error(torch.zeros(4, 2), _Past()) == 5.0
    assert not math.isfinite(squared_error(torch.full((4, 2), NAN), _Past()))
