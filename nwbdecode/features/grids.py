"""Bins of bands on grids: laid out for many levels at once, and summed from the rows in a room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.features import kernels
from nwbdecode.features.lanes import blocks
from nwbdecode.features.layout import Grids, Spaced, taps_of
from nwbdecode.features.threads import shared

if TYPE_CHECKING:
    from nwbdecode.features.filterbank import FilterBank


class OnGrids:
    """Sums of some bands on grids.

    Parameters
    ----------
    bank : FilterBank
    which : list of int
        The bands; all of the full rate, or all below it.
    lags : list of int
        Of all bands.
    row : int
        Of the bank's first band among the rows of a bin.
    """

    def __init__(self, bank: FilterBank, which: list[int], lags: list[int], row: int):
        bands = [bank.bands[k] for k in which]
        self._grids = Grids(bands, [lags[k] for k in which], bank.w0)
        self._levels = np.array([band.level for band in bands], dtype=np.int64)
        self._even, self._odd, size = taps_of(tuple(bands))
        self._band = np.stack([[band.step for band in bands], size, row + np.array(which)], axis=1)

    def lay_out(
        self,
        first: np.ndarray,
        stop: np.ndarray,
        made: list[slice],
        opens: np.ndarray,
        apart: np.ndarray,
    ) -> tuple[Any, ...] | None:
        """Lay out the bins that each level makes now, for `kernels.sum_grids`; None if none does.

        Parameters
        ----------
        first, stop : int arrays, shape (bin,)
            Samples of all bins.
        made : list of slice
            Of them, what each level makes.
        opens, apart : int arrays, shape (level,)
            Row of the segment's first sample in the first block of each level, counted from
            the bands' first, and rows between blocks.
        """
        spans = [made[level] for level in self._levels]
        low, high = min(span.start for span in spans), max(span.stop for span in spans)
        if low == high:
            return None
        spans = [slice(span.start - low, span.stop - low) for span in spans]
        bins = Spaced.of(first[low:high], stop[low:high])
        origin, kind, sums, together = self._grids.of(bins, spans)
        tasks = [
            (at, band, min(at + many, span.stop))
            for band, (span, many) in enumerate(zip(spans, together, strict=True))
            for at in range(span.start, span.stop, many)
        ]
        # By time: what is near in a room is worked on together.
        tasks.sort()
        # Rooms hold no rows of the full rate but those of its own.
        level = np.maximum(self._levels - 1, 0)
        band = np.concatenate([np.stack([opens[level], apart[level]], axis=1), self._band], axis=1)
        task = np.array(tasks, dtype=np.int64).reshape(-1, 3)[:, [1, 0, 2]]
        return band, self._even, self._odd, task, low, origin, kind, *sums.arrays


def sum_grids(room: np.ndarray, laid: tuple[Any, ...] | None, given: int, out: np.ndarray) -> None:
    """Sum what was laid out; row 0 of `out` is of the bin `given`."""
    if laid is not None:
        band, even, odd, task, low, *sums = laid
        how = (room, band, even, odd, task, low - given, *sums, out)
        shared(kernels.share_grids, blocks(out.shape[2]) * len(task), *how, least=8)()
