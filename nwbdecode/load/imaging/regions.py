"""Regions of a movie: which pixels, with which weights, make up each channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.imaging.options import ImagingOptions
from nwbdecode.load.series import Index, find

if TYPE_CHECKING:
    import pandas as pd
    from pynwb import NWBFile
    from pynwb.ophys import PlaneSegmentation
    from scipy.sparse import csr_array

_GROUPS = ("processing", "acquisition", "analysis", "scratch")


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of a movie.

    Attributes
    ----------
    weights : sparse array, shape (region, pixel)
        Each row sums to one, or to zero for a region without pixels; pixels
        are counted as the movie stores them, the last spatial axis fastest.
    table : pandas.DataFrame
        One row a region, indexed by its id (``"channel"``).
    name : str
        Path of the PlaneSegmentation, or ``"grid"``.
    note : str
        What was chosen, for people.
    """

    weights: csr_array
    table: pd.DataFrame
    name: str
    note: str


def find_regions(
    series: Any, plane: Any, shape: tuple[int, ...], path: str, options: ImagingOptions
) -> Regions:
    """Find the regions of a movie as its file and the user's options say.

    Parameters
    ----------
    series : pynwb ImageSeries
    plane : pynwb ImagingPlane or None
    shape : tuple of int
        Pixels along each spatial axis.
    path : str
        Of the series, for messages.
    options : ImagingOptions

    Raises
    ------
    NWBDecodeError
        If masks are asked for and there are none, several segmentations could
        be meant, or the masks do not fit the movie.
    """
    from nwbdecode.load.imaging.external import is_external
    from nwbdecode.load.imaging.grid import grid_regions
    from nwbdecode.load.imaging.masks import mask_regions

    # TIFF and AVI have rows before columns, where the schema has x before y.
    rows_first = is_external(series)
    nwbfile = series.get_ancestor(neurodata_type="NWBFile")
    every = {} if nwbfile is None else segmentations(nwbfile)
    wanted = options.regions
    if wanted == "grid":
        return grid_regions(shape, plane, options, rows_first=rows_first)
    if wanted not in ("auto", "masks"):
        name = find(wanted, every, Index(every, {}, {}), what="plane segmentation")
        return mask_regions(every[name], name, shape, options, rows_first=rows_first)
    fitting = _of_movie(every, series, plane)
    if len(fitting) > 1:
        names = ", ".join(map(repr, sorted(fitting)))
        raise NWBDecodeError(
            f"{path!r} has {len(fitting)} plane segmentations; name one with `regions` "
            f"(--regions), or ask for 'grid': {names}"
        )
    if fitting:
        ((name, table),) = fitting.items()
        return mask_regions(table, name, shape, options, rows_first=rows_first)
    if wanted == "masks":
        others = ", ".join(map(repr, sorted(every))) or "none"
        raise NWBDecodeError(
            f"{path!r} has no plane segmentation of its imaging plane; in the file: {others}. "
            "Name one with `regions` (--regions), or ask for 'grid'"
        )
    return grid_regions(shape, plane, options, rows_first=rows_first)


def segmentations(nwbfile: NWBFile) -> dict[str, PlaneSegmentation]:
    """Plane segmentations of a file by their paths."""
    from pynwb.ophys import PlaneSegmentation

    found = {}
    for item in nwbfile.objects.values():
        if not isinstance(item, PlaneSegmentation):
            continue
        chain: list[Any] = [item]
        while chain[-1] is not None and chain[-1].parent is not nwbfile:
            chain.append(chain[-1].parent)
        names = [] if chain[-1] is None else [part.name for part in reversed(chain)]
        for group in _GROUPS if names else ():
            if (getattr(nwbfile, group, None) or {}).get(names[0]) is chain[-1]:
                found["/".join([group, *names])] = item
    return found


def candidates(series: Any, plane: Any) -> dict[str, PlaneSegmentation]:
    """Plane segmentations that could be meant for a movie, by their paths."""
    nwbfile = series.get_ancestor(neurodata_type="NWBFile")
    return {} if nwbfile is None else _of_movie(segmentations(nwbfile), series, plane)


def _of_movie(
    every: dict[str, PlaneSegmentation], series: Any, plane: Any
) -> dict[str, PlaneSegmentation]:
    """Those drawn on this very movie; failing them, those of its plane."""
    from nwbdecode.load.rois import mask_of

    drawn, same_plane = {}, {}
    for path, table in every.items():
        if mask_of(table) is None:
            continue
        images = table.reference_images
        listed = images.values() if hasattr(images, "values") else images or ()
        if any(image is series for image in listed):
            drawn[path] = table
        if plane is None or table.imaging_plane is plane:
            same_plane[path] = table
    return drawn or same_plane


def normalized(rows: np.ndarray, pixels: np.ndarray, weights: np.ndarray, shape: Any) -> csr_array:
    """Sparse weights whose rows sum to one, of the entries (row, pixel, weight)."""
    from scipy.sparse import coo_array, diags_array

    held = coo_array((weights.astype(np.float64), (rows, pixels)), shape=shape).tocsr()
    total = held.sum(axis=1)
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return (diags_array(scale) @ held).tocsr()
