"""Where regions of interest lie: the centroids of their masks, and their plane."""

from __future__ import annotations

from typing import Any

import numpy as np


def roi_columns(table: Any, rows: np.ndarray) -> dict[str, Any]:
    """Columns x, y, (z,) location and group of the ROIs of a PlaneSegmentation.

    Centroids are in pixels, weighted by the mask:
    ``x = sum(weight * x) / sum(weight)``. An image mask's first axis is x, as
    the NWB schema states.

    Parameters
    ----------
    table : pynwb PlaneSegmentation
    rows : array of int
        Rows of the table.
    """
    columns: dict[str, Any] = {}
    plane = getattr(table, "imaging_plane", None)
    if plane is not None:
        columns["group"] = np.array([plane.name] * len(rows), dtype=object)
        if plane.location:
            columns["location"] = np.array([str(plane.location)] * len(rows), dtype=object)
    for mask, centroid in (
        ("image_mask", _of_image),
        ("pixel_mask", _of_points),
        ("voxel_mask", _of_points),
    ):
        if mask in table.colnames:
            centers = [centroid(table[mask][int(row)]) for row in rows]
            places = np.array(centers, dtype=np.float64).reshape(len(rows), -1)
            columns |= dict(zip("xyz", places.T, strict=False))
            break
    return columns


def _of_image(mask: Any) -> list[float]:
    weight = np.abs(np.asarray(mask, dtype=np.float64))
    total = weight.sum()
    if total == 0:
        return [float("nan")] * weight.ndim
    grid = np.indices(weight.shape)
    return [float((axis * weight).sum() / total) for axis in grid]


def _of_points(mask: Any) -> list[float]:
    # Stored as (x, y[, z], weight), each row a tuple or a compound value.
    points = np.array([tuple(point) for point in mask], dtype=np.float64)
    if points.size == 0:
        return [float("nan")] * 2
    places, weight = points[:, :-1], points[:, -1]
    weight = weight if weight.sum() else np.ones_like(weight)
    return [float(v) for v in (places * weight[:, None]).sum(axis=0) / weight.sum()]
