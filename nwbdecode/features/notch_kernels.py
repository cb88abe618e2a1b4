"""Compiled loops of the notch: few sums a sample, each of one length and in one order.

Samples of one channel lie one after the other and are worked on side by side, tap after tap,
so a value does not depend on where a recording was cut.
"""

from __future__ import annotations

import numba
import numpy as np

#: Samples that are summed at a time: they stay in the processor's nearest cache.
_TILE = 1024
#: Channels that are put in and taken out together: they share cache lines.
CHANNELS = 4

# Nothing may fuse or change order: vectors and what is left beside them give the same bits.
_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def _add(total: np.ndarray, source: np.ndarray, offset: np.ndarray, weight: np.ndarray) -> None:
    """Add the weighted `source`, moved by each offset, to `total`."""
    for start in range(0, total.size, _TILE):
        tile = total[start : start + _TILE]
        size, k = tile.size, 0
        # Four taps at once fetch and put back a sum once.
        while k + 4 <= weight.size:
            at = start + offset[k : k + 4]
            w0, w1, w2, w3 = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
            x0, x1 = source[at[0] : at[0] + size], source[at[1] : at[1] + size]
            x2, x3 = source[at[2] : at[2] + size], source[at[3] : at[3] + size]
            for i in range(size):
                tile[i] += w0 * x0[i] + w1 * x1[i] + w2 * x2[i] + w3 * x3[i]
            k += 4
        while k < weight.size:
            w0, x0 = weight[k], source[start + offset[k] : start + offset[k] + size]
            for i in range(size):
                tile[i] += w0 * x0[i]
            k += 1


@_compiled
def _sum_moving(source: np.ndarray, length: int, total: np.ndarray) -> None:
    """Sum `length` samples from each on, by sums of twice as many and twice as many.

    Sums do not run on from one to the next, so each depends on its own samples alone.
    """
    sums, longer = np.empty(_TILE + length), np.empty(_TILE + length)
    for start in range(0, total.size, _TILE):
        tile = total[start : start + _TILE]
        tile[:] = 0.0
        have, at, size, left = tile.size + length - 1, 0, 1, length
        sums[:have] = source[start : start + have]
        while left:
            if left % 2:
                some = sums[at : at + tile.size]
                for i in range(tile.size):
                    tile[i] += some[i]
                at += size
            left //= 2
            if left:
                have -= size
                moved = sums[size : size + have]
                for i in range(have):
                    longer[i] = sums[i] + moved[i]
                sums, longer = longer, sums
                size *= 2


@_compiled
def _free_of_drift(x: np.ndarray, box: int, edge: float, middle: int, out: np.ndarray) -> None:
    """Take the mean of `box` samples and a part of one on either side from the one at `middle`."""
    _sum_moving(x[1:], box, out)
    period = box + 2 * edge
    last = x[box + 1 :]
    at = x[middle:]
    for i in range(out.size):
        out[i] = at[i] - (out[i] + edge * (x[i] + last[i])) / period


@_compiled
def subtract_hum(
    begin: int,
    end: int,
    samples: np.ndarray,
    count: int,
    stretch: int,
    before: int,
    spread: int,
    box: int,
    edge: float,
    middle: int,
    near_at: np.ndarray,
    near: np.ndarray,
    far_at: np.ndarray,
    far: np.ndarray,
    rest_at: np.ndarray,
    rest: np.ndarray,
) -> None:
    """Put the samples without their hum where the first of them lay, `CHANNELS` a group.

    Groups of channels from `begin` to `end` of `samples` (time, channel) are worked on,
    `stretch` outputs at a time; output `i`, of `count`, goes to row `i` and is of row
    ``before + i``. Offsets count from the first sample free of drift that an output depends
    on; it depends on `spread` more. See `notch.Notch` for all others.
    """
    around = samples.shape[0] - count
    x = np.empty((CHANNELS, stretch + around))
    above, part = np.empty(stretch + spread), np.empty(stretch + spread)
    hum = np.empty(stretch)
    for group in range(begin, end):
        first = group * CHANNELS
        width = min(CHANNELS, samples.shape[1] - first)
        for start in range(0, count, stretch):
            size = min(stretch, count - start)
            for i in range(size + around):
                for c in range(width):
                    x[c, i] = samples[start + i, first + c]
            for c in range(width):
                free = x[c, : size + spread]
                if box:
                    free = above[: size + spread]
                    _free_of_drift(x[c], box, edge, middle, free)
                total = hum[:size]
                total[:] = 0.0
                for r in range(near.shape[0]):
                    if near_at.size == 1:
                        _add(total, free, far_at, far[r])
                        continue
                    some = part[: size + spread - near_at.max()]
                    some[:] = 0.0
                    _add(some, free, near_at, near[r])
                    _add(total, some, far_at, far[r])
                _add(total, free, rest_at, rest)
                for i in range(size):
                    x[c, i] = x[c, before + i] - total[i]
            for i in range(size):
                for c in range(width):
                    samples[start + i, first + c] = np.float32(x[c, i])
