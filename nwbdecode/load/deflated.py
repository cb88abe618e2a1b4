"""Compressed chunks of local HDF5 datasets, read whole and decompressed side by side.

HDF5 decompresses on the thread that reads, one chunk after the other. Most recordings are
compressed by deflate ("gzip"), with their bytes shuffled or not: their chunks are taken from the
file as they lie, and libdeflate, which lets other threads run, turns them into samples. All else
is read as always, and so is whatever goes wrong: HDF5 then says what it is.
"""

from __future__ import annotations

import itertools
import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import h5py

#: Threads that decompress, at most: more outrun the disk.
_MOST_THREADS = 4
#: Bytes of a chunk that are worth the calls; HDF5 reads smaller ones as fast.
_LEAST = 8 << 10
#: Bytes of chunks on their way at once; larger ones go one by one.
_AHEAD = 32 << 20


@dataclass(frozen=True)
class _Codec:
    """How the bytes of a stored chunk become samples.

    Attributes
    ----------
    chunk : tuple of int
        Shape of a whole chunk; those at the edges are stored whole too.
    dtype : numpy.dtype
        Of the stored samples.
    deflated : int
        Bit of the deflate filter in the mask of filters that a chunk went without.
    shuffled : int
        Bit of the shuffle filter; 0 where there is none.
    """

    chunk: tuple[int, ...]
    dtype: np.dtype[Any]
    deflated: int
    shuffled: int

    @property
    def nbytes(self) -> int:
        return math.prod(self.chunk) * self.dtype.itemsize

    def decode(self, mask: int, stored: bytes) -> np.ndarray:
        """Undo the filters of one chunk, last first.

        Raises
        ------
        deflate.DeflateError, ValueError
            If the bytes are none of such a chunk.
        """
        import deflate

        data: Any = stored
        if not mask & self.deflated:
            data = deflate.zlib_decompress(stored, self.nbytes)
        flat = np.frombuffer(data, dtype=np.uint8)
        if flat.size != self.nbytes:
            raise ValueError(f"a chunk of {self.nbytes} bytes has {flat.size}")
        if self.shuffled and not mask & self.shuffled:
            flat = _unshuffled(flat.reshape(self.dtype.itemsize, -1))
        return flat.view(self.dtype).reshape(self.chunk)


def _unshuffled(planes: np.ndarray) -> np.ndarray:
    """Bring the bytes of each sample together, of which each plane holds one."""
    if len(planes) == 2:
        # Half the time that two strided copies take.
        both = planes[1].astype("<u2")
        both <<= 8
        both |= planes[0]
        return both.view(np.uint8)
    flat = np.empty(planes.size, dtype=np.uint8)
    for place, plane in enumerate(planes):
        flat[place :: len(planes)] = plane
    return flat


@dataclass(frozen=True, eq=False)
class Inflated:
    """A dataset of an open local file that is sliced as h5py slices it, and faster.

    Parameters
    ----------
    data : h5py.Dataset
    """

    data: h5py.Dataset

    @property
    def ndim(self) -> int:
        return int(self.data.ndim)

    def __getitem__(self, key: slice | tuple[slice, ...]) -> np.ndarray:
        parts = key if isinstance(key, tuple) else (key,)
        codec = _codec(self.data)
        if codec is not None and all(_plain(part) for part in parts):
            from deflate import DeflateError

            whole = (slice(None),) * (self.ndim - len(parts))
            bounds = [
                part.indices(size)[:2]
                for part, size in zip((*parts, *whole), self.data.shape, strict=True)
            ]
            try:
                return _read(self.data, codec, bounds)
            except (DeflateError, OSError, RuntimeError, ValueError):
                # A chunk that was never written, or is damaged: HDF5 fills in, or tells.
                pass
        return np.asarray(self.data[key])


def _plain(part: Any) -> bool:
    return isinstance(part, slice) and part.step in (None, 1)


def _codec(data: h5py.Dataset) -> _Codec | None:
    """How the chunks of a dataset can be decoded here; None if HDF5 must do it."""
    import h5py

    if data.chunks is None or data.dtype.kind not in "iuf" or data.dtype.subdtype is not None:
        return None
    # Otherwise HDF5 converts what is stored, such as 12 bits in 16.
    if data.id.get_type() != h5py.h5t.py_create(data.dtype):
        return None
    plan = data.id.get_create_plist()
    found = [plan.get_filter(place) for place in range(plan.get_nfilters())]
    names = [code for code, *_ in found]
    deflate, shuffle = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE
    if names not in ([deflate], [shuffle, deflate]):
        return None
    if names[0] == shuffle and tuple(found[0][2][:1]) != (data.dtype.itemsize,):
        return None
    made = _Codec(data.chunks, data.dtype, 1 << (len(names) - 1), len(names) - 1)
    return made if made.nbytes >= _LEAST else None


def _read(data: h5py.Dataset, codec: _Codec, bounds: list[tuple[int, int]]) -> np.ndarray:
    """Read a box of samples chunk by chunk; each fills its own part."""
    shape = tuple(max(0, high - low) for low, high in bounds)
    out = np.empty(shape, dtype=codec.dtype)
    if not out.size:
        return out

    def place(corner: tuple[int, ...], mask: int, stored: bytes) -> None:
        into, taken = [], []
        for at, size, (low, high) in zip(corner, codec.chunk, bounds, strict=True):
            first, stop = max(at, low), min(at + size, high)
            into.append(slice(first - low, stop - low))
            taken.append(slice(first - at, stop - at))
        out[tuple(into)] = codec.decode(mask, stored)[tuple(taken)]

    axes = [
        range(low // size * size, high, size)
        for (low, high), size in zip(bounds, codec.chunk, strict=True)
    ]
    chunks = ((at, *data.id.read_direct_chunk(at)) for at in itertools.product(*axes))
    ahead = max(1, _AHEAD // codec.nbytes)
    threads = min(_threads(), math.prod(map(len, axes)), ahead)
    if threads < 2:
        for chunk in chunks:
            place(*chunk)
    else:
        _side_by_side(place, chunks, threads, most=min(ahead, 4 * threads))
    return out


def _side_by_side(place: Any, chunks: Iterator[tuple[Any, ...]], threads: int, most: int) -> None:
    """Place chunks on some threads, which end with the last of them; at most so many wait."""
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="nwbdecode-inflate") as pool:
        try:
            for chunk in chunks:
                waiting.append(pool.submit(place, *chunk))
                if len(waiting) >= most:
                    waiting.popleft().result()
            while waiting:
                waiting.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _threads() -> int:
    """Cores that this process may use, or as many as ``OMP_NUM_THREADS`` says, and few."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return max(1, min(cores, int(asked) if asked.isdigit() else cores, _MOST_THREADS))
