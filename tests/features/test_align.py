"""Targets on the bins: averaged, interpolated where their clock is slower, never made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import align, traces
from tests.features.recordings import in_segments

KINDS = st.sampled_from(["linear", "circular", "categorical"])


def _target(
    values: Any, time: Any = None, *, kind: str = "linear", rate: float = 50.0, **attrs: Any
) -> xr.DataArray:
    values = np.asarray(values, dtype=float)
    time = np.arange(len(values)) / rate if time is None else np.asarray(time, dtype=float)
    if kind == "categorical":
        attrs.setdefault("classes", ["off", "low", "high"])
    dims = ("time", "component")[: values.ndim]
    return xr.DataArray(values, dims=dims, coords={"time": time}, attrs={"kind": kind} | attrs)


def _bins(seconds: float = 10.0, bin: float = 0.1) -> xr.DataArray:
    """Features whose bins are known: edges at multiples of `bin`, to half a millisecond."""
    return traces(np.zeros((round(seconds * 1000), 1), np.float32), rate=1000.0, bin=bin)


def _aligned(target: xr.DataArray, power: xr.DataArray | None = None) -> xr.DataArray:
    return align({"it": target}, _bins() if power is None else power)["it"]


def _angle_between(a: Any, b: Any) -> np.ndarray:
    return np.abs(np.angle(np.exp(1j * (np.asarray(a) - np.asarray(b)))))


def test_a_bin_gets_the_mean_of_the_samples_in_it() -> None:
    values = np.random.default_rng(0).normal(size=500)
    found = _aligned(_target(values))
    np.testing.assert_allclose(found, values.reshape(100, 5).mean(axis=1), rtol=1e-5, atol=1e-6)
    assert found.dtype == np.float32
    assert found.attrs["missing"] == 0


def test_angles_are_averaged_across_the_wrap() -> None:
    around = np.tile([np.pi - 0.2, -np.pi + 0.4], 250)
    found = _aligned(_target(around, kind="circular", rate=100.0), _bins(5.0))
    assert _angle_between(found, np.pi + 0.1).max() < 1e-5


@settings(deadline=None, max_examples=30)
@given(values=hnp.arrays(float, 300, elements=st.floats(-1.2, 1.2)), turn=st.floats(-np.pi, np.pi))
def test_turning_all_angles_turns_their_means(values: np.ndarray, turn: float) -> None:
    power = _bins(5.0)
    plain, turned = (
        _aligned(_target(v, kind="circular", rate=60.0), power) for v in (values, values + turn)
    )
    assert _angle_between(turned, plain + turn).max() < 1e-4


def test_a_bin_gets_the_class_that_most_of_its_samples_have() -> None:
    codes = np.tile([2, 0, 2, 1, 2, 1, 1, 0, 0, 1], 50)
    found = _aligned(_target(codes, kind="categorical"))
    np.testing.assert_array_equal(found, np.tile([2, 1], 50))
    assert found.attrs["classes"] == ["off", "low", "high"]


@settings(deadline=None, max_examples=30)
@given(codes=hnp.arrays(int, 333, elements=st.integers(0, 2)))
def test_the_majority_is_a_class_that_no_other_outnumbers(codes: np.ndarray) -> None:
    power = _bins(5.0, 0.13)
    found = _aligned(_target(codes, kind="categorical", rate=66.6), power)
    time = np.arange(333) / 66.6
    for k in range(power.sizes["time"]):
        inside = (time >= power.bin_start[k].item()) & (time < power.bin_end[k].item())
        counts = np.bincount(codes[inside], minlength=3)
        assert counts[int(found[k])] == counts.max()


@settings(deadline=None, max_examples=40)
@given(
    values=hnp.arrays(float, st.integers(2, 400), elements=st.floats(-1e3, 1e3) | st.just(np.nan)),
    rate=st.floats(0.5, 200),
    start=st.floats(-3, 3),
)
def test_linear_values_stay_within_those_around(
    values: np.ndarray, rate: float, start: float
) -> None:
    power = _bins(5.0)
    time = start + np.arange(len(values)) / rate
    overlap = np.isfinite(values) & (time >= 0) & (time < power.bin_end[-1].item())
    if not overlap.any():
        return
    found = _aligned(_target(values, time), power)
    present = found.to_numpy()[np.isfinite(found)]
    assert (present >= np.nanmin(values) - 1e-3).all()
    assert (present <= np.nanmax(values) + 1e-3).all()
    outside = (power.bin_end < time[0]) | (power.bin_start > time[-1])
    assert np.isnan(found[outside.to_numpy()]).all()
    assert found.attrs["missing"] == pytest.approx(float(np.isnan(found).mean()))


def test_a_slower_clock_is_interpolated_between_its_samples() -> None:
    time = np.arange(0.05, 11, 0.5)
    found = _aligned(_target(3 * time - 1, time))
    inside = slice(1, 100)
    np.testing.assert_allclose(found[inside], 3 * _bins().time[inside] - 1, atol=2e-3)


def test_slow_angles_are_interpolated_the_short_way_round() -> None:
    time = np.array([0.0, 0.8, 1.6])
    found = _aligned(_target([3.0, -3.0, 3.0], time, kind="circular"), _bins(1.6))
    assert _angle_between(found[1:], np.pi).max() < np.pi - 3 + 1e-3
    assert _angle_between(found[4], np.pi) < 0.05


def test_slow_classes_hold_until_the_next_sample() -> None:
    time = np.array([0.05, 0.75, 1.55])
    found = _aligned(_target([2, 0, 1], time, kind="categorical"), _bins(1.6))
    np.testing.assert_array_equal(found, [2] * 7 + [0] * 8 + [1])


def test_nothing_is_interpolated_beyond_the_ends_of_the_target() -> None:
    found = _aligned(_target([1.0, 2.0], [3.05, 3.95]))
    present = np.flatnonzero(np.isfinite(found))
    np.testing.assert_array_equal(present, np.arange(30, 40))
    assert found.attrs["missing"] == pytest.approx(0.9)


@pytest.mark.parametrize("kind", ["linear", "circular", "categorical"])
def test_a_gap_is_bridged_only_within_max_gap(kind: str) -> None:
    time = np.concatenate([np.arange(0, 3, 0.02), np.arange(4.2, 10, 0.02)])
    values = np.ones(len(time))
    assert _aligned(_target(values, time, kind=kind)).attrs["missing"] == pytest.approx(0.12)
    assert _aligned(_target(values, time, kind=kind, max_gap=1.3)).attrs["missing"] == 0
    assert np.isnan(_aligned(_target(values, time, kind=kind, max_gap=0.5))[30:42]).all()


@pytest.mark.parametrize("kind", ["linear", "circular", "categorical"])
def test_a_missing_sample_is_never_filled(kind: str) -> None:
    values = np.ones(500)
    values[200:210] = np.nan
    values[301] = np.nan
    found = _aligned(_target(values, kind=kind, max_gap=5.0))
    # Ten lost samples are two bins; a single one leaves four others in its bin.
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found)), [40, 41])
    assert found.attrs["missing"] == pytest.approx(0.02)


def test_nothing_is_interpolated_towards_a_missing_sample() -> None:
    time = np.arange(0.05, 10, 0.5)
    values = np.ones(20)
    values[8] = np.nan
    found = _aligned(_target(values, time, max_gap=5.0))
    # The samples on either side of the lost one are in the bins 35 and 45.
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found[:95])), np.arange(36, 45))


def test_a_position_is_missing_where_one_of_its_components_is() -> None:
    values = np.stack([np.arange(500.0), np.arange(500.0)], axis=1)
    values[100:105, 1] = np.inf
    target = _target(values).assign_coords(component=["x", "y"])
    found = _aligned(target)
    assert found.dims == ("time", "it_component")
    assert found.it_component.to_numpy().tolist() == ["x", "y"]
    np.testing.assert_array_equal(np.argwhere(np.isnan(found.to_numpy())), [[20, 0], [20, 1]])


def test_samples_in_a_gap_of_the_recording_belong_to_no_bin() -> None:
    signal = in_segments(np.zeros((2000, 1)), 1000.0, (0, 1000, 0.0), (1000, 2000, 5.0))
    power = traces(signal, bin=0.1)
    time = np.arange(0, 7, 0.01)
    found = _aligned(_target(np.where((time > 1) & (time < 4.99), 1e6, time), time), power)
    np.testing.assert_allclose(found, power.time, atol=0.01)


@settings(deadline=None, max_examples=40)
@given(
    kind=KINDS,
    rate=st.floats(1.2, 120),
    k=st.integers(0, 49),
    lost=st.sets(st.integers(0, 500)),
    own=st.sampled_from([None, (0.0, 0.0), (0.3, 0.1)]),
)
def test_a_bin_depends_on_no_sample_outside_its_support(
    kind: str, rate: float, k: int, lost: set[int], own: tuple[float, float] | None
) -> None:
    power = _bins(5.0)
    time = np.delete(
        np.arange(0, 5, 1 / rate), [i for i in lost if i < int(5 * rate) - 2 and i % 3]
    )
    values = np.random.default_rng(0).integers(0, 3, size=len(time)).astype(float)
    attrs = {} if own is None else {"support": own}
    clean = _aligned(_target(values, time, kind=kind, **attrs), power)
    before, after = clean.attrs["support"]
    if own is not None:
        before, after = before - own[0], after - own[1]
    center = float(power.time[k])
    far = (time < center - before - 1e-9) | (time > center + after + 1e-9)
    dirty = values.copy()
    dirty[far] = 1e30 if kind == "linear" else 2 - values[far]
    found = _aligned(_target(dirty, time, kind=kind, **attrs), power)
    np.testing.assert_array_equal(found[k], clean[k])


def test_the_support_adds_up_what_the_target_and_its_bins_read() -> None:
    fast = _aligned(_target(np.ones(500), support=(0.4, 0.2)))
    np.testing.assert_allclose(fast.attrs["support"], [0.45, 0.25])
    time = np.arange(0.0, 11, 0.8)
    slow = _aligned(_target(np.ones(len(time)), time))
    assert min(slow.attrs["support"]) > 0.6
    assert max(slow.attrs["support"]) <= 0.8


def test_targets_keep_what_is_known_of_them_on_the_clock_of_the_features() -> None:
    power = _bins()
    speed = _target(np.ones(500), units="meters/second", path="processing/behavior/pos")
    found = align({"speed": speed, "tone": _target(np.ones(500), kind="categorical")}, power)
    assert list(found) == ["speed", "tone"]
    assert found.speed.attrs["units"] == "meters/second"
    assert found.speed.attrs["path"] == "processing/behavior/pos"
    assert found.tone.attrs["kind"] == "categorical"
    for name in ("time", "bin_start", "bin_end", "segment"):
        np.testing.assert_array_equal(found[name], power[name])


def test_the_order_of_dimensions_does_not_matter() -> None:
    target = _target(np.random.default_rng(0).normal(size=(500, 2)))
    np.testing.assert_array_equal(_aligned(target.T), _aligned(target))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (_target(np.ones(50), np.arange(50) + 100.0), "covers 100.000 to 149.000 s, the signal"),
        (_target(np.full(500, np.nan)), "not all values are missing"),
        (_target(np.ones(500), kind="circula"), "kind 'circula'. Did you mean 'circular'"),
        (_target(np.full(500, -1.0), kind="categorical"), r"codes \[-1.0\].*from 0 to 2"),
        (_target(np.full(500, 3.0), kind="categorical"), r"codes \[3.0\].*from 0 to 2"),
        (_target(np.full(500, 0.5), kind="categorical"), r"codes \[0.5\].*from 0 to 2"),
        (_target(np.ones(500), np.arange(500)[::-1] / 50), "run backwards"),
    ],
    ids=["elsewhere", "all missing", "kind", "negative", "too high", "fraction", "backwards"],
)
def test_a_target_that_cannot_be_used_is_refused(target: xr.DataArray, message: str) -> None:
    with pytest.raises(NWBDecodeError, match=message):
        _aligned(target)


def test_no_target_at_all_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match="give at least one"):
        align({}, _bins())


def _steps(time: Any, values: Any, trial: Any = None, **attrs: Any) -> xr.DataArray:
    target = _target(values, time, **{"kind": "categorical", **attrs}, steps=True)
    return target if trial is None else target.assign_coords(trial=("time", trial))


@settings(deadline=None, max_examples=40)
@given(
    kind=KINDS,
    steps=st.lists(
        st.tuples(st.integers(-50, 550), st.integers(0, 2) | st.none()),
        min_size=1, max_size=9, unique_by=lambda step: step[0],
    ),
)  # fmt: skip
def test_a_step_function_gives_a_bin_what_holds_during_it(kind: str, steps: Any) -> None:
    steps = sorted(steps)
    time = np.array([at for at, _ in steps]) / 100
    values = np.array([np.nan if v is None else float(v) for _, v in steps])
    power = _bins(5.0)
    # Each hundredth of a second looked up for itself, at its middle.
    fine = (np.arange(500) + 0.5) / 100
    where = np.searchsorted(time, fine, side="right") - 1
    held = np.where(where < 0, np.nan, values[where]).reshape(50, 10)
    known = np.isfinite(held).sum(axis=1)
    if not (known > 5).any():
        return
    found = _aligned(_steps(time, values, kind=kind), power).to_numpy()
    for k, (parts, count) in enumerate(zip(held, known, strict=True)):
        if abs(count - 5) <= 1:
            continue  # Bin edges lie half a millisecond beside the hundredths.
        assert np.isfinite(found[k]) == (count > 5)
        if count <= 5:
            continue
        parts = parts[np.isfinite(parts)]
        counts = np.bincount(parts.astype(int), minlength=3)
        if kind == "linear":
            assert found[k] == pytest.approx(parts.mean(), abs=0.03)
        elif kind == "circular":
            assert _angle_between(found[k], np.angle(np.exp(1j * parts).mean())).max() < 0.05
        elif np.sort(counts)[-1] - np.sort(counts)[-2] > 1:
            assert found[k] == counts.argmax()


def test_steps_are_never_interpolated_and_the_last_holds_without_end() -> None:
    found = _aligned(_steps([1.0, 2.0, 8.0], [2, np.nan, 1]))
    np.testing.assert_array_equal(found[10:20], np.full(10, 2))
    assert np.isnan(found[:10]).all()
    assert np.isnan(found[20:80]).all()
    np.testing.assert_array_equal(found[80:], np.full(20, 1))
    assert "steps" not in found.attrs


def test_bins_are_told_the_trial_that_holds_their_center() -> None:
    target = _steps([1.0, 2.0, 3.0, 4.03], [0, np.nan, 1, np.nan], [0, -1, 1, -1])
    found = align({"it": target}, _bins())
    np.testing.assert_array_equal(
        np.flatnonzero(found["trial"] >= 0), [*range(10, 20), *range(30, 40)]
    )
    assert len(np.unique(found["trial"][10:20])) == 1
    assert found["trial"][10] != found["trial"][30]
    assert "trial" not in align({"it": _target(np.ones(500))}, _bins()).coords


def test_trials_of_several_targets_may_be_cut_where_none_of_them_is() -> None:
    one = _steps([1.0, 3.0], [0, np.nan], [0, -1])
    other = _steps([2.0, 4.0, 5.0], [1, 2, np.nan], [0, 1, -1])
    found = align({"one": one, "other": other}, _bins())["trial"].to_numpy()
    cuts = np.flatnonzero((found[1:] != found[:-1]) | (found[1:] < 0)) + 1
    assert not set(range(11, 40)) & set(cuts)
    assert {10, 40, 50} <= set(cuts)
