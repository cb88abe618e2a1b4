"""The arrays of a Zarr store as its metadata describe them, which need not be true."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

#: Chunks of a store: at a hundred files a second they take more than a day.
MOST_CHUNKS = 10_000_000
#: Bytes of a chunk whose numbers have no fixed size, such as text: what HDF5 allows.
LARGEST_CHUNK = 4 << 30
#: Filters may widen numbers from one byte to eight; compressors add less than the rest.
_WIDEST, _BESIDE = 8, 1 << 20
#: Axes, the most that NumPy knows in all versions.
_MOST_AXES = 32


@dataclass(frozen=True)
class DescribedArray:
    """An array of a Zarr store, format 2.

    Attributes
    ----------
    folder : str
        Where its chunks lie in the store.
    counts : tuple of int
        Chunks along each axis.
    separator : str
        What stands between their numbers.
    most : int
        Bytes that a stored chunk can have.
    """

    folder: str
    counts: tuple[int, ...]
    separator: str
    most: int

    @property
    def n_chunks(self) -> int:
        return math.prod(self.counts)

    def keys(self) -> Iterator[str]:
        """Names of all chunks in the store, made as they are asked for."""
        # Not itertools.product, nor np.ndindex made of it: they hold each axis whole.
        for number in range(self.n_chunks):
            place = np.unravel_index(number, self.counts)
            name = self.separator.join(map(str, place)) or "0"
            yield f"{self.folder}/{name}" if self.folder else name


def described_arrays(entries: Mapping[str, Any], store: str) -> list[DescribedArray]:
    """Look through a store's consolidated metadata for its arrays.

    Parameters
    ----------
    entries : mapping
        Descriptions by their names.
    store : str
        Names the store in messages.

    Raises
    ------
    NWBDecodeError
        If an array is described in an unknown way, or there are more chunks than
        `MOST_CHUNKS`.
    """
    found = [
        _described(key.rpartition("/")[0], described)
        for key, described in entries.items()
        if key.rpartition("/")[2] == ".zarray"
    ]
    count = sum(one.n_chunks for one in found)
    if count > MOST_CHUNKS:
        largest = max(found, key=lambda one: one.n_chunks)
        raise NWBDecodeError(
            f"the metadata of {store!r} speak of {count:.3g} chunks, {largest.n_chunks:.3g} of "
            f"them in {largest.folder!r}; at most {MOST_CHUNKS} are fetched. The metadata are "
            "damaged, or the store is to be fetched by a program made for that and opened as a "
            "folder"
        )
    return found


def _described(folder: str, described: Any) -> DescribedArray:
    try:
        shape, chunks = (tuple(map(int, described[name])) for name in ("shape", "chunks"))
        if len(shape) > _MOST_AXES or min(shape, default=0) < 0 or min(chunks, default=1) < 1:
            raise ValueError(f"shape {str(shape)[:80]} in chunks of {str(chunks)[:80]}")
        counts = tuple(-(-n // each) for n, each in zip(shape, chunks, strict=True))
        separator = described.get("dimension_separator") or "."
        most = _most_bytes(chunks, described.get("dtype"))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise NWBDecodeError(
            f"the metadata of the Zarr store describe {folder!r} in no way that is known ({error})"
        ) from error
    return DescribedArray(folder, counts, str(separator), most)


def _most_bytes(chunks: tuple[int, ...], dtype: Any) -> int:
    try:
        held = np.dtype(dtype)
    except (TypeError, ValueError):  # a compound type is a list there
        return LARGEST_CHUNK
    if dtype is None or held.hasobject:
        return LARGEST_CHUNK
    return min(_WIDEST * math.prod(chunks) * held.itemsize + _BESIDE, LARGEST_CHUNK)
