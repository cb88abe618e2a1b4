"""Signals out of files: paths, units, clocks, channels, facts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynwb.ecephys import ElectricalSeries

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.signal import as_signal
from tests.load import recordings


def test_samples_are_in_volts_with_every_gain_and_the_offset(source: load.Source) -> None:
    signal = source.signal("acquisition/Raw")
    block = signal.read(1000, 1100)
    assert block.dtype == np.float32
    np.testing.assert_allclose(block, recordings.volts()[1000:1100], **recordings.CLOSE)
    np.testing.assert_array_equal(
        signal.read(1000, 1100, units="counts"), recordings.counts(5000)[1000:1100]
    )
    np.testing.assert_allclose(block["time"], 2.0 + np.arange(1000, 1100) / 1000)


def test_each_channel_keeps_its_own_gain_when_few_are_chosen(source: load.Source) -> None:
    signal = source.signal("Raw", channels=[105, 101])
    np.testing.assert_allclose(
        signal.read(0, 50), recordings.volts()[:50, [5, 1]], **recordings.CLOSE
    )
    np.testing.assert_allclose(
        signal.read(0, 50, channels=[101]), recordings.volts()[:50, [1]], rtol=1e-6
    )


def test_time_cuts_on_the_sessions_clock(source: load.Source) -> None:
    signal = source.signal("Raw", time=(3.0, 4.5))
    assert (signal.segments[0].start, signal.segments[0].stop) == (1000, 2500)
    assert (signal.source["signal"]["start"], signal.source["signal"]["stop"]) == (3.0, 4.5)


@pytest.mark.parametrize("time", [(4.0, 3.0), (1,), "3:4", (1.0, "a")])
def test_a_time_that_is_no_span_is_refused(source: load.Source, time: object) -> None:
    with pytest.raises(NWBDecodeError, match=r"expected \(start, stop\)"):
        source.signal("Raw", time=time)  # type: ignore[arg-type]


def test_a_time_outside_the_recording_is_refused(source: load.Source) -> None:
    with pytest.raises(NWBDecodeError, match="no sample"):
        source.signal("Raw", time=(100.0, 200.0))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("acquisition/Raw", "acquisition/Raw"),
        ("/acquisition/Raw", "acquisition/Raw"),
        ("Raw", "acquisition/Raw"),
        ("LFP", "processing/ecephys/LFP/LFP"),
        ("LFP/LFP", "processing/ecephys/LFP/LFP"),
    ],
)
def test_a_unique_end_of_a_path_is_enough(source: load.Source, asked: str, found: str) -> None:
    assert source.signal(asked).path == found


def test_a_wrong_path_is_answered_with_the_nearest(source: load.Source) -> None:
    with pytest.raises(NWBDecodeError, match="Did you mean 'acquisition/Raw'"):
        source.signal("acquisition/Rwa")


def test_a_target_asked_for_as_signal_is_called_what_it_is(source: load.Source) -> None:
    with pytest.raises(NWBDecodeError, match="is a SpatialSeries, no signal"):
        source.signal("Position/front")


def test_no_path_is_refused_with_a_list_where_there_are_several(source: load.Source) -> None:
    with pytest.raises(NWBDecodeError, match=r"2 signals.*'acquisition/Raw'.*LFP"):
        source.signal()


def test_an_ambiguous_path_lists_its_matches() -> None:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    nwbfile.add_acquisition(recordings.electrical(nwbfile, "ecog"))
    module = nwbfile.create_processing_module(name="ecephys", description="d")
    module.add(recordings.electrical(nwbfile, "ecog", n=10))
    with pytest.raises(NWBDecodeError, match=r"fits 2 signals: 'acq.*'processing/ecephys/ecog'"):
        load.open(nwbfile).signal("ecog")


def test_the_source_facts_are_complete_and_json(source: load.Source) -> None:
    facts = dict(source.signal("Raw").source)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["identifier"] == "mouse-1-day-1"
    assert facts["session_start_time"] == "2026-01-02T03:04:05+00:00"
    assert facts["subject"]["subject_id"] == "mouse-1"
    assert facts["experimenter"] == ["Doe, Jane"]
    assert facts["keywords"] == ["place cells"]
    assert facts["electrode_groups"][0] == {
        "name": "probe0",
        "description": "tetrode",
        "location": "HPC",
        "device": "drive",
    }
    assert facts["signal"] == {
        "path": "acquisition/Raw",
        "object_id": source.nwbfile.acquisition["Raw"].object_id,
        "neurodata_type": "ElectricalSeries",
        "modality": "ephys",
        "units": "volts",
        "rate": 1000.0,
        "start": 2.0,
        "stop": 7.0,
    }


def _stamped(tmp_path: Path, stamps: np.ndarray, **fields: object) -> load.Source:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile, 2)
    n = len(stamps)
    series = recordings.electrical(nwbfile, n=n, **{"timestamps": stamps, **fields})
    nwbfile.add_acquisition(series)
    return load.open(recordings.save(nwbfile, tmp_path))


def test_timestamps_with_gaps_become_segments_with_fitted_rates(tmp_path: Path) -> None:
    stamps = np.concatenate(
        [1 + np.arange(400) / 1000, [5.0], 7 + np.arange(600) / 1000.5, 9 + np.arange(2) / 1000]
    )
    with _stamped(tmp_path, stamps) as opened:
        signal = opened.signal()
    assert [(s.start, s.stop) for s in signal.segments] == [(0, 400), (401, 1001), (1001, 1003)]
    assert [s.start_time for s in signal.segments] == [1.0, 7.0, 9.0]
    np.testing.assert_allclose([s.rate for s in signal.segments], [1000, 1000.5, 1000])
    np.testing.assert_array_equal(signal.times(np.arange(390, 410)), stamps[390:410])
    np.testing.assert_array_equal(signal.read(395, 405)["time"], stamps[395:405])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(2, 50), st.floats(0.1, 5.0)), min_size=1, max_size=6))
def test_every_gapless_run_becomes_one_segment(runs: list[tuple[int, float]]) -> None:
    # Enough regular steps that the median step is the sampling interval.
    pieces, start = [], 0.0
    for n, pause in runs:
        pieces.append(start + np.arange(n) / 100)
        start = pieces[-1][-1] + pause
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile, 1)
    stamps = np.concatenate(pieces)
    nwbfile.add_acquisition(recordings.electrical(nwbfile, n=len(stamps), timestamps=stamps))
    segments = load.open(nwbfile).signal().segments
    if np.median(np.diff(stamps)) > 0.011:
        return
    assert [s.stop - s.start for s in segments] == [n for n, _ in runs]
    np.testing.assert_allclose([s.start_time for s in segments], [p[0] for p in pieces])
    np.testing.assert_allclose([s.rate for s in segments], 100)


@pytest.mark.parametrize(("value", "fault"), [(0.1, "does not come after"), (np.nan, "is nan")])
def test_a_faulty_timestamp_is_refused_with_its_index(
    tmp_path: Path, value: float, fault: str
) -> None:
    stamps = np.arange(1000) / 1000
    stamps[700] = value
    with _stamped(tmp_path, stamps) as opened, pytest.raises(NWBDecodeError, match=f"700.*{fault}"):
        opened.signal()


def test_fewer_timestamps_than_samples_are_refused(tmp_path: Path) -> None:
    stamps = np.arange(1000) / 1000
    with _stamped(tmp_path, stamps) as opened:
        path = Path(opened.path or "")
    with h5py.File(path, "r+") as file:
        del file["acquisition/Raw/timestamps"]
        file["acquisition/Raw/timestamps"] = stamps[:-1]
        file["acquisition/Raw/timestamps"].attrs.update({"interval": 1, "unit": "seconds"})
    with (
        load.open(path) as opened,
        pytest.raises(NWBDecodeError, match="1000 samples but 999 timestamps"),
    ):
        opened.signal()


def test_data_of_one_dimension_are_one_channel(tmp_path: Path) -> None:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile, 1)
    data = recordings.counts(300, 1)[:, 0]
    nwbfile.add_acquisition(
        recordings.electrical(nwbfile, data=data, channel_conversion=None, offset=0.0)
    )
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        block = opened.signal().read(10, 200)
    np.testing.assert_allclose(block, data[10:200, None] * 1e-6, rtol=1e-6)


def test_electrodes_in_another_order_keep_their_rows(tmp_path: Path) -> None:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    region = nwbfile.create_electrode_table_region(region=[5, 0, 2], description="some")
    nwbfile.add_acquisition(
        ElectricalSeries(name="x", data=recordings.counts(50, 3), rate=10.0, electrodes=region)
    )
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        table = opened.signal().channels
    assert table.index.tolist() == [105, 100, 102]
    assert table.index.name == "channel"
    assert table["x"].tolist() == [5.0, 0.0, 2.0]
    assert table["group"].tolist() == ["probe1", "probe0", "probe0"]


def test_more_columns_than_electrodes_are_refused(tmp_path: Path) -> None:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    path = recordings.save(_with_raw(nwbfile), tmp_path)
    with h5py.File(path, "r+") as file:
        del file["acquisition/Raw/data"]
        data = file.create_dataset("acquisition/Raw/data", data=recordings.counts(50, 9))
        data.attrs.update({"unit": "volts", "conversion": 1.0, "offset": 0.0, "resolution": -1.0})
    with load.open(path) as opened:
        assert "9 columns but names 6 electrodes" in repr(opened)
        with pytest.raises(NWBDecodeError, match="9 columns but names 6 electrodes"):
            opened.signal()


def _with_raw(nwbfile: pynwb.NWBFile) -> pynwb.NWBFile:
    nwbfile.add_acquisition(recordings.electrical(nwbfile))
    return nwbfile


@pytest.mark.parametrize(
    ("description", "modality"),
    [
        ("8 x 8 subdural grid", "ecog"),
        ("ECoG array", "ecog"),
        ("strip electrode", "ecog"),
        ("tetrodes near grid cells", "ephys"),
        ("striped stripes of striatum", "ephys"),
    ],
)
def test_the_modality_is_what_the_file_says_in_words(description: str, modality: str) -> None:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile, description=description)
    assert load.open(_with_raw(nwbfile)).signal().modality == modality


def test_the_real_signals_have_the_values_stored(real_data: Path) -> None:
    for name, path in (
        ("m851_open_field_lfp.nwb", "processing/ecephys/LFP/LFP"),
        ("gripforce_ecog.nwb", "acquisition/ECoG"),
    ):
        with h5py.File(real_data / name, "r") as file:
            stored = file[path]["data"]
            gain = stored.attrs["conversion"]
            if "channel_conversion" in file[path]:
                gain = gain * file[path]["channel_conversion"][:]
            expected = stored[500:900] * gain
        with load.open(real_data / name) as opened:
            signal = opened.signal(path)
        np.testing.assert_allclose(signal.read(500, 900), expected, rtol=1e-5)
    assert signal.modality == "ecog"
    assert signal.channels["location"].unique().tolist() == ["sensorimotor cortex"]


@pytest.mark.parametrize("dtype", ["i1", "u2", "<i2", ">i2", "i4", "i8", "f2", "f4", "f8"])
def test_rows_are_converted_where_they_are_worked_on_as_they_are_read(dtype: str) -> None:
    stored = np.random.default_rng(0).normal(size=(50, 3), scale=30).astype(dtype)
    signal = replace(
        as_signal(stored, rate=1000.0),
        conversion=np.array([1.95e-7, -3e-6, 1.0]),
        offset=np.array([0.0, 1e-3, -5.0]),
    )
    rows = np.array([3, 2, 1, 0, 1, 2, 49])
    out = np.empty((len(rows), 3), dtype=np.float32)
    signal.convert_rows(stored, rows, out)
    np.testing.assert_array_equal(out, signal.read_array(0, 50).astype(np.float32)[rows])


@pytest.mark.parametrize("writable", [True, False])
def test_what_is_read_may_be_written_to_and_the_array_stays_as_it_was(writable: bool) -> None:
    array = np.arange(60, dtype=np.int16).reshape(20, 3)
    array.flags.writeable = writable
    block = as_signal(array, rate=100.0).read(0, 10, units="counts")
    block[:] = -1
    np.testing.assert_array_equal(array, np.arange(60).reshape(20, 3))
