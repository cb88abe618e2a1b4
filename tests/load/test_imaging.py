"""Traces of regions of interest as a signal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pynwb
import pytest
from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

from nwbdecode import load
from tests.load import recordings


def _imaging(mask: str) -> pynwb.NWBFile:
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
