"""Thinning keeps what the eye must see: peaks, gaps and wraps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nwbdecode.explore.thinning import averaged, broken, extremes, span, strided

series = hnp.arrays(
    np.float64,
    st.integers(1, 400),
    elements=st.one_of(st.floats(-1e6, 1e6), st.just(np.nan)),
)


@settings(deadline=None)
@given(values=series, most=st.integers(4, 60))
def test_thinning_keeps_the_largest_and_smallest_value_and_the_order(values, most):
    kept = extremes(values, most)
    assert len(kept) <= max(most, 2)
    assert (np.diff(kept) > 0).all()
    if np.isfinite(values).any():
        assert np.nanmax(values[kept]) == np.nanmax(values)
        assert np.nanmin(values[kept]) == np.nanmin(values)


@settings(deadline=None)
@given(n=st.integers(1, 1000), most=st.integers(1, 100))
def test_strides_start_at_the_first_bin_and_stay_within_the_limit(n, most):
    kept = strided(n, most)
    assert kept[0] == 0
    assert len(kept) <= most
    assert kept[-1] < n


@settings(deadline=None)
@given(values=series, most=st.integers(1, 50))
def test_averages_leave_missing_values_out(values, most):
    time = np.arange(len(values), dtype=float)
    at, mean = averaged(time, values[:, None], most)
    assert len(at) == len(mean) <= max(most, 1)
    size = -(-len(values) // most)
    for k in range(len(mean)):
        part = values[k * size : (k + 1) * size]
        part = part[np.isfinite(part)]
        if len(part):
            assert mean[k, 0] == pytest.approx(part.mean(), rel=1e-9, abs=1e-6)
        else:
            assert np.isnan(mean[k, 0])


def test_a_stretch_of_missing_values_stays_a_break_however_thin_the_line():
    values = np.arange(10_000.0)
    values[4000:6000] = np.nan
    kept = extremes(values, 100)
    inside = (kept >= 4000) & (kept < 6000)
    assert inside.any()
    assert np.isnan(values[kept[inside]]).all()


def test_lines_break_at_recording_gaps_and_where_angles_wrap():
    time = np.array([0.0, 1, 2, 10, 11])
    angle = np.array([3.0, -3.0, -2.9, -2.8, -2.7])
    at, line = broken(time, angle, longest=1.5, wraps=True)
    assert np.isnan(line).tolist() == [False, True, False, False, True, False, False]
    assert line[np.isfinite(line)].tolist() == angle.tolist()
    assert (np.diff(at) > 0).all()


def test_a_window_holds_the_bins_whose_centers_lie_in_it():
    time = np.array([0.5, 1.5, 2.5, 3.5])
    assert span(time, (1.5, 2.6)) == slice(1, 3)
    assert span(time, (9, 10)) == slice(4, 4)
    assert span(time, None) == slice(0, 4)
