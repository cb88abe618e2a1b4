"""Traces of regions of interest as a signal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pynwb
import pytest
from pynwb.ophys import (
    DfOverF,
    Fluorescence,
    ImageSegmentation,
    OpticalChannel,
    RoiResponseSeries,
)
from pynwb.testing.mock.ophys import mock_ImagingPlane

from nwbdecode import NWBDecodeError, load, wavelet_power
from tests.load import recordings


def _imaging(mask: str, **spacing: Any) -> pynwb.NWBFile:
    nwbfile = recordings.session()
    device = nwbfile.create_device(name="microscope")
    plane = nwbfile.create_imaging_plane(
        name="plane0",
        optical_channel=OpticalChannel(name="o", description="d", emission_lambda=500.0),
        description="d",
        device=device,
        excitation_lambda=900.0,
        indicator="GCaMP6f",
        location="V1",
        **spacing,
    )
    segmentation = ImageSegmentation()
    cells = segmentation.create_plane_segmentation(
        name="cells", description="d", imaging_plane=plane
    )
    for i in range(4):
        if mask == "image_mask":
            image = np.zeros((10, 12))
            image[i, 2 * i] = 1.0
            image[i + 2, 2 * i] = 1.0
            cells.add_roi(id=50 + i, image_mask=image)
        else:
            cells.add_roi(id=50 + i, pixel_mask=[(i, 2 * i, 1.0), (i + 4, 2 * i, 1.0)])
    module = nwbfile.create_processing_module(name="ophys", description="d")
    module.add(segmentation)
    rois = cells.create_roi_table_region(region=[0, 2, 3], description="some")
    data = np.arange(300, dtype=np.float32).reshape(100, 3)
    series = RoiResponseSeries(name="dff", data=data, rois=rois, unit="n.a.", rate=15.0)
    module.add(Fluorescence(roi_response_series=series))
    return nwbfile


@pytest.mark.parametrize(("mask", "reach"), [("image_mask", 1), ("pixel_mask", 2)])
def test_rois_become_channels_with_the_centers_of_their_masks(
    tmp_path: Path, mask: str, reach: int
) -> None:
    with load.open(recordings.save(_imaging(mask), tmp_path)) as opened:
        signal = opened.signal()
        block = signal.read(10, 12)
        shown = opened.catalog()["signals"][0]
    assert signal.path == "processing/ophys/Fluorescence/dff"
    assert (signal.modality, signal.units, signal.rate) == ("imaging", "n.a.", 15.0)
    assert signal.channels.index.tolist() == [50, 52, 53]
    assert signal.channels["x"].tolist() == [reach, 2.0 + reach, 3.0 + reach]
    assert signal.channels["y"].tolist() == [0.0, 4.0, 6.0]
    assert set(signal.channels["group"]) == {"plane0"}
    assert set(signal.channels["location"]) == {"V1"}
    np.testing.assert_array_equal(block, [[30, 31, 32], [33, 34, 35]])
    assert shown["modality"] == "imaging"
    assert signal.source["signal"]["coordinates"] == "pixels"


@pytest.mark.parametrize(
    ("spacing", "step", "unit"),
    [
        ({"grid_spacing": [2e-6, 3e-6]}, (2.0, 3.0), "micrometers"),
        ({"grid_spacing": [0.5, 0.25], "grid_spacing_unit": "um"}, (0.5, 0.25), "micrometers"),
        ({"grid_spacing": [0.5, 0.25], "grid_spacing_unit": "n.a."}, (1.0, 1.0), "pixels"),
        ({"grid_spacing": [0.0, 0.0]}, (1.0, 1.0), "pixels"),
    ],
)
def test_centers_are_in_micrometers_where_the_plane_says_how_large_a_pixel_is(
    spacing: dict[str, Any], step: tuple[float, float], unit: str
) -> None:
    signal = load.open(_imaging("pixel_mask", **spacing)).signal()
    np.testing.assert_allclose(signal.channels["x"], np.array([2, 4, 5]) * step[0])
    np.testing.assert_allclose(signal.channels["y"], np.array([0, 4, 6]) * step[1])
    assert signal.source["signal"]["coordinates"] == unit
    power = wavelet_power(signal, progress=False)
    assert power["x"].attrs["units"] == unit


def test_fluorescence_deconvolved_events_and_a_second_plane_are_signals_of_their_own() -> None:
    nwbfile = _imaging("pixel_mask")
    module = nwbfile.processing["ophys"]
    plane = mock_ImagingPlane(nwbfile=nwbfile, name="plane1", location="LM")
    deep = module["ImageSegmentation"].create_plane_segmentation(
        name="deep", description="d", imaging_plane=plane
    )
    deep.add_roi(id=0, pixel_mask=[(1, 2, 1.0)])
    for name, container, table in (
        ("events", Fluorescence, "cells"), ("deep", DfOverF, "deep")
    ):  # fmt: skip
        rois = module["ImageSegmentation"][table].create_roi_table_region(
            region=[0], description="d"
        )
        stamps = 0.1 * np.arange(40) + np.where(np.arange(40) < 25, 0.0, 2.0)
        series = RoiResponseSeries(
            name=name, data=np.arange(40.0)[:, None], rois=rois, unit="n.a.", timestamps=stamps
        )
        module.add(container(name=f"{name}_traces", roi_response_series=series))
    opened = load.open(nwbfile)
    with pytest.raises(NWBDecodeError, match="holds 3 signals; name the one to use"):
        opened.signal()
    assert opened.signal("dff").channels["group"].tolist() == ["plane0"] * 3
    assert opened.signal("events").channels["group"].tolist() == ["plane0"]
    second = opened.signal("deep_traces/deep")
    assert second.channels[["group", "location"]].to_numpy().tolist() == [["plane1", "LM"]]
    assert [(s.start, s.stop) for s in second.segments] == [(0, 25), (25, 40)]
    np.testing.assert_array_equal(second.read(20, 30)[:, 0], np.arange(20.0, 30.0))


def test_rois_that_are_no_cells_are_left_out_of_features() -> None:
    nwbfile = _imaging("image_mask")
    cells = nwbfile.processing["ophys"]["ImageSegmentation"]["cells"]
    cells.add_column(name="is_cell", description="d", data=[True, True, False, True])
    signal = load.open(nwbfile).signal()
    assert signal.channels["bad"].tolist() == [False, True, False]
    assert wavelet_power(signal, progress=False)["channel"].to_numpy().tolist() == [50, 53]


def test_transposed_traces_are_refused_with_a_hint(tmp_path: Path) -> None:
    path = recordings.save(_imaging("image_mask"), tmp_path)
    with h5py.File(path, "r+") as file:
        series = file["processing/ophys/Fluorescence/dff"]
        data = series["data"][:]
        del series["data"]
        series["data"] = data.T
        series["data"].attrs["unit"] = "n.a."
        series["data"].attrs["conversion"] = 1.0
    with load.open(path) as opened, pytest.raises(NWBDecodeError, match="data are transposed"):
        opened.signal()
