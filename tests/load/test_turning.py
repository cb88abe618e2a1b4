"""Acceleration and turning, against motion whose derivatives are known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.derive import head_direction, speed, wrap
from nwbdecode.load.turning import acceleration, turn
from tests.load import recordings

RAW = {"median": 0.0, "gaussian": 0.0}


def _track(values, time, **attrs) -> xr.DataArray:
    dims = ("time", "component")[: np.ndim(values)]
    attrs = {"units": "meters", "kind": "linear", **attrs}
    return xr.DataArray(values, dims=dims, coords={"time": time}, attrs=attrs, name="p")


def _angle(values, time) -> xr.DataArray:
    return _track(wrap(np.asarray(values, float)), time, units="radians", kind="circular")


def test_acceleration_is_the_rate_of_change_of_speed() -> None:
    time = np.arange(0, 10, 0.01)
    # On a circle of radius 2 the speed alone changes: 2 (1 + 0.5 sin t).
    phase = time + 0.5 * (1 - np.cos(time))
    found = acceleration(_track(2 * np.stack([np.cos(phase), np.sin(phase)], 1), time), **RAW)
    np.testing.assert_allclose(found[2:-2], np.cos(time)[2:-2], atol=2e-3)
    assert found.attrs["units"] == "meters/second^2"
    assert found.attrs["support"] == pytest.approx([0.02, 0.02])


def test_acceleration_equals_the_gradient_of_the_speed_that_the_package_gives() -> None:
    time = np.arange(1000) / 50
    walk = np.random.default_rng(0).normal(size=(1000, 2)).cumsum(axis=0)
    fast = speed(_track(walk, time))
    np.testing.assert_allclose(
        acceleration(_track(walk, time)), np.gradient(fast.values, time), atol=1e-9
    )


@pytest.mark.parametrize("per_second", [-7.0, 0.4, 3.0])
def test_turning_at_a_steady_pace_never_jumps_at_the_wrap(per_second: float) -> None:
    time = np.arange(0, 20, 0.02)
    found = turn(_angle(per_second * time, time), **RAW)
    np.testing.assert_allclose(found, per_second, atol=1e-9)
    smoothed = turn(_angle(per_second * time, time))
    np.testing.assert_allclose(smoothed, per_second, atol=1e-9)
    assert (found.attrs["kind"], found.attrs["units"]) == ("linear", "radians/second")


def test_turning_is_the_derivative_of_the_unwrapped_angle_on_an_uneven_clock() -> None:
    rng = np.random.default_rng(1)
    time = np.cumsum(rng.uniform(0.008, 0.012, 2000))
    found = turn(_angle(4 * np.sin(time), time), **RAW)
    np.testing.assert_allclose(found[1:-1], 4 * np.cos(time)[1:-1], atol=0.05)


def test_the_turn_of_two_markers_is_that_of_their_head_direction() -> None:
    time = np.arange(500) / 50
    front = np.stack([np.cos(time), np.sin(time)], 1)
    front, back = _track(front, time), _track(0 * front, time)
    np.testing.assert_array_equal(turn(front, back), turn(head_direction(front, back)))
    np.testing.assert_allclose(turn(front, back), 1.0, atol=1e-9)


def test_the_turn_of_a_position_is_that_of_its_heading_and_missing_at_rest() -> None:
    time = np.arange(0, 10, 0.02)
    circle = np.stack([np.cos(2 * time), np.sin(2 * time)], 1)
    circle[time > 6] = circle[time <= 6][-1]
    found = turn(_track(circle, time), **RAW)
    np.testing.assert_allclose(found[2:298], 2.0, atol=1e-6)
    assert np.isnan(found[305:]).all()


def test_nothing_is_differentiated_across_a_gap() -> None:
    time = np.concatenate([np.arange(200) / 50, 100 + np.arange(200) / 50])
    angle = np.repeat([0.0, 2.0], 200)
    assert float(np.abs(turn(_angle(angle, time))).max()) == 0.0
    place = np.repeat([0.0, 50.0], 200)[:, None] + np.stack([time % 100, 0 * time], 1)
    np.testing.assert_allclose(acceleration(_track(place, time), **RAW), 0, atol=1e-9)


def test_a_short_loss_is_bridged_the_shorter_way_and_a_long_one_stays_missing() -> None:
    time = np.arange(500) / 50
    angle = wrap(3.0 * time)
    angle[100:105] = np.nan
    angle[300:330] = np.nan
    found = turn(_angle(angle, time), **RAW)
    assert np.flatnonzero(np.isnan(found)).tolist() == list(range(300, 330))
    np.testing.assert_allclose(found[:300], 3.0, atol=1e-9)
    assert found.attrs["support"] == pytest.approx([0.02 + 0.12] * 2)


@settings(max_examples=25, deadline=None)
@given(
    what=st.sampled_from(["speed", "acceleration", "turn", "heading turn"]),
    seed=st.integers(0, 1000),
    median=st.sampled_from([0.0, 0.1, 0.5]),
    gaussian=st.sampled_from([0.0, 0.1, 0.3]),
    max_gap=st.sampled_from([0.0, 0.3]),
    dropped=st.booleans(),
)
def test_no_value_depends_on_what_lies_beyond_its_support(
    what: str, seed: int, median: float, gaussian: float, max_gap: float, dropped: bool
) -> None:
    rng = np.random.default_rng(seed)
    time = np.arange(600) / 30
    if dropped:
        # Frames missing from the clock itself: so many samples then last longer.
        time = time[np.sort(rng.permutation(600)[:420])]
    values = rng.normal(size=(len(time), 2)).cumsum(axis=0)
    values[rng.uniform(size=len(time)) < 0.2] = np.nan
    options = {"median": median, "gaussian": gaussian, "max_gap": max_gap}

    def made(place: np.ndarray) -> xr.DataArray:
        if what == "turn":
            return turn(_angle(place[:, 0], time), **options)
        function = {"speed": speed, "acceleration": acceleration, "heading turn": turn}[what]
        return function(_track(place, time), **options)

    clean = made(values)
    for spoiled in (time > 10.0, time <= 10.0):
        poisoned = values.copy()
        poisoned[spoiled & np.isfinite(values[:, 0])] = 1e3
        found = made(poisoned)
        before, after = clean.attrs["support"]
        far = time < 10.0 - after - 1e-9 if spoiled[-1] else time > 10.0 + before + 1e-9
        np.testing.assert_array_equal(clean[far], found[far])


def test_what_has_no_direction_cannot_turn() -> None:
    time = np.arange(9.0)
    with pytest.raises(NWBDecodeError, match="neither a direction nor a position"):
        turn(_track(np.zeros(9), time))
    with pytest.raises(NWBDecodeError, match="zero or a positive"):
        turn(_angle(np.zeros(9), time), gaussian=-1)


def test_both_are_asked_for_by_name(source: load.Source) -> None:
    made = source.targets(["a=front:acceleration", "front:turn", "hd=hd:turn(gaussian=0,median=0)"])
    assert [made[name].attrs["kind"] for name in made] == ["linear"] * 3
    # The compass of the made recording turns two times in 500 samples at 50 Hz.
    np.testing.assert_allclose(made["hd"], 4 * np.pi / 499 * 50, rtol=1e-6)
    assert made["a"].attrs["kind_reason"] == "acceleration is linear"
    with load.open(recordings.ephys()) as opened:
        pair = opened.targets("front,back:turn")["turn"]
    assert pair.attrs["units"] == "radians/second"
