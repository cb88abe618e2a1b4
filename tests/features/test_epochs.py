"""Bins inside chosen times, and nothing read of excluded ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nwbdecode.decoder.windows import Window, decodable, segments_of
from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import traces, wavelet_power
from nwbdecode.load.cutting import without
from nwbdecode.load.signal import as_signal

RATE = 200.0
HOW = {"bin": 0.1, "lowest": 4.0, "highest": 40.0, "n_bands": 4, "progress": False}


def _signal(seconds: float = 40.0, seed: int = 0):
    samples = np.random.default_rng(seed).normal(size=(int(seconds * RATE), 2))
    return as_signal(samples.astype(np.float32), rate=RATE)


SPANS = ((3.0, 8.0), (8.0, 11.05), (20.0, 20.05), (25.0, 26.0))


def test_chosen_bins_are_those_of_the_whole_recording_that_lie_inside() -> None:
    whole = wavelet_power(_signal(), **HOW)
    chosen = wavelet_power(replace(_signal(), only=SPANS), **HOW)
    # Bins of the whole recording have edges at multiples of 0.1 s.
    inside = [*range(30, 80), *range(80, 110), *range(250, 260)]
    np.testing.assert_allclose(chosen["time"], whole["time"][inside])
    # Filters read the true recording around the chosen times: values are the same bits.
    np.testing.assert_array_equal(chosen, whole[inside])
    assert chosen["segment"].values.tolist() == [0] * 50 + [1] * 30 + [2] * 10


def test_no_window_leaves_a_chosen_time() -> None:
    chosen = traces(replace(_signal(), only=SPANS), bin=0.1)
    able = decodable(np.ones(90, bool), segments_of(chosen), Window(4, 3))
    for at in np.flatnonzero(able):
        low, high = chosen["bin_start"].values[at - 4], chosen["bin_end"].values[at + 3]
        assert any(a - 0.003 <= low and high <= b + 0.003 for a, b in SPANS)
    assert able.sum() == (50 - 7) + (30 - 7) + (10 - 7)


def test_a_chosen_time_that_holds_no_bin_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match=r"no bin of 0\.1 s lies inside"):
        traces(replace(_signal(), only=((20.0, 20.05),)), bin=0.1)


def test_no_feature_depends_on_an_excluded_sample() -> None:
    clean = _signal()
    spoiled = clean.reader.array.copy()
    spoiled[int(12 * RATE) : int(15 * RATE)] = 1e9
    cut = without(clean, [(12.0, 15.0)])
    dirty = without(as_signal(spoiled, rate=RATE), [(12.0, 15.0)])
    made = wavelet_power(cut, **HOW)
    np.testing.assert_array_equal(made, wavelet_power(dirty, **HOW))
    assert not ((made["time"] > 12.0) & (made["time"] < 15.0)).any()
    # Not left out, the same samples reach far beyond their own time.
    reached = (wavelet_power(as_signal(spoiled, rate=RATE), **HOW) > 1e3).any(
        ["frequency", "channel"]
    )
    assert float(reached["time"][reached].min()) < 11.5


def test_the_blocks_that_features_are_computed_in_leave_no_trace_of_many_short_times() -> None:
    spans = tuple((float(a), a + 0.35) for a in range(1, 39, 2))
    signal = replace(_signal(), only=spans)
    whole = wavelet_power(signal, **HOW)
    little = wavelet_power(signal, memory=400_000, **HOW)
    np.testing.assert_array_equal(whole, little)
