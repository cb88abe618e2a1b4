"""Fluorescence relative to its own rolling baseline, and what that makes a sample depend on."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynwb.ophys import DfOverF, Fluorescence, RoiResponseSeries

from nwbdecode import NWBDecodeError, load, wavelet_power
from nwbdecode.load import Signal
from nwbdecode.load.imaging import baseline
from nwbdecode.load.signal import ArrayReader
from tests.load.imaging import movies

RATE = 10.0


def relative(trace: np.ndarray, before: int, after: int, percentile: float) -> np.ndarray:
    """The same by sorting the window of every sample by itself."""
    pad = [(before, after)]
    mode = "symmetric" if after else "edge"
    step = np.abs(np.diff(trace, prepend=trace[:1]))
    out = np.zeros(len(trace))
    windows = [np.pad(values, pad, mode=mode) for values in (trace, step)]
    size = before + after + 1
    ranks = [min(int(size * p / 100), size - 1) for p in (percentile, 50)]
    for i in range(len(trace)):
        f0, noise = (np.sort(w[i : i + size])[k] for w, k in zip(windows, ranks, strict=True))
        divisor = max(f0, noise * 1.4826 / np.sqrt(2))
        if divisor > 0:
            out[i] = (trace[i] - f0) / divisor
    return out


def cells(n: int = 900, seed: int = 0) -> np.ndarray:
    """Bleaching baselines with transients; the third around zero, the fourth dead."""
    rng = np.random.default_rng(seed)
    time = np.arange(n) / RATE
    traces = 200 * np.exp(-time / 100)[:, None] * np.array([1, 2, 0, 0]) + rng.normal(size=(n, 4))
    traces[rng.random((n, 4)) < 0.02] += 150
    traces[:, 3] = 0
    return traces.astype(np.float32)


def traced(data: np.ndarray, container: Any = Fluorescence, **clock: Any) -> Signal | Any:
    """The traces as an open file with ROIs 10, 11, ..."""
    nwbfile, plane = movies.session()
    held = np.repeat(movies.masks()[:1], data.shape[1], axis=0)
    rois = movies.add_masks(nwbfile, plane, held=held).create_roi_table_region(
        region=list(range(data.shape[1])), description="all"
    )
    series = RoiResponseSeries(
        name="traces", data=data, rois=rois, unit="a.u.", **(clock or {"rate": RATE})
    )
    nwbfile.processing["ophys"].add(container(roi_response_series=series))
    return load.open(nwbfile)


@pytest.mark.parametrize("side", ["centered", "trailing"])
def test_values_are_those_of_the_window_around_each_sample(side: Any) -> None:
    data = cells()
    signal = traced(data).signal(dff=side, baseline_window=12.0, baseline_percentile=8.0)
    before, after = (60, 60) if side == "centered" else (120, 0)
    expected = np.transpose([relative(trace, before, after, 8.0) for trace in data.T])
    np.testing.assert_allclose(signal.read(0, 900), expected, rtol=1e-4, atol=1e-5)
    assert signal.units == "dF/F"
    assert f"{side} baseline, percentile 8 over 12 s" in repr(signal)


def test_dead_and_near_zero_regions_divide_by_no_zero() -> None:
    found = traced(cells()).signal(dff=True).read(0, 900).to_numpy()
    assert np.isfinite(found).all()
    assert (found[:, 3] == 0).all()
    # A trace around zero is measured in its noise, not in what is left of a baseline.
    assert np.abs(found[:, 2]).max() < 1000


def test_slow_bleaching_leaves_and_a_transient_stays() -> None:
    found = traced(cells()).signal(dff=True, baseline_window=20.0).read(0, 900).to_numpy()
    quiet = found[:, 0] < 0.3
    assert (
        abs(np.median(found[:450, 0][quiet[:450]]) - np.median(found[450:, 0][quiet[450:]])) < 0.05
    )
    assert found[:, 0].max() > 0.7


@settings(deadline=None, max_examples=15)
@given(
    block=st.integers(50, 400),
    cuts=st.lists(st.integers(1, 899), max_size=4, unique=True),
    side=st.sampled_from(["centered", "trailing"]),
)
def test_reads_are_the_same_bits_over_any_chunking(block: int, cuts: list[int], side: Any) -> None:
    signal = traced(cells()).signal(dff=side, baseline_window=9.7)
    whole = signal.read_array(0, 900)
    edges = [0, *sorted(cuts), 900]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baseline, "_FEWEST", block)
        again = pickle.loads(pickle.dumps(signal))
        parts = [again.read_array(a, b) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def _poisoned(signal: Signal, data: np.ndarray, instant: float) -> Signal:
    """The signal with every sample changed that its support says cannot matter."""
    time = signal.times(np.arange(len(data)))
    dirty = data.copy()
    outside = (time < instant - signal.support[0] - 1e-9) | (
        time > instant + signal.support[1] + 1e-9
    )
    dirty[outside] = 1e9
    assert outside.any()
    reader: Any = signal.reader
    return replace(signal, reader=replace(reader, traces=ArrayReader(dirty), _held={}))


@settings(deadline=None, max_examples=25)
@given(
    at=st.integers(0, 899), side=st.sampled_from(["centered", "trailing"]), seed=st.integers(0, 99),
    uneven=st.booleans(),
)  # fmt: skip
def test_a_sample_depends_on_nothing_beyond_the_support(
    at: int, side: Any, seed: int, uneven: bool
) -> None:
    data = cells(seed=seed)
    clock = {"rate": RATE}
    if uneven:
        steps = np.random.default_rng(seed).uniform(0.7, 1.3, len(data)) / RATE
        clock = {"timestamps": np.cumsum(steps)}
    signal = traced(data, **clock).signal(dff=side, baseline_window=9.0)
    instant = float(signal.times(np.array([at]))[0])
    dirty = _poisoned(signal, data, instant)
    np.testing.assert_array_equal(dirty.read_array(at, at + 1), signal.read_array(at, at + 1))


def test_the_support_is_the_window_and_little_more() -> None:
    opened = traced(cells())
    centered = opened.signal(dff=True, baseline_window=12.0).support
    assert centered == pytest.approx((6.1, 6.0))
    assert opened.signal(dff="trailing", baseline_window=12.0).support == pytest.approx((12.1, 0))
    assert opened.signal().support == (0.0, 0.0)


def test_features_add_the_support_of_their_signal() -> None:
    opened = traced(cells())
    plain, made = (wavelet_power(opened.signal(dff=dff), progress=False) for dff in (False, True))
    added = np.subtract(made.attrs["support"], plain.attrs["support"])
    np.testing.assert_allclose(added, (30.1, 30.0))


def test_causal_features_take_no_baseline_that_reads_ahead() -> None:
    opened = traced(cells())
    with pytest.raises(NWBDecodeError, match=r"depend on 30 s after.*dff='trailing'"):
        wavelet_power(opened.signal(dff=True), causal=True, progress=False)
    power = wavelet_power(opened.signal(dff="trailing"), causal=True, progress=False)
    assert power.attrs["support"][1] == pytest.approx(0.1)


def test_each_side_of_a_gap_has_its_own_baseline() -> None:
    data = cells()
    stamps = np.arange(900) / RATE + np.where(np.arange(900) < 400, 0.0, 50.0)
    both = traced(data, timestamps=stamps).signal(dff=True, baseline_window=20.0)
    assert len(both.segments) == 2
    for part in (slice(0, 400), slice(400, 900)):
        alone = traced(data[part]).signal(dff=True, baseline_window=20.0)
        np.testing.assert_array_equal(
            both.read_array(part.start, part.stop), alone.read_array(0, part.stop - part.start)
        )


def test_a_cut_in_time_keeps_the_baseline_of_the_whole() -> None:
    opened = traced(cells())
    whole = opened.signal(dff=True)
    part = opened.signal(dff=True, time=(20.0, 40.0))
    np.testing.assert_array_equal(part.read_array(200, 400), whole.read_array(200, 400))
    assert part.support == whole.support


def test_a_missing_sample_stays_missing_alone() -> None:
    data = cells()
    data[100, 0] = np.nan
    found = traced(data).signal(dff=True).read(0, 900).to_numpy()
    assert np.isnan(found).sum() == 1
    assert np.isnan(found[100, 0])


def test_what_is_relative_already_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match="ΔF/F already"):
        traced(cells(), DfOverF).signal(dff=True)


def test_options_of_a_movie_are_refused_for_traces() -> None:
    with pytest.raises(NWBDecodeError, match=r"neuropil cannot apply to .*traces"):
        traced(cells()).signal(neuropil=0.7)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"dff": "centred"}, "Did you mean 'centered'"),
        ({"dff": True, "baseline_window": 0.0}, "baseline_window is 0"),
        ({"dff": True, "baseline_percentile": 101.0}, "baseline_percentile is 101"),
    ],
)
def test_settings_out_of_range_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(NWBDecodeError, match=said):
        traced(cells()).signal(**wrong)
