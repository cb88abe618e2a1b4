"""Layout of a band's sums: which rows each bin takes, and with what weights.

Bins of one width that begin at one place between grid points are alike: what such a bin
takes is worked out once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations

import numpy as np

from nwbdecode.features import quadrature
from nwbdecode.features.design import NEIGHBORS, SPARSEST, Band
from nwbdecode.features.morlet import W0

#: Weights, of 1 for each sample, that are left out.
_NOTHING = 1e-6
#: Sparser grids that are tried, at most, alone and with others.
_TRIED = 8
#: Kinds of bins, at most, that are worth remembering together.
_ALIKE = 16
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
    grids = _sparser(period, width, 1, 0, w0)
    weight = _weights(np.arange(width), period, width, 1, 0, grids, w0)
    kept = np.flatnonzero(weight)
    return kept, (0.5 / width * weight[kept]).astype(np.float32)


@lru_cache(maxsize=1024)
def _sparser(period: float, width: int, step: int, length: int, w0: float) -> tuple[int, ...]:
    """Choose sparser grids for the inside of a bin, so that fewest points are looked at.

    Where a grid begins softly enough it can take over from a denser one. Points lie `step`
    samples apart and rise over `length` samples from the bin's ends, at once if that is 0;
    each of the grids takes every so manieth of them.
    """
    # The wider a wavelet's spectrum, the denser the grid.
    every = np.arange(2, int(w0 / W0 * period / step / SPARSEST) + 1)
    every = every[:: max(1, -(-len(every) // _TRIED))]
    lengths = {times: _edge(period, times * step, w0) for times in every.tolist()}
    fit = [times for times, needed in lengths.items() if 2 * needed < width]
    # Beyond the edges every grid goes on as it is.
    short = min(width, 4 * max((lengths[times] for times in fit), default=1))
    sample = np.arange(0, short, step)

    def cost(grids: tuple[int, ...]) -> float:
        near = np.count_nonzero(_weights(sample, period, short, step, length, grids, w0))
        return near + (width - short) / step / (grids[-1] if grids else 1)

    ways = chain.from_iterable(combinations(fit, many) for many in range(4))
    return min(ways, key=cost)


def _weights(
    sample: np.ndarray,
    period: float,
    width: int,
    step: int,
    length: int,
    grids: tuple[int, ...],
    w0: float,
) -> np.ndarray:
    """Weights of points at `sample`, shape (..., point), of a bin; see `_sparser`."""
    weight = _rise(sample, width, length) if length else np.ones(sample.shape)
    if not grids:
        return weight
    rises = [_rise(sample, width, _edge(period, times * step, w0)) for times in grids]
    weight -= rises[0]
    for times, rise, inner in zip(grids, rises, [*rises[1:], np.zeros(1)], strict=True):
        weight[..., ::times] += times * (rise - inner)[..., ::times]
    weight[weight < _NOTHING] = 0
    return weight


def _edge(period: float, stride: int, w0: float) -> int:
    """Samples over which a grid has to rise."""
    return int(np.ceil(quadrature.edge_width(period / stride, w0) * period))


def _rise(sample: np.ndarray, width: int, length: int) -> np.ndarray:
    """Rise from both ends of a bin; zero beyond them."""
    after = quadrature.soft(sample + 0.5, length)
    return after * quadrature.soft(width - sample - 0.5, length)


def grid(band: Band, first: np.ndarray, stop: np.ndarray, w0: float) -> tuple[np.ndarray, ...]:
    """Lay out a band's sums on its grid, as `kernels.sum_grid` takes them."""
    stride = band.stride
    kinds = _Kinds.of(first, stop, stride)
    # Where no two bins are alike, none will ever be again.
    lay_out = _grid_sums if len(kinds.keys) <= _ALIKE else _grid_sums.__wrapped__
    sums = lay_out(stride, band.density, kinds.keys, w0)
    origin = first // stride
    reach = origin[:, None] + sums.span[kinds.which]
    # As many bins a task as its grid points may be held for.
    apart = max(1, int(np.diff(origin).min(initial=_HELD)))
    longest = int((reach[:, 1] - reach[:, 0]).max())
    task = np.arange(0, len(first), 1 + max(0, _HELD - longest) // apart)
    low = np.minimum.reduceat(reach[:, 0], task)
    high = np.maximum.reduceat(reach[:, 1], task)
    begin, end = int(low.min()), int(high.max())
    points = begin + np.flatnonzero(sums.looked_at(origin - begin, kinds.which, end - begin))
    held = np.stack([np.searchsorted(points, low), np.searchsorted(points, high)], axis=1)
    bounds = np.stack([low, high], axis=1)
    given = (sums.row, sums.edge, sums.weight, sums.base, sums.between, sums.share)
    return np.append(task, len(first)), bounds, points, held, origin, kinds.which, *given


@dataclass(frozen=True, eq=False)
class _GridSums:
    """Sums of all kinds of bins, as `kernels.sum_grid` takes them.

    Grid points are counted from the one at or before a bin's first sample.

    Attributes
    ----------
    span : int array, shape (kind, 2)
        First grid point that a bin needs, and one past the last.
    thinned : bool
        Whether there are others between them.
    """

    row: np.ndarray
    edge: np.ndarray
    weight: np.ndarray
    base: np.ndarray
    between: np.ndarray
    share: np.ndarray
    span: np.ndarray
    thinned: bool

    def looked_at(self, origin: np.ndarray, kind: np.ndarray, count: int) -> np.ndarray:
        """Mark the grid points, of so many, that bins of some kinds need."""
        needed = np.full(count, not self.thinned)
        if self.thinned:
            many = np.diff(self.edge)[kind]
            before = np.cumsum(many) - many
            at = np.arange(many.sum()) + np.repeat(self.edge[kind] - before, many)
            needed[self.row[at] + np.repeat(origin, many)] = True
            near = (origin[:, None] + self.base[kind])[self.share[kind] != 0]
            for neighbor in range(NEIGHBORS):
                needed[near + neighbor] = True
        return needed


@lru_cache(maxsize=256)
def _grid_sums(stride: int, density: float, keys: tuple[int, ...], w0: float) -> _GridSums:
    """Lay out the sums of all kinds of bins, those of one width together."""
    width, aligned = np.divmod(np.array(keys), stride)
    nodes = [_nodes_of(stride, density, int(one), w0) for one in np.unique(width)]
    most = max(len(place) for place, *_ in nodes)
    share = np.zeros((len(keys), most), dtype=np.float32)
    position = np.zeros((len(keys), most))
    row, weight, many = [], [], []
    for one, (place, shares, length, grids) in zip(np.unique(width), nodes, strict=True):
        alike = width == one
        share[alike, : len(place)] = 0.5 / one * shares
        position[alike, : len(place)] = (aligned[alike, None] + place) / stride
        start = -(-aligned[alike] // stride)
        count = -(-int(one) // stride) if length else 0
        # Grid points inside the bin, as samples of it.
        inside = (start * stride - aligned[alike])[:, None] + stride * np.arange(count)
        summed = _weights(inside, stride * density, int(one), stride, length, grids, w0)
        kind, at = np.nonzero(summed)
        row.append(at + start[kind])
        weight.append((0.5 * stride / one * summed[kind, at]).astype(np.float32))
        many.append(np.bincount(kind, minlength=len(start)))
    low = np.floor(position).astype(np.int64)
    between = quadrature.interpolation(position - low, density, NEIGHBORS, w0)
    base, rows = low - (NEIGHBORS // 2 - 1), np.concatenate(row)
    edge = np.append(0, np.cumsum(np.concatenate(many)))
    far = np.iinfo(np.int64).max // 2
    span = np.stack([np.where(share, base, far).min(1), np.where(share, base, -far).max(1)], 1)
    span[:, 1] += NEIGHBORS
    held = np.flatnonzero(np.diff(edge))
    span[held, 0] = np.minimum(span[held, 0], rows[edge[held]])
    span[held, 1] = np.maximum(span[held, 1], rows[edge[held + 1] - 1] + 1)
    return _GridSums(
        rows, edge, np.concatenate(weight), base, between.astype(np.complex64), share, span,
        thinned=any(grids for *_, grids in nodes),
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _nodes_of(
    stride: int, density: float, width: int, w0: float
) -> tuple[np.ndarray, np.ndarray, int, tuple[int, ...]]:
    """Samples between grid points that bins of a width need, and how much of each.

    Gives also the samples over which their grid rises, 0 where there is room for none, and
    the sparser grids inside.
    """
    period = stride * density
    length = _edge(period, stride, w0)
    if width <= 2 * length + 2 * stride:
        count = int(np.ceil(1.5 * width / period)) + 5
        return *quadrature.bin_nodes(width, count), 0, ()
    count = int(np.ceil(1.5 * length / period)) + 5
    nodes, share = quadrature.edge_nodes(length, count)
    nodes = np.concatenate([nodes, width - 1 - nodes[::-1]])
    grids = _sparser(period, width, stride, length, w0)
    return nodes, np.concatenate([share, share[::-1]]), length, grids
