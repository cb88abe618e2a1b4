"""Regions that the file itself draws: the masks of a PlaneSegmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.imaging.options import ImagingOptions
from nwbdecode.load.imaging.regions import Regions, normalized
from nwbdecode.load.rois import footprints, mask_of


@dataclass(frozen=True)
class _EveryRoi:
    """What `channel_table` asks of a series, standing for all rows of a segmentation."""

    name: str
    rois: Any


@dataclass(frozen=True)
class _Region:
    table: Any
    data: np.ndarray


def mask_regions(
    table: Any,
    name: str,
    shape: tuple[int, ...],
    options: ImagingOptions,
    *,
    rows_first: bool = False,
) -> Regions:
    """Take the masks of a PlaneSegmentation as weights on a movie's pixels.

    Parameters
    ----------
    table : pynwb PlaneSegmentation
    name : str
        Its path.
    shape : tuple of int
        Pixels of the movie along each spatial axis.
    options : ImagingOptions
        Its `transpose_masks`.
    rows_first : bool, default False
        Whether the movie's first axis is y, as in picture files, and not x, as
        the NWB schema has it of movies and masks in the file.

    Raises
    ------
    NWBDecodeError
        If it has no ROI or no mask, or its masks do not lie on the movie.
    """
    from nwbdecode.load.electrodes import channel_table

    rows = np.arange(len(table.id))
    if not len(rows) or mask_of(table) is None:
        what = "no ROI" if not len(rows) else "no masks"
        raise NWBDecodeError(f"plane segmentation {name!r} has {what}; ask for regions='grid'")
    held = list(footprints(table, rows))
    asked = options.transpose_masks
    fits = _ways(table, name, [places for places, _ in held], shape, asked)
    # Where both fit, the schema is believed: x first.
    swapped = fits[1] and (rows_first or not fits[0])
    entries = [_on_movie(places, shape, swapped) for places, _ in held]
    sizes = [len(pixels) for pixels in entries]
    # A depth that the mask does not know takes the whole column: its weight stands in each plane.
    weights = [
        np.repeat(w, len(pixels) // max(len(w), 1))
        for (_, w), pixels in zip(held, entries, strict=True)
    ]
    every: Any = _EveryRoi(table.name, _Region(table, rows))
    channels = channel_table(every, len(rows))
    empty = np.array(sizes) == 0
    if empty.any():
        bad = channels["bad"].to_numpy(dtype=bool) if "bad" in channels else False
        channels = channels.assign(bad=empty | bad)
    lost = f", {int(empty.sum())} without a pixel" if empty.any() else ""
    return Regions(
        weights=normalized(
            np.repeat(rows, sizes),
            np.concatenate(entries),
            np.concatenate(weights),
            (len(rows), int(np.prod(shape))),
        ),
        table=channels,
        name=name,
        note=f"regions: {len(rows)} {mask_of(table)}s of {name!r}"
        f"{_told(swapped, all(fits), rows_first, asked)}{lost}",
    )


def _told(swapped: bool, both: bool, rows_first: bool, asked: bool | None) -> str:
    """How the axes of masks were taken, where that is not plain."""
    if both:
        first = "columns" if rows_first else "first axis"
        return (
            f", their x along the movie's {first} as the schema has it (they would fit swapped "
            f"too: transpose_masks={not swapped} swaps them)"
        )
    if asked is not None:
        return f", their axes{'' if asked else ' not'} swapped, as asked"
    if rows_first:
        return ", their x along the movie's " + ("columns" if swapped else "rows, as it fits")
    return ", their axes swapped to fit the movie" if swapped else ""


def _ways(
    table: Any, name: str, places: list[np.ndarray], shape: tuple[int, ...], asked: bool | None
) -> list[bool]:
    """Whether masks can lie on a movie with their axes as they are, and swapped."""
    turned = (shape[1], shape[0], *shape[2:])
    fits = [_fits(table, places, sides) for sides in (shape, turned)]
    if asked is not None:
        fits = [fits[0] and not asked, fits[1] and asked]
    if any(fits):
        return fits
    reach = _extent(table, places)
    wish = "" if asked is None else f" with transpose_masks={asked}"
    raise NWBDecodeError(
        f"the masks of {name!r} reach over {' x '.join(map(str, reach))} pixels, the movie has "
        f"{' x '.join(map(str, shape))}; they do not lie on it{wish}. Name another segmentation, "
        "or ask for regions='grid'"
    )


def _extent(table: Any, places: list[np.ndarray]) -> tuple[int, ...]:
    if mask_of(table) == "image_mask":
        return tuple(int(n) for n in np.shape(table["image_mask"].data[0]))
    filled = [place.max(axis=0) + 1 for place in places if len(place)]
    return tuple(int(n) for n in np.max(filled, axis=0)) if filled else ()


def _fits(table: Any, places: list[np.ndarray], sides: tuple[int, ...]) -> bool:
    reach = _extent(table, places)
    if mask_of(table) == "image_mask":
        # A flat mask drawn on a volume holds for every plane of it.
        return reach in (sides, sides[:2])
    return len(reach) <= len(sides) and all(
        a <= b for a, b in zip(reach, sides[: len(reach)], strict=True)
    )


def _on_movie(places: np.ndarray, shape: tuple[int, ...], swapped: bool) -> np.ndarray:
    """Flat indices of pixels as the movie stores them."""
    if not len(places):
        return np.empty(0, dtype=np.int64)
    if swapped:
        places = places[:, [1, 0, *range(2, places.shape[1])]]
    if places.shape[1] < len(shape):
        depth = np.arange(shape[2])
        places = np.column_stack(
            [np.repeat(places, len(depth), axis=0), np.tile(depth, len(places))]
        )
    return np.ravel_multi_index(tuple(places.T), shape)
