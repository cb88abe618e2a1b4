"""Layout of a band's sums: which rows each bin takes, and with what weights.

Bins of one width that begin at one place between grid points are alike: what such a bin
takes is worked out once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import chain, combinations
from math import gcd

import numpy as np

from nwbdecode.features import quadrature
from nwbdecode.features.design import NEIGHBORS, SPARSEST, Band
from nwbdecode.features.morlet import W0

#: Weights, of 1 for each sample, that are left out.
_NOTHING = 1e-6
#: Sparser grids that are tried, at most, alone and with others.
_TRIED = 8
#: Kinds of bins of all bands, and points that they are made from, that are worth remembering.
_KINDS, _POINTS = 1 << 13, 1 << 18
#: Kinds of bins of one band, and points that they are made from, that are all laid out, as bins
#: that are not evenly spaced take any.
_ANYWHERE, _ANY_POINTS = 256, 1 << 14
#: Grid points that one task holds.
_HELD = 192


@dataclass(frozen=True, eq=False)
class Spaced:
    """Samples of some bins, and how they lie.

    Attributes
    ----------
    first, stop : int arrays, shape (bin,)
        Counted from the segment's first sample; ascending.
    apart : int
        Samples from one bin to the next where all are of one width and evenly spaced; else 0.
    """

    first: np.ndarray
    stop: np.ndarray
    apart: int

    @classmethod
    def of(cls, first: np.ndarray, stop: np.ndarray) -> Spaced:
        width, apart = stop - first, np.diff(first)
        even = len(apart) and (width == width[0]).all() and (apart == apart[0]).all()
        return cls(first, stop, int(apart[0]) if even else 0)

    def __len__(self) -> int:
        return len(self.first)


def points(bands: Sequence[Band], width: np.ndarray, w0: float) -> tuple[np.ndarray, ...]:
    """Choose samples and weights for bins that take samples alone, as `kernels.sum_points` does.

    Parameters
    ----------
    bands : sequence of Band
    width : int array, shape (bin,)
        Samples of each bin.
    w0 : float
    """
    even, odd, size = taps_of(tuple(bands))
    widths, which = np.unique(width, return_inverse=True)
    periods = tuple(band.period for band in bands)
    row, weight, begin = _points_together(periods, tuple(widths.tolist()), w0)
    kind = which.ravel() + len(widths) * np.arange(len(bands))[:, None]
    return even, odd, size, kind, row, weight, begin


@lru_cache(maxsize=64)
def _points_together(
    periods: tuple[float, ...], widths: tuple[int, ...], w0: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and weights of all widths of bins of several bands, and where each width's begin."""
    made = [_points_of(period, width, w0) for period in periods for width in widths]
    row = np.concatenate([row for row, _ in made])
    weight = np.concatenate([weight for _, weight in made])
    return row, weight, np.cumsum([0] + [len(row) for row, _ in made])


