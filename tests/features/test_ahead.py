"""Reading ahead and writing behind change no bit, lose no error and leave no thread."""

from __future__ import annotations

import os
import signal as signals
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import store, wavelet_power
from nwbdecode.features.ahead import Behind, ahead
from nwbdecode.load.hdf5 import HDF5Reader
from nwbdecode.load.memory import reader_of
from nwbdecode.load.signal import Segment, Signal, as_signal
from tests.features.recordings import field_potential

RATE, CHANNELS = 1000.0, 4
HOW: dict[str, Any] = {"n_bands": 3, "lowest": 10.0, "bin": 0.05, "progress": False}


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [t.name for t in threading.enumerate() if t.name.startswith("nwbdecode")] == []


def counts(seconds: float = 12.0) -> np.ndarray:
    return np.round(field_potential(RATE, seconds, channels=CHANNELS) / 1e-7).astype("i2")


def filed(folder: Path, samples: np.ndarray, **how: Any) -> Signal:
    """Signal of samples in a chunked HDF5 file."""
    with h5py.File(folder / "recording.h5", "w") as file:
        reader = reader_of(file.create_dataset("data", data=samples, **how))
    source = {"path": str(folder / "recording.h5")}
    return replace(as_signal(samples, rate=RATE), reader=reader, source=source)


@settings(deadline=None, max_examples=10)
@given(
    chunk=st.tuples(st.sampled_from([1, 300, 1024, 4096]), st.integers(1, CHANNELS)),
    shuffle=st.booleans(),
    block=st.sampled_from([7, 32, 512]),
    room=st.integers(300, 9000),
    cut=st.integers(1500, 8000),
    how=st.sampled_from([{}, {"causal": True}, {"notch": 50.0}, {"reference": "average"}]),
)
def test_features_of_a_file_are_the_bits_of_its_samples_in_memory(
    tmp_path_factory: pytest.TempPathFactory,
    chunk: tuple[int, int],
    shuffle: bool,
    block: int,
    room: int,
    cut: int,
    how: dict[str, Any],
) -> None:
    samples = counts(9.0)
    folder = tmp_path_factory.mktemp("file")
    signal = filed(folder, samples, chunks=chunk, compression="gzip", shuffle=shuffle)
    # Two stretches with a pause, the second of which ends before the file does.
    segments = Segment(100, cut, 0.0, RATE), Segment(cut, 8900, 20.0, RATE)
    signal = replace(signal, segments=segments)
    expected = wavelet_power(replace(as_signal(samples, rate=RATE), segments=segments), **HOW | how)
    reach = sum(expected.attrs["support"]) * RATE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "BLOCK", block)
        # Bytes a sample: what is read and transformed, and levels in full vectors of 16.
        memory = int(4 * (2 * CHANNELS + 2 * 16) * (reach + room))
        found = wavelet_power(signal, store=folder, memory=memory, **HOW | how)
    np.testing.assert_array_equal(found, expected)


def test_threads_that_read_and_compute_change_no_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = counts(30.0)
    signal = filed(tmp_path, samples, chunks=(1024, 2), compression="gzip", shuffle=True)
    expected = wavelet_power(as_signal(samples, rate=RATE), **HOW)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(store, "BLOCK", 64)
    found = wavelet_power(signal, store=tmp_path, memory=1_500_000, **HOW)
    np.testing.assert_array_equal(found, expected)


def test_a_walk_reads_each_chunk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = counts(60.0)
    signal = filed(tmp_path, samples, chunks=(1000, CHANNELS), compression="gzip")
    plain, ranges = HDF5Reader.read, []

    def noted(self: HDF5Reader, start: int, stop: int, columns: Any = None) -> np.ndarray:
        ranges.append((start, stop))
        return plain(self, start, stop, columns)

    monkeypatch.setattr(HDF5Reader, "read", noted)
    monkeypatch.setattr(store, "BLOCK", 200)
    # Room for 20 bins or so at a time beside what compiling takes.
    reached = 12 * CHANNELS * 3000 + (184 << 20)
    wavelet_power(signal, store=tmp_path, memory=reached + (1 << 20), **HOW)
    assert len(ranges) > 3
    assert sorted(ranges)[0][0] == 0
    for (_, stop), (start, _) in zip(sorted(ranges), sorted(ranges)[1:], strict=False):
        assert stop == start


def test_a_recording_in_many_pieces_is_filtered_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = counts(60.0)
    signal = filed(tmp_path, samples)
    plain, asked = HDF5Reader.read, []

    def noted(self: HDF5Reader, start: int, stop: int, columns: Any = None) -> np.ndarray:
        asked.append((start, stop))
        return plain(self, start, stop, columns)

    monkeypatch.setattr(HDF5Reader, "read", noted)
    monkeypatch.setattr(store, "BLOCK", 20)
    how = HOW | {"lowest": 2.0}
    features = wavelet_power(signal, store=tmp_path, **how)
    reach, blocks = sum(features.attrs["support"]) * RATE, len(features) // 20
    pieces = [stop - start for start, stop in asked]
    # Each block of a second would read 5 s around it, were it made for itself.
    assert reach > 5000
    assert len(pieces) >= blocks
    assert sum(pieces) < len(samples) + 2 * reach + 300 * blocks


