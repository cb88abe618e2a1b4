"""Invalid times that name a target's series: it is missing there, and nothing is made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pynwb
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from nwbdecode import load
from nwbdecode.features import align, traces
from nwbdecode.load.invalid import without_invalid
from tests.load import recordings

DAY = "processing/behavior/Position/front"


def _session() -> pynwb.NWBFile:
    """A position at 50 Hz and a slow tone, of which 3 to 4 s and 2.3 to 2.4 s are invalid."""
    nwbfile = recordings.ephys()
    position = nwbfile.processing["behavior"]["Position"]
    add = nwbfile.add_invalid_time_interval
    add(start_time=3.0, stop_time=4.0, timeseries=[position["front"]])
    add(start_time=2.3, stop_time=2.4, timeseries=[nwbfile.stimulus["tone"]])
    add(start_time=6.0, stop_time=6.5, timeseries=[position["back"]])
    return nwbfile


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> load.Source:
    return load.open(recordings.save(_session(), tmp_path_factory.mktemp("invalid")))


def test_a_series_is_missing_in_the_times_that_name_it(source: load.Source) -> None:
    front = source.targets(DAY)["front"]
    kept = source.targets(DAY, keep_invalid=True)["front"]
    time = front["time"].to_numpy()
    inside = (time >= 3) & (time < 4)
    assert inside.sum() == 50
    assert np.isnan(front.to_numpy()[inside]).all()
    np.testing.assert_array_equal(front.to_numpy()[~inside], kept.to_numpy()[~inside])
    assert np.isfinite(kept.to_numpy()[inside]).all()
    assert front.attrs["missing"] == pytest.approx(60 / 500)


def test_nothing_is_derived_of_invalid_samples(tmp_path: Path) -> None:
    nwbfile = _session()
    place = nwbfile.processing["behavior"]["Position"]["front"]
    plain = load.open(nwbfile).targets("front:speed")["speed"]
    time = 1 + np.arange(500) / 50
    place.data[(time >= 3) & (time < 4)] = 1e6
    poisoned = load.open(nwbfile).targets("front:speed")["speed"]
    xr.testing.assert_identical(plain, poisoned)
    assert np.isnan(plain.sel(time=slice(3.0, 3.99))).all()


def test_no_class_holds_across_an_invalid_time_between_two_samples(source: load.Source) -> None:
    power = traces(np.zeros((1000, 1)), rate=100.0, bin=0.05)
    tone = align(source.targets("tone"), power)["tone"]
    missing = np.isnan(tone.to_numpy())
    time = tone["time"].to_numpy()
    assert missing[(time > 2.3) & (time < 2.4)].all()
    assert not missing[(time > 1.3) & (time < 2.2)].any()


def test_a_derivation_of_two_series_is_missing_where_either_is(source: load.Source) -> None:
    angle = source.targets("front,back:head_direction")["head_direction"]
    lost = np.isnan(angle.to_numpy())
    time = angle["time"].to_numpy()
    assert lost[((time >= 3) & (time < 4)) | ((time >= 6) & (time < 6.5))].all()
    assert not lost[(time > 4.1) & (time < 5.9)].any()


def test_what_is_missing_for_that_is_said(source: load.Source) -> None:
    from nwbdecode.load.targets import announced

    assert "missing in 1 of the file's 'invalid_times'" in announced(source.targets(DAY)["front"])
    assert "invalid" not in announced(source.targets("hd")["hd"])


def test_a_row_that_names_no_series_is_about_the_signal_alone() -> None:
    nwbfile = recordings.ephys()
    nwbfile.add_invalid_time_interval(start_time=3.0, stop_time=4.0)
    opened = load.open(nwbfile)
    front = opened.targets("front")["front"]
    assert np.isfinite(front.sel(time=slice(3.0, 4.0))).all()
    assert [s.stop_time for s in opened.signal("Raw").segments] == pytest.approx([3.0, 7.0])


def test_an_interval_series_is_unknown_in_the_times_that_name_it() -> None:
    nwbfile = recordings.session()
    light = pynwb.misc.IntervalSeries(
        name="light", data=np.int8([1, -1, 1, -1]), timestamps=[1.0, 2.0, 4.0, 5.0]
    )
    nwbfile.add_stimulus(light)
    nwbfile.add_invalid_time_interval(start_time=1.5, stop_time=3.0, timeseries=[light])
    made = load.open(nwbfile).targets("light")["light"]
    found = made.sel(time=[1.2, 1.7, 2.5, 3.5, 4.5], method="ffill")
    np.testing.assert_array_equal(found, [1, np.nan, np.nan, 0, 1])


SPANS = st.lists(
    st.tuples(st.integers(-5, 40), st.integers(1, 20)).map(lambda s: (s[0] / 2, sum(s) / 2)),
    max_size=4,
)


@given(
    edges=st.lists(st.integers(0, 30), min_size=2, max_size=12, unique=True).map(sorted),
    spans=SPANS,
    steps=st.booleans(),
)
def test_inside_is_missing_and_outside_is_as_it_was(
    edges: list[int], spans: list[tuple[float, float]], steps: bool
) -> None:
    target = xr.DataArray(
        np.arange(len(edges), dtype=float), dims="time", coords={"time": np.array(edges, float)},
        attrs={"steps": True} if steps else {},
    )  # fmt: skip
    made = without_invalid(target, spans)
    asked = np.arange(edges[0], edges[-1], 0.25) if steps else np.array(edges, float)
    found = made.sel(time=asked, method="ffill" if steps else None).to_numpy()
    inside = np.array([any(a <= t < b for a, b in spans) for t in asked], dtype=bool)
    before = np.array([sum(edge <= t for edge in edges) - 1 for t in asked], dtype=float)
    np.testing.assert_array_equal(found, np.where(inside, np.nan, before))
