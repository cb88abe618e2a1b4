"""Random processes against what is known of them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch
from scipy.stats import kstest

from nwbdecode.simulate.noise import EndlessNoise, band, poisson_times, power_law


def endless(columns: int = 2, seed: int = 0, **options: object) -> EndlessNoise:
    return EndlessNoise(band(10.0, 30.0), 200.0, 800, columns, seed, **options)


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(5)))
def test_blocks_are_the_same_in_any_order(order: list[int]) -> None:
    whole = [endless().make(index) for index in range(5)]
    for index in order:
        np.testing.assert_array_equal(endless().make(index), whole[index])


@pytest.mark.parametrize(
    "spectrum", [band(10.0, 30.0), power_law(2.0, 3.0, 80.0)], ids=["band", "power law"]
)
def test_the_spectrum_is_the_one_asked_for(spectrum: object) -> None:
    noise = EndlessNoise(spectrum, 200.0, 800, 40, 1)
    drawn = np.concatenate([noise.make(index) for index in range(20)])
    assert drawn.var() == pytest.approx(1.0, rel=0.05)
    frequency, power = welch(drawn, 200.0, nperseg=800, axis=0)
    wanted = spectrum(frequency) ** 2
    strong = (wanted > 0.02 * wanted.max()) & (frequency > 1)
    ratio = power.mean(axis=1)[strong] / wanted[strong]
    np.testing.assert_allclose(ratio / ratio.mean(), 1, atol=0.15)


def test_no_seam_shows_between_blocks() -> None:
    noise = endless(columns=4000)
    joined = np.concatenate([noise.make(3), noise.make(4)])
    across = np.mean(joined[799] * joined[800])
    within = np.mean(joined[300] * joined[301])
    # The correlation of neighboring samples of a band around 20 Hz, by its definition.
    frequency = np.linspace(0, 100, 10_001)
    power = band(10.0, 30.0)(frequency) ** 2
    expected = (power * np.cos(2 * np.pi * frequency / 200)).sum() / power.sum()
    assert across == pytest.approx(expected, abs=0.06)
    assert within == pytest.approx(expected, abs=0.06)


def test_columns_and_keys_are_independent() -> None:
    drawn = [np.concatenate([endless(key=(k,)).make(i) for i in range(40)]) for k in (0, 1)]
    together = np.corrcoef(np.concatenate(drawn, axis=1).T)
    assert np.abs(together - np.eye(4)).max() < 0.05


def test_a_pickled_noise_is_the_same() -> None:
    again = pickle.loads(pickle.dumps(endless()))
    np.testing.assert_array_equal(again.make(2), endless().make(2))


def test_events_come_at_the_momentary_rate() -> None:
    def rate(time: np.ndarray) -> np.ndarray:
        return 10 * (1 + np.sin(time))

    times = poisson_times(rate, 20.0, 400.0, np.random.default_rng(2))
    # By the integral of the rate, the events of such a process are uniform.
    passed = 10 * (times - np.cos(times) + 1)
    total = 10 * (400 - np.cos(400) + 1)
    assert len(times) == pytest.approx(total, abs=4 * np.sqrt(total))
    assert kstest(passed / total, "uniform").pvalue > 0.001
