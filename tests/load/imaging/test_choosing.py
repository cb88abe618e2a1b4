"""Which series are movies, and which of them is the best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pynwb.image import ImageSeries

from nwbdecode import NWBDecodeError, load
from tests.load import recordings
from tests.load.imaging import movies


def _corrected(folder: Path) -> Path:
    nwbfile = movies.with_masks()
    movies.correct(nwbfile, nwbfile.acquisition["Movie"], movies.pixels(seed=5))
    return recordings.save(nwbfile, folder)


def test_best_is_the_movie_corrected_for_motion(tmp_path: Path) -> None:
    with load.open(_corrected(tmp_path)) as opened:
        best, raw = opened.signal("best"), opened.signal("acquisition/Movie")
    assert best.path == "processing/motion/MotionCorrection/stack/corrected"
    expected = movies.means(movies.pixels(seed=5), movies.masks())
    np.testing.assert_allclose(best.read(0, 300), expected, rtol=2e-7)
    np.testing.assert_allclose(
        raw.read(0, 300), movies.means(movies.pixels(), movies.masks()), rtol=2e-7
    )
    assert "movie: corrected for motion" in repr(best)
    assert "'best' takes the one corrected for motion" in repr(raw)
    # The plain type of a corrected stack has no plane; that of its original stands in.
    assert best.channels["group"].tolist() == ["plane0"] * 3


def test_best_of_an_uncorrected_movie_is_the_movie(tmp_path: Path) -> None:
    with load.open(recordings.save(movies.with_masks(), tmp_path)) as opened:
        assert opened.signal("best").path == "acquisition/Movie"


def test_best_of_several_recordings_lists_them(tmp_path: Path) -> None:
    nwbfile = movies.with_masks()
    movies.correct(nwbfile, nwbfile.acquisition["Movie"], movies.pixels(20))
    movies.add_movie(nwbfile, nwbfile.imaging_planes["plane0"], movies.pixels(20), "Other")
    with pytest.raises(NWBDecodeError, match=r"2 movies.*'acquisition/Other'.*stack/corrected'"):
        load.open(nwbfile).signal("best")


def test_best_without_a_movie_lists_the_signals() -> None:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    nwbfile.add_acquisition(recordings.electrical(nwbfile))
    with pytest.raises(NWBDecodeError, match="file has none; its signals: 'acquisition/Raw'"):
        load.open(nwbfile).signal("best")


def test_options_of_a_movie_are_refused_for_voltage() -> None:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    nwbfile.add_acquisition(recordings.electrical(nwbfile))
    with pytest.raises(NWBDecodeError, match="grid, dff cannot apply to 'acquisition/Raw'"):
        load.open(nwbfile).signal(grid=(2, 2), dff=True)


def test_an_uneven_frame_clock_is_believed(tmp_path: Path) -> None:
    stamps = np.cumsum(np.random.default_rng(0).uniform(0.8, 1.2, 60) / 20)
    stamps[40:] += 3.0
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, movies.pixels(60), timestamps=stamps)
    movies.add_masks(nwbfile, plane)
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        signal = opened.signal()
    assert [(s.start, s.stop) for s in signal.segments] == [(0, 40), (40, 60)]
    np.testing.assert_allclose(signal.read(0, 60)["time"], stamps)


def test_a_movie_without_frames_or_with_colors_is_refused() -> None:
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, np.zeros((0, 4, 4)), "Empty")
    with pytest.raises(NWBDecodeError, match="holds no frames"):
        load.open(nwbfile).signal("Empty")


def test_inspect_describes_a_movie_and_its_masks(tmp_path: Path) -> None:
    with load.open(_corrected(tmp_path)) as opened:
        shown = {s["path"]: s for s in opened.catalog()["signals"]}
        text = repr(opened)
    movie = shown["acquisition/Movie"]
    assert movie["shape"] == [300, 24, 30]
    assert (movie["modality"], movie["channels"], movie["bytes"]) == ("imaging", 3, 300 * 720 * 2)
    assert movie["regions"] == {"processing/ophys/ImageSegmentation/cells": 3}
    assert movie["locations"] == ["V1"]
    assert "processing/motion/MotionCorrection/stack/corrected" in shown
    assert "3 ROIs in" in text


def test_a_video_of_behavior_is_no_signal() -> None:
    nwbfile = recordings.ephys()
    nwbfile.add_acquisition(
        ImageSeries(
            name="camera", external_file=["a.mp4"], format="external", rate=30.0,
            starting_frame=[0], num_samples=300,
        )
    )  # fmt: skip
    with pytest.raises(NWBDecodeError, match=r"'camera' is a ImageSeries, a video rather than"):
        load.open(nwbfile).signal("camera")
    with pytest.raises(NWBDecodeError, match="there is no signal 'cinema'"):
        load.open(nwbfile).signal("cinema")
