"""Traces out of a movie: the weighted mean of each region in each frame, extracted once."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.load.imaging.frames import Box, Frames, boxes, pieces

if TYPE_CHECKING:
    from scipy.sparse import csr_array

#: Bytes of stored pixels held at a time, where one chunk of the source is no larger.
BUDGET = 64 << 20
#: Bytes of pixels in float64 that are multiplied at a time.
_PRODUCT = 32 << 20
#: Frames that one block of extracted traces spans, at least and at most.
_FEWEST, _MOST = 64, 4096
#: Raised whenever the same regions come to give other traces.
_REVISION = 1


@dataclass(frozen=True, eq=False)
class TraceReader:
    """Traces of a movie's regions, shape (frame, region), float32, in stored units.

    A block of frames is read and multiplied the first time one of its frames
    is asked for. It is then kept, in the cache folder or, for a movie that
    itself lives in memory, there: features read neighboring blocks with
    overlap, and a movie is a thousand times larger than its traces. Blocks
    begin at fixed frames, so values do not depend on what was asked for.

    Parameters
    ----------
    frames : Frames
    weights : sparse array, shape (region, pixel)
        Rows sum to one, or to zero.
    folder : str, optional
        Where stores of traces lie; by default in the user's cache folder.
    """

    frames: Frames
    weights: csr_array
    folder: str | None = None
    _held: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        return self.frames.shape[0], self.weights.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def sample_bytes(self) -> int:
        """Bytes that one frame takes from the source."""
        return self.frames.dtype.itemsize * math.prod(self.frames.shape[1:])

    @cached_property
    def block(self) -> int:
        """Frames a block: whole chunks of the source."""
        deep = self.frames.chunks[0]
        wanted = min(max(4 * BUDGET // self.sample_bytes, _FEWEST), _MOST)
        wanted = min(wanted, max(BUDGET // (4 * self.shape[1]), 1))
        return int(max(round(wanted / deep), 1) * deep)

    @cached_property
    def digest(self) -> str:
        """Hash of all that the traces depend on; empty for a movie in memory."""
        if self.frames.identity is None:
            return ""
        facts = [_REVISION, self.block, self.frames.identity, self.frames.shape]
        digest = hashlib.blake2b(repr([*facts, self.frames.dtype.str]).encode(), digest_size=16)
        for part in (self.weights.indptr, self.weights.indices, self.weights.data):
            digest.update(np.ascontiguousarray(part).astype("<f8").data)
        return digest.hexdigest()

    def read(self, start: int, stop: int, columns: np.ndarray | None = None) -> np.ndarray:
        """Traces of frames ``[start, stop)``, extracting what was not yet."""
        first, last = start // self.block, -(-max(stop, start + 1) // self.block)
        for block in range(first, min(last, -(-self.shape[0] // self.block))):
            self._ensure(block)
        if self._store is not None:
            out = self._store.read(start, stop)
        else:
            parts = [self._held[block] for block in range(first, last) if block in self._held]
            origin = first * self.block
            out = np.concatenate(parts)[start - origin : stop - origin]
        return out if columns is None else out[:, columns]

    def _ensure(self, block: int) -> None:
        store = self._store
        if block in self._held or (store is not None and store.has(block)):
            return
        low = block * self.block
        traces = self._extract(low, min(low + self.block, self.shape[0]))
        if store is None:
            self._held[block] = traces
        else:
            store.write(block, traces)

    @cached_property
    def _store(self) -> Any:
        from nwbdecode.blocks import BlockStore, cache_folder

        if not self.digest:
            return None
        folder = cache_folder() if self.folder is None else Path(self.folder)
        about = {"source": self.frames.identity, "regions": self.weights.shape[0]}
        return BlockStore(
            folder / "traces" / self.digest,
            self.shape,
            block=self.block,
            name="traces",
            about=about,
        )

    def _extract(self, start: int, stop: int) -> np.ndarray:
        parts = [self._means(low, high) for low, high in pieces(self.frames, start, stop, BUDGET)]
        return np.concatenate(parts)

    def _means(self, start: int, stop: int) -> np.ndarray:
        """Weighted means of a piece of time, box by box; a NaN pixel counts for no weight."""
        total = np.zeros((self.shape[1], stop - start))
        lost = np.zeros_like(total)
        for box, used, weights in self._boxes(stop - start):
            stored = self.frames.read(start, stop, box).reshape(stop - start, -1)
            step = max(1, _PRODUCT // (8 * len(used)))
            for low in range(0, stop - start, step):
                pixels = np.ascontiguousarray(stored[low : low + step, used].T, dtype=np.float64)
                place = slice(low, low + step)
                if stored.dtype.kind == "f":
                    missing = np.isnan(pixels)
                    if missing.any():
                        pixels[missing] = 0.0
                        lost[:, place] += weights @ missing.astype(np.float64)
                total[:, place] += weights @ pixels
        # Weights of a region sum to one: what is left of it may be rounding.
        left = 1.0 - lost
        mean = np.divide(total, left, out=np.full_like(total, np.nan), where=left > 1e-9)
        return mean.T.astype(np.float32)

    def _boxes(self, n: int) -> list[tuple[Box, np.ndarray, csr_array]]:
        """Boxes that hold pixels of any region, which pixels of them, and their weights."""
        if n not in self._cut:
            if len(self._cut) > 2:
                self._cut.clear()
            self._cut[n] = list(self._cut_boxes(n))
        return self._cut[n]

    @cached_property
    def _cut(self) -> dict[int, Any]:
        return {}

    def _cut_boxes(self, n: int) -> Any:
        columns = self.weights.tocsc()
        needed = np.diff(columns.indptr) > 0
        sides = self.frames.shape[1:]
        field_of_view = np.arange(math.prod(sides)).reshape(sides)
        for box in boxes(self.frames, n, BUDGET):
            pixels = field_of_view[box].ravel()
            used = np.flatnonzero(needed[pixels])
            if used.size:
                yield box, used, columns[:, pixels[used]].tocsr()

    def __getstate__(self) -> dict[str, Any]:
        return {"frames": self.frames, "weights": self.weights, "folder": self.folder, "_held": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
