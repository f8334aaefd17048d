"""Training stops when patience runs out, and remembers which epoch was best."""

from informer.training.stopping import Stopping


def after(losses):
    state = Stopping()
    for epoch, loss in enumerate(losses, start=1):
        state = state.after(epoch, loss)
    return state


def test_the_lowest_loss_is_the_best():
    assert after([3.0, 1.0, 2.0]) == Stopping(best_val_loss=1.0, best_epoch=2, n_worse=1)


def test_an_equal_loss_is_not_better():
    assert after([1.0, 1.0]).best_epoch == 1


def test_patience_counts_epochs_in_a_row():
    assert not after([3.0, 4.0, 2.0, 3.0]).is_over(patience=2)
    assert after([3.0, 4.0, 2.0, 3.0, 2.5]).is_over(patience=2)
