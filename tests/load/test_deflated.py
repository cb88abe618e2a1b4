"""Compressed chunks are decompressed on several threads, to the bits that h5py gives."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.hdf5 import HDF5Reader
from nwbdecode.load.memory import reader_of

TYPES = ("<i2", ">i2", "<u2", "|i1", "<i4", ">i4", "<i8", "<f4", ">f4", "<f8", "<f2", "|b1")
GZIP: dict[str, Any] = {"compression": "gzip", "compression_opts": 4}
PIPELINES: dict[str, dict[str, Any]] = {
    "deflate": GZIP,
    "shuffle, deflate": GZIP | {"shuffle": True},
    "shuffle": {"shuffle": True},
    "none": {},
    "lzf": {"compression": "lzf"},
    "deflate, checksum": GZIP | {"fletcher32": True},
    "shuffle, deflate, checksum": GZIP | {"shuffle": True, "fletcher32": True},
}


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Random walks, which compress as recordings do."""
    steps = np.random.default_rng(seed).normal(scale=9, size=shape)
    walk = np.cumsum(steps, axis=0)
    return (walk > 0 if dtype == "|b1" else np.clip(walk, -120, 120)).astype(dtype)


def written(folder: Path, values: np.ndarray, **how: Any) -> HDF5Reader:
    """Reader of an array in a new file."""
    with h5py.File(folder / "file.h5", "w") as file:
        reader = reader_of(file.create_dataset("data", data=values, **how))
    assert isinstance(reader, HDF5Reader)
    return reader


def by_h5py(reader: HDF5Reader) -> np.ndarray:
    with h5py.File(reader.path) as file:
        return np.asarray(file[reader.dataset][()])


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 9000),
    columns=st.integers(1, 12),
    chunk=st.tuples(st.integers(1, 6000), st.integers(1, 12)),
    dtype=st.sampled_from(TYPES),
    filters=st.sampled_from(sorted(PIPELINES)),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    picked=st.none() | st.lists(st.integers(0, 11), max_size=6),
)
def test_rows_are_the_bits_that_h5py_gives(
    tmp_path_factory: pytest.TempPathFactory,
    rows: int,
    columns: int,
    chunk: tuple[int, int],
    dtype: str,
    filters: str,
    ends: tuple[float, float],
    picked: list[int] | None,
) -> None:
    values = numbers((rows, columns), dtype)
    chunks = min(chunk[0], rows), min(chunk[1], columns)
    folder = tmp_path_factory.mktemp("file")
    reader = written(folder, values, chunks=chunks, **PIPELINES[filters])
    start, stop = sorted(round(end * rows) for end in ends)
    which = None if picked is None else np.array([c % columns for c in picked], dtype=int)
    found = reader.read(start, stop, which)
    expected = values[start:stop] if which is None else values[start:stop][:, which]
    assert found.dtype == expected.dtype
    assert found.tobytes() == expected.tobytes()
    assert found.shape == expected.shape


@settings(deadline=None, max_examples=25)
@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    chunk=st.tuples(*[st.integers(4, 40)] * 3),
    shuffle=st.booleans(),
    edges=st.tuples(*[st.integers(0, 40)] * 6),
)
def test_a_box_of_pixels_is_the_bits_that_h5py_gives(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, ...],
    chunk: tuple[int, ...],
    shuffle: bool,
    edges: tuple[int, ...],
) -> None:
    values = numbers(shape, "<u2")
    chunks = tuple(map(min, chunk, shape))
    folder = tmp_path_factory.mktemp("file")
    reader = written(folder, values, chunks=chunks, shuffle=shuffle, **GZIP)
    (a, b), (c, d), (e, f) = (sorted(edges[i : i + 2]) for i in (0, 2, 4))
    found = reader.read_box(a, b, (slice(c, d), slice(e, f)))
    np.testing.assert_array_equal(found, values[a:b, c:d, e:f])


@pytest.mark.parametrize("filters", ["deflate", "shuffle, deflate"])
def test_deflated_chunks_are_not_left_to_hdf5(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filters: str
) -> None:
    values = numbers((50_000, 4), "<i2")
    reader = written(tmp_path, values, chunks=(4096, 4), **PIPELINES[filters])
    monkeypatch.setattr(h5py.Dataset, "__getitem__", None)
    np.testing.assert_array_equal(reader.read(5, 49_999), values[5:49_999])