@settings(deadline=None, max_examples=8)
@given(lost=st.sets(st.integers(0, 11), min_size=1), causal=st.booleans())
def test_blocks_that_are_missing_here_and_there_come_back_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, lost: set[int], causal: bool
) -> None:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "BLOCK", 20)
        given_: dict[str, Any] = HOW | {"store": folder, "causal": causal}
        expected = wavelet_power(as_signal(counts(), rate=RATE), **given_).load()
        marks = sorted(path for path in folder.rglob("*") if path.name.split(".")[0].isdigit())
        assert len({path.name.split(".")[0] for path in marks} & set(map(str, lost))) == len(lost)
        for path in marks:
            if int(path.name.split(".")[0]) in lost:
                path.unlink()
        found = wavelet_power(as_signal(counts(), rate=RATE), **given_)
    np.testing.assert_array_equal(found, expected)


def test_a_file_is_read_beside_the_thread_that_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = filed(tmp_path, counts(), chunks=(1000, CHANNELS), compression="gzip")
    plain, names = HDF5Reader.read, set()

    def noted(self: HDF5Reader, *given: Any) -> np.ndarray:
        names.add(threading.current_thread().name)
        return plain(self, *given)

    monkeypatch.setattr(HDF5Reader, "read", noted)
    wavelet_power(signal, store=tmp_path, **HOW)
    assert names
    assert threading.main_thread().name not in names


def test_what_cannot_be_read_is_an_error_where_features_are_asked_for(tmp_path: Path) -> None:
    signal = filed(tmp_path, counts(), chunks=(1000, CHANNELS), compression="gzip")
    with h5py.File(tmp_path / "recording.h5") as file:
        chunk = file["data"].id.get_chunk_info_by_coord((9000, 0))
    with open(tmp_path / "recording.h5", "r+b") as raw:
        raw.seek(chunk.byte_offset + chunk.size // 2)
        raw.write(bytes(64))
    with pytest.raises(NWBDecodeError, match=r"could not read samples .* of '/data'"):
        wavelet_power(signal, store=tmp_path, **HOW)


def test_a_disk_that_is_full_is_an_error_and_the_blocks_before_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = counts()
    monkeypatch.setattr(store, "BLOCK", 16)
    whole, written = store.FeatureStore.write, []

    def fills(self: store.FeatureStore, block: int, values: np.ndarray) -> None:
        if block == 3 and len(written) == 3:
            raise OSError(28, "No space left on device")
        whole(self, block, values)
        written.append(block)

    monkeypatch.setattr(store.FeatureStore, "write", fills)
    with pytest.raises(OSError, match="No space left"):
        wavelet_power(samples, rate=RATE, store=tmp_path, **HOW)
    assert written == [0, 1, 2]
    written += ["room again"]
    resumed = wavelet_power(samples, rate=RATE, store=tmp_path, **HOW)
    assert written[4:] == list(range(3, 15))
    np.testing.assert_array_equal(resumed, wavelet_power(samples, rate=RATE, **HOW))


def test_a_run_stopped_by_the_keyboard_leaves_whole_blocks_and_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    # Libraries that other tests import may have taken the key for themselves.
    taken = signals.signal(signals.SIGINT, signals.default_int_handler)
    request.addfinalizer(lambda: signals.signal(signals.SIGINT, taken))
    samples = counts()
    signal = filed(tmp_path, samples, chunks=(1000, CHANNELS), compression="gzip")
    monkeypatch.setattr(store, "BLOCK", 16)
    whole, written, stop = store.FeatureStore.write, [], [5]

    def stops(self: store.FeatureStore, block: int, values: np.ndarray) -> None:
        if block in stop:
            os.kill(os.getpid(), signals.SIGINT)
        whole(self, block, values)
        written.append(block)

    monkeypatch.setattr(store.FeatureStore, "write", stops)
    with pytest.raises(KeyboardInterrupt):
        wavelet_power(signal, store=tmp_path / "store", **HOW)
    first = list(written)
    assert first == list(range(len(first)))
    assert 6 <= len(first) < 15
    stop.clear()
    resumed = wavelet_power(signal, store=tmp_path / "store", **HOW)
    assert written == list(range(15))
    np.testing.assert_array_equal(resumed, wavelet_power(samples, rate=RATE, **HOW))


def test_the_next_thing_is_begun_before_it_is_asked_for() -> None:
    begun = [threading.Event() for _ in range(3)]

    def make(item: int, check: Callable[[], None]) -> int:
        begun[item].set()
        return item

    with ahead(make, range(3)) as made:
        assert next(made) == 0
        assert begun[1].wait(10)
        # One ahead, not more: what is made takes room.
        assert not begun[2].wait(0.2)
        assert list(made) == [1, 2]


def test_what_is_no_longer_wanted_is_given_up() -> None:
    begun, ended = threading.Event(), []

    def endless(item: int, check: Callable[[], None]) -> int:
        if item == 0:
            return item
        begun.set()
        try:
            while True:
                check()
        finally:
            ended.append(item)

    with ahead(endless, range(3)) as made:
        assert next(made) == 0
        assert begun.wait(10)
    assert ended == [1]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_an_action_that_fails_is_told_at_the_next_or_at_the_end(order: list[int]) -> None:
    done: list[int] = []

    def act(item: int) -> None:
        if item == 0:
            raise OSError("no")
        done.append(item)

    def both() -> None:
        with Behind() as behind:
            for item in order:
                behind.do(act, item)

    with pytest.raises(OSError, match="no"):
        both()
    assert done == ([1] if order[0] else [])
