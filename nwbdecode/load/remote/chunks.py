"""Where in an HDF5 file the rows of a dataset lie, so that they can be asked for at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py

#: Bytes asked for ahead of one read, at most: they must all fit into a stream's memory.
AHEAD = 32 << 20
#: Bytes between two ranges that are cheaper to fetch than to ask a second time for.
_NEAR = 64 << 10
_MOST_CHUNKS = 16_384


def pieces(
    data: h5py.Dataset, start: int, stop: int, span: tuple[int, int] | None
) -> Iterator[tuple[int, int]]:
    """Cut rows into runs of whole chunks that hold at most `AHEAD` stored bytes.

    Parameters
    ----------
    data : h5py.Dataset
    start, stop : int
        Rows.
    span : (first, last + 1) column, optional
    """
    if stop <= start:
        yield start, stop
        return
    each = data.chunks[0] if data.chunks else 1
    per_row = stored_bytes(data, start, stop, span) / (stop - start)
    rows = max(each, int(AHEAD / max(per_row, 1e-9)) // each * each)
    # Cuts fall on the edges of chunks, so that none is read twice.
    cuts = [start, *range((start // rows + 1) * rows, stop, rows), stop]
    yield from itertools.pairwise(cuts)


def byte_ranges(
    data: h5py.Dataset, start: int, stop: int, span: tuple[int, int] | None
) -> list[tuple[int, int]]:
    """Ranges of the file that hold the chunks of some rows, merged where they are near.

    Empty for what is not stored in the file's own body, and for very many chunks:
    HDF5 then reads on its own.
    """
    if stop <= start:
        return []
    if data.chunks is None:
        offset = data.id.get_offset()
        row = data.dtype.itemsize * math.prod(data.shape[1:])
        return [] if offset is None else [(offset + start * row, offset + stop * row)]
    axes = _touched(data, start, stop, span)
    if math.prod(len(axis) for axis in axes) > _MOST_CHUNKS:
        return []
    found = []
    for place in itertools.product(*axes):
        chunk = data.id.get_chunk_info_by_coord(place)
        if chunk.byte_offset is not None:
            found.append((chunk.byte_offset, chunk.byte_offset + chunk.size))
    merged: list[tuple[int, int]] = []
    for low, high in sorted(found):
        if merged and low - merged[-1][1] <= _NEAR:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return merged


def stored_bytes(data: h5py.Dataset, start: int, stop: int, span: tuple[int, int] | None) -> int:
    """Bytes that some rows take in the file, compressed: whole chunks, of average size."""
    if not math.prod(data.shape):
        return 0
    if data.chunks is None:
        return (stop - start) * data.dtype.itemsize * math.prod(data.shape[1:])
    touched = math.prod(len(axis) for axis in _touched(data, start, stop, span))
    every = math.prod(-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True))
    return int(data.id.get_storage_size() * touched / every)


def _touched(
    data: h5py.Dataset, start: int, stop: int, span: tuple[int, int] | None
) -> list[range]:
    """Where the chunks that hold some rows and columns begin, along each axis."""
    bounds = [(start, stop), *((0, n) for n in data.shape[1:])]
    if span is not None and len(bounds) > 1:
        bounds[1] = span
    return [
        range(low // each * each, high, each)
        for (low, high), each in zip(bounds, data.chunks, strict=True)
    ]
