"""Layout of a band's sums: which rows each bin takes, and with what weights.

Bins of one width that begin at one place between grid points are alike: what such a bin
takes is worked out once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations
from typing import Any

import numpy as np

from nwbdecode.features import quadrature
from nwbdecode.features.design import NEIGHBORS, SPARSEST, Band
from nwbdecode.features.morlet import W0

#: Weights, of 1 for each sample, that are left out.
_NOTHING = 1e-6
#: Grid points that one task holds.
_HELD = 192


@dataclass(frozen=True)
class _Kinds:
    """Bins sorted by width and place between grid points."""

    #: One number for each kind, which holds both.
    keys: tuple[int, ...]
    #: Of each bin, which kind it is of.
    which: np.ndarray

    @classmethod
    def of(cls, first: np.ndarray, stop: np.ndarray, stride: int) -> _Kinds:
        keys, which = np.unique((stop - first) * stride + first % stride, return_inverse=True)
        return cls(tuple(keys.tolist()), which.ravel())


def points(
    bands: Sequence[Band], first: Sequence[np.ndarray], stop: Sequence[np.ndarray], w0: float
) -> tuple[np.ndarray, ...]:
    """Choose samples and weights for bins that take samples alone, as `kernels.sum_points` does.

    Parameters
    ----------
    bands : sequence of Band
    first, stop : sequences of int arrays, shape (bin,)
        Of each band, where its bins lie, counted from the segment's first sample.
    w0 : float
    """
    even, odd, size = _taps_of(tuple(bands))
    kinds = [_Kinds.of(f, s, 1) for f, s in zip(first, stop, strict=True)]
    lists = tuple((band.period, kind.keys) for band, kind in zip(bands, kinds, strict=True))
    row, weight, begin = _points_together(lists, w0)
    ahead = np.cumsum([0] + [len(kind.keys) for kind in kinds[:-1]])
    which = np.stack([kind.which + n for kind, n in zip(kinds, ahead, strict=True)])
    return even, odd, size, which, row, weight, begin


@lru_cache(maxsize=64)
def _points_together(
    lists: tuple[tuple[float, tuple[int, ...]], ...], w0: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and weights of all widths of bins of several bands, and where each width's begin."""
    made = [_points_of(period, width, w0) for period, widths in lists for width in widths]
    row = np.concatenate([row for row, _ in made])
    weight = np.concatenate([weight for _, weight in made])
    return row, weight, np.cumsum([0] + [len(row) for row, _ in made])


