"""Labels spread over trials and events, against painting them sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load import events


def _rows(start, stop, values, **attrs) -> xr.DataArray:
    start = np.asarray(start, float)
    stop = np.full(len(start), np.nan) if stop is None else np.asarray(stop, float)
    return xr.DataArray(
        np.asarray(values, float), dims="time", name="rows",
        coords={"time": start, "stop": ("time", stop)},
        attrs={"kind": "categorical", "classes": ["a", "b", "c"], **attrs},
    )  # fmt: skip


def _at(steps: xr.DataArray, times: np.ndarray) -> np.ndarray:
    """Value of a step function at times, each looked up for itself."""
    found = []
    for time in times:
        earlier = [v for t, v in zip(steps["time"].values, steps.values, strict=True) if t <= time]
        found.append(earlier[-1] if earlier else np.nan)
    return np.array(found)


ROWS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 25), st.integers(0, 2)), min_size=1, max_size=8
)


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_a_value_holds_within_its_row_and_is_missing_where_rows_contradict(rows) -> None:
    rows = sorted(rows)
    start = np.array([a for a, _, _ in rows])
    stop = start + np.array([long for _, long, _ in rows])
    values = [value for _, _, value in rows]
    if not (stop > start).any():
        with pytest.raises(NWBDecodeError, match="stop time after its start"):
            events.spread(_rows(start, stop, values))
        return
    found = events.spread(_rows(start, stop, values))
    times = np.arange(-1, 90) + 0.5
    for time, value in zip(times, _at(found, times), strict=True):
        held = {v for a, b, v in zip(start, stop, values, strict=True) if a <= time < b}
        np.testing.assert_equal(value, held.pop() if len(held) == 1 else np.nan)


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_trials_are_numbered_so_that_a_cut_between_numbers_cuts_no_row(rows) -> None:
    rows = [row for row in sorted(rows) if row[1]]
    if not rows:
        return
    start = np.array([a for a, _, _ in rows])
    stop = start + np.array([long for _, long, _ in rows])
    found = events.spread(_rows(start, stop, [v for _, _, v in rows]))
    number = dict(zip(found["time"].values, found["trial"].values, strict=True))
    for time, own in number.items():
        covered = [k for k, (a, b) in enumerate(zip(start, stop, strict=True)) if a <= time < b]
        assert (own >= 0) == bool(covered)
        for k in covered:
            inside = [n for t, n in number.items() if start[k] <= t < stop[k]]
            assert set(inside) == {own}


def test_an_event_without_a_duration_holds_until_the_next_and_the_last_without_end() -> None:
    found = events.spread(_rows([1.0, 4.0, 6.0], [np.nan, 5.0, np.nan], [0, 1, 2], hold=True))
    np.testing.assert_array_equal(_at(found, np.array([0.5, 1, 3.9, 4, 5.5, 6, 1e6])),
                                  [np.nan, 0, 0, 1, np.nan, 2, 2])  # fmt: skip


def test_an_interval_without_a_stop_is_left_out_and_counted() -> None:
    found = events.spread(_rows([1.0, 4.0], [np.nan, 5.0], [0, 1]))
    assert found.attrs["rows_without_stop"] == 1
    np.testing.assert_array_equal(_at(found, np.array([2.0, 4.5])), [np.nan, 1])


def test_a_window_lies_relative_to_the_start_and_its_trial_reaches_over_both() -> None:
    found = events.window(_rows([2.0, 8.0], [5.0, 9.0], [0, 1]), start=-1.0, stop=1.0)
    times = np.array([0.5, 1.0, 2.9, 3.0, 4.9, 7.5, 8.9, 9.5])
    nan = np.nan
    np.testing.assert_array_equal(_at(found, times), [nan, 0, 0, nan, nan, 1, 1, nan])
    at = np.searchsorted(found["time"], times, side="right") - 1
    trial = np.where(at < 0, -1, found["trial"].values[at])
    np.testing.assert_array_equal(trial, [-1, 0, 0, 0, 0, 1, 1, -1])


def test_a_window_around_a_time_column_that_may_count_from_the_row() -> None:
    rows = _rows([100.0, 200.0, 300.0], None, [0, 1, 2])
    cue = rows.copy(data=[1.5, np.nan, 2.5])
    with pytest.raises(NWBDecodeError, match=r"window\(relative=1\)"):
        events.window(rows, cue)
    found = events.window(rows, cue, stop=0.5, relative=1)
    np.testing.assert_array_equal(
        _at(found, np.array([101.4, 101.6, 202.0, 302.7])), [np.nan, 0, np.nan, 2]
    )
    absolute = events.window(rows, cue + rows["time"].values, stop=0.5)
    np.testing.assert_array_equal(found, absolute)
    with pytest.raises(NWBDecodeError, match="not of one table"):
        events.window(rows, cue[:2])


def test_near_an_event_and_away_from_all_between_the_first_and_the_last() -> None:
    found = events.near(_rows([2.0, 2.3, 6.0], None, [0, 1, np.nan]), start=-0.1, stop=0.5)
    # The third has no label: it is no event.
    assert found.attrs["classes"] == ["away", "near"]
    times = np.array([1.8, 1.95, 2.7, 2.85])
    np.testing.assert_array_equal(_at(found, times), [np.nan, 1, 1, np.nan])
    longer = events.near(_rows([2.0, 6.0], None, [0, 0]), start=0, stop=0.5)
    np.testing.assert_array_equal(_at(longer, np.array([2.2, 4.0, 6.2, 7.0])), [1, 0, 1, np.nan])


@settings(deadline=None, max_examples=40)
@given(
    times=st.lists(st.integers(0, 400).map(lambda n: n / 10), min_size=2, max_size=9, unique=True),
    most=st.floats(0.05, 5),
)
def test_time_since_and_until_events_is_the_distance_to_the_nearest(times, most) -> None:
    times = np.sort(times)
    rows = _rows(times, None, np.zeros(len(times)))
    since, until = events.since(rows, most=most), events.until(rows, most=most)
    for made in (since, until):
        clock = made["time"].values
        assert (np.diff(clock) > 0).all()
        assert made.max() <= most
        assert made.attrs["units"] == "seconds"
    for clock, value in zip(since["time"].values, since.values, strict=True):
        assert value == pytest.approx(clock - times[times <= clock + 1e-9].max(), abs=1e-9)
    for clock, value in zip(until["time"].values, until.values, strict=True):
        assert value == pytest.approx(times[times >= clock - 1e-9].min() - clock, abs=1e-9)
    assert since.attrs["support"][0] >= most
    assert until.attrs["support"][1] >= most


def test_the_rate_of_events_is_the_sum_of_gaussians_and_integrates_to_their_number() -> None:
    times = np.array([0.0, 5.0, 5.1, 7.0, 20.0])
    found = events.rate(_rows(times, None, np.zeros(5)), gaussian=0.3)
    clock = found["time"].values[:, None]
    kernels = np.exp(-0.5 * ((clock - times) / 0.3) ** 2) / (0.3 * np.sqrt(2 * np.pi))
    kernels[np.abs(clock - times) > 1.2] = 0
    np.testing.assert_allclose(found, kernels.sum(axis=1), atol=1e-12)
    middle = found.sel(time=slice(3, 10))
    assert float(middle.integrate("time")) == pytest.approx(3, abs=1e-3)
    assert found.attrs["support"] == pytest.approx([1.2, 1.2])


def test_a_rate_depends_on_no_event_outside_its_support() -> None:
    times = np.random.default_rng(0).uniform(0, 60, 80)
    kept = events.rate(_rows(np.sort(times), None, np.zeros(80)))
    fewer = events.rate(_rows(np.sort(times[times < 30]), None, np.zeros((times < 30).sum())))
    last = times[times < 30].max()
    safe = kept["time"].values < min(last, 30 - kept.attrs["support"][1])
    np.testing.assert_array_equal(kept.values[safe], fewer.values[: safe.sum()])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda rows: events.window(rows, start=1, stop=1), "start before stop"),
        (lambda rows: events.near(rows, start=1, stop=0), "start before stop"),
        (lambda rows: events.since(rows, most=0), "above zero"),
        (lambda rows: events.until(rows, step=0), "above zero"),
        (lambda rows: events.rate(rows, gaussian=0), "above zero"),
        (lambda rows: events.rate(rows[:1]), "two are needed"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make, message) -> None:
    with pytest.raises(NWBDecodeError, match=message):
        make(_rows([1.0, 2.0], None, [0, 1]))
