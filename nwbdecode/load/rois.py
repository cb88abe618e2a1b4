"""Where regions of interest lie: the pixels of their masks, their centers and their plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.marks import marking

#: Kinds of mask, the most exact first: a voxel mask knows the depth.
MASKS = ("voxel_mask", "pixel_mask", "image_mask")
# Columns in which sorters say what is a cell, from suite2p, CaImAn, EXTRACT and curation.
_ACCEPTED = ("is_cell", "iscell", "accepted", "is_accepted")
_REJECTED = ("rejected", "is_rejected")
_MICROMETERS = {
    spelled: factor
    for factor, names in (
        (1e6, "m meter meters metre metres"),
        (1e3, "mm millimeter millimeters millimetre millimetres"),
        (1.0, "um µm μm micron microns micrometer micrometers micrometre micrometres"),
        (1e-3, "nm nanometer nanometers nanometre nanometres"),
    )
    for spelled in names.split()
}


def roi_columns(table: Any, rows: np.ndarray) -> dict[str, Any]:
    """Columns x, y, (z,) location, group and bad of the ROIs of a PlaneSegmentation.

    Centers are weighted by the mask: ``x = sum(weight * x) / sum(weight)``,
    along the mask's first axis, as the NWB schema states. They are in pixels,
    or in micrometers where the imaging plane states its grid spacing.

    Parameters
    ----------
    table : pynwb PlaneSegmentation
    rows : array of int
        Rows of the table.
    """
    columns: dict[str, Any] = {**plane_columns(table.imaging_plane, len(rows)), **_bad(table, rows)}
    if mask_of(table) is None:
        return columns
    centers = [center(places, weights) for places, weights in footprints(table, rows)]
    wide = max((len(place) for place in centers), default=0)
    if not wide:
        return columns
    lost = [float("nan")] * wide
    held = np.array([place if len(place) else lost for place in centers], dtype=np.float64)
    step, _ = spacing(table.imaging_plane, wide)
    return columns | dict(zip("xyz", (held * step).T, strict=False))


def plane_columns(plane: Any, n: int) -> dict[str, Any]:
    """Columns group and location of `n` regions in one imaging plane."""
    columns: dict[str, Any] = {}
    if plane is not None:
        columns["group"] = np.array([plane.name] * n, dtype=object)
        if plane.location:
            columns["location"] = np.array([str(plane.location)] * n, dtype=object)
    return columns


def spacing(plane: Any, ndim: int) -> tuple[np.ndarray, str]:
    """Size of a pixel along each axis, and the unit it is in.

    Returns
    -------
    (array of float, str)
        Micrometers, where the plane states a spacing in a unit of length;
        else ones and ``"pixels"``.
    """
    stated = getattr(plane, "grid_spacing", None)
    factor = _MICROMETERS.get(str(getattr(plane, "grid_spacing_unit", "")).strip().lower())
    if stated is not None and factor is not None:
        step = np.asarray(stated[:], dtype=np.float64) * factor
        # pynwb files from some tools keep zeros where the spacing was not known.
        if len(step) >= ndim and np.isfinite(step).all() and (step > 0).all():
            return step[:ndim], "micrometers"
    return np.ones(ndim), "pixels"


def mask_of(table: Any) -> str | None:
    """Kind of mask that a PlaneSegmentation has, None without any."""
    return next((name for name in MASKS if name in table.colnames), None)


def footprints(table: Any, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give the pixels of each ROI and their weights.

    Negative weights, which some factorizations leave, take no part. Points
    that all weigh nothing weigh the same.

    Parameters
    ----------
    table : pynwb PlaneSegmentation
    rows : array of int

    Yields
    ------
    places : int array, shape (pixel, axis)
        Along the mask's axes x, y[, z].
    weights : float array, shape (pixel,)
    """
    kind = mask_of(table)
    if kind is None:
        raise NWBDecodeError(
            f"plane segmentation {table.name!r} has none of {', '.join(MASKS)}; "
            "its regions have no pixels"
        )
    if kind == "image_mask":
        for row in rows:
            mask = np.asarray(table[kind].data[int(row)], dtype=np.float64)
            inside = np.isfinite(mask) & (mask > 0)
            yield np.argwhere(inside), mask[inside]
        return
    points, ends = _points(table[kind])
    for row in rows:
        held = points[(ends[row - 1] if row else 0) : ends[row]]
        places, weights = np.rint(held[:, :-1]).astype(np.int64), held[:, -1]
        if not np.nan_to_num(weights).any():
            weights = np.ones_like(weights)
        inside = np.isfinite(weights) & (weights > 0)
        yield places[inside], weights[inside]


def _points(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Points (x, y[, z], weight) of all ROIs, and where each ROI's end."""
    ends = np.asarray(column.data[:], dtype=np.int64)
    stored = column.target.data[:]
    array = np.asarray(stored) if not isinstance(stored, list) else None
    if array is not None and array.dtype.names:
        names = array.dtype.names
        return np.stack([array[name].astype(np.float64) for name in names], axis=1), ends
    points = np.array([tuple(point) for point in stored], dtype=np.float64)
    return (points if points.ndim == 2 else np.empty((0, 3))), ends


def center(places: np.ndarray, weights: np.ndarray) -> list[float]:
    """Mean of places, weighted; empty without any."""
    if not len(places):
        return []
    return [float(v) for v in (places * weights[:, None]).sum(axis=0) / weights.sum()]


def _bad(table: Any, rows: np.ndarray) -> dict[str, Any]:
    """Column ``bad``: what the file's curation did not accept as a cell."""
    if marking(table.colnames, plainly=True):
        return {}
    named = {str(name).lower(): name for name in table.colnames}
    for names, accepted in ((_ACCEPTED, True), (_REJECTED, False)):
        for name in names:
            if name not in named:
                continue
            values = np.asarray(table[named[name]].data[:])
            # Suite2p keeps its classifier's probability beside the verdict.
            values = values[:, 0] if values.ndim == 2 else values
            if values.ndim != 1 or values.dtype.kind not in "biuf" or not values.any():
                # A column in which no ROI is marked was never filled.
                continue
            return {"bad": (np.nan_to_num(values.astype(float)) != 0)[rows] ^ accepted}
    return {}
