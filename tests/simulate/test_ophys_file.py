"""What the file of a simulated movie holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest

from nwbdecode.errors import NWBDecodeError
from nwbdecode.simulate import OphysRecording, simulate_ophys, write_ophys
from tests.simulate.files import inspected

OPTIONS: dict[str, Any] = {
    "duration": 30.3,
    "rate": 10.0,
    "size": (40, 56),
    "n_tone_cells": 2,
    "n_speed_cells": 2,
    "n_untuned_cells": 3,
    "seed": 4,
}


@pytest.fixture(scope="module")
def recording() -> OphysRecording:
    return simulate_ophys(**OPTIONS)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ophys(tmp_path_factory.mktemp("ophys") / "o.nwb", progress=False, **OPTIONS)


@pytest.fixture
def nwbfile(path: Path) -> Iterator[pynwb.NWBFile]:
    with pynwb.NWBHDF5IO(path, mode="r") as io:
        yield io.read()


def test_the_movie_is_the_recording_compressed(
    nwbfile: pynwb.NWBFile, recording: OphysRecording
) -> None:
    series = nwbfile.acquisition["TwoPhotonSeries"]
    assert (series.data.dtype, series.data.compression) == (np.uint16, "gzip")
    np.testing.assert_array_equal(series.data[:], recording.read(0, recording.n))
    assert (series.rate, series.starting_time) == (recording.rate, 0.0)


def test_masks_are_the_footprints(nwbfile: pynwb.NWBFile, recording: OphysRecording) -> None:
    rois = nwbfile.processing["ophys"]["ImageSegmentation"]["PlaneSegmentation"]
    for stored, footprint in zip(rois["pixel_mask"][:], recording.view.footprint, strict=True):
        for x, y, weight in (tuple(pixel) for pixel in stored):
            assert weight == pytest.approx(footprint[recording.view.inside][x, y])


def test_traces_are_those_of_the_cells(nwbfile: pynwb.NWBFile, recording: OphysRecording) -> None:
    series = nwbfile.processing["ophys"]["Fluorescence"]["RoiResponseSeries"]
    np.testing.assert_array_equal(series.data[:], recording.traces())
    assert series.rois.data[:].tolist() == list(range(len(recording.cells)))


def test_the_tone_is_told_twice_and_alike(
    nwbfile: pynwb.NWBFile, recording: OphysRecording
) -> None:
    table = nwbfile.intervals["tones"].to_dataframe()
    np.testing.assert_array_equal(table["start_time"], recording.tones.start)
    series = nwbfile.stimulus["tone"]
    time = np.arange(len(series.data)) / series.rate
    expected = np.full(len(time), "silence", dtype=object)
    for _, row in table.iterrows():
        expected[(time >= row["start_time"]) & (time < row["stop_time"])] = row["tone"]
    assert series.data[:].tolist() == expected.tolist()
    assert set(table["tone"]) == {"4 kHz", "16 kHz"}


def test_running_is_in_the_file(nwbfile: pynwb.NWBFile, recording: OphysRecording) -> None:
    speed = nwbfile.processing["behavior"]["BehavioralTimeSeries"]["running_speed"]
    np.testing.assert_array_equal(speed.data[:], recording.speed)
    assert (speed.unit, speed.rate) == ("m/s", recording.speed_rate)


def test_the_file_states_what_was_planted(
    nwbfile: pynwb.NWBFile, recording: OphysRecording
) -> None:
    truth = nwbfile.processing["ground_truth"]
    cells = truth["cells"].to_dataframe()
    assert list(cells["kind"]) == list(recording.cells.kind)
    for name in ("tone_rate", "speed_gain", "dff_per_spike", "rise", "decay", "brightness"):
        np.testing.assert_array_equal(cells[name], getattr(recording.cells, name))
    np.testing.assert_array_equal(np.stack(cells["center"]), recording.view.center)
    assert [rows.index.item() for rows in cells["roi"]] == list(range(len(cells)))
    answered = cells["tone"][cells["kind"] == "tone"]
    assert sorted(answered) == ["16 kHz", "4 kHz"]
    for spikes, planted in zip(cells["spike_times"], recording.spikes, strict=True):
        np.testing.assert_array_equal(spikes, planted)
    for name in ("neuropil", "motion", "bleaching"):
        np.testing.assert_array_equal(truth[name].data[:], getattr(recording, name))
    parameters = truth["parameters"].to_dataframe().set_index("parameter")
    assert parameters.loc["neuropil_occlusion", "value"] == 0.3


def test_the_file_is_valid_and_meets_best_practices(path: Path) -> None:
    assert pynwb.validate(path=str(path)) == []
    assert inspected(path) == []


def test_a_file_without_tones_or_spikes_is_valid_too(tmp_path: Path) -> None:
    path = write_ophys(
        tmp_path / "bare.nwb", duration=2.4, size=(32, 32), n_tone_cells=0, n_speed_cells=0,
        n_untuned_cells=1, progress=False,
    )  # fmt: skip
    assert pynwb.validate(path=str(path)) == []
    assert inspected(path) == []


def test_a_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "o.nwb"
    path.write_text("mine")
    with pytest.raises(NWBDecodeError, match="overwrite=True"):
        write_ophys(path, **OPTIONS)
    assert path.read_text() == "mine"
    write_ophys(path, overwrite=True, progress=False, **{**OPTIONS, "duration": 1.0})
    assert [p.name for p in tmp_path.iterdir()] == ["o.nwb"]
