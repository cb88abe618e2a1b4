"""Regions of interest go into the new file with their masks, and only those that were decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest
from pynwb import NWBHDF5IO

import nwbdecode as nd
from nwbdecode.load.source import Source
from tests.load.imaging import movies
from tests.results import imaged

KINDS = ("image_mask", "pixel_mask", "voxel_mask")


def masks(path: Path) -> dict[int, Any]:
    """Masks by the regions' ids, points as plain numbers."""
    with NWBHDF5IO(str(path), mode="r") as io:
        table = io.read().processing["ophys"]["ImageSegmentation"]["cells"]
        (kind,) = set(KINDS) & set(table.colnames)
        return {
            int(held): np.array([list(point) for point in table[kind][row]], dtype=float)
            for row, held in enumerate(table.id[:])
        }


@pytest.mark.parametrize("kind", KINDS)
def test_masks_of_the_decoded_regions_are_those_of_the_recording(tmp_path: Path, kind: str) -> None:
    recording = imaged.recorded(tmp_path / "session.nwb", kind)
    result = imaged.decoded(recording)
    path = nd.write(result, tmp_path / "decoded.nwb")
    there, here = masks(recording), masks(path)
    assert list(here) == list(imaged.DECODED)
    for label, mask in here.items():
        np.testing.assert_array_equal(mask, there[label])
    assert pynwb.validate(path=str(path)) == []
    assert nd.read(path).identical(result)
    with NWBHDF5IO(str(path), mode="r") as io:
        nwbfile = io.read()
        roi = nwbfile.processing["decoding"]["importance_channel"]["roi"]
        assert roi.table is nwbfile.processing["ophys"]["ImageSegmentation"]["cells"]
        assert [int(roi.table.id[row]) for row in roi.data[:2]] == list(imaged.DECODED)
        assert roi.table.imaging_plane.location == "V1"


def test_a_recording_is_closed_also_where_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, not when the last reference to it happens to go."""
    result = imaged.decoded(imaged.recorded(tmp_path / "session.nwb"))
    close, closed = Source.close, []

    def noted(source: Source) -> None:
        closed.append(source.path)
        close(source)

    monkeypatch.setattr(Source, "close", noted)
    with pytest.raises(nd.NWBDecodeError, match="holds a set"):
        nd.write(result.replace(recipe={"made": {1, 2}}), tmp_path / "decoded.nwb")
    assert closed == [str(tmp_path / "session.nwb")]


def test_without_the_recording_the_result_is_written_all_the_same(tmp_path: Path) -> None:
    recording = imaged.recorded(tmp_path / "session.nwb")
    result = imaged.decoded(recording)
    recording.unlink()
    path = nd.write(result, tmp_path / "decoded.nwb")
    assert nd.read(path).identical(result)
    with NWBHDF5IO(str(path), mode="r") as io:
        assert "ophys" not in io.read().processing


def test_regions_of_another_recording_are_not_taken(tmp_path: Path) -> None:
    result = imaged.decoded(imaged.recorded(tmp_path / "session.nwb"))
    nwbfile, plane = movies.session()
    movies.add_masks(nwbfile, plane)
    path = nd.write(result, tmp_path / "decoded.nwb", source=nwbfile)
    with NWBHDF5IO(str(path), mode="r") as io:
        assert "ophys" not in io.read().processing
