"""Regions where a file has none: a grid of pixel blocks."""

from __future__ import annotations

from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.imaging.options import ImagingOptions
from nwbdecode.load.imaging.regions import Regions, normalized
from nwbdecode.load.rois import plane_columns, spacing


def grid_regions(
    shape: tuple[int, ...], plane: Any, options: ImagingOptions, *, rows_first: bool = False
) -> Regions:
    """Cut the field of view into blocks, each plane of a volume for itself.

    Sides that the grid does not divide give blocks that differ by one pixel.

    Parameters
    ----------
    shape : tuple of int
        Pixels along the movie's first and second axis, and planes along z.
    plane : pynwb ImagingPlane or None
    options : ImagingOptions
        Its `grid` or `block`, along the movie's first and second axis.
    rows_first : bool, default False
        Whether the first axis is y, as in picture files, and not x.

    Raises
    ------
    NWBDecodeError
        If the grid is finer than the pixels, or a neuropil is asked for.
    """
    import pandas as pd

    if options.neuropil is not None:
        raise NWBDecodeError(
            "blocks of a grid hold cells and neuropil alike, so no neuropil can be subtracted; "
            "leave it out, or name the masks of a PlaneSegmentation with `regions`"
        )
    if options.block is not None:
        edges = [np.append(np.arange(0, side, options.block), side) for side in shape[:2]]
    else:
        counts = options.grid
        if counts[0] > shape[0] or counts[1] > shape[1]:
            raise NWBDecodeError(
                f"a grid of {counts[0]} x {counts[1]} blocks is finer than the "
                f"{shape[0]} x {shape[1]} pixels; ask for fewer"
            )
        edges = [
            np.round(np.linspace(0, side, n + 1)).astype(int)
            for side, n in zip(shape[:2], counts, strict=True)
        ]
    edges += [np.arange(side + 1) for side in shape[2:]]
    # The block of each pixel along each axis, then of each pixel of the field.
    along = [np.repeat(np.arange(len(cut) - 1), np.diff(cut)) for cut in edges]
    n_blocks = tuple(len(cut) - 1 for cut in edges)
    block = np.ravel_multi_index(np.meshgrid(*along, indexing="ij"), n_blocks).ravel()
    n_pixels, n = int(np.prod(shape)), int(np.prod(n_blocks))
    weights = normalized(block, np.arange(n_pixels), np.ones(n_pixels), (n, n_pixels))
    middle = [(cut[:-1] + cut[1:] - 1) / 2 for cut in edges]
    places = [grid.ravel() for grid in np.meshgrid(*middle, indexing="ij")]
    if rows_first:
        places[:2] = places[1::-1]
    step, _ = spacing(plane, len(shape))
    columns = {name: place * s for name, place, s in zip("xyz", places, step, strict=False)}
    said = " x ".join(map(str, n_blocks))
    return Regions(
        weights=weights,
        table=pd.DataFrame(
            {**columns, **plane_columns(plane, n)}, index=pd.Index(np.arange(n), name="channel")
        ),
        name="grid",
        note=f"regions: a grid of {said} blocks of pixels",
    )