def test_a_chunk_stored_without_a_filter_is_taken_as_it_is(tmp_path: Path) -> None:
    values = numbers((4 * 4096, 2), "<i2")
    reader = written(tmp_path, values, chunks=(4096, 2), shuffle=True, **GZIP)

    def shuffled(rows: np.ndarray) -> bytes:
        return rows.tobytes()[0::2] + rows.tobytes()[1::2]

    parts = np.split(values, 4)
    with h5py.File(reader.path, "r+") as file:
        data = file["data"].id
        # Bits of the mask name the filters left out: 1 is shuffle, 2 is deflate.
        data.write_direct_chunk((4096, 0), zlib.compress(parts[1].tobytes()), filter_mask=1)
        data.write_direct_chunk((2 * 4096, 0), shuffled(parts[2]), filter_mask=2)
        data.write_direct_chunk((3 * 4096, 0), parts[3].tobytes(), filter_mask=3)
    np.testing.assert_array_equal(by_h5py(reader), values)
    np.testing.assert_array_equal(reader.read(0, len(values)), values)


@pytest.mark.parametrize("fill", [0, 7])
def test_chunks_never_written_hold_the_fill_value(tmp_path: Path, fill: int) -> None:
    with h5py.File(tmp_path / "sparse.h5", "w") as file:
        data = file.create_dataset(
            "data", shape=(30_000, 3), dtype="i2", chunks=(4096, 3), fillvalue=fill, **GZIP
        )
        data[9000:9500] = 3
        reader = reader_of(data)
    found = reader.read(0, 30_000)
    assert (found[9000:9500] == 3).all()
    assert (np.delete(found, slice(9000, 9500), axis=0) == fill).all()


def test_numbers_stored_in_fewer_bits_are_converted(tmp_path: Path) -> None:
    values = np.arange(-2000, 2000, dtype="i2").repeat(4).reshape(-1, 1)
    kind = h5py.h5t.STD_I16LE.copy()
    kind.set_precision(12)
    kind.set_offset(4)
    with h5py.File(tmp_path / "bits.h5", "w") as file:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((8000, 1))
        plan.set_deflate(4)
        space = h5py.h5s.create_simple(values.shape)
        made = h5py.h5d.create(file.id, b"data", kind, space, plan)
        h5py.Dataset(made)[...] = values
        reader = reader_of(h5py.Dataset(made))
    np.testing.assert_array_equal(reader.read(0, len(values)), values)


def test_a_damaged_chunk_is_told_as_hdf5_tells_it(tmp_path: Path) -> None:
    values = numbers((20_000, 4), "<i2")
    reader = written(tmp_path, values, chunks=(4096, 4), **GZIP)
    with h5py.File(reader.path) as file:
        chunk = file["data"].id.get_chunk_info_by_coord((4096, 0))
    with open(reader.path, "r+b") as raw:
        raw.seek(chunk.byte_offset + chunk.size // 2)
        raw.write(bytes(64))
    np.testing.assert_array_equal(reader.read(0, 4096), values[:4096])
    with pytest.raises(NWBDecodeError, match=r"could not read samples 0 to 20000.*damaged"):
        reader.read(0, 20_000)
    assert inflating() == []


def inflating() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "inflate" in thread.name]


def test_no_thread_outlives_a_read(tmp_path: Path) -> None:
    values = numbers((100_000, 4), "<i2")
    reader = written(tmp_path, values, chunks=(4096, 4), **GZIP)
    reader.read(0, 100_000)
    assert inflating() == []


def test_many_threads_may_read_at_once(tmp_path: Path) -> None:
    values = numbers((60_000, 4), "<i2")
    reader = written(tmp_path, values, chunks=(4096, 2), shuffle=True, **GZIP)
    starts = range(0, 50_000, 1250)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda start: reader.read(start, start + 9999), starts))
    for start, block in zip(starts, found, strict=True):
        np.testing.assert_array_equal(block, values[start : start + 9999])


def test_another_process_reads_the_same(tmp_path: Path) -> None:
    values = numbers((60_000, 4), "<i2")
    reader = written(tmp_path, values, chunks=(4096, 2), shuffle=True, **GZIP)
    (tmp_path / "reader").write_bytes(pickle.dumps(reader))
    program = (
        "import pickle, sys; reader = pickle.load(open(sys.argv[1], 'rb'));"
        "sys.stdout.buffer.write(reader.read(100, 50_000).tobytes())"
    )
    root = str(Path(__file__).resolve().parents[2])
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "reader")],
        capture_output=True, check=True, env=os.environ | {"PYTHONPATH": root}, timeout=60,
    )  # fmt: skip
    assert ran.stdout == values[100:50_000].tobytes()
