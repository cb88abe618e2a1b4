"""What the file of a simulated CA1 recording holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest

from nwbdecode.errors import NWBDecodeError
from nwbdecode.simulate import CA1Recording, simulate_ca1, write_ca1
from tests.simulate.files import inspected

OPTIONS: dict[str, Any] = {
    "duration": 20.7,
    "rate": 2000.0,
    "n_channels": 9,
    "seed": 4,
    "progress": False,
}


@pytest.fixture(scope="module")
def recording() -> CA1Recording:
    return simulate_ca1(**OPTIONS)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ca1(tmp_path_factory.mktemp("ca1") / "ca1.nwb", **OPTIONS)


@pytest.fixture
def nwbfile(path: Path) -> Iterator[pynwb.NWBFile]:
    with pynwb.NWBHDF5IO(path, mode="r") as io:
        yield io.read()


def test_the_signal_is_the_recording(nwbfile: pynwb.NWBFile, recording: CA1Recording) -> None:
    series = nwbfile.acquisition["ElectricalSeries"]
    assert series.data.dtype == np.int16
    np.testing.assert_array_equal(series.data[:], recording.read(0, recording.n))
    assert (series.rate, series.conversion) == (recording.rate, recording.conversion)


def test_electrodes_say_where_they_are(nwbfile: pynwb.NWBFile, recording: CA1Recording) -> None:
    table = nwbfile.electrodes.to_dataframe()
    np.testing.assert_allclose(table[["x", "y", "z"]], recording.tetrodes.position)
    assert set(table["location"]) == {"CA1"}
    assert list(table["group_name"]) == ["tetrode0"] * 4 + ["tetrode1"] * 4 + ["tetrode2"]


def test_behavior_is_that_of_the_animal(nwbfile: pynwb.NWBFile, recording: CA1Recording) -> None:
    behavior = nwbfile.processing["behavior"]
    position = behavior["Position"]["position"]
    direction = behavior["CompassDirection"]["head_direction"]
    np.testing.assert_array_equal(position.data[:], recording.behavior.position)
    np.testing.assert_array_equal(direction.data[:], recording.behavior.head_direction)
    assert (position.unit, position.rate) == ("meters", 50.0)
    assert (direction.unit, direction.rate) == ("radians", 50.0)


def test_the_file_states_what_was_planted(nwbfile: pynwb.NWBFile, recording: CA1Recording) -> None:
    truth = nwbfile.processing["ground_truth"]
    cells = truth["cells"].to_dataframe()
    assert list(cells["kind"]) == list(recording.cells.kind)
    np.testing.assert_array_equal(np.stack(cells["amplitude"]), recording.cells.amplitude)
    np.testing.assert_array_equal(np.stack(cells["field_center"]), recording.cells.center)
    for spikes, planted in zip(cells["spike_times"], recording.spikes, strict=True):
        np.testing.assert_array_equal(spikes, planted)
    channels = truth["channels"].to_dataframe()
    np.testing.assert_array_equal(channels["informative"], recording.tetrodes.informative)
    parameters = truth["parameters"].to_dataframe().set_index("parameter")
    assert parameters.loc["theta_frequency", "value"] == 7.0
    bands = truth["bands"].to_dataframe()
    assert set(bands["variable"]) == {"position", "head_direction", "speed"}
    np.testing.assert_array_equal(truth["speed"].data[:], recording.behavior.speed)


def test_the_file_is_valid_and_meets_best_practices(path: Path) -> None:
    assert pynwb.validate(path=str(path)) == []
    assert inspected(path) == []


def test_a_file_without_cells_or_ripples_is_valid_too(tmp_path: Path) -> None:
    none = {"n_place_cells": 0, "n_direction_cells": 0, "n_interneurons": 0}
    path = write_ca1(
        tmp_path / "bare.nwb", duration=2.0, rate=1000.0, n_channels=1, progress=False, **none
    )
    assert pynwb.validate(path=str(path)) == []
    assert inspected(path) == []


def test_a_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "ca1.nwb"
    path.write_text("mine")
    with pytest.raises(NWBDecodeError, match="overwrite=True"):
        write_ca1(path, **OPTIONS)
    assert path.read_text() == "mine"
    write_ca1(path, overwrite=True, duration=1.0, rate=1000.0, n_channels=1, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["ca1.nwb"]


def test_a_failed_run_leaves_nothing_behind(tmp_path: Path, monkeypatch: Any) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(CA1Recording, "read", broken)
    with pytest.raises(RuntimeError, match="full"):
        write_ca1(tmp_path / "ca1.nwb", duration=2.0, rate=1000.0, n_channels=1, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NWBDecodeError, match="no folder"):
        write_ca1(tmp_path / "absent" / "ca1.nwb", **OPTIONS)
