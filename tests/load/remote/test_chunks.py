"""Where rows lie in a file, and that they are asked for in few requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode import load
from nwbdecode.load.remote import chunks
from tests.load import recordings
from tests.load.dandi_server import DandiServer


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chunks") / "x.h5"
    noise = np.random.default_rng(0).integers(-99, 99, (1000, 12)).astype("<i2")
    with h5py.File(path, "w") as made:
        made.create_dataset("packed", data=noise, chunks=(64, 5), compression="gzip")
        made.create_dataset("plain", data=noise)
        made.create_dataset("stamps", data=np.arange(1000.0), chunks=(100,))
        made.create_dataset("empty", shape=(1000, 4), chunks=(64, 4), dtype="i2")
        made.create_dataset("movie", data=noise.reshape(250, 6, 8), chunks=(10, 6, 4))
    return path


SPAN = st.one_of(st.none(), st.tuples(st.integers(0, 3), st.integers(4, 4)))


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(["packed", "plain", "stamps", "empty", "movie"]),
       ends=st.tuples(st.integers(0, 250), st.integers(0, 250)), span=SPAN)  # fmt: skip
def test_rows_read_from_nothing_but_the_ranges_found(
    file: Path, name: str, ends: tuple[int, int], span: tuple[int, int] | None
) -> None:
    start, stop = sorted(ends)
    span = None if name in ("stamps", "plain") else span
    at: Any = (slice(start, stop), slice(*span)) if span else slice(start, stop)
    with h5py.File(file) as opened:
        expected = opened[name][at]
        # The index of chunks is read before; only samples may be needed afterward.
        ranges = chunks.byte_ranges(opened[name], start, stop, span)
        samples = [chunk for key in ("packed", "plain", "stamps", "movie")
                   for chunk in _extents(opened[key])]  # fmt: skip
    held = bytearray(file.read_bytes())
    kept = bytes(held)
    for low, high in samples:
        held[low:high] = bytes(high - low)
    for low, high in ranges:
        held[low:high] = kept[low:high]
    import io

    with h5py.File(io.BytesIO(bytes(held))) as opened:
        np.testing.assert_array_equal(opened[name][at], expected)


def _extents(data: h5py.Dataset) -> list[tuple[int, int]]:
    if data.chunks is None:
        start = data.id.get_offset()
        return [(start, start + data.id.get_storage_size())]
    found = [data.id.get_chunk_info(i) for i in range(data.id.get_num_chunks())]
    return [(one.byte_offset, one.byte_offset + one.size) for one in found]


@settings(deadline=None, max_examples=40)
@given(ends=st.tuples(st.integers(0, 1000), st.integers(0, 1000)), ahead=st.integers(1, 20_000))
def test_pieces_cover_the_rows_once_and_cut_no_chunk(
    file: Path, ends: tuple[int, int], ahead: int
) -> None:
    start, stop = sorted(ends)
    with h5py.File(file) as opened, pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "AHEAD", ahead)
        found = list(chunks.pieces(opened["packed"], start, stop, None))
    assert [row for low, high in found for row in range(low, high)] == list(range(start, stop))
    assert all(low % 64 == 0 for low, _ in found[1:])


def test_a_fifth_of_the_channels_takes_about_a_fifth_of_the_bytes(file: Path) -> None:
    with h5py.File(file) as opened:
        data = opened["packed"]
        every = chunks.stored_bytes(data, 0, 1000, None)
        assert every == data.id.get_storage_size()
        assert chunks.stored_bytes(data, 0, 1000, (0, 5)) == pytest.approx(every / 3, rel=0.01)
        assert chunks.stored_bytes(data, 0, 1, None) == pytest.approx(every / 16, rel=0.01)
        assert chunks.stored_bytes(opened["plain"], 0, 500, (0, 5)) == 500 * 24
        assert chunks.stored_bytes(opened["empty"], 0, 500, None) == 0


def test_rows_of_many_chunks_are_asked_for_at_once(archive: DandiServer, tmp_path: Path) -> None:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    noise = np.random.default_rng(0).integers(-999, 999, (200_000, 6)).astype("<i2")
    from hdmf.backends.hdf5 import H5DataIO

    stored = H5DataIO(data=noise, chunks=(5000, 6), compression="gzip")
    nwbfile.add_acquisition(recordings.electrical(nwbfile, data=stored))
    path = recordings.save(nwbfile, tmp_path)
    signal = load.open(archive.serve("x.nwb", path), cache_bytes=0).signal()
    stream = signal.reader.file.stream()  # type: ignore[attr-defined]
    signal.read_array(0, 10)  # the index of its chunks
    stream.forget()
    archive.forget()
    found = signal.read_array(0, 200_000, units="counts")
    np.testing.assert_array_equal(found, noise)
    requests, count = archive.count()
    assert requests <= 4
    assert count < 1.2 * path.stat().st_size
