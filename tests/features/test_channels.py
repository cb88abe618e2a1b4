"""Which channels take part: the common average, bad channels, slow signals, the remainder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import traces, wavelet_power
from tests.features.recordings import field_potential, labelled

RATE = 250.0


def _power(signal: Any, **how: Any) -> xr.DataArray:
    return wavelet_power(signal, **{"progress": False, "n_bands": 8} | how)


@settings(deadline=None, max_examples=15)
@given(channels=st.integers(2, 6), loud=st.floats(0.1, 100))
def test_the_common_average_removes_what_all_channels_share(channels: int, loud: float) -> None:
    own = field_potential(RATE, 4.0, channels=channels)
    shared = field_potential(RATE, 4.0, channels=1, volts=loud * 3e-5, seed=1)
    quiet, noisy = (_power(labelled(x, RATE), reference="average") for x in (own, own + shared))
    # Rounding to float32 grows with what was added.
    np.testing.assert_allclose(noisy, quiet, rtol=0.01, atol=1e-5 * float(quiet.max()))


def test_each_group_has_its_own_average() -> None:
    own = field_potential(RATE, 4.0, channels=4)
    shared = np.repeat(field_potential(RATE, 4.0, channels=2, volts=1e-3, seed=1), 2, axis=1)
    signal = labelled(own + shared, RATE, group=list("aabb"))
    clean = labelled(own, RATE, group=list("aabb"))
    np.testing.assert_allclose(
        _power(signal, reference="average"), _power(clean, reference="average"), rtol=0.02
    )
    assert (_power(signal.drop_vars("group"), reference="average") > 1e-8).any()


def test_a_channel_alone_in_its_group_is_not_referenced() -> None:
    samples = field_potential(RATE, 4.0, channels=3)
    signal = labelled(samples, RATE, group=list("aab"))
    plain, averaged = (_power(signal, reference=how) for how in ("none", "average"))
    np.testing.assert_array_equal(averaged[..., 2], plain[..., 2])
    assert (averaged[..., :2] != plain[..., :2]).any()


def test_a_bad_channel_is_dropped_and_spoils_no_average() -> None:
    samples = field_potential(RATE, 4.0, channels=4)
    clean = labelled(samples[:, [0, 1, 3]], RATE, group=list("aaa"))
    samples[:, 2] = np.nan
    marked = labelled(samples, RATE, group=list("aaaa"), bad=[False, False, True, False])
    found = _power(marked, reference="average")
    np.testing.assert_array_equal(found.channel, [100, 101, 103])
    np.testing.assert_array_equal(found, _power(clean, reference="average"))
    assert found.attrs["source"]["signal"]["channels"] == [100, 101, 103]


def test_no_good_channel_is_an_error() -> None:
    with pytest.raises(NWBDecodeError, match=r"all 2 channels .* are marked bad"):
        _power(labelled(field_potential(RATE, 4.0), RATE, bad=[True, True]))


def test_a_channel_that_only_looks_bad_stays() -> None:
    samples = field_potential(RATE, 4.0, channels=3)
    samples[:, 1] *= 1e6
    assert _power(labelled(samples, RATE, bad=[False] * 3)).sizes["channel"] == 3


def test_an_unknown_reference_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match=r"unknown reference 'avrage'.*Did you mean 'average'"):
        _power(field_potential(RATE, 4.0), rate=RATE, reference="avrage")


def test_what_is_known_of_a_channel_travels_with_it() -> None:
    signal = labelled(field_potential(RATE, 4.0), RATE, x=[1.0, 2.0], location=["CA1", "CA3"])
    power = _power(signal)
    assert power.dims == ("time", "frequency", "channel")
    np.testing.assert_array_equal(power.x, [1.0, 2.0])
    assert power.location.to_numpy().tolist() == ["CA1", "CA3"]
    assert power.sel(channel=101).location == "CA3"


@pytest.mark.parametrize("rate", [4.0, 10.0, 30.0, 59.94])
def test_imaging_rates_give_signed_traces_by_default(rate: float) -> None:
    samples = field_potential(rate, 60.0) - np.float32(1e-4)
    found = wavelet_power(samples, rate=rate)
    np.testing.assert_array_equal(found.frequency, [0.0])
    assert found.attrs["recipe"]["step"] == "traces"
    assert found.attrs["units"] == "volts"
    assert (found < 0).any()
    per_bin = round(found.attrs["bin"] * rate)
    whole = samples[: found.sizes["time"] * per_bin]
    if per_bin == found.attrs["bin"] * rate:
        means = whole.reshape(-1, per_bin, 2).mean(axis=1)
        np.testing.assert_allclose(found[:, 0], means, rtol=1e-5)


def test_imaging_rates_give_bands_where_asked() -> None:
    power = wavelet_power(field_potential(30.0, 60.0), rate=30.0, lowest=0.2, n_bands=5)
    assert power.frequency[-1] == pytest.approx(12.0)
    assert (power >= 0).all()


@settings(deadline=None, max_examples=20)
@given(
    rate=st.sampled_from([4.0, 10.0, 30.0, 1000.0]),
    per_bin=st.floats(1, 12),
    level=st.floats(-100, 100),
)
def test_a_trace_is_the_mean_of_its_bin(rate: float, per_bin: float, level: float) -> None:
    samples = np.random.default_rng(0).normal(level, 1, size=(200, 2)).astype(np.float32)
    found = traces(samples, rate=rate, bin=per_bin / rate)
    time = np.arange(200) / rate
    for k in range(found.sizes["time"]):
        inside = (time >= found.bin_start[k].item()) & (time < found.bin_end[k].item())
        np.testing.assert_allclose(found[k, 0], samples[inside].mean(axis=0), rtol=1e-4, atol=1e-4)


def test_a_missing_frame_is_missing_in_its_bin_alone() -> None:
    samples = field_potential(10.0, 20.0)
    samples[57, 1] = np.nan
    found = traces(samples, rate=10.0, bin=0.2)
    assert np.argwhere(np.isnan(found.to_numpy())).tolist() == [[28, 0, 1]]


def test_the_remainder_is_the_signed_slow_signal_below_the_bands() -> None:
    time = np.arange(15_000) / RATE
    slow, fast = np.sin(2 * np.pi * 0.1 * time), np.sin(2 * np.pi * 20 * time)
    power = _power((slow + 3 * fast - 2)[:, None], rate=RATE, remainder=True, bin=0.1)
    assert power.frequency[0] == 0
    inside = slice(50, -50)
    expected = np.sin(2 * np.pi * 0.1 * power.time) - 2
    np.testing.assert_allclose(power[inside, 0, 0], expected[inside], atol=0.05)


def test_the_remainder_halves_at_half_the_lowest_band() -> None:
    time = np.arange(2000) / RATE
    wave = np.cos(2 * np.pi * 2.0 * time)
    power = _power(wave, rate=RATE, frequencies=[4.0], remainder=True, bin=1 / RATE)
    assert power[500:-500, 0, 0].max() == pytest.approx(0.5, rel=0.01)


def test_the_bands_are_the_same_beside_a_remainder() -> None:
    samples = field_potential(RATE, 8.0)
    both = _power(samples, rate=RATE, remainder=True)
    np.testing.assert_array_equal(both[:, 1:], _power(samples, rate=RATE))


def test_the_remainder_of_a_probe_is_quick() -> None:
    # Direct sums over every sample and tap would take minutes here.
    samples = field_potential(30_000.0, 2.0, channels=2)
    power = _power(samples, rate=30_000.0, n_bands=2, highest=4.0, remainder=True)
    np.testing.assert_allclose(power[:, 0].mean("time"), samples.mean(axis=0), atol=1e-5)
