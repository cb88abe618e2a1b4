"""Scaling of features: sparse rates, decibels, and what no training bin ever held."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.decoder.scaling import Scaling


def _learned(
    values: np.ndarray, frequency: list[float], train: np.ndarray | None = None
) -> Scaling:
    every = np.ones(len(values), dtype=bool) if train is None else train
    return Scaling.learn(values, np.array(frequency), every, "log")


@settings(deadline=None, max_examples=40)
@given(rates=st.lists(st.floats(0, 40), min_size=3, max_size=8), seed=st.integers(0, 99))
def test_firing_rates_stay_finite_and_rise_with_the_spikes(rates: list[float], seed: int) -> None:
    width = 1 / 30
    counts = np.random.default_rng(seed).poisson(np.array(rates) * width, size=(900, len(rates)))
    values = (counts / width).astype(np.float32)[:, None, :]
    scaled = _learned(values, [0.0]).apply(values)[:, 0]
    assert np.isfinite(scaled).all()
    assert np.abs(scaled).max() <= 5
    for column, spikes in zip(scaled.T, counts.T, strict=True):
        assert (np.diff(column[np.argsort(spikes, kind="stable")]) >= 0).all()


def test_a_unit_that_was_silent_in_training_does_not_explode() -> None:
    values = np.random.default_rng(0).poisson(1.0, size=(600, 1, 3)).astype(np.float32)
    values[:500, 0, 2] = 0
    train = np.arange(600) < 500
    scaled = _learned(values, [0.0], train).apply(values)
    assert (scaled[:500, 0, 2] == 0).all()
    assert 0 < scaled[500:, 0, 2].max() <= 5


def test_units_that_are_all_silent_say_nothing() -> None:
    values = np.zeros((100, 1, 2), np.float32)
    assert (_learned(values, [0.0]).apply(values) == 0).all()


def test_band_power_in_decibels_keeps_its_order() -> None:
    decibels = np.linspace(-30, 30, 200, dtype=np.float32)[:, None, None]
    scaled = _learned(decibels, [80.0]).apply(decibels)[:, 0, 0]
    assert (np.diff(scaled) > 0).all()


def test_power_is_taken_in_logarithms_band_by_band() -> None:
    power = np.exp(np.random.default_rng(0).normal(size=(500, 2, 1))).astype(np.float32) * 1e-12
    slow = np.random.default_rng(1).normal(size=(500, 1, 1)).astype(np.float32)
    values = np.concatenate([slow, power], axis=1)
    scaled = _learned(values, [0.0, 8.0, 80.0]).apply(values)
    logs = np.log(power[:, :, 0].astype(np.float64))
    for k in range(2):
        assert np.corrcoef(scaled[:, k + 1, 0], logs[:, k])[0, 1] > 0.99
