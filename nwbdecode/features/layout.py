"""Layout of a band's sums: which rows each bin takes, and with what weights.

Bins of one width that begin at one place between grid points are alike: what such a bin
takes is worked out once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from nwbdecode.features import quadrature
from nwbdecode.features.design import NEIGHBORS, Band

#: Grid points that one task holds.
_HELD = 192


def points(
    band: Band, first: np.ndarray, stop: np.ndarray, w0: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Choose samples and weights for bins that take samples alone.

    Returns the samples, counted from the segment's first, their weights, and where each
    bin's begin.
    """
    step = band.step
    aligned = first % step
    kinds, kind = np.unique(np.stack([stop - first, aligned], 1), axis=0, return_inverse=True)
    lists = [_points_of(band.step, band.density, int(w), int(a), w0) for w, a in kinds]
    kind = kind.ravel()
    row = np.concatenate([lists[k][0] + at for k, at in zip(kind, first, strict=True)])
    weight = np.concatenate([lists[k][1] for k in kind])
    begin = np.concatenate([[0], np.cumsum([len(lists[k][0]) for k in kind])])
    return row, weight, begin


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


def grid(band: Band, first: np.ndarray, stop: np.ndarray, w0: float) -> tuple[Any, ...]:
    """Lay out a band's sums on its grid, as `kernels.sum_grid` takes them."""
    stride = band.stride
    aligned = first % stride
    kinds, kind = np.unique(np.stack([stop - first, aligned], 1), axis=0, return_inverse=True)
    kind = kind.ravel()
    plans = [_grid_of(stride, band.density, int(w), int(a), w0) for w, a in kinds]
    nodes = max(len(plan.base) for plan in plans)
    between = np.zeros((len(plans), nodes, NEIGHBORS), dtype=np.complex64)
    share = np.zeros((len(plans), nodes), dtype=np.float32)
    offsets = np.zeros((len(plans), 1 + nodes), dtype=np.int64)
    span = np.empty((len(plans), 2), dtype=np.int64)
    for k, plan in enumerate(plans):
        between[k, : len(plan.base)] = plan.between
        share[k, : len(plan.base)] = plan.quadrature
        offsets[k, 0] = plan.start
        offsets[k, 1 : 1 + len(plan.base)] = plan.base
        span[k] = plan.span
    origin = first // stride
    base = origin[:, None] + offsets[kind]
    weight = np.concatenate([plans[k].weight for k in kind])
    begin = np.concatenate([[0], np.cumsum([len(plans[k].weight) for k in kind])])
    reach = origin[:, None] + span[kind]
    task = [0]
    low = reach[0, 0]
    for i in range(1, len(first)):
        if reach[i, 1] - low > _HELD:
            task.append(i)
            low = reach[i, 0]
    task.append(len(first))
    bounds = np.array(
        [[reach[a:b, 0].min(), reach[a:b, 1].max()] for a, b in itertools.pairwise(task)]
    )
    return np.array(task), bounds, weight, begin, base, kind, between, share


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


def together(
    bands: list[Band], rows: Sequence[tuple[np.ndarray, ...]], origin: int
) -> tuple[np.ndarray, ...]:
    """Lay bands that sum samples alone beside each other, as `kernels.sum_points` takes them."""
    size = np.array([len(band.even) for band in bands])
    even, odd = (np.zeros((len(bands), size.max()), dtype=np.float32) for _ in range(2))
    for k, band in enumerate(bands):
        even[k, : size[k]], odd[k, : size[k]] = band.even, band.odd
    ahead = np.cumsum([0] + [len(row) for row, _, _ in rows[:-1]])
    row = np.concatenate([row for row, _, _ in rows]) - origin
    weight = np.concatenate([weight for _, weight, _ in rows])
    begin = np.stack([begin + n for (_, _, begin), n in zip(rows, ahead, strict=True)])
    return even, odd, size, row, weight, begin
