"""Power of consecutive bins from consecutive samples: nothing is filtered twice.

A slow band reaches seconds beyond a bin. Were each piece of a recording filtered alone,
all that its slowest band reaches would pass through the fast levels again. So every level
keeps the few rows that its own next bins and the next level still need, and makes its
bands' bins as soon as its rows are there: the fast bands are ahead of the slow ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.features import kernels, layout
from nwbdecode.features.design import far
from nwbdecode.features.grids import OnGrids, sum_grids
from nwbdecode.features.lanes import LANES, blocks
from nwbdecode.features.levels import Level, Rooms, Shift, moved_on
from nwbdecode.features.means import smooth_mean
from nwbdecode.features.rooms import lanes_for
from nwbdecode.features.threads import in_parts, shared

if TYPE_CHECKING:
    from nwbdecode.features.filterbank import FilterBank

#: Rows of the lower rate that are made at once where no bins lie.
_STRIP = 256
#: As many are worth a thread's while.
_LEAST = 2048
#: Rows by which pieces of one size differ, at most.
_SPARE = 16


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
    rooms : Rooms, optional
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
        rooms: Rooms | None = None,
    ):
        self.bank, self.first, self.stop, self.low_pass = bank, first, stop, low_pass
        self.lags = [band.reach if causal else 0 for band in bank.bands]
        self.low_lag = low_pass.size // 2 if low_pass is not None and causal else 0
        self._extra = 0 if low_pass is None else 1
        self._rooms = Rooms() if rooms is None else rooms
        self._taps = np.zeros((len(bank.halvings), max(map(len, bank.halvings), default=1)), "f4")
        for own, taps in zip(self._taps, bank.halvings, strict=True):
            own[: len(taps)] = taps
        self._levels = [Level(bank, level, self.lags) for level in range(len(bank.halvings) + 1)]
        numbered = list(enumerate(bank.bands))
        self._sparse = [k for k, band in numbered if band.by_samples]
        dense = [k for k, band in numbered if not band.level and not band.by_samples]
        lower = [k for k, band in numbered if band.level]
        self._dense = OnGrids(bank, dense, self.lags, self._extra) if dense else None
        self._lower = OnGrids(bank, lower, self.lags, self._extra) if lower else None
        longest = int((stop - first).max(initial=1))
        self._carried = carried_rows(bank, longest, causal=causal)
        self._smoothed = 0
        self._given = 0
        # Bins from one on, of which those up to another have been begun.
        self._bins = np.empty((0, 1, 1), dtype=np.float32)
        self._bins_from = self._made = 0

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
            Until the next call: its memory is used again.
        """
        end = origin + len(samples)
        made = [
            level.ready(self.stop, last)
            for level, last in zip(self._levels, self._ends(end - 1), strict=True)
        ]
        smoothed = self._smoothable(end)
        if min(*made, smoothed, len(self.stop)) < upto:
            raise RuntimeError(f"{len(samples)} samples do not reach as far as {upto} bins do")
        # A level without bands makes none, however many are ready there. The next samples do not
        # reach back to what can be smoothed now.
        begun = [bins for level, bins in zip(self._levels, made, strict=True) if level.bands]
        begun += [] if self.low_pass is None else [smoothed]
        out = self._bins_until(max(begun, default=upto), samples.shape[1])
        if self.low_pass is not None:
            at, shift = slice(self._smoothed, max(self._smoothed, smoothed)), origin + self.low_lag
            self._check_smoothed(at, shift, len(samples))
            out[at.start - self._given : at.stop - self._given, 0] = smooth_mean(
                samples, self.low_pass, self.first[at] - shift, self.stop[at] - shift
            )
            self._smoothed = at.stop
        bins, shifts = self._moved_on(made, origin, len(samples))
        # Later pieces may be longer by a quarter, if a block of bins is some pieces long.
        expected = [
            kept + (5 * len(samples) >> number + 2) + _SPARE
            for number, kept in enumerate(self._carried, 1)
        ]
        shifts = self._rooms.fit(blocks(samples.shape[1]), shifts, expected)
        finish = self._full_rate(samples, origin, bins, shifts, out)
        # Laid out while other threads filter.
        laid = None
        if self._lower:
            opens = self._rooms.opens - [level.origin for level in self._levels[1:]]
            laid = self._lower.lay_out(self.first, self.stop, bins, opens, self._rooms.apart)
        finish()
        self._halve_levels(shifts)
        sum_grids(self._rooms.rows, laid, self._given, out)
        given, self._given = out[: upto - self._given], upto
        return given

    def _check_smoothed(self, at: slice, shift: int, rows: int) -> None:
        """Compiled loops look at no bounds: nothing may be outside."""
        assert self.low_pass is not None
        reach = self.low_pass.size // 2
        if at.stop > at.start:
            low, high = self.first[at][0] - shift - reach, self.stop[at][-1] - 1 - shift + reach
            if low < 0 or high >= rows:
                raise RuntimeError(f"{rows} samples hold no rows {low} to {high}, to be smoothed")

    def _bins_until(self, stop: int, channels: int) -> np.ndarray:
        """Room for the bins that were not given yet, where some were made already."""
        rows = self._extra + len(self.bank.bands)
        made, self._made = self._made, max(self._made, stop)
        count, held = self._made - self._given, made - self._given
        at = self._given - self._bins_from
        old = self._bins[at : at + held]
        if at + count > len(self._bins) or not len(self._bins):
            if count >= len(self._bins):
                self._bins = np.empty((2 * count, rows, channels), dtype=np.float32)
            self._bins_from = self._given
            self._bins[:held] = old
        at = self._given - self._bins_from
        return self._bins[at : at + count]

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

    def _moved_on(
        self, made: Sequence[int], origin: int, rows: int
    ) -> tuple[list[slice], list[Shift]]:
        """Say which bins each level makes now, and how its rows move on."""
        bins, shifts = [], []
        levels, taps = self._levels, self.bank.halvings
        for level, upto, below in zip(levels, made, [*levels[1:], None], strict=True):
            begin, level.done = level.done, max(level.done, upto)
            if begin < level.done:
                level.check(self.first[begin], self.stop[level.done - 1], origin, rows)
            bins.append(slice(begin, level.done))
            if below is not None:
                n = below.number
                next_one = levels[n + 1] if n + 1 < len(levels) else None
                shifts.append(
                    moved_on(below, next_one, taps[n - 1 :], (origin, rows), self.first, self.stop)
                )
                origin, rows = below.origin, below.rows
        return bins, shifts

    def _full_rate(
        self,
        samples: np.ndarray,
        origin: int,
        made: list[slice],
        shifts: Sequence[Shift],
        out: np.ndarray,
    ) -> Callable[[], None]:
        """Begin the bins of the bands that need the full rate, and halve it; gives what ends it."""
        first, stop = self.first[made[0]], self.stop[made[0]]
        rows = slice(made[0].start - self._given, made[0].stop - self._given)
        low, taps, lower = 0, np.ones(1, dtype=np.float32), lanes_for(blocks(samples.shape[1]), 0)
        if shifts:
            low, taps, lower = shifts[0].low, self.bank.halvings[0], self._begin_below(shifts[0])
        begin = end = 0
        summed: Callable[[], np.ndarray] | None = None
        if self._sparse and len(first):
            # Rows of the lower rate are made beside the bins that lie there, while the
            # samples are at hand; those before and after all bins alone.
            tile = np.clip(-(-np.append(first, stop[-1]) // 2) - low, 0, lower.shape[1])
            begin, end = int(tile[0]), int(tile[-1])
            halving = (2 * low - origin, taps, lower, tile)
            summed = self._sum_points(samples, origin, first, stop, halving)
        for part in (slice(0, begin), slice(end, lower.shape[1])):
            _halve(samples, 2 * (low + part.start) - origin, taps, lower[:, part])
        if self._dense:
            held = lanes_for(blocks(samples.shape[1]), len(samples), self._rooms.samples)
            self._rooms.samples = held
            in_parts(_lay_out, len(samples), samples, held, least=kernels.ROWS)
            opens, apart = np.array([-origin]), np.array([len(samples)])
            laid = self._dense.lay_out(self.first, self.stop, made, opens, apart)
            sum_grids(held.reshape(1, -1, LANES), laid, self._given, out)

        def finish() -> None:
            if summed is not None:
                out[rows, [self._extra + k for k in self._sparse]] = summed()

        return finish

    def _begin_below(self, shift: Shift) -> np.ndarray:
        """Move what is kept of the first lower level, and give room for its new rows."""
        rows = self._rooms.level(0)
        if shift.moved:
            rows[:, : shift.kept] = rows[:, shift.moved : shift.moved + shift.kept]
        return rows[:, shift.kept : shift.kept + shift.new]

    def _sum_points(
        self,
        samples: np.ndarray,
        origin: int,
        first: np.ndarray,
        stop: np.ndarray,
        halving: tuple[int, np.ndarray, np.ndarray, np.ndarray],
    ) -> Callable[[], np.ndarray]:
        """Begin the bins of some bands from samples alone; gives what waits for them."""
        bands, lags = zip(*((self.bank.bands[k], self.lags[k]) for k in self._sparse), strict=True)
        plan = layout.points(bands, stop - first, self.bank.w0)
        at, taps, lower, tile = halving
        reach = max(far(taps), *(len(band.even) - 1 for band in bands)) + 1
        count, rows = blocks(samples.shape[1]), kernels.ROWS + max(lags) + 2 * reach
        power = np.empty((len(first), len(bands) * count, LANES), dtype=np.float32)
        given = (samples, origin, first, np.array(lags), *plan, power, at, taps, lower, tile)

        def work(*turn: Any) -> None:
            kernels.share_points(*turn, *given, lanes_for(count, rows))

        finish = shared(work, len(first))

        def summed() -> np.ndarray:
            finish()
            return power.reshape(len(first), len(bands), -1)[:, :, : samples.shape[1]]

        return summed

    def _halve_levels(self, shifts: Sequence[Shift]) -> None:
        """Take what the full rate gave through the levels below."""
        if len(shifts) < 2:
            return
        rooms, taps = self._rooms, self.bank.halvings
        level = [
            (opens, apart, shift.moved, shift.kept, shift.new, shift.at, len(own))
            for opens, apart, shift, own in zip(rooms.opens, rooms.apart, shifts, taps, strict=True)
        ]
        shared(kernels.share_levels, rooms.blocks, rooms.rows, np.array(level), self._taps)()


def _halve(samples: np.ndarray, at: int, taps: np.ndarray, out: np.ndarray) -> None:
    """Make some rows of the lower rate from samples, the first centered on row `at`."""
    reach = far(taps)

    def work(begin: int, end: int) -> None:
        for low in range(begin, end, _STRIP):
            rows = out[:, low : min(low + _STRIP, end)]
            strip = lanes_for(len(rows), 2 * rows.shape[1] + 2 * reach)
            kernels.lay_out(samples, at + 2 * low - reach, strip)
            kernels.halve(0, rows.shape[1], strip, reach, taps, rows)

    in_parts(work, out.shape[1], least=_LEAST)


def _lay_out(begin: int, end: int, samples: np.ndarray, room: np.ndarray) -> None:
    kernels.lay_out(samples, begin, room[:, begin:end])


def held_beside(bank: FilterBank, channels: int) -> int:
    """Numbers that a stream holds beside each sample of so many channels."""
    at_full_rate = any(not band.level and not band.by_samples for band in bank.bands)
    # Each level holds half of the one above; channels are held in full blocks.
    return (1 + at_full_rate) * blocks(channels) * LANES


def carried_rows(bank: FilterBank, longest: int, *, causal: bool = False) -> list[int]:
    """Rows that each level below the full rate keeps from one piece to the next, at most.

    Parameters
    ----------
    bank, longest, causal
        As for `near_samples`.
    """
    # What the filter below reads again.
    kept = [2 * far(taps) for taps in bank.halvings[1:]] + [0] * bool(bank.halvings)
    for band in bank.bands:
        if band.level:
            lag = band.reach if causal else 0
            rows = band.rows_before + band.rows_after + ((longest + lag) >> band.level) + 2
            kept[band.level - 1] = max(kept[band.level - 1], rows)
    return kept


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
