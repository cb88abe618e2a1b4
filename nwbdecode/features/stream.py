"""Power of consecutive bins from consecutive samples: nothing is filtered twice.

A slow band reaches seconds beyond a bin. Were each piece of a recording filtered alone,
all that its slowest band reaches would pass through the fast levels again. So every level
keeps the few rows that its own next bins and the next level still need, and makes its
bands' bins as soon as its rows are there: the fast bands are ahead of the slow ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nwbdecode.features import kernels, layout
from nwbdecode.features.design import far
from nwbdecode.features.means import smooth_mean
from nwbdecode.features.rooms import room_for

if TYPE_CHECKING:
    from nwbdecode.features.filterbank import FilterBank


class Stream:
    """Power of one gapless stretch of bins, piece by piece.

    Parameters
    ----------
    bank : FilterBank
    first, stop : int arrays, shape (bin,)
        Samples of all bins of the stretch, counted from the segment's first; ascending.
    causal : bool, default False
        Delay each band by its reach.
    low_pass : float32 array, shape (tap,), optional
        Symmetric; the signal filtered so becomes a row before the bands.
    rooms : dict, optional
        What an earlier stream, now at its end, worked in: memory that was never touched
        is several times as slow as the arithmetic.
    """

    def __init__(
        self,
        bank: FilterBank,
        first: np.ndarray,
        stop: np.ndarray,
        *,
        causal: bool = False,
        low_pass: np.ndarray | None = None,
        rooms: dict[int, np.ndarray] | None = None,
    ):
        self.bank, self.first, self.stop, self.low_pass = bank, first, stop, low_pass
        self.lags = [band.reach if causal else 0 for band in bank.bands]
        self.low_lag = low_pass.size // 2 if low_pass is not None and causal else 0
        self._rooms = {} if rooms is None else rooms
        self._levels = [_Level(bank, level, self.lags) for level in range(len(bank.halvings) + 1)]
        self._smoothed = 0
        self._given = 0
        self._waiting: np.ndarray | None = None

    def push(self, samples: np.ndarray, origin: int, upto: int) -> np.ndarray:
        """Take the next samples and give the bins up to `upto` that were not given yet.

        Parameters
        ----------
        samples : float32 array, shape (time, channel), C-ordered
            At first they reach as far before the first bin as that depends on, later
            `near_samples` before the end of those that were given last.
        origin : int
            Index of ``samples[0]`` counted from the segment's first sample; may be
            negative where the segment was padded.
        upto : int
            The samples reach as far after the bin before this one as it depends on.

        Returns
        -------
        float32 array, shape (bin, frequency, channel)
        """
        channels = samples.shape[1]
        ends = self._ends(origin + len(samples) - 1)
        made = [level.ready(self.stop, end) for level, end in zip(self._levels, ends, strict=True)]
        smoothed = self._smoothable(origin + len(samples))
        if min(*made, smoothed, len(self.stop)) < upto:
            raise RuntimeError(f"{len(samples)} samples do not reach as far as {upto} bins do")
        extra = 0 if self.low_pass is None else 1
        out = np.empty(
            (max(*made, upto) - self._given, extra + len(self.bank.bands), channels), np.float32
        )
        if self._waiting is not None:
            out[: len(self._waiting)] = self._waiting
        if self.low_pass is not None:
            at = slice(self._smoothed, min(smoothed, self._given + len(out)))
            shift = origin + self.low_lag
            out[at.start - self._given : at.stop - self._given, 0] = smooth_mean(
                samples, self.low_pass, self.first[at] - shift, self.stop[at] - shift
            )
            self._smoothed = at.stop
        held = samples
        for number, (level, bins) in enumerate(zip(self._levels, made, strict=True)):
            last = number == len(self._levels) - 1
            below = None if last else self._levels[number + 1]
            low, halved = (0, held[:0]) if below is None else self._room(number, held, origin)
            self._level(level, bins, held, origin, low, halved, out[:, extra:])
            if below is not None:
                held, origin = self._rooms[number][: below.rows], below.origin
        given = out[: upto - self._given]
        self._waiting = out[upto - self._given :].copy()
        self._given = upto
        return given

    def _ends(self, end: int) -> list[int]:
        """Last row that each level holds once the sample `end` has gone through."""
        ends = [end]
        for taps in self.bank.halvings:
            ends.append((ends[-1] - far(taps)) // 2)
        return ends

    def _smoothable(self, end: int) -> int:
        if self.low_pass is None:
            return len(self.stop)
        reach = self.low_pass.size // 2
        return int(np.searchsorted(self.stop, end - reach + self.low_lag, side="right"))

    def _room(self, number: int, held: np.ndarray, origin: int) -> tuple[int, np.ndarray]:
        """Keep what the level below still needs, and give room for what it gets now."""
        below, taps = self._levels[number + 1], self.bank.halvings[number]
        if below.rows == 0:
            # Rows stay on even ones of the segment.
            below.origin = below.end = -(-(origin + far(taps)) // 2)
        high = max(below.end, (origin + len(held) - far(taps) - 1) // 2 + 1)
        kept = min(below.wanted(self.first, self.stop), below.end)
        if number + 1 < len(self.bank.halvings):
            next_taps = self.bank.halvings[number + 1]
            next_end = self._levels[number + 2].end if self._levels[number + 2].rows else None
            kept = below.origin if next_end is None else min(kept, 2 * next_end - far(next_taps))
        kept = max(kept, below.origin)
        tail, rows = below.end - kept, high - kept
        room = self._rooms.get(number)
        old = None if room is None else room[kept - below.origin : below.end - below.origin]
        if room is None or len(room) < rows or room.shape[1] != held.shape[1]:
            room = self._rooms[number] = room_for(rows, held.shape[1])
        if tail and old is not None:
            room[:tail] = old
        low = below.end
        below.origin, below.end, below.rows = kept, high, rows
        return low, room[tail:rows]

    def _level(
        self,
        level: _Level,
        upto: int,
        held: np.ndarray,
        origin: int,
        low: int,
        halved: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """Make the bins of one level's bands, and halve its rate from row `low` on."""
        bands = self.bank.bands
        begin, level.done = level.done, max(level.done, upto)
        bins = slice(begin, level.done)
        rows = slice(begin - self._given, level.done - self._given)
        first, stop = self.first[bins], self.stop[bins]
        if len(first):
            level.check(first[0], stop[-1], origin, len(held))
        taps = self.bank.halvings[level.number] if len(halved) else np.ones(1, np.float32)
        sparse = [k for k in level.bands if bands[k].by_samples]
        if sparse and len(first):
            moved = [self.lags[k] for k in sparse]
            power = np.empty((len(first), len(sparse), held.shape[1]), dtype=np.float32)
            plan = layout.points(
                [bands[k] for k in sparse],
                [first - lag for lag in moved],
                [stop - lag for lag in moved],
                self.bank.w0,
            )
            # Rows of the lower rate are made beside the bins that lie there, while the
            # samples are at hand; those before and after all bins alone.
            tile = np.clip(-(-np.append(first, stop[-1]) // 2) - low, 0, len(halved))
            kernels.sum_points(held, *plan, origin, power, 2 * low - origin, taps, halved, tile)
            for part in (slice(0, tile[0]), slice(tile[-1], len(halved))):
                kernels.halve(held, 2 * (low + part.start) - origin, taps, halved[part])
            out[rows, sparse] = power
        elif len(halved):
            kernels.halve(held, 2 * low - origin, taps, halved)
        for k in sorted(set(level.bands) - set(sparse)) if len(first) else []:
            band = bands[k]
            grid = layout.grid(band, first - self.lags[k], stop - self.lags[k], self.bank.w0)
            power = np.empty((len(first), held.shape[1]), dtype=np.float32)
            kernels.sum_grid(held, -origin, band.step, band.even, band.odd, *grid, power)
            out[rows, k] = power


class _Level:
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


def near_samples(
    bank: FilterBank, longest: int, *, causal: bool = False, low_pass: np.ndarray | None = None
) -> int:
    """Samples before the end of those given last that a stream reads again.

    Parameters
    ----------
    bank : FilterBank
    longest : int
        Samples of the longest bin.
    causal, low_pass
        As for `Stream`.
    """
    reaches = [
        (band.rows_after, band.reach if causal else 0) for band in bank.bands if not band.level
    ]
    if low_pass is not None:
        reach = low_pass.size // 2
        reaches.append((reach, reach if causal else 0))
    near = 2 * far(bank.halvings[0]) if bank.halvings else 0
    if reaches:
        # The first bin that could not be made yet ends no earlier than the slowest reach
        # lets it, and reads back as far as the longest.
        latest = max(reach - lag for reach, lag in reaches)
        near = max(near, longest + max(lag + reach for reach, lag in reaches) + latest)
    return near
