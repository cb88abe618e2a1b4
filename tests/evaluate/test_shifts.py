"""Sums over shifts of time equal those of one shift after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.evaluate.metrics import terms
from nwbdecode.evaluate.shifts import losses, shifted_losses, shifted_sums

KINDS = st.sampled_from(["linear", "plane", "circular", "categorical"])


def drawn(kind: str, size: int, seed: int) -> tuple[str, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    if kind == "categorical":
        odds = rng.exponential(size=(size, 3))
        return kind, rng.integers(0, 3, size).astype(float), odds / odds.sum(axis=1)[:, None]
    if kind == "circular":
        # Angles need not be wrapped.
        return kind, rng.uniform(-4, 9, size), rng.uniform(-np.pi, np.pi, size)
    shape = (size, 2) if kind == "plane" else (size,)
    # Far from zero, as positions on a map are.
    return "linear", 500 + rng.normal(size=shape), 500 + rng.normal(size=shape)


@settings(deadline=None, max_examples=60)
@given(kind=KINDS, size=st.integers(4, 97), seed=st.integers(0, 99))
def test_sums_of_shifted_terms(kind: str, size: int, seed: int) -> None:
    kind, truth, predicted = drawn(kind, size, seed)
    shifts = np.random.default_rng(seed).integers(-size, 2 * size, 7)
    expected = [terms(kind, np.roll(truth, s, axis=0), predicted).sum(axis=0) for s in shifts]
    found = shifted_sums(kind, truth, predicted, shifts)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(kind=KINDS, size=st.integers(4, 97), seed=st.integers(0, 99), unknown=st.booleans())
def test_sums_of_shifted_losses(kind: str, size: int, seed: int, unknown: bool) -> None:
    kind, truth, predicted = drawn(kind, size, seed)
    if unknown:
        truth[seed % size] = np.nan
    expected = [np.nansum(losses(kind, np.roll(truth, s, axis=0), predicted)) for s in range(size)]
    found = shifted_losses(kind, truth, predicted)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-8)


def test_a_certain_mistake_costs_no_more_than_the_least_probability() -> None:
    truth, predicted = np.array([0.0, 1.0]), np.array([[0.0, 1.0], [0.0, 1.0]])
    assert losses("categorical", truth, predicted) == pytest.approx([-np.log(1e-6), 0.0])
