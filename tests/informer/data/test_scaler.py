"""The scaler learns from observed train rows only, never divides by zero, and can be undone."""

import numpy as np
import pytest

from informer.data.scaler import Scales, StandardScaler
from informer.errors import FrameError


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(loc=[5.0, -300.0], scale=[2.0, 40.0], size=(200, 2))


def test_scaled_values_have_mean_zero_and_population_deviation_one(values):
    scaled = StandardScaler.fit(values).transform(values)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0, ddof=0), 1, atol=1e-12)


def test_inverse_undoes_transform_for_any_leading_sizes(values):
    scaler = StandardScaler.fit(values)
    batch = values.reshape(4, 50, 2)
    np.testing.assert_allclose(scaler.inverse(scaler.transform(batch)), batch, rtol=1e-12)


def test_values_that_were_not_observed_do_not_count(values):
    observed = np.ones(values.shape, dtype=bool)
    observed[50:, 0] = False
    spoilt = np.where(observed, values, np.nan)
    scaler = StandardScaler.fit(spoilt, observed)
    np.testing.assert_allclose(scaler.mean, [values[:50, 0].mean(), values[:, 1].mean()])
    np.testing.assert_allclose(scaler.std, [values[:50, 0].std(), values[:, 1].std()])


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e9])
def test_a_constant_channel_becomes_zero_and_comes_back(constant):
    scaler = StandardScaler.fit(np.full((77, 1), constant))
    assert scaler.std[0] == 1.0
    assert scaler.transform([[constant]])[0, 0] == 0.0
    assert scaler.inverse([[0.0]])[0, 0] == constant


def test_a_channel_never_observed_is_refused(values):
    observed = np.ones(values.shape, dtype=bool)
    observed[:, 1] = False
    with pytest.raises(FrameError, match="channel 1 has no observed value in the 200"):
        StandardScaler.fit(values, observed)


def test_the_scaler_of_the_last_channels_scales_the_targets(values):
    scaler = StandardScaler.fit(values)
    np.testing.assert_array_equal(
        scaler.last(1).transform(values[:, 1:]), scaler.transform(values)[:, 1:]
    )


def test_arrays_give_scales_back_bit_for_bit(values):
    seen = np.ones(values.shape, bool)
    one = Scales.fit(lambda: [(values, seen)])
    scales = Scales.joined(["a", "b"], [one, Scales.fit(lambda: [(3 * values, seen)])])
    again = Scales.from_arrays(scales.ids, scales.n_log, scales.to_arrays())
    assert again.ids == ("a", "b")
    for name, array in scales.to_arrays().items():
        np.testing.assert_array_equal(again.to_arrays()[name], array)


def test_each_series_is_scaled_by_its_own_and_back():
    small = np.array([[1.0], [2.0], [3.0]])
    seen = np.ones((3, 1), bool)
    parts = [Scales.fit(lambda own=own: [(own, seen)]) for own in (small, 1e6 * small)]
    scales = Scales.joined(["small", "large"], parts)
    series = np.repeat([0, 1], 3)
    scaled = scales.transform(np.concatenate([small, 1e6 * small]), series)
    np.testing.assert_allclose(scaled[:3], scaled[3:])
    units = scales.inverse_targets(scaled[:, None], series, 1)[:, 0]
    np.testing.assert_allclose(units, np.concatenate([small, 1e6 * small]))


def test_a_logarithm_is_of_the_targets_alone_and_undone():
    values = np.array([[-5.0, 0.0], [0.0, 9.0], [5.0, 99.0]])
    seen = np.ones((3, 2), bool)
    scales = Scales.fit(lambda: [(values, seen)], n_log=1)
    zeros = np.zeros(3, dtype=np.int64)
    scaled = scales.transform(values, zeros)
    np.testing.assert_allclose(np.diff(scaled[:, 0]), np.sqrt(1.5))
    np.testing.assert_allclose(np.diff(scaled[:, 1]), np.sqrt(1.5))  # log 1, 10 and 100
    np.testing.assert_allclose(scales.inverse_targets(scaled[:, 1:], zeros, 1)[:, 0], [0, 9, 99])
    assert scales.deviation[0, 1] == pytest.approx(np.std([0, 9, 99]))
    with pytest.raises(FrameError, match="holds -5, and transform=log1p"):
        Scales.fit(lambda: [(values, seen)], n_log=2)


def test_a_robust_scale_is_not_moved_by_few_values():
    values = np.random.default_rng(0).normal(10, 3, size=(1000, 1))
    values[:20] = 1e4
    scales = Scales.fit(lambda: [(values, np.ones(values.shape, bool))], robust=True)
    assert scales.center[0, 0] == pytest.approx(10, abs=0.3)
    assert scales.spread[0, 0] == pytest.approx(3, abs=0.3)


def test_values_too_large_to_be_squared_are_refused():
    values = np.array([[1.0], [1.8e308]])
    with pytest.raises(FrameError, match="whose squares are too large"):
        StandardScaler.fit(values)
