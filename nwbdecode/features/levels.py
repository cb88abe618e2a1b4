"""Levels of the filter bank while a recording goes through them: what each holds, and owes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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


@dataclass(frozen=True, eq=False)
class Halving:
    """Room for the rows that a level gets, and what makes them.

    Attributes
    ----------
    low : int
        The first of the rows.
    rows : float32 array, shape (block, row, LANES)
    taps : float32 array
    carried : pair of arrays, optional
        Where rows that the level still needs are to go, and where they lie.
    """

    low: int
    rows: np.ndarray
    taps: np.ndarray
    carried: tuple[np.ndarray, np.ndarray] | None

    def __len__(self) -> int:
        return self.rows.shape[1]

    def of(self, begin: int, end: int) -> Halving:
        """The same for some blocks of channels."""
        carried = self.carried
        some = None if carried is None else (carried[0][begin:end], carried[1][begin:end])
        return Halving(self.low, self.rows[begin:end], self.taps, some)

    def carry_on(self) -> None:
        """Move rows that are still needed."""
        if self.carried is not None:
            room, held = self.carried
            room[:] = held


@dataclass(frozen=True, eq=False)
class Step:
    """What one level below the full rate does: halves the rate, and sums its bands' bins."""

    held: np.ndarray
    origin: int
    halving: Halving
    #: Of each band its number, where its bins go, and how they are laid out.
    sums: list[tuple[int, slice, tuple[np.ndarray, ...]]]
