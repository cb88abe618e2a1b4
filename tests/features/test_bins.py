"""Bins: equal in seconds, whole in samples, never across a gap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import band_frequencies, traces, wavelet_power
from nwbdecode.features.bins import make_bins
from nwbdecode.load.signal import ArrayReader, as_signal
from tests.features.recordings import RATES, field_potential, in_segments


@given(
    rate=st.sampled_from([*RATES, 4.0, 30.0, 59.94]) | st.floats(5, 50_000),
    per_bin=st.floats(1, 60),
    samples=st.integers(100, 5000),
)
def test_edges_lie_at_the_nearest_sample_of_every_multiple(
    rate: float, per_bin: float, samples: int
) -> None:
    width = per_bin / rate
    bins = make_bins(as_signal(np.zeros((samples, 1)), rate=rate), width)
    edges = np.append(bins.first, bins.stop[-1])
    assert (np.abs(edges - np.arange(len(bins) + 1) * width * rate) <= 0.5 + 1e-6).all()
    np.testing.assert_array_equal(bins.first[1:], bins.stop[:-1])
    assert bins.first[0] == 0
    assert samples - width * rate - 0.5 - 1e-6 <= bins.stop[-1] <= samples
    assert (bins.stop > bins.first).all()


def test_bins_of_an_odd_rate_do_not_drift_in_an_hour() -> None:
    rate = 24_414.0625
    hour = np.broadcast_to(np.int8(0), (int(3600 * rate), 1))
    bins = make_bins(as_signal(hour, rate=rate))
    assert len(bins) == 3600 * 30
    nominal = (np.arange(len(bins)) + 0.5) / 30
    # A sample stands for the half intervals around it: the first bin begins half a sample early.
    assert np.abs(bins.center + 0.5 / rate - nominal).max() <= 0.5 / rate + 1e-9
    assert set(bins.stop - bins.first) == {813, 814}


def test_the_default_bin_is_a_thirtieth_second_and_never_under_a_sample() -> None:
    assert make_bins(as_signal(np.zeros((1000, 1)), rate=250.0)).width == pytest.approx(1 / 30)
    slow = make_bins(as_signal(np.zeros((40, 1)), rate=4.0))
    assert slow.width == 0.25
    assert len(slow) == 40


def test_a_bin_of_exactly_one_sample_is_a_bin() -> None:
    assert len(make_bins(as_signal(np.zeros((30, 1)), rate=59.94), 1 / 59.94)) == 30


@pytest.mark.parametrize("width", [0.0039, 0.0, -1.0, float("nan")])
def test_a_bin_below_one_sample_is_refused_with_the_numbers(width: float) -> None:
    with pytest.raises(NWBDecodeError, match=r"0\.004 s at 250 Hz.*at least 0\.004 s"):
        wavelet_power(field_potential(250.0, 4), rate=250.0, bin=width)


def test_a_recording_shorter_than_a_bin_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match=r"no bin of 10 s fits.*4 s"):
        wavelet_power(field_potential(250.0, 4), rate=250.0, bin=10.0)


def test_no_bin_crosses_a_gap_and_what_is_left_before_it_is_dropped() -> None:
    signal = in_segments(np.zeros((1000, 1)), 250.0, (0, 310, 0.0), (310, 1000, 100.0))
    power = traces(signal, bin=0.1)
    first, second = (power.isel(time=power.segment == k) for k in (0, 1))
    assert (len(first.time), len(second.time)) == (12, 27)
    np.testing.assert_allclose(first.bin_end[-1], 1.2 - 0.002)
    np.testing.assert_allclose(second.bin_start[0], 100.0 - 0.002)
    np.testing.assert_allclose(second.time, 100 - 0.002 + 0.1 * (np.arange(27) + 0.5))


def test_bands_are_spaced_evenly_in_octaves_and_end_where_the_rate_does() -> None:
    bands = band_frequencies(1000.0)
    assert (len(bands), bands[0], bands[-1]) == (26, 2.0, pytest.approx(400.0))
    np.testing.assert_allclose(np.diff(np.log(bands)), np.log(200) / 25)
    assert band_frequencies(96_000.0)[-1] == pytest.approx(15_000.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"highest": 101.0}, "101 Hz needs more than 250 samples.*at most 100 Hz"),
        ({"frequencies": [5.0, 110.0]}, "110 Hz needs more than 250 samples.*at most 100 Hz"),
        ({"lowest": 0.0}, r"must be positive; found \[0\.0\]"),
        ({"lowest": -2.0}, r"must be positive; found \[-2\.0\]"),
        ({"lowest": 50.0, "highest": 20.0}, "do not fit between 50 and 20 Hz"),
        ({"n_bands": 0}, "0 bands do not fit"),
        ({"frequencies": [8.0, 4.0]}, "must be ascending"),
        ({"frequencies": []}, "not empty"),
    ],
)
def test_bands_that_the_rate_cannot_carry_are_refused_with_the_numbers(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(NWBDecodeError, match=message):
        wavelet_power(field_potential(250.0, 4), rate=250.0, **settings)


def test_the_true_timestamps_around_a_gap_are_those_of_the_bins() -> None:
    samples = np.zeros((1000, 1))
    stamps = np.arange(1000) / 250.0
    stamps[310:] += 98.76
    stamped = replace(
        in_segments(samples, 250.0, (0, 310, 0.0), (310, 1000, 100.0)),
        timestamps=ArrayReader(stamps[:, None]),
    )
    even = make_bins(replace(stamped, timestamps=None), 0.04)
    bins = make_bins(stamped, 0.04)
    np.testing.assert_allclose(bins.start, even.start)
    np.testing.assert_allclose(bins.end, even.end)
    np.testing.assert_allclose(bins.end - bins.start, 0.04)
