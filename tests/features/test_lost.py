"""Channels without a number are named before anything is computed, and losses are told."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from nwbdecode import NWBDecodeError, cross_validate, wavelet_power
from nwbdecode.decoder import RidgeDecoder
from nwbdecode.evaluate import PurgedKFold
from nwbdecode.features.lost import tell_lost

RATE = 200.0
BANDS = {"bin": 0.1, "frequencies": [20.0, 40.0]}


def samples(*, dead: tuple[int, ...] = (), holes: dict[int, slice] | None = None) -> xr.DataArray:
    """A minute of noise in five channels, some of it NaN."""
    values = np.random.default_rng(0).normal(size=(int(60 * RATE), 5)).astype(np.float32)
    values[:, list(dead)] = np.nan
    for channel, hole in (holes or {}).items():
        values[hole, channel] = np.nan
    return xr.DataArray(
        values, dims=("time", "channel"),
        coords={"time": np.arange(len(values)) / RATE, "channel": [10, 11, 12, 13, 14]},
    )  # fmt: skip


def decoded(power: xr.DataArray) -> None:
    time = power["time"].to_numpy()
    target = xr.DataArray(
        np.sin(time), dims="time", coords={"time": time}, attrs={"kind": "linear", "units": ""}
    )
    cross_validate(
        RidgeDecoder(window=4), power, {"it": target}, cv=PurgedKFold(2), refit=False,
        baselines=(), n_shifts=20, progress=False,
    )  # fmt: skip


@pytest.mark.parametrize("reference", ["none", "average"])
def test_a_dead_channel_is_named_with_how_to_leave_it_out(reference: str) -> None:
    # After an average all channels would be dead.
    with pytest.raises(NWBDecodeError, match=r"2 of 5 channels .* only NaN: 11, 13.*not in \[11, "):
        wavelet_power(samples(dead=(1, 3)), reference=reference, **BANDS)


def test_a_signal_of_nothing_but_nan_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match=r"no channel of .* holds a number"):
        wavelet_power(samples(dead=(0, 1, 2, 3, 4)), **BANDS)


def test_a_channel_that_lives_for_a_while_is_no_dead_one() -> None:
    held = wavelet_power(samples(holes={2: slice(2000, None)}), **BANDS)
    assert np.isfinite(held.sel(channel=12)[:80]).all()


def test_a_dead_channel_of_features_made_elsewhere_is_named_too() -> None:
    power = wavelet_power(samples(), **BANDS).copy()
    power[:, :, 4] = np.nan
    with pytest.raises(NWBDecodeError, match=r"1 of 5 channels of the features .* only NaN: 14"):
        decoded(power)


def test_what_is_lost_is_told_channel_by_channel() -> None:
    # Ten seconds of one channel, and later a second of another.
    holes = {1: slice(1000, 3000), 3: slice(8000, 8200)}
    power = wavelet_power(samples(holes=holes), **BANDS)
    with pytest.warns(UserWarning, match="without a number in some bins") as told:
        decoded(power)
    share = (~np.isfinite(power.to_numpy())).any(axis=1).mean(axis=0)
    assert f"11 in {100 * share[1]:.3g} %, 13 in {100 * share[3]:.3g} %. " in str(told[0].message)
    assert "--channels 'id not in [11]'" in str(told[0].message)


def test_almost_everything_lost_is_told_in_plain_numbers() -> None:
    power = wavelet_power(samples(holes={}), **BANDS).copy()
    power[1:, :, 4] = np.nan
    with pytest.warns(UserWarning, match=r"14 in 9\d\.\d %.* 9\d\.\d % of the bins are left out"):
        tell_lost(power)


def test_nothing_is_told_where_nothing_is_lost() -> None:
    power = wavelet_power(samples(), **BANDS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        decoded(power)
