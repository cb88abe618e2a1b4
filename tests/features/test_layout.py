"""Which points a bin's mean is made from: few, and as good as all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.features import layout
from nwbdecode.features.filterbank import FilterBank
from nwbdecode.features.morlet import band_frequencies

BANK = FilterBank(band_frequencies(30_000.0), 30_000.0)
SPARSE = [band for band in BANK.bands if band.by_samples]


def _power_of_beats(relative: np.ndarray, phase: float, w0: float) -> np.ndarray:
    """Amplitude that a wavelet leaves of beats so many times as fast as its band."""
    return np.exp(-((w0 * relative) ** 2) / 4) * np.exp(1j * phase)


@settings(deadline=None, max_examples=40)
@given(band=st.integers(0, len(SPARSE) - 1), width=st.integers(1, 3000), phase=st.floats(-3.1, 3.1))
def test_samples_that_are_looked_at_stand_for_all(band: int, width: int, phase: float) -> None:
    chosen = SPARSE[band]
    first = np.array([7])
    *_, row, weight, _ = layout.points([chosen], [first], [first + width], BANK.w0)
    assert (np.diff(row) > 0).all()
    assert row[0] >= 0
    assert row[-1] < width
    assert (weight > 0).all()
    relative = np.linspace(0, 2.5, 101)
    amplitude = _power_of_beats(relative, phase, BANK.w0)[:, None]
    turns = 2j * np.pi * relative[:, None] / chosen.period
    # Weights hold the half that turns squared amplitudes into power.
    found = (2 * weight * (amplitude * np.exp(turns * row)).real).sum(axis=1)
    every = (amplitude * np.exp(turns * np.arange(width))).real.mean(axis=1)
    np.testing.assert_allclose(found, every, atol=2e-4)


@pytest.mark.parametrize("width", [300, 1000, 3000])
def test_inside_bins_little_more_than_one_sample_a_period_is_looked_at(width: int) -> None:
    first = np.array([0])
    for band in SPARSE:
        *_, row, _, _ = layout.points([band], [first], [first + width], BANK.w0)
        assert len(row) < 1.25 * width / band.period + 45


@pytest.mark.parametrize("width", [1000, 3000])
def test_grids_are_thinned_inside_long_bins(width: int) -> None:
    first = np.arange(0, 20 * width, width)
    for band in BANK.bands:
        if band.by_samples or width < 30 * band.period:
            continue
        _, span, point, *_ = layout.grid(band, first, first + width, BANK.w0)
        assert len(point) < 0.85 * (span[-1, 1] - span[0, 0])
        assert (np.diff(point) > 0).all()
