"""Which points a bin's mean is made from: few, and as good as all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.features import layout
from nwbdecode.features.design import NEIGHBORS, Band
from nwbdecode.features.filterbank import FilterBank
from nwbdecode.features.morlet import band_frequencies

BANK = FilterBank(band_frequencies(30_000.0), 30_000.0)
#: What bounds a kind's share of each list of sums.
EDGES = {
    "span": None, "row": "edge", "weight": "edge", "base": "node", "between": "node",
    "share": "node",
}  # fmt: skip
SPARSE = [band for band in BANK.bands if band.by_samples]


def _power_of_beats(relative: np.ndarray, phase: float, w0: float) -> np.ndarray:
    """Amplitude that a wavelet leaves of beats so many times as fast as its band."""
    return np.exp(-((w0 * relative) ** 2) / 4) * np.exp(1j * phase)


@settings(deadline=None, max_examples=40)
@given(band=st.integers(0, len(SPARSE) - 1), width=st.integers(1, 3000), phase=st.floats(-3.1, 3.1))
def test_samples_that_are_looked_at_stand_for_all(band: int, width: int, phase: float) -> None:
    chosen = SPARSE[band]
    *_, row, weight, _ = layout.points([chosen], np.array([width]), BANK.w0)
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
    np.testing.assert_allclose(found, every, atol=1.5e-4)


@pytest.mark.parametrize("width", [300, 1000, 3000])
def test_inside_bins_little_more_than_one_sample_a_period_is_looked_at(width: int) -> None:
    for band in SPARSE:
        *_, row, _, _ = layout.points([band], np.array([width]), BANK.w0)
        assert len(row) < 1.25 * width / band.period + 45


@pytest.mark.parametrize("width", [1000, 3000])
def test_grids_are_thinned_inside_long_bins(width: int) -> None:
    first = np.arange(0, 20 * width, width)
    for band in BANK.bands:
        if band.by_samples or width < 30 * band.period:
            continue
        origin, kind, sums = _laid_out(band, layout.Spaced.of(first, first + width))
        looked_at = {
            int(here + point)
            for here, k in zip(origin, kind, strict=True)
            for point in [
                *sums.row[sums.edge[k] : sums.edge[k + 1]],
                *(sums.base[sums.node[k] : sums.node[k + 1], None] + np.arange(NEIGHBORS)).flat,
            ]
        }
        assert len(looked_at) < 0.85 * (max(looked_at) + 1 - min(looked_at))


def _laid_out(
    band: Band, bins: layout.Spaced, lag: int = 0
) -> tuple[np.ndarray, np.ndarray, layout.GridSums]:
    (origin,), (kind,), sums, _ = layout.Grids([band], [lag], BANK.w0).of(bins)
    return origin, kind, sums


@settings(deadline=None, max_examples=40)
@given(
    band=st.sampled_from([band for band in BANK.bands if not band.by_samples]),
    first=st.integers(0, 9000),
    width=st.integers(1, 2500),
    gap=st.integers(0, 40),
    longer=st.integers(0, 3),
    lag=st.integers(0, 5000),
)
def test_bins_are_laid_out_as_each_of_them_alone(
    band: Band, first: int, width: int, gap: int, longer: int, lag: int
) -> None:
    begin = first + np.arange(9) * (width + gap + longer)
    stop = begin + width + longer * (np.arange(9) % 2)
    origin, kind, sums = _laid_out(band, layout.Spaced.of(begin, stop), lag)
    for i, k in enumerate(kind):
        one = slice(i, i + 1)
        (where,), (own,), alone = _laid_out(band, layout.Spaced.of(begin[one], stop[one]), lag)
        assert where == origin[i]
        for name in EDGES:
            np.testing.assert_array_equal(_share(sums, name, k), _share(alone, name, own))


@pytest.mark.parametrize("longer", [0, 1])
@pytest.mark.parametrize("width", [300_000, 299_999])
def test_few_long_bins_are_laid_out_alone(width: int, longer: int) -> None:
    # Laid out wherever they might lie, bins of ten seconds would be made from millions of points.
    first = np.array([0, width, 2 * width + longer])
    bins = layout.Spaced.of(first, np.append(first[1:], 3 * width + longer))
    bands = [band for band in BANK.bands if not band.by_samples]
    _, _, sums, _ = layout.Grids(bands, [0] * len(bands), BANK.w0).of(bins)
    assert len(sums.row) < 1 << 20


def _share(sums: layout.GridSums, name: str, kind: int) -> np.ndarray:
    edge = EDGES[name]
    low, high = (kind, kind + 1) if edge is None else getattr(sums, edge)[kind : kind + 2]
    return getattr(sums, name)[low:high]
