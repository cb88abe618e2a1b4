"""Recordings of SpikeInterface go through the same door as files and arrays."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nwbdecode as nd
from nwbdecode import wavelet_power
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load import as_signal

core = pytest.importorskip("spikeinterface.core", reason="SpikeInterface is not installed")

GAINS, OFFSETS = np.array([0.195, 0.5, 2.0]), np.array([-10.0, 0.0, 3.0])


def _counts(n: int = 4000, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-500, 500, size=(n, channels)).astype(np.int16)


def _recording(*segments: np.ndarray, scaled: bool = True, **how: Any) -> Any:
    recording = core.NumpyRecording(
        list(segments or [_counts()]), 1000.0, channel_ids=["a", "b", "c"], **how
    )
    if scaled:
        recording.set_channel_gains(GAINS)
        recording.set_channel_offsets(OFFSETS)
    return recording


def test_samples_are_volts_by_each_channels_gain_and_offset() -> None:
    signal = as_signal(_recording())
    expected = (_counts() * GAINS + OFFSETS) * 1e-6
    np.testing.assert_allclose(signal.read(100, 200), expected[100:200], rtol=1e-5, atol=1e-10)
    np.testing.assert_allclose(
        signal.select(channels=["c", "a"]).read(0, 50), expected[:50, [2, 0]], rtol=1e-5, atol=1e-10
    )
    np.testing.assert_array_equal(signal.read(7, 9, units="counts"), _counts()[7:9])
    assert (signal.units, signal.rate, signal.modality) == ("volts", 1000.0, "ephys")


def test_without_gains_samples_are_counts() -> None:
    signal = as_signal(_recording(scaled=False))
    assert signal.units == "counts"
    np.testing.assert_array_equal(signal.read(0, 5), _counts()[:5])


def test_places_groups_and_areas_are_the_channels_columns() -> None:
    recording = _recording()
    recording.set_dummy_probe_from_locations(np.array([[0.0, 10.0], [0.0, 30.0], [0.0, 50.0]]))
    recording.set_property("group", [0, 0, 1])
    recording.set_property("brain_area", np.array(["CA1", "CA1", "DG"]))
    table = as_signal(recording).channels
    assert table.index.tolist() == ["a", "b", "c"]
    assert table["y"].tolist() == [10.0, 30.0, 50.0]
    assert table["group"].tolist() == ["0", "0", "1"]
    assert table["location"].tolist() == ["CA1", "CA1", "DG"]
    power = wavelet_power(recording, reference="bipolar", lowest=20.0, n_bands=2, progress=False)
    assert power.channel.to_numpy().tolist() == ["a-b", "c"]


def test_features_are_those_of_the_same_samples_in_an_array() -> None:
    how: dict[str, Any] = {"lowest": 20.0, "n_bands": 3, "progress": False}
    found = wavelet_power(_recording(), **how)
    plain = wavelet_power(((_counts() * GAINS + OFFSETS) * 1e-6), rate=1000.0, **how)
    np.testing.assert_allclose(found, plain, rtol=1e-3, atol=1e-18)


def test_segments_keep_their_times() -> None:
    first, second = _counts(1500), _counts(2500, seed=1)
    signal = as_signal(_recording(first, second, scaled=False, t_starts=[2.0, 10.0]))
    assert [(s.start, s.stop, s.start_time) for s in signal.segments] == [
        (0, 1500, 2.0), (1500, 4000, 10.0),
    ]  # fmt: skip
    np.testing.assert_array_equal(
        signal.read(1490, 1510), np.concatenate([first[-10:], second[:10]])
    )


def test_segments_that_all_begin_at_zero_are_refused() -> None:
    with pytest.raises(NWBDecodeError, match=r"overlap in time.*select_segments"):
        as_signal(_recording(_counts(), _counts(seed=1)))


def test_a_stamped_clock_is_believed_and_cut_at_its_gaps() -> None:
    recording = _recording(scaled=False)
    stamps = np.concatenate([5 + np.arange(1000) / 1000, 9 + np.arange(3000) / 1000.5])
    recording.set_times(stamps, segment_index=0)
    signal = as_signal(recording)
    assert [(s.start, s.stop, s.start_time) for s in signal.segments] == [
        (0, 1000, 5.0), (1000, 4000, 9.0),
    ]  # fmt: skip
    np.testing.assert_array_equal(signal.read(995, 1005)["time"], stamps[995:1005])


def test_a_recording_on_disk_travels_to_another_process(tmp_path: Path) -> None:
    file = tmp_path / "recording.bin"
    _counts().tofile(file)
    recording = core.BinaryRecordingExtractor(
        file_paths=[file], sampling_frequency=1000.0, dtype="int16", num_channels=3,
        gain_to_uV=0.195, offset_to_uV=-10.0,
    )  # fmt: skip
    signal = as_signal(recording)
    again = pickle.loads(pickle.dumps(signal))
    expected = (_counts()[30:90] * 0.195 - 10.0) * 1e-6
    np.testing.assert_allclose(again.read(30, 90), expected, rtol=1e-5, atol=1e-10)
    np.testing.assert_array_equal(again.read(30, 90), signal.read(30, 90))
    assert len(pickle.dumps(signal)) < _counts().nbytes


def test_a_recording_in_memory_says_why_it_cannot_travel() -> None:
    with pytest.raises(NWBDecodeError, match=r"NumpyRecording.*recording\.save"):
        pickle.dumps(as_signal(_recording()))


def test_reading_is_lazy(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = _recording()
    asked: list[int] = []
    whole = type(recording).get_traces

    def noted(self: Any, *args: Any, **how: Any) -> Any:
        asked.append(how["end_frame"] - how["start_frame"])
        return whole(self, *args, **how)

    monkeypatch.setattr(type(recording), "get_traces", noted)
    signal = as_signal(recording)
    assert asked == []
    signal.read(10, 30)
    assert asked == [20]


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match="0 samples"):
        as_signal(_recording(_counts(0)))


def test_a_recording_is_opened_in_the_place_of_a_file() -> None:
    recording = _recording()
    opened = nd.open(recording)
    assert "3 channels at 1000 Hz" in repr(opened)
    taken = opened.signal(channels=["c", "a"], time=(1.0, 2.0))
    assert taken.channels.index.tolist() == ["c", "a"]
    expected = as_signal(recording).select(channels=["c", "a"]).read(0, 50)
    np.testing.assert_array_equal(taken.read(0, 50), expected)
    with pytest.raises(NWBDecodeError, match="no targets beside it"):
        opened.targets("speed")
