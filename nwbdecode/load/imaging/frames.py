"""The frames of a movie, read piece by piece: a range of time, and a box of pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nwbdecode.blocks import versions

if TYPE_CHECKING:
    from nwbdecode.load.location import Location
    from nwbdecode.load.signal import Reader

Box = tuple[slice, ...]


class Frames(Protocol):
    """Where frames come from; it must survive pickling, so it holds no open handle."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames, then pixels along each spatial axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a stored pixel."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """Frames and pixels that the source stores, and so should be read, together."""

    @property
    def identity(self) -> tuple[Any, ...] | None:
        """What tells this content from any other; None where only the pixels could."""

    def read(self, start: int, stop: int, box: Box) -> np.ndarray:
        """Read the pixels of `box` in frames ``[start, stop)``, as stored."""


@dataclass(frozen=True, eq=False)
class StoredFrames:
    """Frames in a dataset of the NWB file itself.

    Parameters
    ----------
    reader : Reader
        Of the dataset; one with ``read_box`` reads less than whole frames.
    shape, chunks : tuple of int
    identity : tuple, optional
    """

    reader: Reader
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    identity: tuple[Any, ...] | None

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.reader.dtype

    def read(self, start: int, stop: int, box: Box) -> np.ndarray:
        if hasattr(self.reader, "read_box"):
            return np.asarray(self.reader.read_box(start, stop, box))
        return self.reader.read(start, stop)[(slice(None), *box)]


def stored_frames(data: Any, location: Location, facts: Mapping[str, Any]) -> StoredFrames:
    """Wrap a movie's dataset.

    Parameters
    ----------
    data : h5py.Dataset or array-like
    location : Location
    facts : mapping
        About the source; ``content`` tells its bytes from any others where a
        local path does not.
    """
    from nwbdecode.load.memory import unwrapped

    data = unwrapped(data)
    data = data if hasattr(data, "shape") else np.asarray(data)
    shape = tuple(int(n) for n in data.shape)
    chunks = getattr(data, "chunks", None)
    # A chunk may be wider than a small dataset.
    held = (1, *shape[1:]) if chunks is None else tuple(map(min, chunks, shape))
    content: Any = facts.get("content")
    if content is None and location.path is not None:
        content = versions(location.path)
    identity = None if content is None else (content, str(getattr(data, "name", "")))
    return StoredFrames(location.reader(data), shape, held, identity)


def pieces(frames: Frames, start: int, stop: int, budget: int) -> Iterator[tuple[int, int]]:
    """Cut frames into ranges of whole chunks that fit a budget of bytes, if one chunk does."""
    each = frames.dtype.itemsize * math.prod(frames.shape[1:])
    deep = frames.chunks[0]
    step = max(1, budget // (each * deep)) * deep
    for low in range(start, stop, step):
        yield low, min(low + step, stop)


def boxes(frames: Frames, n: int, budget: int) -> list[Box]:
    """Cut the field of view into boxes of whole chunks, so that `n` frames of one fit."""
    sides = frames.shape[1:]
    tile = list(sides)
    while n * math.prod(tile) * frames.dtype.itemsize > budget:
        halves = [
            -(-side // (2 * deep)) * deep
            for side, deep in zip(tile, frames.chunks[1:], strict=True)
        ]
        axis = max(range(len(tile)), key=lambda i: tile[i] / halves[i])
        if halves[axis] >= tile[axis]:
            break
        tile[axis] = halves[axis]
    starts = [range(0, side, step) for side, step in zip(sides, tile, strict=True)]
    grid = np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, len(sides))
    return [
        tuple(slice(int(a), int(min(a + t, s))) for a, t, s in zip(row, tile, sides, strict=True))
        for row in grid
    ]
