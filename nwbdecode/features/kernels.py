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

from nwbdecode.features.lanes import LANES, load, multiply_add, splat, store, take

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
def halve_levels(
    begin: int, end: int, room: np.ndarray, level: np.ndarray, taps: np.ndarray
) -> None:
    """Take blocks of channels from each level to the one below it, but the first, which is there.

    Rows of all levels lie in one `room`, (1, row, LANES). Of each level, ``level[n]`` holds
    where its first block begins; how many rows further the next does; of the rows that it
    keeps, how far they move towards the beginning, and how many they are; how many new ones
    follow these; on which row of the level above the first of them is centered; and how many
    of ``taps[n]`` are its own (see `halve`).
    """
    for block in range(begin, end):
        above = 0
        for n in range(len(level)):
            opens, apart, moved, kept, new, at, size = level[n]
            low = opens + block * apart
            if n > 0:
                if moved > 0:
                    for row in range(low, low + kept):
                        store(room, 0, row, load(room, 0, row + moved))
                own = taps[n, :size]
                for m in range(new):
                    store(room, 0, low + kept + m, _halved(room, 0, above + at + 2 * m, own))
            above = low


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
def sum_grids(
    begin: int,
    end: int,
    room: np.ndarray,
    band: np.ndarray,
    even: np.ndarray,
    odd: np.ndarray,
    task: np.ndarray,
    place: int,
    first: np.ndarray,
    kind: np.ndarray,
    span: np.ndarray,
    edge: np.ndarray,
    row: np.ndarray,
    weight: np.ndarray,
    node: np.ndarray,
    base: np.ndarray,
    between: np.ndarray,
    share: np.ndarray,
    out: np.ndarray,
) -> None:
    """Sum weighted power on grids and between their points.

    Rows of all levels lie in one `room`, (1, row, LANES). Of each band, ``band[b]`` holds
    the row of grid point 0 in the first block, how many rows further it lies in the next,
    the rows between grid points, how many of ``even[b]`` and ``odd[b]`` are taps, and its row
    in `out`, (bin, band, channel).

    A bin `i` of kind ``k = kind[b, i]`` counts grid points from ``first[b, i]``, and needs
    none but from ``span[k, 0]`` to ``span[k, 1]``: it sums ``row[edge[k]:edge[k + 1]]``,
    weighted, and then the nodes from ``q = node[k]`` to ``node[k + 1]``: a share of each is
    power between grid points, of which the first that are near is ``base[q]``, their complex
    weights ``between[q]``. It goes to ``out[place + i]``.

    A task, (band, begin, end), is some bins, whose grid points are filtered once; those of
    all blocks are counted one after the other. This does those from `begin` to `end`.
    """
    held = np.empty((1, 1, LANES), dtype=np.float32)
    for number in range(begin, end):
        block, some = number // len(task), number % len(task)
        b, opens, closes = task[some]
        origins, kinds = first[b], kind[b]
        origin, apart, step, size, target = band[b]
        origin += block * apart
        wave, other = even[b, :size], odd[b, :size]
        low, high = origins[opens] + span[kinds[opens], 0], origins[opens] + span[kinds[opens], 1]
        for i in range(opens + 1, closes):
            low = min(low, origins[i] + span[kinds[i], 0])
            high = max(high, origins[i] + span[kinds[i], 1])
        wanted = np.zeros(high - low, dtype=np.bool_)
        for i in range(opens, closes):
            k, here = kinds[i], origins[i] - low
            for n in range(edge[k], edge[k + 1]):
                wanted[here + row[n]] = True
            for q in range(node[k], node[k + 1]):
                near = here + base[q]
                wanted[near : near + between.shape[1]] = True
        value = np.empty((high - low, 2, LANES), dtype=np.float32)
        for g in range(high - low):
            if wanted[g]:
                real, imag = _filtered(room, 0, origin + step * (low + g), wave, other)
                store(value, g, 0, real)
                store(value, g, 1, imag)
        channel = block * LANES
        lanes = min(LANES, out.shape[2] - channel)
        for i in range(opens, closes):
            total = splat(np.float32(0))
            k, here = kinds[i], origins[i] - low
            for n in range(edge[k], edge[k + 1]):
                g = here + row[n]
                power = _power(load(value, g, 0), load(value, g, 1))
                total = multiply_add(power, splat(weight[n]), total)
            for q in range(node[k], node[k + 1]):
                real, imag = _between(value, here + base[q], between[q])
                total = multiply_add(_power(real, imag), splat(share[q]), total)
            store(held, 0, 0, total)
            out[place + i, target, channel : channel + lanes] = held[0, 0, :lanes]


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


# Written out: numba keeps no compiled closure from one process to the next.
@numba.njit(**_HOW)
def share_points(turn: np.ndarray, count: int, grain: int, *given: Any) -> None:
    """Do `sum_points` by turns, as `threads.shared` calls it on each thread."""
    begin = take(turn, grain)
    while begin < count:
        sum_points(begin, min(begin + grain, count), *given)
        begin = take(turn, grain)


@numba.njit(**_HOW)
def share_levels(turn: np.ndarray, count: int, grain: int, *given: Any) -> None:
    """Do `halve_levels` by turns, as `threads.shared` calls it on each thread."""
    begin = take(turn, grain)
    while begin < count:
        halve_levels(begin, min(begin + grain, count), *given)
        begin = take(turn, grain)


@numba.njit(**_HOW)
def share_grids(turn: np.ndarray, count: int, grain: int, *given: Any) -> None:
    """Do `sum_grids` by turns, as `threads.shared` calls it on each thread."""
    begin = take(turn, grain)
    while begin < count:
        sum_grids(begin, min(begin + grain, count), *given)
        begin = take(turn, grain)
