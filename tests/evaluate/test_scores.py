from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score

from nwbdecode.evaluate import metric_values
from nwbdecode.evaluate.chance import bootstrap_interval, chance_point, p_value, shifted_scores

seeds = st.integers(0, 10_000)


@given(seeds)
def test_linear_metrics_agree_with_scipy_and_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=80) + 5
    predicted = truth + rng.normal(size=80)
    got = metric_values("linear", truth, predicted)
    assert got["r"] == pytest.approx(pearsonr(truth, predicted)[0])
    assert got["r2"] == pytest.approx(r2_score(truth, predicted))
    assert got["error"] == pytest.approx(np.abs(truth - predicted).mean())


def test_the_error_of_a_vector_is_the_mean_distance():
    truth, predicted = np.zeros((2, 2)), np.array([[3.0, 4.0], [0.0, 0.0]])
    assert metric_values("linear", truth, predicted)["error"] == pytest.approx(2.5)


@given(seeds, st.floats(-10, 10))
def test_angular_metrics_know_no_wrap(seed, turn):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-np.pi, np.pi, 60)
    predicted = truth + 0.3 * rng.normal(size=60)
    plain = metric_values("circular", truth, predicted)
    turned = metric_values("circular", np.angle(np.exp(1j * (truth + turn))), predicted + turn)
    assert turned["error"] == pytest.approx(plain["error"])
    assert turned["r"] == pytest.approx(plain["r"], abs=1e-9)


def test_circular_correlation_follows_its_definition():
    rng = np.random.default_rng(0)
    a = rng.vonmises(0.4, 1.0, 200)
    b = a + rng.vonmises(0, 4.0, 200)
    # Over all pairs of bins, as Fisher and Lee define it.
    u, v = np.sin(a[:, None] - a), np.sin(b[:, None] - b)
    expected = (u * v).sum() / np.sqrt((u**2).sum() * (v**2).sum())
    assert metric_values("circular", a, b)["r"] == pytest.approx(expected)


@given(seeds)
def test_circular_correlation_is_one_for_all_that_is_decoded_however_it_is_spread(seed):
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random(50) < 0.3, 0.0, 1.7) + 0.2 * rng.normal(size=50)
    assert metric_values("circular", truth, truth)["r"] == pytest.approx(1.0)


def test_intervals_of_circular_correlation_hold_where_angles_have_no_mean_direction():
    rng = np.random.default_rng(0)
    truth = np.cumsum(0.2 * rng.normal(size=4000))
    predicted = truth + 0.8 * rng.normal(size=4000)
    value = metric_values("circular", truth, predicted)["r"]
    low, high = bootstrap_interval("circular", truth, predicted, block=40, rng=rng)["r"]
    assert value - 0.1 < low < value < high < value + 0.1


@given(seeds)
def test_class_metrics_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth = np.r_[0, 1, 2, rng.integers(0, 3, 50)].astype(float)
    odds = rng.dirichlet(np.ones(3), 53)
    got = metric_values("categorical", truth, odds)
    assert got["accuracy"] == pytest.approx(accuracy_score(truth, odds.argmax(1)))
    expected = balanced_accuracy_score(truth, odds.argmax(1))
    assert got["balanced_accuracy"] == pytest.approx(expected)


def smooth(rng, size=3000):
    return np.convolve(rng.normal(size=size + 200), np.hanning(201), mode="valid")[:size]


def test_chance_of_smooth_unrelated_signals_is_not_found_significant():
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth, predicted = smooth(rng), smooth(rng)
        null = shifted_scores("linear", truth, predicted, least=200, n_shifts=199, rng=rng)
        found += p_value(metric_values("linear", truth, predicted)["r"], null["r"], True) <= 0.05
    assert found <= 6


def test_a_real_relation_beats_its_chance_point():
    rng = np.random.default_rng(1)
    truth = smooth(rng)
    predicted = truth + smooth(rng)
    null = shifted_scores("linear", truth, predicted, least=200, n_shifts=199, rng=rng)
    assert metric_values("linear", truth, predicted)["r"] > chance_point(null["r"], True)


def test_a_p_value_is_never_zero():
    assert p_value(1.0, np.zeros(99), True) == pytest.approx(0.01)


def test_the_block_bootstrap_covers_the_true_correlation_of_autocorrelated_data():
    inside = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth = smooth(rng, 6000)
        predicted = truth + smooth(rng, 6000)
        low, high = bootstrap_interval("linear", truth, predicted, block=300, rng=rng)["r"]
        inside += low <= np.sqrt(0.5) <= high
    assert inside >= 48
