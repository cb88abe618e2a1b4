"""The neuropil around each region: a ring of pixels that belong to none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.imaging.regions import normalized

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def ring_weights(
    weights: csr_array, shape: tuple[int, ...], ring: tuple[float, float]
) -> csr_array:
    """Weights of the mean over the ring around each region.

    A pixel is in the ring if its distance to the nearest pixel of the region
    lies in ``(ring[0], ring[1]]`` and no region has it. In a volume the ring
    lies in each plane that the region has pixels in. A ring with fewer pixels
    than its region is widened until it has as many, or the whole plane.

    Parameters
    ----------
    weights : sparse array, shape (region, pixel)
        From `Regions`.
    shape : tuple of int
        Pixels along each spatial axis.
    ring : (float, float)
        Pixels from the region where the ring begins and ends.

    Returns
    -------
    sparse array, shape (region, pixel)
        Rows sum to one, or to zero for a region without pixels.

    Raises
    ------
    NWBDecodeError
        If regions leave no pixel free in a plane.

    References
    ----------
    Chen et al. 2013, Nature 499:295; the widening as in Pachitariu et al. 2017 (suite2p).
    """
    rows, pixels = [], []
    field = np.zeros((*shape[:2], shape[2] if len(shape) > 2 else 1), dtype=bool)
    taken = field.copy()
    taken.reshape(-1)[np.unique(weights.indices)] = True
    for row in range(weights.shape[0]):
        own = weights.indices[weights.indptr[row] : weights.indptr[row + 1]]
        if not len(own):
            continue
        x, y, z = np.unravel_index(own, field.shape)
        for depth in np.unique(z):
            inside = z == depth
            found = _ring(x[inside], y[inside], taken[..., depth], ring)
            if not len(found[0]):
                raise NWBDecodeError(
                    f"regions leave no pixel free of them around region {row} at depth {depth}, "
                    "so it has no neuropil; leave `neuropil` out, or narrow `neuropil_ring`"
                )
            pixels.append(
                np.ravel_multi_index((*found, np.full(len(found[0]), depth)), field.shape)
            )
            rows.append(np.full(len(found[0]), row))
    at = np.concatenate(pixels) if pixels else np.empty(0, dtype=np.int64)
    of = np.concatenate(rows) if rows else np.empty(0, dtype=np.int64)
    return normalized(of, at, np.ones(len(at)), weights.shape)


def _ring(
    x: np.ndarray, y: np.ndarray, taken: np.ndarray, ring: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Free pixels (x, y) of one plane around the pixels of one region."""
    from scipy.ndimage import distance_transform_edt

    inner, outer = ring
    while True:
        # Only the region's neighborhood: transforming the whole field for each takes minutes.
        reach = int(np.ceil(outer))
        low = np.maximum([x.min() - reach, y.min() - reach], 0)
        high = np.minimum([x.max() + reach + 1, y.max() + reach + 1], taken.shape)
        outside = np.ones(high - low, dtype=bool)
        outside[x - low[0], y - low[1]] = False
        away = distance_transform_edt(outside)
        free = ~taken[low[0] : high[0], low[1] : high[1]]
        found = np.nonzero((away > inner) & (away <= outer) & free)
        whole = (low == 0).all() and (high == taken.shape).all()
        if len(found[0]) >= len(x) or (whole and outer > sum(taken.shape)):
            return found[0] + low[0], found[1] + low[1]
        outer *= 2
