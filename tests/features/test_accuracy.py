"""The fast engine against the plain transform, PyWavelets, and signals of known power."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import wavelet_power
from nwbdecode.load.signal import as_signal
from tests.features.recordings import RATES, field_potential, with_faults


class Compared(NamedTuple):
    """Power of the same samples by the fast engine and by the plain transform."""

    fast: np.ndarray
    plain: np.ndarray


@lru_cache(maxsize=1)
def plain_power(rate: float) -> np.ndarray:
    samples = with_faults(rate, RATES[rate][0])
    power = wavelet_power(
        samples, rate=rate, lowest=RATES[rate][1], engine="reference", progress=False
    )
    return power.to_numpy().astype(np.float64)


@pytest.fixture(
    scope="module",
    params=[(rate, engine) for rate in RATES for engine in ("filterbank", "torch")],
    ids=lambda param: f"{param[0]:g} Hz {param[1]}",
)
def compared(request: pytest.FixtureRequest) -> Compared:
    rate, engine = request.param
    seconds, lowest = RATES[rate]
    fast = wavelet_power(
        with_faults(rate, seconds), rate=rate, lowest=lowest, engine=engine, progress=False
    )
    return Compared(fast.to_numpy().astype(np.float64), plain_power(rate))


def test_power_follows_the_plain_transform_bin_by_bin(compared: Compared) -> None:
    # The later half of the channel that falls silent has no power to be relative to.
    heard = slice(None, len(compared.plain) * 2 // 5)
    for channel, bins in enumerate([slice(None)] * 3 + [heard]):
        fast, plain = compared.fast[bins, :, channel], compared.plain[bins, :, channel]
        assert np.median(np.abs(fast / plain - 1), axis=0).max() < 2e-4


def test_power_correlates_with_the_plain_transform_in_every_band(compared: Compared) -> None:
    for channel in range(4):
        for band in range(compared.plain.shape[1]):
            fast, plain = compared.fast[:, band, channel], compared.plain[:, band, channel]
            assert np.corrcoef(fast, plain)[0, 1] > 0.999999


def test_power_is_finite_and_never_negative(compared: Compared) -> None:
    assert np.isfinite(compared.fast).all()
    assert (compared.fast >= 0).all()


def test_a_dead_channel_has_no_power(compared: Compared) -> None:
    assert (compared.fast[..., 4] == 0).all()


def test_silence_is_as_silent_as_in_the_plain_transform(compared: Compared) -> None:
    error = np.abs(compared.fast - compared.plain)[..., 3].max(axis=0)
    assert (error < 1e-3 * compared.plain[..., 3].max(axis=0)).all()


@pytest.mark.parametrize("rate", [1000.0, 24_414.0625])
@pytest.mark.parametrize("w0", [4.0, 5.3, 9.0, 20.0])
def test_other_wavelets_are_followed_as_closely(w0: float, rate: float) -> None:
    samples = field_potential(rate, 6000 / rate, channels=1)
    how = {"rate": rate, "lowest": rate / 100, "highest": 0.3 * rate, "n_bands": 8, "w0": w0}
    fast, plain = (
        wavelet_power(samples, bin=50.3 / rate, engine=engine, progress=False, **how)
        for engine in ("filterbank", "reference")
    )
    assert np.median(np.abs(fast / plain - 1), axis=0).max() < 3e-4


@pytest.mark.parametrize("per_bin", [3.0, 20.5, 61.2, 300.0, 2500.0])
def test_bins_of_any_width_are_followed_as_closely(per_bin: float) -> None:
    rate = 20_000.0
    samples = field_potential(rate, 1.0)
    how = {"rate": rate, "lowest": 50.0, "n_bands": 12, "bin": per_bin / rate, "progress": False}
    fast, plain = (
        wavelet_power(samples, engine=engine, **how) for engine in ("filterbank", "reference")
    )
    assert np.median(np.abs(fast / plain - 1), axis=0).max() < 2e-4


@pytest.mark.parametrize("engine", ["filterbank", "torch"])
def test_power_is_zero_only_where_the_plain_transform_hears_nothing(engine: str) -> None:
    # Three samples in a minute of silence: every bin sees one of them or none, and none may be
    # lost between the points that power is averaged from.
    rate, samples = 2000.0, np.zeros((120_000, 2), dtype=np.float32)
    samples[[30_011, 61_503, 61_504]] = [[1.0, 1e-4], [-2.0, 1e-4], [2.0, 1e-4]]
    how: dict[str, Any] = {"rate": rate, "lowest": 4.0, "bin": 0.02, "progress": False}
    fast = wavelet_power(samples, engine=engine, **how)
    plain = wavelet_power(samples, engine="reference", truncate=4.5, **how)
    # Where only the rounding of its Fourier transforms is left, it hears nothing.
    heard = (plain > 1e-12 * plain.max("time")).to_numpy()
    assert 0.01 < heard.mean() < 0.5
    assert (fast.to_numpy()[heard] > 0).all()


def test_an_impulse_fades_as_in_the_plain_transform() -> None:
    # Away from the impulse, power is right until it has fallen by more than four orders.
    rate = 20_000.0
    samples = np.zeros((20_000, 1), dtype=np.float32)
    samples[10_003] = 1.0
    how = {"rate": rate, "lowest": 20.0, "n_bands": 12, "bin": 40.7 / rate, "progress": False}
    fast, plain = (
        wavelet_power(samples, engine=engine, **how).to_numpy()[..., 0]
        for engine in ("filterbank", "reference")
    )
    faint = 1e-7 * plain.max(axis=0)
    np.testing.assert_array_less(np.abs(fast - plain), 1e-3 * plain + faint)


def test_an_offset_adds_no_power() -> None:
    level = field_potential(250.0, 8.0)
    lifted = wavelet_power(level + np.float32(1e-3), rate=250.0, progress=False)
    np.testing.assert_allclose(lifted, wavelet_power(level, rate=250.0, progress=False), rtol=2e-2)
    constant = wavelet_power(np.full((2000, 1), 1e-3), rate=250.0, progress=False)
    # Float32 taps sum to zero within their rounding.
    assert constant.max() < 1e-12 * 1e-3**2


@settings(deadline=None, max_examples=25)
@given(
    rate=st.sampled_from(list(RATES)),
    share=st.floats(0.005, 0.3),
    amplitude=st.floats(1e-7, 1e3),
    phase=st.floats(0, 2 * np.pi),
)
def test_a_sinusoid_of_amplitude_a_has_power_half_a_squared(
    rate: float, share: float, amplitude: float, phase: float
) -> None:
    time = np.arange(5000) / rate
    wave = amplitude * np.sin(2 * np.pi * share * rate * time + phase)
    power = wavelet_power(
        wave, rate=rate, frequencies=[share * rate], bin=50 / rate, progress=False
    )
    inside = power.to_numpy()[30:-30]
    np.testing.assert_allclose(inside, amplitude**2 / 2, rtol=1e-3)


@pytest.mark.parametrize("rate", [30_000.0, 1_000.0, 250.0])
def test_pywavelets_sees_the_same(rate: float) -> None:
    # PyWavelets differences an integrated wavelet: a mean over one sample, whose gain falls
    # as sinc(f / rate) and tilts the band. It is a witness well below Nyquist only.
    samples = field_potential(rate, RATES[rate][0], channels=1)
    settings = {"rate": rate, "lowest": RATES[rate][1], "highest": rate / 5, "progress": False}
    fast = wavelet_power(samples, **settings)
    other = wavelet_power(samples, engine="pywt", **settings)
    share = fast.frequency.to_numpy() / rate
    for band, x in enumerate(share):
        a, b = fast.to_numpy()[:, band, 0], other.to_numpy()[:, band, 0]
        assert np.corrcoef(a, b)[0, 1] > (0.999 if x < 0.1 else 0.998)
        assert np.median(b / a) == pytest.approx(np.sinc(x) ** 2, rel=0.02)


@pytest.mark.parametrize("how", [{"causal": True}, {"remainder": True, "bin": 0.004}])
def test_the_bank_in_torch_gives_the_same_to_rounding(how: dict[str, Any]) -> None:
    samples = field_potential(1000.0, 12.0)
    settings = {"rate": 1000.0, "lowest": 3.0, "progress": False} | how
    expected = wavelet_power(samples, **settings)
    found = wavelet_power(samples, engine="torch", **settings)
    assert found.attrs["support"] == expected.attrs["support"]
    scale = np.abs(expected).mean("time")
    np.testing.assert_allclose(found / scale, expected / scale, rtol=1e-4, atol=1e-5)


def test_counts_and_volts_differ_by_the_conversion_squared() -> None:
    counts = np.round(field_potential(1000.0, 4.0) / 1.95e-7).astype(np.int16)
    stored = as_signal(counts, rate=1000.0)
    volts = replace(stored, conversion=np.full(2, 1.95e-7), offset=0.0)
    power = wavelet_power(volts, progress=False)
    np.testing.assert_allclose(power, wavelet_power(stored, progress=False) * 1.95e-7**2, rtol=1e-3)
    assert power.attrs["units"] == "volts^2"
    assert power.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint16, np.float32, np.float64])
def test_the_stored_type_of_a_sample_does_not_matter(dtype: type) -> None:
    counts = np.round(field_potential(250.0, 4.0) / 1.95e-7) + 2000
    expected = wavelet_power(counts, rate=250.0, progress=False)
    found = wavelet_power(counts.astype(dtype), rate=250.0, progress=False)
    np.testing.assert_array_equal(found, expected)


@settings(deadline=None, max_examples=15)
@given(gain=st.floats(1e-3, 1e3), sign=st.sampled_from([-1, 1]))
def test_power_grows_with_the_square_of_the_signal(gain: float, sign: int) -> None:
    samples = field_potential(250.0, 2.0)
    how = {"rate": 250.0, "lowest": 10.0, "n_bands": 5, "progress": False}
    once = wavelet_power(samples, **how)
    scaled = wavelet_power(samples * np.float32(gain * sign), **how)
    np.testing.assert_allclose(scaled, once * gain**2, rtol=5e-3)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match=r"unknown engine 'cuda'.*'filterbank'"):
        wavelet_power(field_potential(250.0, 4.0), rate=250.0, engine="cuda")  # type: ignore[arg-type]


def test_a_real_recording_agrees_with_the_plain_transform(real_data: Path) -> None:
    with load.open(real_data / "m851_open_field_lfp.nwb") as source:
        signal = source.signal("processing/ecephys/LFP/LFP", time=(1180.0, 1230.0))
    fast, plain = (
        wavelet_power(signal, engine=engine, progress=False).to_numpy()[..., 0]
        for engine in ("filterbank", "reference")
    )
    assert np.median(np.abs(fast / plain - 1), axis=0).max() < 2e-4
    for band in range(26):
        assert np.corrcoef(fast[:, band], plain[:, band])[0, 1] > 0.999999
