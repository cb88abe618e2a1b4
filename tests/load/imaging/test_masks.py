"""A movie read by the masks that its file draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest
from hdmf.backends.hdf5 import H5DataIO
from pynwb.ophys import OnePhotonSeries

from nwbdecode import NWBDecodeError, load
from nwbdecode.load import Signal
from tests.load import recordings
from tests.load.imaging import movies

CLOSE = {"rtol": 2e-7}


def read(signal: Signal) -> np.ndarray:
    return signal.read(0, signal.reader.shape[0]).to_numpy()


@pytest.mark.parametrize("kind", ["image_mask", "pixel_mask"])
def test_a_channel_is_the_weighted_mean_of_its_mask(tmp_path: Path, kind: str) -> None:
    path = recordings.save(movies.with_masks(kind), tmp_path)
    with load.open(path) as opened:
        signal = opened.signal("Movie")
        np.testing.assert_allclose(
            read(signal), movies.means(movies.pixels(), movies.masks()), **CLOSE
        )
    assert (signal.modality, signal.rate, signal.units) == ("imaging", 20.0, "n.a.")
    assert signal.channels.index.tolist() == [10, 11, 12]
    assert signal.channels["x"].tolist()[0] == 3.0
    assert signal.channels["y"].tolist()[0] == 4.5
    assert set(signal.channels["location"]) == {"V1"}
    assert f"3 {kind}s of 'processing/ophys/ImageSegmentation/cells'" in repr(signal)
    assert signal.segments[0].start_time == 1.0


@pytest.mark.parametrize("kind", ["image_mask", "voxel_mask"])
def test_a_volume_is_read_by_masks_with_depth(tmp_path: Path, kind: str) -> None:
    sides = (24, 30, 4)
    held = movies.masks(sides)
    held[0, :, :, 2:] = 0
    nwbfile, plane = movies.session(grid_spacing=[2e-6, 3e-6, 1e-5])
    movie = movies.pixels(50, sides)
    movies.add_movie(nwbfile, plane, H5DataIO(movie, chunks=(4, 12, 30, 2)))
    movies.add_masks(nwbfile, plane, kind, held)
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        signal = opened.signal("Movie")
    np.testing.assert_allclose(read(signal), movies.means(movie, held), **CLOSE)
    # Columns 2 to 4 and 3 to 6, planes 0 and 1, in micrometers.
    np.testing.assert_allclose(signal.channels.loc[10, ["x", "y", "z"]].tolist(), [6, 13.5, 5])
    assert signal.source["signal"]["coordinates"] == "micrometers"


def test_a_flat_mask_takes_every_plane_of_a_volume(tmp_path: Path) -> None:
    nwbfile, plane = movies.session()
    movie = movies.pixels(20, (*movies.SIDES, 3))
    movies.add_movie(nwbfile, plane, movie)
    movies.add_masks(nwbfile, plane, "pixel_mask")
    with load.open(nwbfile) as opened:
        found = read(opened.signal("Movie"))
    deep = np.repeat(movies.masks()[..., None], 3, axis=-1)
    np.testing.assert_allclose(found, movies.means(movie, deep), **CLOSE)


def test_conversion_and_offset_give_physical_values(tmp_path: Path) -> None:
    nwbfile, plane = movies.session()
    series = OnePhotonSeries(
        name="Movie", data=movies.pixels(40), imaging_plane=plane, unit="photons", rate=movies.RATE,
        conversion=0.25, offset=-3.0,
    )  # fmt: skip
    nwbfile.add_acquisition(series)
    movies.add_masks(nwbfile, plane)
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        signal = opened.signal()
    expected = movies.means(movies.pixels(40), movies.masks()) * 0.25 - 3.0
    np.testing.assert_allclose(read(signal), expected, **CLOSE)
    assert signal.units == "photons"


@pytest.mark.parametrize("kind", ["image_mask", "pixel_mask"])
def test_masks_drawn_on_the_transposed_field_are_turned(tmp_path: Path, kind: str) -> None:
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, movies.pixels(30))
    held = movies.masks()
    # Only its row 29 tells a list of pixels that it was drawn on 30 x 24.
    held[2, 10, 29] = 1.0
    movies.add_masks(nwbfile, plane, kind, held.transpose(0, 2, 1))
    signal = load.open(nwbfile).signal("Movie")
    np.testing.assert_allclose(read(signal), movies.means(movies.pixels(30), held), **CLOSE)
    assert "axes swapped" in repr(signal)


def test_a_square_field_is_turned_only_when_asked() -> None:
    nwbfile, plane = movies.session()
    movie = movies.pixels(10, (24, 24))
    held = movies.masks((24, 24))
    movies.add_movie(nwbfile, plane, movie)
    movies.add_masks(nwbfile, plane, held=held)
    opened = load.open(nwbfile)
    for asked, turned in ((None, held), (False, held), (True, held.transpose(0, 2, 1))):
        found = read(opened.signal("Movie", transpose_masks=asked))
        np.testing.assert_allclose(found, movies.means(movie, turned), **CLOSE)


def test_masks_that_do_not_lie_on_the_movie_are_refused() -> None:
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, movies.pixels(10))
    movies.add_masks(nwbfile, plane, held=movies.masks((40, 40)))
    with pytest.raises(NWBDecodeError, match=r"40 x 40 pixels, the movie has 24 x 30"):
        load.open(nwbfile).signal("Movie")


def test_a_pixel_that_is_missing_counts_for_no_weight() -> None:
    movie = movies.pixels(12).astype(np.float32)
    movie[3, 2:4, 3:7] = np.nan
    movie[4, 2:5, 3:7] = np.nan
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, movie)
    movies.add_masks(nwbfile, plane)
    found = read(load.open(nwbfile).signal("Movie"))
    assert found[3, 0] == pytest.approx(movie[3, 4, 3:7].mean(), rel=1e-6)
    assert np.isnan(found[4, 0])
    assert np.isnan(found).sum() == 1


@pytest.mark.parametrize(
    ("columns", "bad"),
    [
        ({"is_cell": [True, False, True]}, [False, True, False]),
        ({"iscell": [[1.0, 0.9], [0.0, 0.1], [1.0, 0.7]]}, [False, True, False]),
        ({"Accepted": [0, 1, 1]}, [True, False, False]),
        ({"accepted": [0, 0, 0], "rejected": [1, 0, 0]}, [True, False, False]),
        ({"accepted": [0, 0, 0]}, None),
        ({"is_cell": [1, 1, 0], "bad": [True, False, False]}, [True, False, False]),
    ],
)
def test_what_curation_rejects_is_a_bad_channel(
    columns: dict[str, list[Any]], bad: list[bool] | None
) -> None:
    signal = load.open(movies.with_masks(**columns)).signal("Movie")
    found = signal.channels["bad"].tolist() if "bad" in signal.channels else None
    assert found == bad


def test_an_empty_mask_is_a_bad_channel() -> None:
    held = movies.masks()
    held[1] = 0
    signal = load.open(movies.with_masks(held=held)).signal("Movie")
    assert signal.channels["bad"].tolist() == [False, True, False]
    assert "1 without a pixel" in repr(signal)


def test_channels_and_time_are_chosen_as_of_any_signal(tmp_path: Path) -> None:
    path = recordings.save(movies.with_masks(depth=[1.0, 2.0, 3.0]), tmp_path)
    expected = movies.means(movies.pixels(), movies.masks())
    with load.open(path) as opened:
        signal = opened.signal("Movie", channels="depth > 1", time=(3.0, 4.0))
    assert signal.channels.index.tolist() == [11, 12]
    (part,) = signal.segments
    assert (part.start, part.stop) == (40, 60)
    np.testing.assert_allclose(
        signal.read(40, 60, channels=[12])[:, 0], expected[40:60, 2], **CLOSE
    )


def _two_planes() -> pynwb.NWBFile:
    nwbfile = movies.with_masks()
    other = movies.mock_ImagingPlane(nwbfile=nwbfile, name="plane1")
    movies.add_masks(nwbfile, other, "pixel_mask", movies.masks()[:2], "deep")
    movies.add_movie(nwbfile, other, movies.pixels(20, seed=1), "Deep")
    return nwbfile


def test_each_plane_is_read_by_its_own_segmentation() -> None:
    opened = load.open(_two_planes())
    assert opened.signal("Movie").n_channels == 3
    np.testing.assert_allclose(
        read(opened.signal("Deep")),
        movies.means(movies.pixels(20, seed=1), movies.masks()[:2]),
        **CLOSE,
    )


def test_several_segmentations_of_a_plane_are_listed() -> None:
    nwbfile = movies.with_masks()
    plane = nwbfile.imaging_planes["plane0"]
    movies.add_masks(nwbfile, plane, "pixel_mask", movies.masks()[1:], "curated")
    opened = load.open(nwbfile)
    with pytest.raises(
        NWBDecodeError, match=r"2 plane segmentations.*cells'.*curated'|curated.*cells"
    ):
        opened.signal("Movie")
    assert opened.signal("Movie", regions="curated").n_channels == 2
    with pytest.raises(NWBDecodeError, match=r"Did you mean .*curated"):
        opened.signal("Movie", regions="curatd")


def test_a_segmentation_drawn_on_the_movie_itself_comes_first() -> None:
    nwbfile, plane = movies.session()
    series = movies.add_movie(nwbfile, plane, movies.pixels(10))
    movies.add_masks(nwbfile, plane, name="other")
    module = nwbfile.processing["ophys"]["ImageSegmentation"]
    drawn = module.create_plane_segmentation(
        name="drawn", description="d", imaging_plane=plane, reference_images=series
    )
    drawn.add_roi(image_mask=movies.masks()[0])
    assert load.open(nwbfile).signal("Movie").n_channels == 1


def test_masks_asked_for_where_there_are_none_are_an_error() -> None:
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, movies.pixels(10))
    with pytest.raises(NWBDecodeError, match=r"no plane segmentation.*'grid'"):
        load.open(nwbfile).signal(regions="masks")


@pytest.mark.parametrize("kind", ["image_mask", "pixel_mask"])
def test_masks_that_fit_both_ways_are_told_with_what_turns_them(kind: str) -> None:
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, movies.pixels(10, (24, 24)))
    movies.add_masks(nwbfile, plane, kind, movies.masks((24, 24)))
    opened = load.open(nwbfile)
    assert "x along the movie's first axis as the schema has it" in repr(opened.signal("Movie"))
    assert "transpose_masks=True swaps them" in repr(opened.signal("Movie"))
    asked = repr(opened.signal("Movie", transpose_masks=True))
    assert "their axes swapped, as asked" in asked
