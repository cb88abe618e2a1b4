"""The line notch: what it takes, what it leaves, and how far it reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import from_recipe, store, traces, wavelet_power
from nwbdecode.features import notch as notch_module
from nwbdecode.features.notch import make_notch
from tests.features.recordings import field_potential, in_segments, labelled

RATES = [250.0, 999.3, 1000.0, 2000.0, 24_414.0625, 30_000.0]


def _through(tone: float, rate: float, line: float, *, causal: bool = False) -> np.ndarray:
    """A cosine after the notch."""
    notch = make_notch(line, rate, causal=causal)
    time = np.arange(notch.before + notch.after + round(rate / 5)) / rate
    tones = np.cos(2 * np.pi * tone * time)[:, None].astype(np.float32)
    return notch.apply(tones)[:, 0]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("line", [50.0, 60.0])
@pytest.mark.parametrize("rate", RATES)
def test_the_line_and_its_harmonics_are_gone(rate: float, line: float, causal: bool) -> None:
    count = int(0.4 * rate / line)
    for harmonic in {1, 2, count // 2, count} - {0}:
        if harmonic <= count:
            left = np.abs(_through(harmonic * line, rate, line, causal=causal)).max()
            assert left < 2e-3, (harmonic * line, left)


@settings(deadline=None, max_examples=40)
@given(
    rate=st.sampled_from(RATES),
    line=st.sampled_from([50.0, 60.0]),
    harmonic=st.integers(0, 5),
    off=st.floats(2.0, 25.0),
)
def test_two_hertz_beside_a_harmonic_and_at_drift_nothing_is_taken(
    rate: float, line: float, harmonic: int, off: float
) -> None:
    tone = harmonic * line + off
    if tone > 0.4 * rate:
        return
    found = _through(tone, rate, line)
    notch = make_notch(line, rate)
    time = (notch.before + np.arange(len(found))) / rate
    # In phase as well: nothing is turned.
    np.testing.assert_allclose(
        found, np.cos(2 * np.pi * tone * time), atol=0.03 if off < 3 else 0.012
    )


@pytest.mark.parametrize("rate", RATES)
def test_a_constant_passes_whole(rate: float) -> None:
    np.testing.assert_allclose(_through(0.0, rate, 60.0), 1.0, atol=1e-4)


@pytest.mark.parametrize("rate", [1000.0, 30_000.0])
def test_half_the_amplitude_passes_at_one_hertz_beside_the_line(rate: float) -> None:
    notch = make_notch(60.0, rate)
    time = np.arange(notch.before + notch.after + round(rate)) / rate
    tones = np.cos(2 * np.pi * 61.0 * time)[:, None].astype(np.float32)
    assert np.abs(notch.apply(tones)).max() == pytest.approx(0.5, abs=0.02)


def test_a_direct_convolution_in_float64_gives_the_same() -> None:
    rate, line = 30_000.0, 60.0
    notch = make_notch(line, rate)
    impulse = np.zeros((2 * (notch.before + notch.after) + 1, 1), dtype=np.float32)
    impulse[notch.before + notch.after] = 1
    taps = notch.apply(impulse)[:, 0].astype(np.float64)
    samples = field_potential(rate, 1.5, channels=1)
    expected = np.convolve(samples[:, 0].astype(np.float64), taps, mode="valid")
    found = notch.apply(samples.copy())[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(samples).max())


def _response(rate: float, line: float, *, causal: bool) -> tuple[np.ndarray, np.ndarray]:
    """Lags, ascending, and what the notch makes so long after an impulse."""
    notch = make_notch(line, rate, causal=causal)
    reach = notch.before + notch.after
    impulse = np.zeros((2 * reach + 1, 1), dtype=np.float32)
    impulse[reach] = 1
    return np.arange(-notch.after, notch.before + 1), notch.apply(impulse)[:, 0].astype(np.float64)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("line", [50.0, 60.0])
@pytest.mark.parametrize("rate", [250.0, 999.3, 1000.0, 2034.5, 2400.0])
def test_slow_rates_take_away_what_all_harmonics_under_the_window_make(
    rate: float, line: float, causal: bool
) -> None:
    lags, found = _response(rate, line, causal=causal)
    half = round(rate / 2)
    window = np.hanning(2 * half + 3)[1:-1]
    assert (lags == np.arange(2 * half + 1) - (0 if causal else half)).all()
    harmonics = np.arange(1, int((rate / 2 - 2) / line) + 1)
    comb = 2 * np.cos(2 * np.pi * lags[:, None] / rate * line * harmonics).sum(axis=1)
    expected = np.where(lags == 0, 1.0, 0.0) - comb * window / window.sum()
    # What passes differs no more than that at any frequency.
    assert np.abs(found - expected).sum() < 6e-6 * np.abs(comb * window).sum() / window.sum()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("rate", "line"), [(3000.0, 50.0), (24_414.0625, 60.0), (25_000.0, 60.0), (30_000.0, 50.0)]
)
def test_fast_rates_take_away_what_pulses_a_period_apart_make_of_what_lies_above_drift(
    rate: float, line: float, causal: bool
) -> None:
    lags, found = _response(rate, line, causal=causal)
    period, half = rate / line, round(rate / 2)
    pulse = period * np.arange(-60, 61)
    ago = half if causal else 0
    near = lags[:, None] - pulse
    reach = 24 if period % 1 else 0.5
    inside = (np.abs(np.rint(pulse) - ago) + int(reach)) <= half
    kaiser = np.i0(6 * np.sqrt(np.clip(1 - (near / 24) ** 2, 0, None))) / np.i0(6)
    kernel = np.where(np.abs(near) < reach, np.sinc(near) * kaiser, 0)
    weight = inside * np.cos(np.pi / 2 * np.clip((pulse - ago) / (half + 1), -1, 1)) ** 2
    taps = (kernel * weight).sum(axis=1)
    taps /= (taps * np.cos(2 * np.pi * lags / period)).sum()
    # The mean over a period holds two samples in part.
    whole = 2 * int(np.ceil((period - 1) / 2)) - 1
    box = np.r_[(period - whole) / 2, np.ones(whole), (period - whole) / 2] / period
    drift = np.convolve(taps, box)
    at = 0 if causal else len(box) // 2
    expected = np.where(lags == 0, 1.0, 0.0) - taps + drift[at : at + len(taps)]
    assert np.abs(found - expected).sum() < 3e-5 * np.abs(taps).sum()


@settings(deadline=None, max_examples=15)
@given(
    rate=st.sampled_from([400.0, 999.3, 6000.0, 6001.7]),
    channels=st.integers(1, 9),
    stretch=st.integers(50, 3000),
    causal=st.booleans(),
)
def test_neither_stretches_nor_other_channels_change_a_bit(
    rate: float, channels: int, stretch: int, causal: bool
) -> None:
    notch = make_notch(50.0, rate, causal=causal)
    samples = field_potential(rate, 3.0, channels=channels)
    whole = notch.apply(samples.copy())
    alone = notch.apply(samples[:, -1:].copy())
    np.testing.assert_array_equal(alone[:, 0], whole[:, -1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(notch_module, "_STRETCH", stretch)
        patch.setattr(notch_module, "_TIMES", 0)
        np.testing.assert_array_equal(notch.apply(samples.copy()), whole)
    count, cut = len(whole), min(stretch, len(whole) - 1)
    reach = notch.before + notch.after
    for low, high in ((0, cut), (cut, count)):
        part = notch.apply(samples[low : high + reach].copy())
        np.testing.assert_array_equal(part, whole[low:high])


@pytest.mark.parametrize("rate", [1000.0, 2000.0, 24_414.0625, 30_000.0])
def test_sums_of_sums_are_far_fewer_than_taps(rate: float) -> None:
    notch = make_notch(60.0, rate)
    taps = 49 * 59 if rate == 24_414.0625 else rate if rate < 3000 else 30_000 / 60
    assert notch.sums.cost < taps / 2


@pytest.mark.parametrize("rate", [1000.0, 24_414.0625])
def test_hum_leaves_the_bands_and_the_signal_stays(rate: float) -> None:
    seconds = 6.0 if rate < 5000 else 2.5
    samples = field_potential(rate, seconds, channels=2)
    time = np.arange(len(samples)) / rate
    hum = sum(np.sin(2 * np.pi * 60 * k * time + k) for k in (1, 2, 3, 5))
    how = {"rate": rate, "frequencies": [20.0, 60.0, 85.0, 180.0], "bin": 0.1, "progress": False}
    clean = wavelet_power(samples, notch=60.0, **how)
    humming = samples + (1e-3 * hum)[:, None].astype(np.float32)
    inside = slice(7, -7)
    noisy = wavelet_power(humming, **how)[inside]
    found = wavelet_power(humming, notch=60.0, **how)[inside]
    assert (noisy[:, 1] > 100 * clean[inside][:, 1]).all()
    np.testing.assert_allclose(found, clean[inside], rtol=0.05, atol=1e-3 * float(clean.mean()))
    # What is far from the line is the same with and without.
    plain = wavelet_power(samples, **how)[inside]
    np.testing.assert_allclose(found[:, 0], plain[:, 0], rtol=0.05)


@settings(deadline=None, max_examples=10)
@given(
    rate=st.sampled_from([400.0, 1000.0, 6001.7]), block=st.integers(3, 40), causal=st.booleans()
)
def test_blocks_change_no_bit(rate: float, block: int, causal: bool) -> None:
    samples = field_potential(rate, 3.0, channels=2)
    how: dict[str, Any] = {"rate": rate, "notch": 60.0, "lowest": 30.0, "n_bands": 3}
    how |= {"bin": 0.02, "causal": causal, "remainder": True, "progress": False}
    whole = wavelet_power(samples, **how)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "BLOCK", block)
        np.testing.assert_array_equal(wavelet_power(samples, **how), whole)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@settings(deadline=None, max_examples=12)
@given(
    rate=st.sampled_from([400.0, 1000.0, 6000.0, 6001.7]),
    k=st.integers(0, 200),
    causal=st.booleans(),
    poison=st.sampled_from([1e30, np.nan]),
)
def test_the_notch_is_part_of_the_support_and_no_sample_beyond_it_matters(
    rate: float, k: int, causal: bool, poison: float
) -> None:
    samples = field_potential(rate, 4.0, channels=2)
    how: dict[str, Any] = {"rate": rate, "notch": 50.0, "lowest": 40.0, "n_bands": 2}
    how |= {"bin": 0.02, "causal": causal, "progress": False}
    clean = wavelet_power(samples, **how)
    k = k % clean.sizes["time"]
    before, after = clean.attrs["support"]
    plain = wavelet_power(samples, **how | {"notch": None}).attrs["support"]
    period = (1 + 1 / rate) / 50
    if causal:
        assert 1.0 <= before - plain[0] <= 1.0 + period
        assert after == plain[1]
    else:
        assert 0.49 <= before - plain[0] == after - plain[1] <= 0.5 + period
    time = np.arange(len(samples)) / rate
    dirty = samples.copy()
    instant = float(clean.time[k])
    dirty[(time < instant - before) | (time > instant + after)] = poison
    np.testing.assert_array_equal(wavelet_power(dirty, **how)[k], clean[k])


def test_a_sample_just_inside_the_notchs_reach_does_matter() -> None:
    # The control of the test above.
    rate = 1000.0
    samples = field_potential(rate, 4.0, channels=1)
    how: dict[str, Any] = {"rate": rate, "notch": 50.0, "lowest": 40.0, "n_bands": 2}
    clean = wavelet_power(samples, progress=False, **how)
    reach = clean.attrs["support"][0] - 0.02
    dirty = samples.copy()
    dirty[np.arange(len(samples)) / rate < float(clean.time[60]) - reach + 0.1] = 1e3
    assert (wavelet_power(dirty, progress=False, **how)[60] != clean[60]).any()


@pytest.mark.parametrize("reference", ["none", "average"])
@pytest.mark.parametrize("notch", [None, 50.0])
def test_samples_in_memory_stay_as_they_were(notch: float | None, reference: str) -> None:
    samples = field_potential(1000.0, 4.0, channels=3)
    given, how = samples.copy(), {"lowest": 40.0, "n_bands": 2, "progress": False}
    wavelet_power(given, rate=1000.0, notch=notch, reference=reference, **how)
    np.testing.assert_array_equal(given, samples)


def test_each_side_of_a_gap_is_as_if_recorded_alone() -> None:
    rate = 500.0
    samples = field_potential(rate, 6.0)
    how: dict[str, Any] = {"notch": 50.0, "lowest": 20.0, "n_bands": 3, "progress": False}
    both = in_segments(samples, rate, (0, 1207, 0.0), (1207, 3000, 100.0))
    power = wavelet_power(both, **how)
    for k, part in enumerate((samples[:1207], samples[1207:])):
        alone = wavelet_power(part, rate=rate, **how)
        np.testing.assert_array_equal(power.isel(time=power.segment == k), alone)


def test_the_recipe_carries_the_notch(tmp_path: Any) -> None:
    signal = labelled(field_potential(500.0, 5.0), 500.0)
    how: dict[str, Any] = {"lowest": 20.0, "n_bands": 3, "progress": False, "store": tmp_path}
    found = {line: wavelet_power(signal, notch=line, **how) for line in (None, 50.0, 60.0)}
    assert len({power.attrs["hash"] for power in found.values()}) == 3
    again = from_recipe(signal, found[60.0].attrs["recipe"], store=tmp_path, progress=False)
    xr.testing.assert_identical(again, found[60.0])


@pytest.mark.parametrize(
    ("signal", "rate", "line", "said"),
    [
        (np.zeros((500, 2)), 100.0, 60.0, "does not fit a signal of 100 samples"),
        (np.zeros((5000, 2)), 1000.0, 0.5, "expected 50 or 60"),
        (np.zeros((500, 2)), 30.0, 50.0, r"not cut into bands; leave out notch=50"),
    ],
)
def test_a_notch_that_cannot_be_is_refused(
    signal: np.ndarray, rate: float, line: float, said: str
) -> None:
    with pytest.raises(NWBDecodeError, match=said):
        wavelet_power(signal, rate=rate, notch=line, progress=False)
    assert traces(signal, rate=rate, bin=0.5, progress=False).sizes["frequency"] == 1
