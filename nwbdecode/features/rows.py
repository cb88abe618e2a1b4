"""The stored rows that a walk reads: slab by slab on the grid of the file's chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from nwbdecode.features.rooms import room_for
from nwbdecode.load.signal import Signal

#: Bytes that one slab takes on its way, at most.
_LONGEST = 64 << 20


@dataclass(eq=False)
class Rows:
    """Rows of a signal as stored, each chunk of them decompressed once in a walk.

    Consecutive pieces of a recording overlap, and its ends are mirrored. What the next
    piece will read again is kept, as it was stored.

    Parameters
    ----------
    signal : Signal
    slab : int
        Rows read at once; 0 where a source is better asked for a piece whole.
    keep : bool
        Whether slabs are kept for the next piece.
    """

    signal: Signal
    slab: int
    keep: bool = False
    _kept: dict[int, np.ndarray] = field(default_factory=dict, init=False)
    _rooms: list[np.ndarray] = field(default_factory=list, init=False)

    @classmethod
    def of(cls, signal: Signal, most: int) -> Rows:
        """Slabs of whole chunks that, with what is made of them, take at most so many bytes."""
        together = int(getattr(signal.reader, "chunk_rows", 0))
        rows = Rows(signal, 1)
        if not together:
            return cls(signal, 0)
        # No slab is longer than the recording; a stop has to wait for the end of one.
        fits = max(1, min(most, _LONGEST) // rows.row_bytes)
        fits = min(fits, -(-signal.reader.shape[0] // together) * together)
        # Chunks larger than that are read in parts: their grid is no help then.
        whole = fits // together * together
        return cls(signal, whole or fits, keep=whole > 0 and together > 1)

    @property
    def columns(self) -> int:
        return self.signal.n_channels * max(len(self.signal.frequencies), 1)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row on its way: chunks as they lie and decompressed, and the row as stored."""
        columns, bands = self.signal.columns, max(len(self.signal.frequencies), 1)
        span = bands * (int(columns.max()) - int(columns.min()) + 1) if len(columns) else 1
        stored = self.signal.reader.dtype.itemsize
        return stored * (2 * span + self.columns)

    def nbytes(self, reach: int) -> int:
        """Bytes that reading takes beside the samples, where so many rows are read again."""
        kept = (reach + 2 * self.slab) * self.columns * self.signal.reader.dtype.itemsize
        return self.slab * self.row_bytes + (kept if self.keep else 0)

    def parts(self, wanted: np.ndarray) -> Iterator[slice]:
        """Cut wanted rows, which may turn around, where another slab begins."""
        if not self.slab:
            yield slice(0, len(wanted))
            return
        turns = np.flatnonzero(np.diff(wanted // self.slab)) + 1
        edges = [0, *turns.tolist(), len(wanted)]
        yield from map(slice, edges[:-1], edges[1:])

    def read(self, low: int, high: int, again_from: int) -> np.ndarray:
        """Read rows ``[low, high)`` of one slab as stored; those after `again_from` are kept."""
        if not self.keep:
            return self.signal.read_array(low, high, units="counts")
        number = low // self.slab
        # A slab may hold rows that no bin wants, but none outside of what was selected.
        first = max(number * self.slab, self.signal.segments[0].start)
        if number not in self._kept:
            self._kept = {
                n: held for n, held in self._kept.items() if (n + 1) * self.slab > again_from
            }
            stop = min((number + 1) * self.slab, self.signal.segments[-1].stop)
            self._kept[number] = self.signal.read_array(first, stop, units="counts")
        return self._kept[number][low - first : high - first]

    def room(self, rows: int, columns: int) -> np.ndarray:
        """Room for the samples of a piece, if possible where those of another were."""
        return room_for(rows, columns, self._rooms.pop() if self._rooms else None)

    def free(self, samples: np.ndarray) -> None:
        """Take back the room of samples that nothing uses any more."""
        self._rooms = [samples]
