"""Sorted units as a signal: spikes counted where they fall."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynwb.misc import Units

from nwbdecode import load, wavelet_power
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load import units
from tests.load import recordings


def _trains(seed: int, counts: list[int], *, stop: float = 20.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.sort(rng.uniform(1.0, stop, size=n)) for n in counts]


def _session(trains: list[np.ndarray], **columns: list[Any]) -> pynwb.NWBFile:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    for name in columns:
        if name not in ("obs_intervals", "electrodes"):
            nwbfile.add_unit_column(name=name, description="a column")
    for i, train in enumerate(trains):
        own = {name: values[i] for name, values in columns.items()}
        nwbfile.add_unit(id=10 + i, spike_times=train, **own)
    return nwbfile


@pytest.mark.parametrize("stored", [True, False], ids=["in a file", "in memory"])
def test_a_bin_holds_the_spikes_per_second_in_it(tmp_path: Path, stored: bool) -> None:
    trains = _trains(0, [400, 3, 0, 90])
    nwbfile = _session(trains)
    opened = load.open(recordings.save(nwbfile, tmp_path) if stored else nwbfile)
    signal = opened.signal("units")
    assert (signal.modality, signal.units, signal.rate) == ("spikes", "spikes/second", 1000.0)
    assert signal.channels.index.tolist() == [10, 11, 12, 13]
    power = wavelet_power(signal, bin=0.25, progress=False)
    edges = np.append(power["bin_start"], power["bin_end"][-1])
    for column, train in enumerate(trains):
        expected = np.histogram(train, edges)[0] / 0.25
        np.testing.assert_allclose(power[:, 0, column], expected, rtol=1e-5)
    assert power.frequency.values == [0.0]
    assert power.attrs["units"] == "spikes/second"
    # From the first spike of any unit, to the millisecond.
    assert power["bin_start"][0] == pytest.approx(
        np.floor(min(map(min, filter(len, trains))) * 1e3) / 1e3
    )


def test_bins_of_a_thirtieth_keep_the_number_of_spikes(tmp_path: Path) -> None:
    trains = _trains(1, [2000, 500])
    with load.open(recordings.save(_session(trains), tmp_path)) as opened:
        power = wavelet_power(opened.signal(), progress=False)
    width = (power["bin_end"] - power["bin_start"]).to_numpy()
    held = (power[:, 0] * width[:, None]).sum("time")
    inside = [(train < float(power["bin_end"][-1])).sum() for train in trains]
    np.testing.assert_allclose(held, inside, rtol=1e-5)


@settings(deadline=None, max_examples=30)
@given(
    spikes=st.lists(st.lists(st.integers(0, 5000), max_size=60), min_size=1, max_size=4),
    cut=st.integers(0, 4000),
    length=st.integers(1, 3000),
    block=st.integers(1, 40),
    held=st.booleans(),
)
def test_any_piece_of_any_units_is_the_histogram_there(
    spikes: list[list[int]], cut: int, length: int, block: int, held: bool
) -> None:
    # Half milliseconds off the grid, in any order, several at once.
    trains = [(np.array(one) + 0.5) / 1000 for one in spikes]
    if not any(map(len, trains)):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(units, "_BLOCK", block)
        patch.setattr(units, "_HELD", 1 << 20 if held else 0)
        signal = load.open(_session(trains)).signal()
        total = signal.n_samples
        start = cut % total
        stop = min(start + length, total)
        columns = np.arange(len(trains))[::-1]
        found = signal.reader.read(start, stop, columns)
    begin = min(map(min, filter(len, spikes)))
    for column, unit in enumerate(columns):
        at = np.array(spikes[unit], dtype=int) - begin
        expected = np.bincount(at, minlength=total)[start:stop]
        np.testing.assert_array_equal(found[:, column], expected)


def test_a_missing_spike_time_counts_nowhere() -> None:
    train = np.array([0.1005, np.nan, 0.2005])
    signal = load.open(_session([train])).signal()
    assert int(signal.reader.read(0, signal.n_samples).sum()) == 2


def test_observed_intervals_are_segments_and_nothing_is_counted_between_them(
    tmp_path: Path,
) -> None:
    trains = _trains(2, [3000, 1000], stop=30.0)
    observed = [np.array([[2.0, 10.0], [15.0, 25.0]]), np.array([[4.0, 12.0], [14.0, 20.5]])]
    nwbfile = _session(trains, obs_intervals=observed)
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        both, first = opened.signal("units"), opened.signal("units", channels=[10])
        entry = opened.catalog()["signals"][0]
    assert [(s.start_time - 5e-4, s.stop - s.start) for s in first.segments] == [
        (2.0, 8000), (15.0, 10000),
    ]  # fmt: skip
    # Of several units, the time in which all were observed.
    power = wavelet_power(both, bin=0.5, progress=False)
    starts = [float(power["bin_start"][power.segment == k][0]) for k in (0, 1)]
    assert starts == pytest.approx([4.0, 15.0])
    for k in range(power.sizes["time"]):
        low, high = float(power["bin_start"][k]), float(power["bin_end"][k])
        counts = [((train >= low) & (train < high)).sum() for train in trains]
        np.testing.assert_allclose(power[k, 0], np.array(counts) / 0.5, rtol=1e-5)
    assert (entry["start"], entry["stop"], entry["clock_read"]) == (2.0, 25.0, "whole")


def test_units_never_observed_together_are_refused() -> None:
    nwbfile = _session(
        _trains(3, [9, 9]), obs_intervals=[np.array([[0.0, 5.0]]), np.array([[6.0, 9.0]])]
    )
    opened = load.open(nwbfile)
    with pytest.raises(NWBDecodeError, match="2 units chosen of 'units' were never observed"):
        opened.signal()
    assert opened.signal(channels=[11]).duration == 3.0


def test_units_are_chosen_by_quality_and_lie_where_their_electrodes_do(tmp_path: Path) -> None:
    nwbfile = _session(
        _trains(4, [50, 60, 70]),
        quality=["good", "mua", "good"],
        electrodes=[[0, 2], [1], [2, 3, 4]],
    )
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        signal = opened.signal("units", channels="quality == 'good' and location == 'CA1'")
        every = opened.signal("units").channels
        entry = opened.catalog()["signals"][0]
    assert signal.channels.index.tolist() == [10, 12]
    assert every["x"].tolist() == [1.0, 1.0, 3.0]
    assert every["location"].tolist() == ["CA1", "CA3", "CA1"]
    assert every["group"].tolist() == ["probe0", "probe1", "probe0"]
    assert every["quality"].tolist() == ["good", "mua", "good"]
    assert (entry["channels"], entry["bytes"], entry["modality"]) == (3, 8 * 180, "spikes")


def test_a_recording_beside_its_units_is_the_signal_meant(source: load.Source) -> None:
    nwbfile = _session(_trains(5, [20]))
    nwbfile.add_acquisition(recordings.electrical(nwbfile))
    assert load.open(nwbfile).signal().path == "acquisition/Raw"
    assert load.open(nwbfile).signal("units").modality == "spikes"


def test_units_in_a_processing_module_are_found(tmp_path: Path) -> None:
    nwbfile = recordings.session()
    table = Units(name="curated", description="by hand")
    for train in _trains(6, [30, 40]):
        table.add_unit(spike_times=train)
    nwbfile.create_processing_module(name="ecephys", description="sorted").add(table)
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        assert opened.signal().path == "processing/ecephys/curated"
        assert opened.catalog()["targets"] == []


def test_a_table_without_spikes_is_no_signal_or_says_so() -> None:
    nwbfile = recordings.session()
    nwbfile.add_unit_column(name="note", description="n")
    nwbfile.add_unit(note="no spike times")
    assert load.open(nwbfile).catalog()["signals"] == []
    with pytest.raises(NWBDecodeError, match="holds 1 units and no spike"):
        load.open(_session([np.empty(0)])).signal("units")


def test_time_is_chosen_and_another_process_counts_the_same(tmp_path: Path) -> None:
    trains = _trains(7, [900, 100])
    with load.open(recordings.save(_session(trains), tmp_path)) as opened:
        signal = opened.signal("units", time=(5.0, 8.0))
    assert signal.n_samples == 3000
    first, stop = signal.segments[0].start, signal.segments[0].stop
    expected = [((train >= 5.0) & (train < 8.0)).sum() for train in trains]
    # The grid begins with the first spike's millisecond: 5.0 is one of its steps.
    block = signal.read(first, stop, units="counts")
    assert np.abs(block.sum("time").to_numpy() - expected).max() == 0
    again = pickle.loads(pickle.dumps(signal)).read(first, stop, units="counts")
    np.testing.assert_array_equal(again, block)


def test_the_unit_of_the_legacy_file_fires_as_its_spike_times_say(real_data: Path) -> None:
    with load.open(real_data / "legacy" / "sub-anm369963_ses-20170228.nwb") as opened:
        times = np.asarray(opened.nwbfile.units["spike_times"][0])
        signal = opened.signal()
        counts = signal.reader.read(0, signal.n_samples)
    assert int(counts.sum()) == len(times)
    assert signal.channels["location"].iloc[0].startswith("brain_region: ALM")
