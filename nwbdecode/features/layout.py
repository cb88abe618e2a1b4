"""Layout of a band's sums: which rows each bin takes, and with what weights.

Bins of one width that begin at one place between grid points are alike: what such a bin
takes is worked out once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nwbdecode.features import quadrature
from nwbdecode.features.design import NEIGHBORS, Band

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
    kinds = [_Kinds.of(f, s, band.step) for band, f, s in zip(bands, first, stop, strict=True)]
    lists = tuple(
        (band.step, band.density, kind.keys) for band, kind in zip(bands, kinds, strict=True)
    )
    row, weight, begin = _points_together(lists, w0)
    ahead = np.cumsum([0] + [len(kind.keys) for kind in kinds[:-1]])
    which = np.stack([kind.which + n for kind, n in zip(kinds, ahead, strict=True)])
    return even, odd, size, which, row, weight, begin


@lru_cache(maxsize=64)
def _points_together(
    lists: tuple[tuple[int, float, tuple[int, ...]], ...], w0: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and weights of all kinds of bins of several bands, and where each kind's begin."""
    made = [
        _points_of(step, density, key // step, key % step, w0)
        for step, density, keys in lists
        for key in keys
    ]
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
def _points_of(
    step: int, density: float, width: int, aligned: int, w0: float
) -> tuple[np.ndarray, np.ndarray]:
    sample = np.arange(width)
    weight = np.ones(width)
    if step > 1:
        length = float(np.ceil(quadrature.edge_width(density, w0) * density * step))
        if width >= 2 * length:
            rise = quadrature.soft(sample + 0.5, length)
            rise *= rise[::-1]
            weight = 1 - rise + np.where((sample + aligned) % step == 0, step * rise, 0.0)
    kept = weight > 0
    return sample[kept], (0.5 / width * weight[kept]).astype(np.float32)


def grid(band: Band, first: np.ndarray, stop: np.ndarray, w0: float) -> tuple[np.ndarray, ...]:
    """Lay out a band's sums on its grid, as `kernels.sum_grid` takes them."""
    stride = band.stride
    kinds = _Kinds.of(first, stop, stride)
    span, *sums = _grid_together(stride, band.density, kinds.keys, w0)
    origin = first // stride
    reach = origin[:, None] + span[kinds.which]
    # As many bins a task as its grid points may be held for.
    apart = max(1, int(np.diff(origin).min(initial=_HELD)))
    longest = int((reach[:, 1] - reach[:, 0]).max())
    task = np.arange(0, len(first), 1 + max(0, _HELD - longest) // apart)
    low = np.minimum.reduceat(reach[:, 0], task)
    high = np.maximum.reduceat(reach[:, 1], task)
    bounds = np.stack([low, high], axis=1)
    return np.append(task, len(first)), bounds, origin, kinds.which, *sums


@lru_cache(maxsize=256)
def _grid_together(
    stride: int, density: float, keys: tuple[int, ...], w0: float
) -> tuple[np.ndarray, ...]:
    """Sums of all kinds of bins, side by side; see `kernels.sum_grid`."""
    plans = [_grid_of(stride, density, key // stride, key % stride, w0) for key in keys]
    nodes = max(len(plan.base) for plan in plans)
    between = np.zeros((len(plans), nodes, NEIGHBORS), dtype=np.complex64)
    share = np.zeros((len(plans), nodes), dtype=np.float32)
    base = np.zeros((len(plans), nodes), dtype=np.int64)
    for k, plan in enumerate(plans):
        held = slice(0, len(plan.base))
        between[k, held], share[k, held], base[k, held] = plan.between, plan.quadrature, plan.base
    span = np.array([plan.span for plan in plans])
    start = np.array([plan.start for plan in plans])
    weight = np.concatenate([plan.weight for plan in plans])
    begin = np.cumsum([0] + [len(plan.weight) for plan in plans])
    return span, start, weight, begin, base, between, share


@dataclass(frozen=True)
class _GridOf:
    """The sums of one kind of bin, counted from the grid point at or before its first sample."""

    start: int
    weight: np.ndarray
    base: np.ndarray
    between: np.ndarray
    quadrature: np.ndarray
    span: tuple[int, int]


@lru_cache(maxsize=4096)
def _grid_of(stride: int, density: float, width: int, aligned: int, w0: float) -> _GridOf:
    per_period = stride * density
    edge = quadrature.edge_width(density, w0) * density * stride
    length = int(np.ceil(edge))
    weight = np.empty(0, dtype=np.float32)
    start = 0
    if width > 2 * length + 2 * stride:
        count = int(np.ceil(1.5 * length / per_period)) + 5
        nodes, share = quadrature.edge_nodes(length, count)
        nodes = np.concatenate([nodes, width - 1 - nodes[::-1]])
        share = np.concatenate([share, share[::-1]])
        start = -(-aligned // stride)
        # Grid points inside the bin, as samples of it.
        inside = np.arange(start * stride - aligned, width, stride)
        rise = quadrature.soft(inside + 0.5, length) * quadrature.soft(width - inside - 0.5, length)
        kept = np.flatnonzero(rise > 0)
        start += int(kept[0])
        weight = (0.5 * stride / width * rise[kept[0] : kept[-1] + 1]).astype(np.float32)
    else:
        count = int(np.ceil(1.5 * width / per_period)) + 5
        nodes, share = quadrature.bin_nodes(width, count)
    position = (aligned + nodes) / stride
    low = np.floor(position).astype(np.int64)
    between = quadrature.interpolation(position - low, density, NEIGHBORS, w0)
    base = low - (NEIGHBORS // 2 - 1)
    span = (int(base.min()), int(base.max()) + NEIGHBORS)
    if len(weight):
        span = min(span[0], start), max(span[1], start + len(weight))
    return _GridOf(start, weight, base, between, 0.5 / width * share, span)
