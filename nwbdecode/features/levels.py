"""Levels of the filter bank while a recording goes through them: what each holds, and owes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nwbdecode.features.design import far
from nwbdecode.features.lanes import LANES
from nwbdecode.features.rooms import lanes_for

if TYPE_CHECKING:
    from nwbdecode.features.filterbank import FilterBank


class Level:
    """Where one level stands: the rows it holds, and the bins that its bands have made."""

    def __init__(self, bank: FilterBank, number: int, lags: list[int]):
        self.number = number
        self.bands = [k for k, band in enumerate(bank.bands) if band.level == number]
        self._reach = [
            (bank.bands[k].rows_before, bank.bands[k].rows_after, lags[k]) for k in self.bands
        ]
        self.done = 0
        self.begun = False
        self.origin = self.end = self.rows = 0

    def ready(self, stop: np.ndarray, end: int) -> int:
        """Number of bins whose rows are there if `end` is the last of them."""
        ends = [((end - after + 1) << self.number) + lag for _, after, lag in self._reach]
        return int(np.searchsorted(stop, min(ends), side="right")) if ends else len(stop)

    def wanted(self, first: np.ndarray, stop: np.ndarray) -> int:
        """First row that the bins still to be made depend on."""
        if not self._reach or self.done == len(stop):
            return int(np.iinfo(np.int64).max)
        at = int(first[self.done])
        return min(((at - lag) >> self.number) - before for before, _, lag in self._reach)

    def check(self, first: int, stop: int, origin: int, rows: int) -> None:
        """Compiled loops look at no bounds: nothing may be outside."""
        for before, after, lag in self._reach:
            low = ((int(first) - lag) >> self.number) - before - origin
            high = ((int(stop) - 1 - lag) >> self.number) + after - origin
            if low < 0 or high >= rows:
                raise RuntimeError(f"level {self.number} holds {rows} rows, not {low} to {high}")


@dataclass(frozen=True)
class Shift:
    """How a level's rows move on: some are kept, and new ones follow.

    Attributes
    ----------
    low : int
        The first of the new rows.
    moved : int
        Rows that are not needed any more, before those that are kept.
    kept, new : int
    at : int
        Row that the level above holds where the first new one is centered.
    """

    low: int
    moved: int
    kept: int
    new: int
    at: int


def moved_on(
    level: Level,
    below: Level | None,
    taps: Sequence[np.ndarray],
    above: tuple[int, int],
    first: np.ndarray,
    stop: np.ndarray,
) -> Shift:
    """Move a level on to all rows that the one above can give; it keeps what is still needed.

    Parameters
    ----------
    level : Level
    below : Level, optional
        Which still needs rows of this one.
    taps : sequence of float32 arrays
        Half-band filters that make this level's rows, and those of the one below.
    above : int, int
        First row that the level above holds, and how many.
    first, stop : int arrays, shape (bin,)
        Samples of all bins.
    """
    origin, rows = above
    reach = far(taps[0])
    if not level.begun:
        # Rows stay on even ones of the segment.
        level.begun, level.origin = True, -(-(origin + reach) // 2)
        level.end = level.origin
    low = level.end
    high = max(low, (origin + rows - reach - 1) // 2 + 1)
    kept = min(level.wanted(first, stop), low)
    if below is not None:
        kept = min(kept, 2 * below.end - far(taps[1])) if below.begun else level.origin
    kept = max(kept, level.origin)
    shift = Shift(low, kept - level.origin, low - kept, high - low, 2 * low - origin)
    level.origin, level.end, level.rows = kept, high, high - kept
    return shift


class Rooms:
    """Memory that one stretch after the other works in.

    What was never touched is several times as slow as the arithmetic.

    Attributes
    ----------
    samples : float32 array, shape (block, row, LANES), optional
        Rows of the full rate, where bands need them laid out.
    rows : float32 array, shape (1, row, LANES)
        Those of all levels below.
    blocks : int
        Of channels.
    opens, apart : int arrays, shape (level,)
        Where a level's first block begins, and how many rows further the next one does.
    """

    def __init__(self) -> None:
        self.samples: np.ndarray | None = None
        self.rows = lanes_for(1, 0)
        self.opens = self.apart = np.empty(0, dtype=np.int64)
        self.blocks = 0

    def fit(self, blocks: int, shifts: Sequence[Shift], expected: Sequence[int]) -> list[Shift]:
        """Make room for rows of all levels; says how far those that are kept have to move now.

        A level that turns out to need more rows than are `expected` of it gets other room then.
        """
        needed = np.array([shift.kept + shift.new for shift in shifts], dtype=np.int64)
        fitting = blocks == self.blocks and len(needed) == len(self.apart)
        if fitting and (needed <= self.apart).all():
            return list(shifts)
        old = [self.level(n) for n in range(len(self.apart))]
        # What is never touched costs nothing.
        self.blocks, self.apart = blocks, np.where(needed <= expected, expected, 2 * needed)
        self.opens = blocks * (np.cumsum(self.apart) - self.apart)
        self.rows = lanes_for(1, blocks * int(self.apart.sum()))
        for n, shift in enumerate(shifts):
            if shift.kept:
                held = old[n][:, shift.moved : shift.moved + shift.kept]
                self.level(n)[:, : shift.kept] = held
        return [replace(shift, moved=0) for shift in shifts]

    def level(self, number: int) -> np.ndarray:
        """Rows of one level, counted from the first below the full rate: (block, row, LANES)."""
        begin, apart = int(self.opens[number]), int(self.apart[number])
        some = self.rows[0, begin : begin + self.blocks * apart]
        return some.reshape(self.blocks, apart, LANES)
