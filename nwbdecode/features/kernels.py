"""Compiled loops of the filter bank.

What the recording gives has the shape (time, channel); everything below its rate lies in
blocks of `LANES` channels, (block, row, LANES): a filter then reads rows that follow each
other and fit into the nearest cache, and its sums stay in registers (see `lanes`). The
last block may hold more lanes than there are channels left; those are zero.

Each channel is summed in the order written here, whatever is computed beside it, so a
value does not depend on how a recording was cut or on how many threads ran.
Multiplications and additions may fuse; sums are never reordered.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from nwbdecode.features.lanes import LANES, load, multiply_add, splat, store

_FAST: Any = {"contract"}
_HOW: dict[str, Any] = {"cache": True, "nogil": True, "fastmath": _FAST}
# Numba keeps compiled code by the file it is of, and cannot know what `lanes.py` holds: a change
# there has to be a change here.
if LANES != 16:
    raise AssertionError("kernels were compiled for 16 lanes; say so here if there are others")
#: Rows that one thread takes through all filters at a time.
ROWS = 128


@numba.njit(**_HOW)
def _halved(rows: np.ndarray, block: int, at: int, taps: np.ndarray) -> Any:
    total = load(rows, block, at) * splat(taps[0])
    for k in range(1, taps.size):
        later, earlier = load(rows, block, at + 2 * k - 1), load(rows, block, at - 2 * k + 1)
        total = multiply_add(later + earlier, splat(taps[k]), total)
    return total


@numba.njit(**_HOW)
def _filtered(rows: np.ndarray, block: int, at: int, even: np.ndarray, odd: np.ndarray) -> Any:
    """Correlate with a wavelet centered on row `at`; gives its real and imaginary parts.

    `even` and `odd` hold the middle tap and those on one side. Correlating with the
    wavelet, the sine enters with a minus: what is earlier comes before what is later.
    """
    real, imag = load(rows, block, at) * splat(even[0]), splat(np.float32(0))
    for k in range(1, even.size):
        later, earlier = load(rows, block, at + k), load(rows, block, at - k)
        real = multiply_add(later + earlier, splat(even[k]), real)
        imag = multiply_add(earlier - later, splat(odd[k]), imag)
    return real, imag


@numba.njit(**_HOW)
def _power(real: Any, imag: Any) -> Any:
    return multiply_add(real, real, imag * imag)


@numba.njit(**_HOW)
def lay_out(samples: np.ndarray, low: int, room: np.ndarray) -> None:
    """Copy samples (time, channel) from row `low` on, as many as fit, into blocks of lanes."""
    channels = samples.shape[1]
    for row in range(max(0, -low), min(room.shape[1], samples.shape[0] - low)):
        for block in range(room.shape[0]):
            begin = block * LANES
            if begin + LANES <= channels:
                store(room, block, row, load(samples, low + row, begin))
                continue
            store(room, block, row, splat(np.float32(0)))
            for c in range(begin, channels):
                room[block, row, c - begin] = samples[low + row, c]


@numba.njit(**_HOW)
def halve(
    begin: int, end: int, rows: np.ndarray, at: int, taps: np.ndarray, out: np.ndarray
) -> None:
    """Filter blocks of rows with half-band taps at every second one.

    Row `m` of `out`, from `begin` to `end`, is centered on row ``at + 2 * m``. `taps` holds
    the middle tap and those at odd distances 1, 3, ...; all others are zero.
    """
    for block in range(out.shape[0]):
        for m in range(begin, end):
            store(out, block, m, _halved(rows, block, at + 2 * m, taps))


@numba.njit(**_HOW)
def sum_points(
    begin: int,
    end: int,
    samples: np.ndarray,
    origin: int,
    first: np.ndarray,
    lag: np.ndarray,
    even: np.ndarray,
    odd: np.ndarray,
    size: np.ndarray,
    kind: np.ndarray,
    row: np.ndarray,
    weight: np.ndarray,
    edge: np.ndarray,
    out: np.ndarray,
    at: int,
    taps: np.ndarray,
    halved: np.ndarray,
    tile: np.ndarray,
    window: np.ndarray,
) -> None:
    """Sum weighted power at given samples, and halve the rate, while they are at hand.

    Of band `b`, the first ``size[b]`` of ``even[b]`` and ``odd[b]`` are taps. Bin `i`, from
    `begin` to `end`, of a kind ``k = kind[b, i]`` sums the samples ``row[edge[k]:edge[k + 1]]``,
    counted from ``first[i] - lag[b]``; all are counted from `origin`. `halved` is made as by
    `halve`, the first row centered on row `at`: ``tile[i]:tile[i + 1]`` beside bin `i`.

    `samples` are (time, channel). A few at a time are laid out in blocks of lanes, in
    `window`, and go through all filters while they are in the cache. It holds `ROWS` rows,
    the largest `lag`, and as many on either side as a filter reaches.
    """
    bands = size.size
    reach = (window.shape[1] - ROWS - lag.max()) // 2
    low, high = np.empty(bands, np.int64), np.empty(bands, np.int64)
    for i in range(begin, end):
        out[i] = np.float32(0)
        for b in range(bands):
            high[b] = edge[kind[b, i]]
        place = first[i] - origin
        m, reached, left = tile[i], 0, True
        while left:
            base = place + reached - lag.max() - reach
            lay_out(samples, base, window)
            reached += ROWS
            before = m
            while m < tile[i + 1] and at + 2 * m < place + reached:
                m += 1
            left = m < tile[i + 1]
            for b in range(bands):
                low[b], last = high[b], edge[kind[b, i] + 1]
                while high[b] < last and row[high[b]] < reached:
                    high[b] += 1
                left |= high[b] < last
            for block in range(window.shape[0]):
                for n in range(before, m):
                    store(halved, block, n, _halved(window, block, at + 2 * n - base, taps))
                for b in range(bands):
                    if low[b] == high[b]:
                        continue
                    wave, other = even[b, : size[b]], odd[b, : size[b]]
                    shift = place - lag[b] - base
                    total = load(out, i, b * window.shape[0] + block)
                    for k in range(low[b], high[b]):
                        real, imag = _filtered(window, block, shift + row[k], wave, other)
                        total = multiply_add(_power(real, imag), splat(weight[k]), total)
                    store(out, i, b * window.shape[0] + block, total)


@numba.njit(**_HOW)
def _between(value: np.ndarray, g: int, weight: np.ndarray) -> Any:
    """Interpolate from the grid points that begin at `g`; gives real and imaginary parts."""
    real, imag = splat(np.float32(0)), splat(np.float32(0))
    for j in range(weight.size):
        x, y = load(value, g + j, 0), load(value, g + j, 1)
        u, v = splat(weight[j].real), splat(weight[j].imag)
        real = multiply_add(splat(-weight[j].imag), y, multiply_add(u, x, real))
        imag = multiply_add(v, x, multiply_add(u, y, imag))
    return real, imag


@numba.njit(**_HOW)
def sum_grid(
    begin: int,
    end: int,
    rows: np.ndarray,
    at: int,
    step: int,
    even: np.ndarray,
    odd: np.ndarray,
    task: np.ndarray,
    span: np.ndarray,
    point: np.ndarray,
    held: np.ndarray,
    first: np.ndarray,
    kind: np.ndarray,
    row: np.ndarray,
    edge: np.ndarray,
    weight: np.ndarray,
    base: np.ndarray,
    between: np.ndarray,
    share: np.ndarray,
    out: np.ndarray,
) -> None:
    """Sum weighted power on a grid and between its points.

    Tasks of all blocks are counted one after the other; this does those from `begin` to `end`.

    Grid point `g` is centered on row ``at + step * g``. Bins ``task[t]:task[t + 1]`` are
    made together, from grid points ``point[held[t, 0]:held[t, 1]]``, which lie between
    ``span[t, 0]`` and ``span[t, 1]``. A bin `i` of kind ``k = kind[i]`` counts grid points
    from ``first[i]``: it sums ``row[edge[k]:edge[k + 1]]``, weighted, and then the nodes that
    have a ``share[k, q]``: the first neighbor of each is ``base[k, q]``, the complex weights
    of its neighbors ``between[k, q]``.
    """
    tasks = task.size - 1
    for both in range(begin, end):
        block, t = both // tasks, both % tasks
        low = span[t, 0]
        value = np.empty((span[t, 1] - low, 2, LANES), dtype=np.float32)
        for n in range(held[t, 0], held[t, 1]):
            real, imag = _filtered(rows, block, at + step * point[n], even, odd)
            store(value, point[n] - low, 0, real)
            store(value, point[n] - low, 1, imag)
        for i in range(task[t], task[t + 1]):
            total = splat(np.float32(0))
            which, here = kind[i], first[i] - low
            for k in range(edge[which], edge[which + 1]):
                g = here + row[k]
                power = _power(load(value, g, 0), load(value, g, 1))
                total = multiply_add(power, splat(weight[k]), total)
            for q in range(share.shape[1]):
                if share[which, q] != 0:
                    real, imag = _between(value, here + base[which, q], between[which, q])
                    total = multiply_add(_power(real, imag), splat(share[which, q]), total)
            store(out, i, block, total)


@numba.njit(**_HOW)
def weighted_sums(
    begin: int,
    end: int,
    samples: np.ndarray,
    weight: np.ndarray,
    start: np.ndarray,
    out: np.ndarray,
) -> None:
    """Sum so many rows from each start, weighted alike; summed in float64."""
    channels = samples.shape[1]
    for i in range(begin, end):
        total = np.zeros(channels)
        k = 0
        while k + 4 <= weight.size:
            weight0, weight1, weight2, weight3 = (
                weight[k],
                weight[k + 1],
                weight[k + 2],
                weight[k + 3],
            )
            at = start[i] + k
            for c in range(channels):
                total[c] += (
                    samples[at, c] * weight0
                    + samples[at + 1, c] * weight1
                    + samples[at + 2, c] * weight2
                    + samples[at + 3, c] * weight3
                )
            k += 4
        while k < weight.size:
            for c in range(channels):
                total[c] += samples[start[i] + k, c] * weight[k]
            k += 1
        for c in range(channels):
            out[i, c] = np.float32(total[c])