@lru_cache(maxsize=64)
def _taps_of(bands: tuple[Band, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    size = np.array([len(band.even) for band in bands])
    even, odd = (np.zeros((len(bands), size.max()), dtype=np.float32) for _ in range(2))
    for k, band in enumerate(bands):
        even[k, : size[k]], odd[k, : size[k]] = band.even, band.odd
    return even, odd, size


@lru_cache(maxsize=1024)
def _points_of(period: float, width: int, w0: float) -> tuple[np.ndarray, np.ndarray]:
    """Samples of a bin that are looked at, and their weights."""
    sample = np.arange(width)
    weight = _thinned(np.ones(width), sample, width, period, 1, w0)
    kept = np.flatnonzero(weight)
    return kept, (0.5 / width * weight[kept]).astype(np.float32)


def _thinned(
    weight: np.ndarray, sample: np.ndarray, width: int, period: float, step: int, w0: float
) -> np.ndarray:
    """Give the weights of regular points of a bin to fewer of them, where that does no harm.

    Near the bin's ends all are looked at. Where a sparser grid begins softly enough it takes
    over, and perhaps a still sparser one from that; of all ways the one of fewest points is
    taken. Points are `step` samples apart, at `sample` of the bin's `width`.
    """
    rise = {}
    # The wider a wavelet's spectrum, the denser the grid.
    for times in range(2, int(w0 / W0 * period / step / SPARSEST) + 1):
        length = _edge(period, times * step, w0)
        if 2 * length < width:
            rise[times] = _rise(sample, width, length)
    best = weight
    for grids in chain.from_iterable(combinations(sorted(rise), many) for many in (1, 2, 3)):
        thinned = weight - rise[grids[0]]
        for times, inner in zip(grids, (*(rise[times] for times in grids[1:]), 0), strict=True):
            thinned[::times] += times * (rise[times] - inner)[::times]
        thinned[thinned < _NOTHING] = 0
        best = min(best, thinned, key=np.count_nonzero)
    return best


def _edge(period: float, stride: int, w0: float) -> int:
    """Samples over which a grid has to rise."""
    return int(np.ceil(quadrature.edge_width(period / stride, w0) * period))


def _rise(sample: np.ndarray, width: int, length: int) -> np.ndarray:
    """Rise from both ends of a bin."""
    after = quadrature.soft(sample + 0.5, length)
    return after * quadrature.soft(width - sample - 0.5, length)


def grid(band: Band, first: np.ndarray, stop: np.ndarray, w0: float) -> tuple[np.ndarray, ...]:
    """Lay out a band's sums on its grid, as `kernels.sum_grid` takes them."""
    stride = band.stride
    kinds = _Kinds.of(first, stop, stride)
    looked_at, thinned, *sums = _grid_together(stride, band.density, kinds.keys, w0)
    origin = first // stride
    span = np.array([(at[0], at[-1] + 1) for at in looked_at])
    reach = origin[:, None] + span[kinds.which]
    # As many bins a task as its grid points may be held for.
    apart = max(1, int(np.diff(origin).min(initial=_HELD)))
    longest = int((reach[:, 1] - reach[:, 0]).max())
    task = np.arange(0, len(first), 1 + max(0, _HELD - longest) // apart)
    low = np.minimum.reduceat(reach[:, 0], task)
    high = np.maximum.reduceat(reach[:, 1], task)
    begin, end = int(low.min()), int(high.max())
    needed = np.full(end - begin, not thinned)
    if thinned:
        for kind, at in enumerate(looked_at):
            needed[origin[kinds.which == kind, None] - begin + at] = True
    points = begin + np.flatnonzero(needed)
    held = np.stack([np.searchsorted(points, low), np.searchsorted(points, high)], axis=1)
    bounds = np.stack([low, high], axis=1)
    return np.append(task, len(first)), bounds, points, held, origin, kinds.which, *sums


@lru_cache(maxsize=256)
def _grid_together(
    stride: int, density: float, keys: tuple[int, ...], w0: float
) -> tuple[Any, ...]:
    """Grid points and sums of all kinds of bins; see `kernels.sum_grid`."""
    plans = [_grid_of(stride, density, key // stride, key % stride, w0) for key in keys]
    nodes = max(len(plan.base) for plan in plans)
    between = np.zeros((len(plans), nodes, NEIGHBORS), dtype=np.complex64)
    share = np.zeros((len(plans), nodes), dtype=np.float32)
    base = np.zeros((len(plans), nodes), dtype=np.int64)
    for k, plan in enumerate(plans):
        held = slice(0, len(plan.base))
        between[k, held], share[k, held], base[k, held] = plan.between, plan.quadrature, plan.base
    edge = np.cumsum([0] + [len(plan.at) for plan in plans])
    row = np.concatenate([plan.at for plan in plans])
    weight = np.concatenate([plan.weight for plan in plans])
    looked_at = [plan.looked_at() for plan in plans]
    thinned = any(len(at) <= at[-1] - at[0] for at in looked_at)
    return looked_at, thinned, row, edge, weight, base, between, share


@dataclass(frozen=True, eq=False)
class _GridOf:
    """The sums of one kind of bin, counted from the grid point at or before its first sample."""

    at: np.ndarray
    weight: np.ndarray
    base: np.ndarray
    between: np.ndarray
    quadrature: np.ndarray

    def looked_at(self) -> np.ndarray:
        """Grid points that are summed or that lie beside what is."""
        beside = (self.base[:, None] + np.arange(NEIGHBORS)).ravel()
        return np.unique(np.concatenate([self.at, beside]))


@lru_cache(maxsize=4096)
def _grid_of(stride: int, density: float, width: int, aligned: int, w0: float) -> _GridOf:
    period = stride * density
    length = _edge(period, stride, w0)
    weight, at = np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)
    if width > 2 * length + 2 * stride:
        count = int(np.ceil(1.5 * length / period)) + 5
        nodes, share = quadrature.edge_nodes(length, count)
        nodes = np.concatenate([nodes, width - 1 - nodes[::-1]])
        share = np.concatenate([share, share[::-1]])
        start = -(-aligned // stride)
        # Grid points inside the bin, as samples of it.
        inside = np.arange(start * stride - aligned, width, stride)
        rise = _thinned(_rise(inside, width, length), inside, width, period, stride, w0)
        at = np.flatnonzero(rise)
        weight = (0.5 * stride / width * rise[at]).astype(np.float32)
        at += start
    else:
        count = int(np.ceil(1.5 * width / period)) + 5
        nodes, share = quadrature.bin_nodes(width, count)
    position = (aligned + nodes) / stride
    low = np.floor(position).astype(np.int64)
    between = quadrature.interpolation(position - low, density, NEIGHBORS, w0)
    base = low - (NEIGHBORS // 2 - 1)
    return _GridOf(at, weight, base, between, 0.5 / width * share)
