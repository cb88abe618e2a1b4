"""What the file of a simulated ECoG grid holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest

import nwbdecode as nd
from nwbdecode.simulate import ECoGRecording, simulate_ecog, write_ecog
from tests.simulate.files import inspected

OPTIONS: dict[str, Any] = {"duration": 30.2, "rate": 500.0, "size": (6, 7), "seed": 4}
FINGERS = ["thumb", "index", "middle", "ring", "little"]


@pytest.fixture(scope="module")
def recording() -> ECoGRecording:
    return simulate_ecog(**OPTIONS)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ecog(tmp_path_factory.mktemp("ecog") / "e.nwb", progress=False, **OPTIONS)


@pytest.fixture
def nwbfile(path: Path) -> Iterator[pynwb.NWBFile]:
    with pynwb.NWBHDF5IO(path, mode="r") as io:
        yield io.read()


def test_the_signal_is_the_recording(nwbfile: pynwb.NWBFile, recording: ECoGRecording) -> None:
    series = nwbfile.acquisition["ElectricalSeries"]
    assert (series.data.dtype, series.data.compression) == (np.int16, "gzip")
    np.testing.assert_array_equal(series.data[:], recording.read(0, recording.n))
    assert (series.rate, series.conversion) == (recording.rate, recording.conversion)


def test_electrodes_say_where_they_are_and_which_are_bad(
    nwbfile: pynwb.NWBFile, recording: ECoGRecording
) -> None:
    table = nwbfile.electrodes.to_dataframe()
    np.testing.assert_allclose(table[["x", "y", "z"]], recording.grid.position * 1000)
    np.testing.assert_array_equal(table["bad"], recording.grid.bad)
    assert (set(table["group_name"]), int(table["bad"].sum())) == ({"grid"}, 1)


def test_the_package_knows_it_as_ecog_without_its_bad_electrode(path: Path) -> None:
    with nd.open(path) as source:
        signal = source.signal()
        power = nd.wavelet_power(signal, frequencies=[20.0], progress=False)
    assert signal.modality == "ecog"
    assert power.sizes["channel"] == 41


def test_the_hand_is_in_the_file(nwbfile: pynwb.NWBFile, recording: ECoGRecording) -> None:
    hand = nwbfile.processing["behavior"]["BehavioralTimeSeries"]
    np.testing.assert_array_equal(hand["flexion"].data[:], recording.hand.flexion)
    assert all(finger in hand["flexion"].description for finger in FINGERS)
    trials = nwbfile.trials.to_dataframe()
    np.testing.assert_array_equal(trials["start_time"], recording.hand.start)
    time = np.arange(len(recording.hand.flexion)) / recording.hand.rate
    expected = np.full(len(time), "rest", dtype=object)
    for _, row in trials.iterrows():
        expected[(time >= row["start_time"]) & (time < row["stop_time"])] = row["finger"]
    assert hand["finger"].data[:].tolist() == expected.tolist()
    assert set(trials["finger"]) == set(FINGERS)


def test_the_file_states_what_was_planted(nwbfile: pynwb.NWBFile, recording: ECoGRecording) -> None:
    truth = nwbfile.processing["ground_truth"]
    electrodes = truth["electrodes"].to_dataframe()
    np.testing.assert_array_equal(electrodes["informative"], recording.grid.informative)
    np.testing.assert_array_equal(np.stack(electrodes["finger_gain"]), recording.grid.finger_gain)
    np.testing.assert_array_equal(electrodes["line_amplitude"], recording.line_amplitude)
    bands = truth["bands"].to_dataframe()
    assert set(bands["variable"]) == {"flexion", "finger"}
    assert (70.0, 150.0) in set(zip(bands["low"], bands["high"], strict=True))
    drive = truth["high_gamma_drive"]
    np.testing.assert_array_equal(drive.data[:], recording.high_gamma_drive)
    parameters = truth["parameters"].to_dataframe().set_index("parameter")
    assert parameters.loc["mains", "value"] == 60.0


def test_the_file_is_valid_and_meets_best_practices(path: Path) -> None:
    assert pynwb.validate(path=str(path)) == []
    assert inspected(path) == []


def test_a_file_without_movements_is_valid_too(tmp_path: Path) -> None:
    path = write_ecog(tmp_path / "bare.nwb", duration=2.0, rate=500.0, size=(2, 2), progress=False)
    assert pynwb.validate(path=str(path)) == []
    assert inspected(path) == []
