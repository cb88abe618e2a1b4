"""Movies made for tests: small, integer, with regions known in advance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pynwb
from hdmf.backends.hdf5 import H5DataIO
from pynwb.ophys import (
    CorrectedImageStack,
    ImageSegmentation,
    MotionCorrection,
    PlaneSegmentation,
    TwoPhotonSeries,
)
from pynwb.testing.mock.ophys import mock_ImagingPlane

from tests.load import recordings

FRAMES, SIDES, RATE = 300, (24, 30), 20.0


def pixels(n: int = FRAMES, sides: tuple[int, ...] = SIDES, seed: int = 0) -> np.ndarray:
    """Counts of every pixel in every frame."""
    rng = np.random.default_rng(seed)
    return rng.integers(50, 4000, size=(n, *sides), dtype=np.uint16)


def masks(sides: tuple[int, ...] = SIDES) -> np.ndarray:
    """Three regions with uneven weights, the first two touching; shape (roi, *sides)."""
    held = np.zeros((3, *sides), dtype=np.float32)
    held[0, 2:5, 3:7] = 1.0
    held[1, 5:8, 3:7] = np.arange(1, 13).reshape((3, 4) + (1,) * (len(sides) - 2))
    held[2, 15, 20] = 0.5
    held[2, 16, 20:22] = 2.0
    return held


def means(movie: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted means over each mask, computed on the whole movie at once."""
    flat = weights.reshape(len(weights), -1).astype(float)
    return movie.reshape(len(movie), -1).astype(float) @ flat.T / flat.sum(axis=1)


def session(**plane: Any) -> tuple[pynwb.NWBFile, Any]:
    """A file with one imaging plane."""
    nwbfile = recordings.session()
    return nwbfile, mock_ImagingPlane(nwbfile=nwbfile, name="plane0", location="V1", **plane)


def add_movie(
    nwbfile: pynwb.NWBFile, plane: Any, data: Any, name: str = "Movie", **fields: Any
) -> TwoPhotonSeries:
    """A two-photon movie in acquisition, chunked as given."""
    clock = {} if "timestamps" in fields else {"rate": RATE, "starting_time": 1.0}
    series = TwoPhotonSeries(
        name=name, data=data, imaging_plane=plane, unit="n.a.", **(clock | fields)
    )
    nwbfile.add_acquisition(series)
    return series


def add_masks(
    nwbfile: pynwb.NWBFile, plane: Any, kind: str = "image_mask", held: np.ndarray | None = None,
    name: str = "cells", **columns: list[Any],
) -> PlaneSegmentation:  # fmt: skip
    """The masks as a PlaneSegmentation, ROI ids 10, 11, ..."""
    held = masks() if held is None else held
    if "ophys" not in nwbfile.processing:
        module = nwbfile.create_processing_module(name="ophys", description="d")
        module.add(ImageSegmentation(name="ImageSegmentation"))
    segmentation = nwbfile.processing["ophys"]["ImageSegmentation"].create_plane_segmentation(
        name=name, description="d", imaging_plane=plane
    )
    for row, mask in enumerate(held):
        place = np.argwhere(mask)
        points = [(*map(int, at), float(mask[tuple(at)])) for at in place]
        value = mask if kind == "image_mask" else points
        segmentation.add_roi(id=10 + row, **{kind: value})
    for column, values in columns.items():
        segmentation.add_column(name=column, description="d", data=values)
    return segmentation


def with_masks(kind: str = "image_mask", **how: Any) -> pynwb.NWBFile:
    """One movie and the masks of its plane."""
    nwbfile, plane = session()
    add_movie(nwbfile, plane, H5DataIO(pixels(), chunks=(7, 24, 30), compression="gzip"))
    add_masks(nwbfile, plane, kind, **how)
    return nwbfile


def correct(nwbfile: pynwb.NWBFile, series: Any, data: np.ndarray, name: str = "stack") -> None:
    """Add a motion-corrected form of a movie, as the plain type that pynwb's tutorial uses."""
    corrected = pynwb.image.ImageSeries(
        name="corrected", data=data, unit="n.a.", rate=series.rate, starting_time=1.0, format="raw"
    )
    shift = pynwb.TimeSeries(
        name="xy_translation", data=np.zeros((len(data), 2)), unit="pixels", rate=series.rate
    )
    stack = CorrectedImageStack(
        name=name, corrected=corrected, original=series, xy_translation=shift
    )
    if "motion" not in nwbfile.processing:
        nwbfile.create_processing_module(name="motion", description="d").add(MotionCorrection())
    nwbfile.processing["motion"]["MotionCorrection"].add_corrected_image_stack(stack)
