"""Power of consecutive bins from consecutive samples: nothing is filtered twice.

A slow band reaches seconds beyond a bin. Were each piece of a recording filtered alone,
all that its slowest band reaches would pass through the fast levels again. So every level
keeps the few rows that its own next bins and the next level still need, and makes its
bands' bins as soon as its rows are there: the fast bands are ahead of the slow ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nwbdecode.features import kernels, layout
from nwbdecode.features.design import far
from nwbdecode.features.lanes import LANES, blocks
from nwbdecode.features.levels import Halving, Level, Step
from nwbdecode.features.means import smooth_mean
from nwbdecode.features.rooms import lanes_for
from nwbdecode.features.threads import begun, in_parts, threads_here

if TYPE_CHECKING:
    from nwbdecode.features.filterbank import FilterBank

#: Rows of the lower rate that are made at once where no bins lie.
_STRIP = 256
#: Blocks of channels a thread that make it worth giving each its own, all the way down.
_OWN = 4


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
        self._levels = [Level(bank, level, self.lags) for level in range(len(bank.halvings) + 1)]
        self._smoothed = 0
        self._given = 0
        # Bins from one on, of which those up to another have been begun.
        self._bins = np.empty((0, 1, 1), dtype=np.float32)
        self._bins_from = self._made = 0

    def push(self, samples: np.ndarray, origin: int, upto: int, *, down: bool = True) -> np.ndarray:
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
        down : bool, default True
            Whether the levels below the full rate are filtered now, or with what later calls
            bring; needed where bins are given.

        Returns
        -------
        float32 array, shape (bin, frequency, channel)
            Until the next call: its memory is used again.
        """
        end = origin + len(samples)
        levels = self._levels if down else self._levels[:1]
        ends = self._ends(end - 1)
        made = [level.ready(self.stop, last) for level, last in zip(levels, ends, strict=False)]
        smoothed = self._smoothable(end)
        if min(*made, smoothed, len(self.stop)) < upto or (upto > self._given and not down):
            raise RuntimeError(f"{len(samples)} samples do not reach as far as {upto} bins do")
        extra = 0 if self.low_pass is None else 1
        # A level without bands makes none, however many are ready there. The next samples do not
        # reach back to what can be smoothed now.
        begun = [bins for level, bins in zip(levels, made, strict=True) if level.bands]
        begun += [] if self.low_pass is None else [smoothed]
        out = self._bins_until(max(begun, default=upto), extra + len(self.bank.bands), samples)
        if self.low_pass is not None:
            at, shift = slice(self._smoothed, max(self._smoothed, smoothed)), origin + self.low_lag
            self._check_smoothed(at, shift, len(samples))
            out[at.start - self._given : at.stop - self._given, 0] = smooth_mean(
                samples, self.low_pass, self.first[at] - shift, self.stop[at] - shift
            )
            self._smoothed = at.stop
        finish = self._full_rate(samples, origin, made[0], out[:, extra:])
        # Laid out while other threads filter.
        steps = [
            self._step(level, bins, samples.shape[1])
            for level, bins in zip(levels[1:], made[1:], strict=True)
        ]
        finish()
        self._lower_rates(steps, out[:, extra:])
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

    def _bins_until(self, stop: int, rows: int, samples: np.ndarray) -> np.ndarray:
        """Room for the bins that were not given yet, where some were made already."""
        channels = samples.shape[1]
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

    def _full_rate(
        self, samples: np.ndarray, origin: int, upto: int, out: np.ndarray
    ) -> Callable[[], None]:
        """Begin the bins of the bands that need the full rate, and halve it; gives what ends it."""
        level, bands = self._levels[0], self.bank.bands
        sparse = [k for k in level.bands if bands[k].by_samples]
        between = [k for k in level.bands if not bands[k].by_samples]
        first, stop, rows = self._begin(level, upto)
        if len(first):
            level.check(first[0], stop[-1], origin, len(samples))
        halving = self._room(1, origin, len(samples), samples.shape[1])
        if halving.carried is not None:
            in_parts(lambda low, high: halving.of(low, high).carry_on(), len(halving.rows))
        begin = end = 0
        summed: Callable[[], np.ndarray] | None = None
        if sparse and len(first):
            # Rows of the lower rate are made beside the bins that lie there, while the
            # samples are at hand; those before and after all bins alone.
            tile = np.clip(-(-np.append(first, stop[-1]) // 2) - halving.low, 0, len(halving))
            begin, end = int(tile[0]), int(tile[-1])
            summed = self._sum_points(samples, origin, first, stop, sparse, halving, tile)
        for part in (slice(0, begin), slice(end, len(halving))):
            self._halve(samples, 2 * (halving.low + part.start) - origin, halving, part)
        if between and len(first):
            laid = lanes_for(blocks(samples.shape[1]), len(samples), self._rooms.get(0))
            self._rooms[0] = laid
            in_parts(_lay_out, len(samples), samples, laid, least=kernels.ROWS)
            for k in between:
                power = self._sum_grid(laid, origin, k, self._grid(k, first, stop))
                out[rows, k] = power[:, : out.shape[2]]

        def finish() -> None:
            if summed is not None:
                out[rows, sparse] = summed()

        return finish

    def _step(self, level: Level, upto: int, channels: int) -> Step:
        """Lay out what one level does with the rows that it holds by then."""
        held, origin = self._rooms[level.number][:, : level.rows], level.origin
        first, stop, rows = self._begin(level, upto)
        sums = []
        if len(first):
            level.check(first[0], stop[-1], origin, level.rows)
            sums = [(k, rows, self._grid(k, first, stop)) for k in level.bands]
        return Step(held, origin, self._room(level.number + 1, origin, level.rows, channels), sums)

    def _lower_rates(self, steps: list[Step], out: np.ndarray) -> None:
        """Take what the full rate gave through the levels below."""
        count = blocks(out.shape[2])

        def work(begin: int, end: int) -> None:
            channels = slice(begin * LANES, min(end * LANES, out.shape[2]))
            for step in steps:
                held, halving = step.held[begin:end], step.halving.of(begin, end)
                halving.carry_on()
                given = (held, 2 * halving.low - step.origin, halving.taps, halving.rows)
                in_parts(kernels.halve, len(halving), *given, least=kernels.ROWS)
                for k, rows, grid in step.sums:
                    out[rows, k, channels] = self._sum_grid(held, step.origin, k, grid)[
                        :, : channels.stop - channels.start
                    ]

        if steps and count >= _OWN * threads_here():
            # Rows stay in one processor's cache, and no thread waits for another.
            in_parts(work, count)
        elif steps:
            work(0, count)

    def _begin(self, level: Level, upto: int) -> tuple[np.ndarray, np.ndarray, slice]:
        """Samples of the bins that a level makes now, and where they go."""
        begin, level.done = level.done, max(level.done, upto)
        bins = slice(begin, level.done)
        rows = slice(begin - self._given, level.done - self._given)
        return self.first[bins], self.stop[bins], rows

    def _room(self, number: int, origin: int, rows: int, channels: int) -> Halving:
        """Keep what a level still needs, and give room for what it gets from the one above.

        The one above holds so many rows from `origin` on.
        """
        if number == len(self._levels):
            return Halving(0, lanes_for(blocks(channels), 0), np.ones(1, np.float32), None)
        level, taps = self._levels[number], self.bank.halvings[number - 1]
        if level.rows == 0:
            # Rows stay on even ones of the segment.
            level.origin = level.end = -(-(origin + far(taps)) // 2)
        high = max(level.end, (origin + rows - far(taps) - 1) // 2 + 1)
        kept = min(level.wanted(self.first, self.stop), level.end)
        if number < len(self.bank.halvings):
            next_end = self._levels[number + 1].end if self._levels[number + 1].rows else None
            next_far = far(self.bank.halvings[number])
            kept = level.origin if next_end is None else min(kept, 2 * next_end - next_far)
        kept = max(kept, level.origin)
        tail, wanted = level.end - kept, high - kept
        room = old = self._rooms.get(number)
        if room is None or room.shape[1] < wanted or len(room) != blocks(channels):
            # Rows gather until the levels below take them; what is never touched costs nothing.
            room = self._rooms[number] = lanes_for(blocks(channels), 2 * wanted)
        low = level.end
        kept_at = kept - level.origin
        before = room if old is None else old[:, kept_at : kept_at + tail]
        moves = tail and (room is not old or kept_at)
        level.origin, level.end, level.rows = kept, high, wanted
        carried = (room[:, :tail], before) if moves else None
        return Halving(low, room[:, tail:wanted], taps, carried)

    def _halve(self, samples: np.ndarray, at: int, halving: Halving, part: slice) -> None:
        """Make some rows of the lower rate from samples, the first centered on row `at`."""
        reach = far(halving.taps)

        def work(begin: int, end: int) -> None:
            for low in range(begin, end, _STRIP):
                rows = halving.rows[:, part][:, low : min(low + _STRIP, end)]
                strip = lanes_for(len(rows), 2 * rows.shape[1] + 2 * reach)
                kernels.lay_out(samples, at + 2 * low - reach, strip)
                kernels.halve(0, rows.shape[1], strip, reach, halving.taps, rows)

        in_parts(work, part.stop - part.start, least=_STRIP)

    def _sum_points(
        self,
        samples: np.ndarray,
        origin: int,
        first: np.ndarray,
        stop: np.ndarray,
        which: list[int],
        halving: Halving,
        tile: np.ndarray,
    ) -> Callable[[], np.ndarray]:
        """Begin the bins of some bands from samples alone; gives what waits for them."""
        bands = [self.bank.bands[k] for k in which]
        lag = np.array([self.lags[k] for k in which])
        plan = layout.points(
            bands, [first - moved for moved in lag], [stop - moved for moved in lag], self.bank.w0
        )
        reach = max(far(halving.taps), *(len(band.even) - 1 for band in bands)) + 1
        count, rows = blocks(samples.shape[1]), kernels.ROWS + int(lag.max()) + 2 * reach
        power = np.empty((len(first), len(which) * count, LANES), dtype=np.float32)
        at = 2 * halving.low - origin
        given = (samples, origin, first, lag, *plan, power, at, halving.taps, halving.rows, tile)

        def work(begin: int, end: int) -> None:
            kernels.sum_points(begin, end, *given, lanes_for(count, rows))

        finish = begun(work, len(first))

        def summed() -> np.ndarray:
            finish()
            return power.reshape(len(first), len(which), -1)[:, :, : samples.shape[1]]

        return summed

    def _grid(self, which: int, first: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, ...]:
        lag = self.lags[which]
        return layout.grid(self.bank.bands[which], first - lag, stop - lag, self.bank.w0)

    def _sum_grid(
        self, held: np.ndarray, origin: int, which: int, grid: tuple[np.ndarray, ...]
    ) -> np.ndarray:
        band, (task, _, _, _, first, *_) = self.bank.bands[which], grid
        power = np.empty((len(first), len(held), LANES), dtype=np.float32)
        given = (held, -origin, band.step, band.even, band.odd, *grid, power)
        in_parts(kernels.sum_grid, len(held) * (len(task) - 1), *given, least=8)
        return power.reshape(len(first), -1)


def _lay_out(begin: int, end: int, samples: np.ndarray, room: np.ndarray) -> None:
    kernels.lay_out(samples, begin, room[:, begin:end])


def held_beside(bank: FilterBank, channels: int) -> int:
    """Numbers that a stream holds beside each sample of so many channels."""
    at_full_rate = any(not band.level and not band.by_samples for band in bank.bands)
    # Each level holds half of the one above; channels are held in full blocks.
    return (1 + at_full_rate) * blocks(channels) * LANES


def carried_rows(bank: FilterBank, longest: int, *, causal: bool = False) -> int:
    """Rows that all levels below the full rate keep from one piece to the next, at most.

    Parameters
    ----------
    bank, longest, causal
        As for `near_samples`.
    """
    kept = [2 * far(taps) for taps in bank.halvings]
    for band in bank.bands:
        if band.level:
            lag = band.reach if causal else 0
            rows = band.rows_before + band.rows_after + ((longest + lag) >> band.level) + 2
            kept[band.level - 1] = max(kept[band.level - 1], rows)
    return sum(kept)


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
