"""Which times take part: chosen by interval tables, cut to the sample."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pynwb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynwb.epoch import TimeIntervals

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.cutting import without
from nwbdecode.load.signal import ArrayReader, Segment, as_signal
from tests.load import recordings

INF = float("inf")


def _session() -> pynwb.NWBFile:
    """Ten seconds of signal at 100 Hz; trials, tagged and labelled epochs, two invalid times."""
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    for name in ("Raw", "Other"):
        nwbfile.add_acquisition(
            recordings.electrical(nwbfile, name, n=1000, rate=100.0, starting_time=0.0)
        )
    for start, stop in ((1.0, 2.0), (2.0, 3.0), (5.0, np.nan)):
        nwbfile.add_trial(start_time=start, stop_time=stop)
    nwbfile.add_epoch_column(name="label", description="what")
    nwbfile.add_epoch(start_time=0.0, stop_time=4.0, label="run", tags=["day", "maze"])
    nwbfile.add_epoch(start_time=4.0, stop_time=6.0, label="stimulation", tags=["day"])
    nwbfile.add_epoch(start_time=6.0, stop_time=9.0, label="run", tags=[""])
    light = TimeIntervals(name="light", description="pulses")
    light.add_interval(start_time=3.0, stop_time=3.5)
    light.add_interval(start_time=7.0, stop_time=np.nan)
    nwbfile.add_time_intervals(light)
    return nwbfile


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> load.Source:
    path = recordings.save(_session(), tmp_path_factory.mktemp("epochs"))
    return load.open(path)


def _kept(signal: load.Signal) -> list[tuple[float, float]]:
    return [(round(s.start_time, 6), round(s.stop_time, 6)) for s in signal.segments]


@pytest.mark.parametrize(
    ("only", "spans"),
    [
        # Trials that touch stay apart, so that no window crosses from one to the next.
        ("trials", ((1.0, 2.0), (2.0, 3.0))),
        ("intervals/epochs[label == 'run']", ((0.0, 4.0), (6.0, 9.0))),
        ("epochs[ 'maze' in tags ]", ((0.0, 4.0),)),
        ("epochs['day' in tags and label != 'run']", ((4.0, 6.0),)),
        ("epochs['day' not in tags]", ((6.0, 9.0),)),
        ("epochs[start_time >= 4 and stop_time < 9]", ((4.0, 6.0),)),
        ("epochs[id == 2]", ((6.0, 9.0),)),
        (["trials", "epochs[label == 'stimulation']"], ((1.0, 2.0), (2.0, 3.0), (4.0, 6.0))),
        # Overlapping ones are one.
        (["trials", "epochs[id == 0]"], ((0.0, 4.0),)),
    ],
)
def test_only_names_the_times_that_bins_lie_in(source: load.Source, only, spans) -> None:
    signal = source.signal("Raw", only=only)
    assert signal.only == spans
    # The recording around them stays readable.
    assert _kept(signal) == [(0.0, 10.0)]


@pytest.mark.parametrize(
    ("exclude", "kept"),
    [
        ("epochs[label == 'stimulation']", [(0.0, 4.0), (6.0, 10.0)]),
        ("trials[id < 2]", [(0.0, 1.0), (3.0, 10.0)]),
        # A row without an end excludes up to the next, the last of them everything.
        ("light", [(0.0, 3.0), (3.5, 7.0)]),
        (["light[id == 0]", "epochs[id == 2]"], [(0.0, 3.0), (3.5, 6.0), (9.0, 10.0)]),
    ],
)
def test_excluded_times_become_gaps(source: load.Source, exclude, kept) -> None:
    signal = source.signal("Raw", exclude=exclude)
    assert _kept(signal) == kept
    assert signal.only is None
    again = pickle.loads(pickle.dumps(signal))
    assert again.segments == signal.segments


def test_what_was_left_out_is_said(source: load.Source) -> None:
    signal = source.signal("Raw", only="trials", exclude="light")
    shown = repr(signal)
    assert "only 2 intervals (2 s) of 'trials' make bins" in shown
    assert "1 of 3 rows of 'trials' have no stop: left out" in shown
    assert "2 intervals of 'light' are excluded" in shown
    assert signal.source["signal"]["epochs"]["only"] == ["trials"]


def test_invalid_times_are_excluded_unless_kept(tmp_path: Path) -> None:
    nwbfile = _session()
    other = nwbfile.acquisition["Other"]
    both = list(nwbfile.acquisition.values())
    nwbfile.add_invalid_time_interval(start_time=2.0, stop_time=2.5, timeseries=both)
    nwbfile.add_invalid_time_interval(start_time=8.0, stop_time=9.0, timeseries=[other])
    opened = load.open(recordings.save(nwbfile, tmp_path))
    assert _kept(opened.signal("Raw")) == [(0.0, 2.0), (2.5, 10.0)]
    # A row that names series is about these alone.
    assert _kept(opened.signal("Other")) == [(0.0, 2.0), (2.5, 8.0), (9.0, 10.0)]
    assert _kept(opened.signal("Raw", keep_invalid=True)) == [(0.0, 10.0)]
    assert "1 interval (0.5 s) of 'invalid_times' are excluded" in repr(opened.signal("Raw"))
    opened.close()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"only": "trails"}, "Did you mean 'intervals/trials'"),
        ({"only": "epochs[label == 'rest']"}, r"no row fits.*'run' \(2\), 'stimulation' \(1\)"),
        ({"exclude": "epochs[lable == 'run']"}, "row table has no column 'lable'. Did you mean"),
        ({"only": "epochs[label = 'run']"}, "cannot read the row condition.*in tags"),
        ({"only": "epochs[__import__('os')]"}, "is not allowed in a row condition"),
        ({"only": "epochs[label == 'run'"}, "cannot read the epochs"),
        ({"only": "trials[id == 2]"}, "no row of .* stop time"),
        ({"only": 3}, "found int"),
        ({"only": [3]}, "found int"),
        ({"exclude": ["epochs", "trials", "light"]}, "nothing is left"),
    ],
)
def test_a_faulty_choice_is_answered_with_what_there_is(source, asked, message) -> None:
    asked_time = {"time": (0.0, 9.0)} if "exclude" in asked else {}
    with pytest.raises(NWBDecodeError, match=message):
        source.signal("Raw", **asked, **asked_time)


SPANS = st.lists(st.tuples(st.floats(-1, 11), st.floats(0, 3)), max_size=6)


@settings(deadline=None, max_examples=60)
@given(spans=SPANS, stamped=st.booleans(), seed=st.integers(0, 100))
def test_exactly_the_samples_outside_of_the_excluded_times_are_kept(spans, stamped, seed) -> None:
    from nwbdecode.load.epochs import _merged

    rng = np.random.default_rng(seed)
    times = np.arange(1000) / 100
    signal = as_signal(np.zeros((1000, 1)), rate=100.0)
    if stamped:
        # A clock that runs unevenly: its summary is up to several samples off.
        times = np.cumsum(rng.uniform(0.006, 0.014, 1000))
        rate = 999 / (times[-1] - times[0])
        signal = replace(
            signal,
            segments=(Segment(0, 1000, float(times[0]), rate),),
            timestamps=ArrayReader(times[:, None]),
        )
    merged = _merged([(a, a + long) for a, long in spans if long > 0])
    outside = np.ones(1000, dtype=bool)
    for start, stop in merged:
        outside &= (times < start - 1e-7) | (times >= stop - 1e-7)
    if not outside.any():
        with pytest.raises(NWBDecodeError, match="nothing is left"):
            without(signal, merged)
        return
    cut = without(signal, merged)
    kept = np.zeros(1000, dtype=bool)
    for part in cut.segments:
        kept[part.start : part.stop] = True
        assert part.start_time == pytest.approx(times[part.start], abs=1e-9)
    np.testing.assert_array_equal(kept, outside)
