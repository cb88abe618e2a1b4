"""Compiled loops of the filter bank, over samples of shape (time, channel).

The innermost loop runs over channels: each is summed in the order written here, whatever
is computed beside it, so a value does not depend on how a recording was cut or on how
many threads ran. Multiplications and additions may fuse; sums are never reordered.

Loops are unrolled four-fold by hand: a sum that stays in registers for four terms keeps
the multipliers busy, one that is fetched and put back for each does not.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

_FAST: Any = {"contract"}
_HOW: dict[str, Any] = {"cache": True, "nogil": True, "fastmath": _FAST}
#: Rows that one thread works on at a time.
_ROWS = 64


@numba.njit(**_HOW)
def _halve_row(samples: np.ndarray, at: int, taps: np.ndarray, out: np.ndarray) -> None:
    channels = samples.shape[1]
    middle = taps[0]
    for c in range(channels):
        out[c] = samples[at, c] * middle
    k = 1
    while k + 4 <= taps.size:
        tap0, tap1, tap2, tap3 = taps[k], taps[k + 1], taps[k + 2], taps[k + 3]
        later, earlier = at + 2 * k - 1, at - 2 * k + 1
        for c in range(channels):
            total = out[c]
            total += (samples[later, c] + samples[earlier, c]) * tap0
            total += (samples[later + 2, c] + samples[earlier - 2, c]) * tap1
            total += (samples[later + 4, c] + samples[earlier - 4, c]) * tap2
            total += (samples[later + 6, c] + samples[earlier - 6, c]) * tap3
            out[c] = total
        k += 4
    while k < taps.size:
        for c in range(channels):
            out[c] += (samples[at + 2 * k - 1, c] + samples[at - 2 * k + 1, c]) * taps[k]
        k += 1


@numba.njit(parallel=True, **_HOW)
def halve(samples: np.ndarray, at: int, taps: np.ndarray, out: np.ndarray) -> None:
    """Filter with half-band taps at every second sample, the first at row `at`.

    `taps` holds the middle tap and those at odd distances 1, 3, ...; all others are zero.
    """
    for piece in numba.prange((out.shape[0] + _ROWS - 1) // _ROWS):
        for m in range(piece * _ROWS, min(out.shape[0], (piece + 1) * _ROWS)):
            _halve_row(samples, at + 2 * m, taps, out[m])


@numba.njit(**_HOW)
def _filter(
    samples: np.ndarray, at: int, even: np.ndarray, odd: np.ndarray, out: np.ndarray
) -> None:
    """Correlate with a wavelet centered on row `at`; `out` has a row for each of its parts.

    `even` and `odd` hold the middle tap and those on one side. Correlating with the
    wavelet, the sine enters with a minus: what is earlier comes before what is later.
    """
    channels = samples.shape[1]
    middle = even[0]
    for c in range(channels):
        out[0, c] = samples[at, c] * middle
        out[1, c] = np.float32(0)
    k = 1
    while k + 4 <= even.size:
        even0, even1, even2, even3 = even[k], even[k + 1], even[k + 2], even[k + 3]
        odd0, odd1, odd2, odd3 = odd[k], odd[k + 1], odd[k + 2], odd[k + 3]
        after, before = at + k, at - k
        for c in range(channels):
            real, imag = out[0, c], out[1, c]
            later, earlier = samples[after, c], samples[before, c]
            real += (later + earlier) * even0
            imag += (earlier - later) * odd0
            later, earlier = samples[after + 1, c], samples[before - 1, c]
            real += (later + earlier) * even1
            imag += (earlier - later) * odd1
            later, earlier = samples[after + 2, c], samples[before - 2, c]
            real += (later + earlier) * even2
            imag += (earlier - later) * odd2
            later, earlier = samples[after + 3, c], samples[before - 3, c]
            real += (later + earlier) * even3
            imag += (earlier - later) * odd3
            out[0, c], out[1, c] = real, imag
        k += 4
    while k < even.size:
        for c in range(channels):
            later, earlier = samples[at + k, c], samples[at - k, c]
            out[0, c] += (later + earlier) * even[k]
            out[1, c] += (earlier - later) * odd[k]
        k += 1


@numba.njit(**_HOW)
def _add_power(value: np.ndarray, share: float, out: np.ndarray) -> None:
    for c in range(out.size):
        out[c] += share * (value[0, c] * value[0, c] + value[1, c] * value[1, c])


@numba.njit(parallel=True, **_HOW)
def sum_points(
    samples: np.ndarray,
    even: np.ndarray,
    odd: np.ndarray,
    size: np.ndarray,
    first: np.ndarray,
    kind: np.ndarray,
    row: np.ndarray,
    weight: np.ndarray,
    begin: np.ndarray,
    origin: int,
    out: np.ndarray,
    at: int,
    taps: np.ndarray,
    halved: np.ndarray,
    tile: np.ndarray,
) -> None:
    """Sum weighted power at given rows, and halve the rate, while the samples are at hand.

    Of band `b`, the first ``size[b]`` of ``even[b]`` and ``odd[b]`` are taps. Bin `i` of a
    kind ``k = kind[b, i]`` sums the rows ``row[begin[k]:begin[k + 1]]``, counted from
    ``first[b, i]``; all are counted from `origin`. `halved` is made as by `halve`: its rows
    ``tile[i]:tile[i + 1]`` beside bin `i`.
    """
    channels = samples.shape[1]
    bins, bands = out.shape[0], size.size
    for i in numba.prange(bins):
        value = np.empty((2, channels), dtype=np.float32)
        out[i] = np.float32(0)
        at_hand = begin[kind[:, i]]
        m = tile[i]
        reached = 0
        left = True
        # A few rows at a time go through all filters while they are in the cache.
        while left:
            reached += _ROWS
            left = m + _ROWS // 2 < tile[i + 1]
            while m < min(tile[i] + reached // 2, tile[i + 1]):
                _halve_row(samples, at + 2 * m, taps, halved[m])
                m += 1
            for b in range(bands):
                k, end = at_hand[b], begin[kind[b, i] + 1]
                while k < end and row[k] < reached:
                    center = first[b, i] + row[k] - origin
                    _filter(samples, center, even[b, : size[b]], odd[b, : size[b]], value)
                    _add_power(value, weight[k], out[i, b])
                    k += 1
                at_hand[b] = k
                left |= k < end


@numba.njit(**_HOW)
def _between(value: np.ndarray, g: int, weight: np.ndarray, out: np.ndarray) -> None:
    """Interpolate from the grid points that begin at `g`; their number divides by four."""
    channels = value.shape[2]
    for c in range(channels):
        out[0, c] = np.float32(0)
        out[1, c] = np.float32(0)
    for j in range(0, weight.size, 4):
        real0, real1 = weight[j].real, weight[j + 1].real
        real2, real3 = weight[j + 2].real, weight[j + 3].real
        imag0, imag1 = weight[j].imag, weight[j + 1].imag
        imag2, imag3 = weight[j + 2].imag, weight[j + 3].imag
        at = g + j
        for c in range(channels):
            x0, y0 = value[at, 0, c], value[at, 1, c]
            x1, y1 = value[at + 1, 0, c], value[at + 1, 1, c]
            x2, y2 = value[at + 2, 0, c], value[at + 2, 1, c]
            x3, y3 = value[at + 3, 0, c], value[at + 3, 1, c]
            out[0, c] += (
                real0 * x0 - imag0 * y0 + real1 * x1 - imag1 * y1
                + real2 * x2 - imag2 * y2 + real3 * x3 - imag3 * y3
            )  # fmt: skip
            out[1, c] += (
                real0 * y0 + imag0 * x0 + real1 * y1 + imag1 * x1
                + real2 * y2 + imag2 * x2 + real3 * y3 + imag3 * x3
            )  # fmt: skip


@numba.njit(parallel=True, **_HOW)
def sum_grid(
    samples: np.ndarray,
    at: int,
    step: int,
    even: np.ndarray,
    odd: np.ndarray,
    task: np.ndarray,
    span: np.ndarray,
    first: np.ndarray,
    kind: np.ndarray,
    start: np.ndarray,
    weight: np.ndarray,
    begin: np.ndarray,
    base: np.ndarray,
    between: np.ndarray,
    share: np.ndarray,
    out: np.ndarray,
) -> None:
    """Sum weighted power on a grid and between its points.

    Grid point `g` is centered on row ``at + step * g``. Bins ``task[t]:task[t + 1]`` are
    made together, from grid points ``span[t, 0]`` to ``span[t, 1]``. A bin `i` of kind
    ``k = kind[i]`` counts grid points from ``first[i]``: it sums
    ``weight[begin[k]:begin[k + 1]]`` from ``start[k]`` on, and then the nodes that have a
    ``share[k, q]``: the first neighbor of each is ``base[k, q]``, the complex weights of its
    neighbors ``between[k, q]``.
    """
    channels = samples.shape[1]
    for t in numba.prange(task.size - 1):
        low = span[t, 0]
        value = np.empty((span[t, 1] - low, 2, channels), dtype=np.float32)
        for g in range(value.shape[0]):
            _filter(samples, at + step * (low + g), even, odd, value[g])
        node = np.empty((2, channels), dtype=np.float32)
        for i in range(task[t], task[t + 1]):
            total = out[i]
            total[:] = np.float32(0)
            which, here = kind[i], first[i] - low
            for k in range(begin[which], begin[which + 1]):
                _add_power(value[here + start[which] + k - begin[which]], weight[k], total)
            for q in range(share.shape[1]):
                if share[which, q] != 0:
                    _between(value, here + base[which, q], between[which, q], node)
                    _add_power(node, share[which, q], total)


@numba.njit(parallel=True, **_HOW)
def weighted_sums(samples: np.ndarray, weight: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Sum so many rows from each start, weighted alike; summed in float64."""
    channels = samples.shape[1]
    out = np.empty((start.size, channels), dtype=np.float32)
    for i in numba.prange(start.size):
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
    return out
