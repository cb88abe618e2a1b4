"""What a bin depends on is what its support says: all other samples may be anything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import traces, wavelet_power
from nwbdecode.load.signal import as_signal
from tests.features.recordings import RATES, field_potential, in_segments, labelled

RATE = st.sampled_from([*RATES, 975.0])
POISON = st.sampled_from([1e30, np.nan, np.inf])


def _power(samples: np.ndarray, rate: float, **how: Any) -> xr.DataArray:
    """Bands and bins that fit a few thousand samples at any rate."""
    how = {"lowest": rate / 250, "n_bands": 6, "bin": 40.3 / rate, "progress": False} | how
    return wavelet_power(labelled(samples, rate, group=["a", "a", "b", "b"]), **how)


def _assert_bin_reads_only_its_support(
    samples: np.ndarray, rate: float, k: int, poison: float, **how: Any
) -> None:
    clean = _power(samples, rate, **how)
    k = k % clean.sizes["time"]
    before, after = clean.attrs["support"]
    instant = float(clean.time[k])
    time = np.arange(len(samples)) / rate
    dirty = samples.copy()
    dirty[(time < instant - before) | (time > instant + after)] = poison
    np.testing.assert_array_equal(_power(dirty, rate, **how)[k], clean[k])


@settings(deadline=None, max_examples=25)
@given(
    rate=RATE, k=st.integers(0, 120), poison=POISON, per_bin=st.sampled_from([1, 8.3, 33, 813.8])
)
@example(rate=30_000.0, k=0, poison=1e30, per_bin=813.8)
@example(rate=30_000.0, k=5, poison=np.nan, per_bin=813.8)
def test_a_bin_reads_no_sample_outside_its_support(
    rate: float, k: int, poison: float, per_bin: float
) -> None:
    samples = field_potential(rate, 5000 / rate, channels=4)
    _assert_bin_reads_only_its_support(samples, rate, k, poison, bin=per_bin / rate)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@settings(deadline=None, max_examples=15)
@given(rate=RATE, k=st.integers(0, 120), poison=POISON, remainder=st.booleans())
def test_referencing_and_the_remainder_are_part_of_the_support(
    rate: float, k: int, poison: float, remainder: bool
) -> None:
    samples = field_potential(rate, 5000 / rate, channels=4)
    how = {"reference": "average", "remainder": remainder}
    _assert_bin_reads_only_its_support(samples, rate, k, poison, **how)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@settings(deadline=None, max_examples=15)
@given(rate=RATE, k=st.integers(0, 120), poison=POISON, remainder=st.booleans())
def test_a_causal_bin_reads_no_sample_outside_its_support(
    rate: float, k: int, poison: float, remainder: bool
) -> None:
    samples = field_potential(rate, 5000 / rate, channels=4)
    how = {"reference": "average", "remainder": remainder, "causal": True}
    _assert_bin_reads_only_its_support(samples, rate, k, poison, **how)


def test_every_causal_bin_survives_the_loss_of_all_later_samples() -> None:
    rate = 1000.0
    samples = field_potential(rate, 1.5, channels=4)
    clean = _power(samples, rate, causal=True, remainder=True)
    assert clean.attrs["support"][1] == pytest.approx(40.3 / rate / 2 + 0.5 / rate)
    for k in range(clean.sizes["time"]):
        dirty = samples.copy()
        dirty[np.arange(len(samples)) / rate > float(clean.bin_end[k])] = 1e30
        np.testing.assert_array_equal(
            _power(dirty, rate, causal=True, remainder=True)[: k + 1], clean[: k + 1]
        )


def test_bins_at_the_ends_of_a_centered_transform_do_read_later_samples() -> None:
    # The control of the tests above: without `causal` the same poison is seen.
    rate = 1000.0
    samples = field_potential(rate, 3.0, channels=4)
    clean = _power(samples, rate)
    dirty = samples.copy()
    dirty[np.arange(len(samples)) / rate > float(clean.bin_end[30])] = 1e30
    assert (_power(dirty, rate)[30] != clean[30]).any()


@pytest.mark.parametrize("rate", [250.0, 24_414.0625])
def test_a_causal_band_is_the_same_band_later(rate: float) -> None:
    samples = field_potential(rate, 4000 / rate, channels=1)
    how = {"rate": rate, "frequencies": [rate / 40], "bin": 1 / rate, "progress": False}
    centered, causal = (wavelet_power(samples, causal=later, **how)[:, 0, 0] for later in (0, 1))
    delay = round((causal.attrs["support"][0] - 1 / rate) * rate / 2)
    np.testing.assert_allclose(causal[2 * delay :], centered[delay:-delay], rtol=1e-4)


def test_the_support_is_the_filters_reach_and_little_more() -> None:
    rate, lowest, width = 1000.0, 4.0, 0.05
    power = wavelet_power(
        field_potential(rate, 10.0), rate=rate, lowest=lowest, bin=width, progress=False
    )
    deviation = 6 / (2 * np.pi * lowest)
    for side in power.attrs["support"]:
        assert 5 * deviation + width / 2 <= side
        assert side <= 5 * deviation + width / 2 + 1 / lowest + 3 / rate


def test_slow_traces_read_their_own_bin_only() -> None:
    samples = field_potential(30.0, 20.0)
    clean = traces(samples, rate=30.0, bin=0.2)
    np.testing.assert_allclose(clean.attrs["support"], 0.1 + 0.5 / 30)
    time = np.arange(len(samples)) / 30
    for k in range(clean.sizes["time"]):
        dirty = samples.copy()
        dirty[np.abs(time - float(clean.time[k])) > clean.attrs["support"][0]] = np.nan
        np.testing.assert_array_equal(traces(dirty, rate=30.0, bin=0.2)[k], clean[k])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rate", [250.0, 24_414.0625])
def test_each_side_of_a_gap_is_as_if_recorded_alone(rate: float, causal: bool) -> None:
    samples = field_potential(rate, 6000 / rate)
    how = {"lowest": rate / 100, "n_bands": 6, "remainder": True, "causal": causal}
    how |= {"bin": 20 / rate, "progress": False}
    both = in_segments(samples, rate, (0, 2507, 0.0), (2507, 6000, 1000.0))
    power = wavelet_power(both, **how)
    for k, part in enumerate((samples[:2507], samples[2507:])):
        alone = wavelet_power(as_signal(part, rate=rate), **how)
        together = power.isel(time=power.segment == k)
        np.testing.assert_array_equal(together, alone)
        np.testing.assert_allclose(together.time, alone.time + 1000.0 * k)


def test_a_segment_shorter_than_the_filters_still_has_power() -> None:
    # Five hundredths of a second at bands down to 2 Hz: mirrored many times over.
    samples = field_potential(250.0, 0.3)
    fast, plain = (
        wavelet_power(samples, rate=250.0, engine=engine, progress=False)
        for engine in ("filterbank", "reference")
    )
    np.testing.assert_allclose(fast[:, 10:], plain[:, 10:], rtol=1e-2)
    assert np.isfinite(fast).all()


@pytest.mark.parametrize("engine", ["pywt", "reference"])
def test_engines_to_compare_with_are_not_causal(engine: Any) -> None:
    with pytest.raises(NWBDecodeError, match="engine='filterbank' or 'torch' alone"):
        wavelet_power(field_potential(250.0, 4.0), rate=250.0, causal=True, engine=engine)