@lru_cache(maxsize=64)
def taps_of(bands: tuple[Band, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Taps of some bands, even and odd, filled up with zeros, and how many each has."""
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


@dataclass(frozen=True, eq=False)
class GridSums:
    """Sums of all kinds of bins of some bands, as `kernels.sum_grids` takes them.

    Grid points are counted from the one at or before a bin's first sample.

    Attributes
    ----------
    span : int array, shape (kind, 2)
        First grid point that a bin needs, and one past the last.
    edge : int array, shape (kind + 1,)
        Where each kind's grid points begin.
    row, weight : arrays, shape (point,)
        Grid points that are summed, and their weights.
    node : int array, shape (kind + 1,)
        Where each kind's nodes between grid points begin.
    base : int array, shape (node,)
        The first of the grid points near a node.
    between : complex64 array, shape (node, neighbor)
        What the node is made of.
    share : float32 array, shape (node,)
        Its weight.
    """

    span: np.ndarray
    edge: np.ndarray
    row: np.ndarray
    weight: np.ndarray
    node: np.ndarray
    base: np.ndarray
    between: np.ndarray
    share: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All of them, in the order above."""
        return tuple(getattr(self, each.name) for each in fields(self))

    @classmethod
    def joined(cls, parts: Sequence[GridSums]) -> GridSums:
        """Those of some bands one after the other."""
        counted = {"edge", "node"}
        made = {
            each.name: np.concatenate([getattr(part, each.name) for part in parts])
            for each in fields(cls)
            if each.name not in counted
        }
        for name in counted:
            many = [np.diff(getattr(part, name)) for part in parts]
            made[name] = np.append(0, np.cumsum(np.concatenate(many)))
        return cls(**made)


#: Of no bins at all.
_NO_SUMS = GridSums(
    span=np.empty((0, 2), dtype=np.int64),
    edge=np.zeros(1, dtype=np.int64),
    row=np.empty(0, dtype=np.int64),
    weight=np.empty(0, dtype=np.float32),
    node=np.zeros(1, dtype=np.int64),
    base=np.empty(0, dtype=np.int64),
    between=np.empty((0, NEIGHBORS), dtype=np.complex64),
    share=np.empty(0, dtype=np.float32),
)


class Grids:
    """Lays out the sums of some bands on their grids.

    Parameters
    ----------
    bands : sequence of Band
    lags : sequence of int
        Of each band, samples that its bins lie earlier.
    w0 : float
    """

    def __init__(self, bands: Sequence[Band], lags: Sequence[int], w0: float):
        self.w0 = w0
        self._grids = tuple((band.stride, band.density) for band in bands)
        self._stride = np.array([band.stride for band in bands], dtype=np.int64)[:, None]
        self._lag = np.array(lags, dtype=np.int64)[:, None]

    def of(
        self, bins: Spaced, spans: Sequence[slice] | None = None
    ) -> tuple[np.ndarray, np.ndarray, GridSums, list[int]]:
        """Lay out bins, of which each band makes some.

        Parameters
        ----------
        bins : Spaced
        spans : sequence of slice, optional
            Which of them each band makes, if not all.

        Returns
        -------
        first : int array, shape (band, bin)
            Grid point that a bin's are counted from.
        kind : int array, shape (band, bin)
            Of those that the band makes.
        sums : GridSums
            Of all kinds.
        together : list of int
            Bins of each band whose grid points may be held together.
        """
        first, place = np.divmod(bins.first - self._lag, self._stride)
        if bins.apart:
            # In time they come to lie at every place that evenly spaced ones ever take.
            common, width = np.gcd(bins.apart, self._stride), int(bins.stop[0] - bins.first[0])
            if (self._stride // common).sum() <= _KINDS and (width // common).sum() <= _POINTS:
                lowest = place[:, :1] % common
                places = (tuple(lowest[:, 0].tolist()), width, bins.apart)
                sums, offset, together = _recurring(self._grids, *places, self.w0)
                return first, (place - lowest) // common + offset, sums, together
        widths, wide = np.unique(bins.stop - bins.first, return_inverse=True)
        parts, kind, kinds = [], np.zeros_like(place), 0
        for b, span in enumerate([slice(None)] * len(place) if spans is None else spans):
            stride, density = self._grids[b]
            which = wide.ravel()[span] * stride + place[b, span]
            if len(widths) * stride <= _ANYWHERE and widths.sum() <= _ANY_POINTS:
                sums = _anywhere(stride, density, tuple(widths.tolist()), self.w0)
            else:
                # Of so many kinds few will come again.
                each, which = np.unique(which, return_inverse=True)
                keys = widths[each // stride] * stride + each % stride
                sums = _grid_sums(stride, density, keys, self.w0)
            kind[b, span] = which.ravel() + kinds
            parts.append(sums)
            kinds += len(sums.span)
        apart = int(np.diff(bins.first).min()) if len(bins) > 1 else 1
        return first, kind, GridSums.joined(parts), _together(self._grids, parts, apart)


@lru_cache(maxsize=4)
def _recurring(
    grids: tuple[tuple[int, float], ...], lowest: tuple[int, ...], width: int, apart: int, w0: float
) -> tuple[GridSums, np.ndarray, list[int]]:
    """Sums of bins of one width, wherever evenly spaced ones come to lie.

    The first of these places is so many samples after a grid point, `lowest` of each grid.
    """
    lists = [
        np.arange(width * stride + low, (width + 1) * stride, gcd(apart, stride))
        for (stride, _), low in zip(grids, lowest, strict=True)
    ]
    parts = [_grid_sums(*grid, keys, w0) for grid, keys in zip(grids, lists, strict=True)]
    offset = np.cumsum([0] + [len(keys) for keys in lists[:-1]])[:, None]
    return GridSums.joined(parts), offset, _together(grids, parts, apart)


@lru_cache(maxsize=32)
def _anywhere(stride: int, density: float, widths: tuple[int, ...], w0: float) -> GridSums:
    """Sums of bins of some widths, ascending, at every place after a grid point."""
    keys = np.array(widths)[:, None] * stride + np.arange(stride)
    return _grid_sums(stride, density, keys.ravel(), w0)


def _together(
    grids: Sequence[tuple[int, float]], parts: Sequence[GridSums], apart: int
) -> list[int]:
    """Bins of each band whose grid points may be held together."""
    together = []
    for (stride, _), sums in zip(grids, parts, strict=True):
        longest = int((sums.span[:, 1] - sums.span[:, 0]).max(initial=0))
        together.append(1 + max(0, _HELD - longest) // max(1, apart // stride))
    return together


def _grid_sums(stride: int, density: float, keys: np.ndarray, w0: float) -> GridSums:
    """Lay out the sums of all kinds of bins: of a width, so far after a grid point.

    ``width * stride + after`` of each, ascending, is in `keys`.
    """
    width, aligned = np.divmod(keys, stride)
    if not len(keys):
        return _NO_SUMS
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
    base, rows = low - (NEIGHBORS // 2 - 1), np.concatenate(row)
    edge = np.append(0, np.cumsum(np.concatenate(many)))
    far = np.iinfo(np.int64).max // 2
    span = np.stack([np.where(share, base, far).min(1), np.where(share, base, -far).max(1)], 1)
    span[:, 1] += NEIGHBORS
    held = np.flatnonzero(np.diff(edge))
    span[held, 0] = np.minimum(span[held, 0], rows[edge[held]])
    span[held, 1] = np.maximum(span[held, 1], rows[edge[held + 1] - 1] + 1)
    counts = share != 0
    between = quadrature.interpolation((position - low)[counts], density, NEIGHBORS, w0)
    node = np.append(0, np.cumsum(counts.sum(axis=1)))
    return GridSums(
        span, edge, rows, np.concatenate(weight), node, base[counts],
        between.astype(np.complex64), share[counts],
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
