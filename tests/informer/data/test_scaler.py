"""The scaler learns from observed train rows only, never divides by zero, and can be undone."""

import json

import numpy as np
import pytest

from informer.data.scaler import StandardScaler
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


def test_json_gives_the_scaler_back_bit_for_bit(values):
    scaler = StandardScaler.fit(values)
    again = StandardScaler.from_dict(json.loads(json.dumps(scaler.to_dict())))
    np.testing.assert_array_equal(again.mean, scaler.mean)
    np.testing.assert_array_equal(again.std, scaler.std)
