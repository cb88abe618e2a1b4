"""Speed, heading and head direction against plain recipes and known motion."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d, median_filter

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.derive import head_direction, heading, speed, wrap


def _track(values: np.ndarray, time: np.ndarray, units: str = "meters") -> xr.DataArray:
    dims = ("time", "component")[: values.ndim]
    return xr.DataArray(
        values, dims=dims, coords={"time": time}, attrs={"units": units, "kind": "linear"}, name="p"
    )


def test_speed_of_the_real_track_equals_the_plain_recipe(real_data: Path) -> None:
    path = real_data / "m851_open_field_lfp.nwb"
    with h5py.File(path, "r") as file:
        xy = file["processing/behavior/Position/led1/data"][:].astype(float)
    index = np.arange(len(xy))
    for column in xy.T:
        seen = np.isfinite(column)
        column[:] = np.interp(index, index[seen], column[seen])
    smooth = gaussian_filter1d(median_filter(xy, size=(15, 1)), 10, axis=0)
    expected = np.hypot(*(np.gradient(smooth, axis=0) * 50).T)
    with load.open(path) as opened:
        target = opened.targets("led1:speed(max_gap=inf)")["speed"]
        bridged = opened.targets("led1:speed")["speed"]
    np.testing.assert_allclose(target, expected, rtol=0, atol=1e-12)
    assert target.attrs["support"] == pytest.approx([(7 + 40 + 1) * 0.02 + 2.88] * 2)
    assert np.isfinite(target).all()
    # Only gaps longer than a second stay missing by default.
    assert 0 < np.isnan(bridged).mean() < 0.02
    assert bridged.attrs["support"][0] <= (7 + 40 + 1) * 0.02 + 1.0 + 1e-9


def test_a_filter_of_zero_seconds_is_left_out() -> None:
    time = np.arange(100) / 20
    values = np.random.default_rng(0).normal(size=(100, 2))
    plain = speed(_track(values, time), median=0, gaussian=0)
    np.testing.assert_allclose(plain, np.hypot(*np.gradient(values, 1 / 20, axis=0).T))
    assert plain.attrs["support"] == pytest.approx([1 / 20, 1 / 20])


def test_a_short_gap_is_bridged_and_a_long_one_stays_missing() -> None:
    time = np.arange(1000) / 50
    values = np.stack([time, 0 * time], axis=1)
    values[100:120] = np.nan
    values[500:600] = np.nan
    values[:10] = np.nan
    found = speed(_track(values, time), gaussian=0.0, median=0.0)
    missing = np.flatnonzero(np.isnan(found))
    assert missing.tolist() == [*range(10), *range(500, 600)]
    np.testing.assert_allclose(found[10:500], 1.0)
    assert found.attrs["support"] == pytest.approx([0.02 + 21 / 50] * 2)


def test_nothing_reaches_across_a_gap_in_the_clock() -> None:
    time = np.concatenate([np.arange(200) / 50, 100 + np.arange(200) / 50])
    values = np.zeros((400, 2))
    values[200:] = 1e6
    assert float(speed(_track(values, time)).max()) == 0.0
    joined = speed(_track(values, time), max_gap=np.inf)
    assert float(joined.max()) > 0.0


def test_a_clock_slower_than_the_gap_limit_still_has_a_speed() -> None:
    time = np.arange(50) * 2.0
    found = speed(_track(np.stack([3 * time, 4 * time], 1), time), median=0, gaussian=0)
    np.testing.assert_allclose(found, 5.0)


def test_an_uneven_clock_is_differentiated_in_true_time() -> None:
    time = np.cumsum(np.random.default_rng(1).uniform(0.015, 0.025, size=500))
    found = speed(_track(np.stack([3 * time, 4 * time], 1), time), median=0, gaussian=0)
    np.testing.assert_allclose(found, 5.0)


def test_a_position_on_a_line_has_a_speed_but_another_scalar_has_none() -> None:
    time = np.arange(100) / 10
    np.testing.assert_allclose(speed(_track(-2 * time, time), median=0, gaussian=0), 2.0)
    with pytest.raises(NWBDecodeError, match="needs a position"):
        speed(_track(time, time, units="a.u."))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    median=st.sampled_from([0.0, 0.1, 0.5]),
    gaussian=st.sampled_from([0.0, 0.1, 0.3]),
    max_gap=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_no_value_depends_on_what_lies_beyond_its_support(
    seed: int, median: float, gaussian: float, max_gap: float
) -> None:
    rng = np.random.default_rng(seed)
    time = np.arange(600) / 30
    values = rng.normal(size=(600, 2)).cumsum(axis=0)
    values[rng.uniform(size=600) < 0.2] = np.nan
    options = {"median": median, "gaussian": gaussian, "max_gap": max_gap}
    before = speed(_track(values, time), **options)
    poisoned = values.copy()
    later = time > 10.0
    poisoned[later & np.isfinite(values[:, 0])] = 1e9
    after = speed(_track(poisoned, time), **options)
    safe = time < 10.0 - before.attrs["support"][1] - 1e-9
    np.testing.assert_array_equal(before[safe], after[safe])
    poisoned = values.copy()
    poisoned[~later & np.isfinite(values[:, 0])] = 1e9
    after = speed(_track(poisoned, time), **options)
    safe = time > 10.0 + before.attrs["support"][0] + 1e-9
    np.testing.assert_array_equal(before[safe], after[safe])


def test_heading_is_the_direction_of_motion_and_missing_at_rest() -> None:
    time = np.arange(300) / 50
    values = np.zeros((300, 2))
    values[:, 1] = np.where(time < 3, time, 3.0)
    found = heading(_track(values, time), median=0, gaussian=0)
    np.testing.assert_allclose(found[:140], np.pi / 2)
    assert np.isnan(found[160:]).all()
    fast = heading(_track(values, time), median=0, gaussian=0, min_speed=2.0)
    assert np.isnan(fast).all()
    assert (found.attrs["kind"], found.attrs["units"]) == ("circular", "radians")


def test_head_direction_needs_one_clock_for_both_markers() -> None:
    time = np.arange(10) / 10
    front, back = _track(np.ones((10, 2)), time), _track(np.zeros((10, 2)), time + 0.05)
    with pytest.raises(NWBDecodeError, match="different clocks"):
        head_direction(front, back)
    with pytest.raises(NWBDecodeError, match="different clocks"):
        head_direction(front, back[:5])
    with pytest.raises(NWBDecodeError, match="same units"):
        head_direction(front, _track(np.zeros((10, 2)), time, units="pixels"))
    np.testing.assert_allclose(
        head_direction(front, _track(np.zeros((10, 2)), time)), np.full(10, np.pi / 4)
    )
    assert np.isnan(head_direction(front, front)).all()


@given(st.floats(-1e3, 1e3))
def test_wrapping_keeps_the_angle_and_brings_it_into_one_turn(angle: float) -> None:
    found = float(wrap(np.array([angle]))[0])
    assert -np.pi < found <= np.pi
    assert np.isclose(np.exp(1j * found), np.exp(1j * angle), atol=1e-9)


@pytest.mark.parametrize("options", [{"median": -1}, {"gaussian": np.inf}, {"max_gap": np.nan}])
def test_a_setting_that_is_no_length_of_time_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(NWBDecodeError, match="zero or a positive"):
        speed(_track(np.zeros((9, 2)), np.arange(9.0)), **options)
