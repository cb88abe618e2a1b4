"""Movies in files beside the NWB file."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from nwbdecode import NWBDecodeError, load
from tests.load import recordings
from tests.load.imaging import movies

av = pytest.importorskip("av", reason="needs the imaging extra")
tifffile = pytest.importorskip("tifffile", reason="needs the imaging extra")


def write_video(path: Path, movie: np.ndarray, codec: str = "ffv1") -> Path:
    form = "gray16le" if movie.dtype.itemsize == 2 else "gray"
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=20)
        stream.height, stream.width, stream.pix_fmt = *movie.shape[1:], form
        for frame in movie:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format=form)))
        file.mux(stream.encode())
    return path


def session(
    folder: Path, files: list[str], starts: list[int] | None = None, n: int = 40, **masks: Any
) -> Path:
    """An NWB file whose movie of `n` frames lies in `files`."""
    nwbfile, plane = movies.session()
    series = movies.TwoPhotonSeries(
        name="Movie", imaging_plane=plane, external_file=files, format="external",
        starting_frame=starts or [0], timestamps=1.0 + np.arange(n) / movies.RATE, unit="n.a.",
    )  # fmt: skip
    nwbfile.add_acquisition(series)
    movies.add_masks(nwbfile, plane, **masks)
    return recordings.save(nwbfile, folder)


def read(path: Path, start: int = 0, stop: int | None = None) -> np.ndarray:
    with load.open(path) as opened:
        signal = opened.signal()
    return signal.read(start, stop or signal.reader.shape[0]).to_numpy()


@pytest.mark.parametrize("how", [{}, {"imagej": True}, {"compression": "zlib"}])
def test_pages_of_a_tiff_are_frames(tmp_path: Path, how: dict[str, Any]) -> None:
    tifffile.imwrite(tmp_path / "movie.tif", movies.pixels(40), **how)
    found = read(session(tmp_path, ["movie.tif"]))
    np.testing.assert_allclose(found, movies.means(movies.pixels(40), movies.masks()), rtol=2e-7)


@pytest.mark.parametrize(("codec", "dtype"), [("ffv1", "u1"), ("ffv1", "u2"), ("rawvideo", "u1")])
def test_frames_of_an_avi_are_gray_values(tmp_path: Path, codec: str, dtype: str) -> None:
    movie = (movies.pixels(40) % (250 if dtype == "u1" else 4000)).astype(dtype)
    write_video(tmp_path / "movie.avi", movie, codec)
    path = session(tmp_path, ["./movie.avi"])
    expected = movies.means(movie, movies.masks())
    np.testing.assert_allclose(read(path), expected, rtol=2e-7)
    # Out of order, and in a copy that has decoded nothing.
    with load.open(path) as opened:
        frames = pickle.loads(pickle.dumps(opened.signal())).reader.traces.frames
    for start, stop in ((30, 35), (2, 9), (9, 12)):
        np.testing.assert_array_equal(
            frames.read(start, stop, (slice(3, 8), slice(None))), movie[start:stop, 3:8]
        )


def test_several_files_are_one_movie(tmp_path: Path) -> None:
    movie = movies.pixels(50)
    (tmp_path / "parts").mkdir()
    for name, part in (("a.tif", movie[:20]), ("b.tif", movie[20:21]), ("c.tif", movie[21:])):
        tifffile.imwrite(tmp_path / "parts" / name, part)
    files = ["parts/a.tif", "parts/b.tif", "parts/c.tif"]
    found = read(session(tmp_path, files, [0, 20, 21], 50), 15, 30)
    np.testing.assert_allclose(found, movies.means(movie[15:30], movies.masks()), rtol=2e-7)


def test_files_that_begin_elsewhere_than_stated_are_refused(tmp_path: Path) -> None:
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", movies.pixels(20))
    path = session(tmp_path, ["a.tif", "b.tif"], [0, 25])
    with pytest.raises(
        NWBDecodeError, match=r"begin at \[0, 20\]; its starting_frame is \[0, 25\]"
    ):
        read(path)


def test_a_missing_file_is_named_and_inspect_shows_it(tmp_path: Path) -> None:
    path = session(tmp_path, ["movie.tif"])
    with pytest.raises(NWBDecodeError, match=r"there is no file '.*movie\.tif'"):
        read(path)
    with load.open(path) as opened:
        (shown,) = opened.catalog()["signals"]
        assert "there is no file" in shown["problems"][0]


def test_inspect_shows_the_shape_of_the_files(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "movie.tif", movies.pixels(40))
    with load.open(session(tmp_path, ["movie.tif"])) as opened:
        (shown,) = opened.catalog()["signals"]
        text = repr(opened)
    assert shown["shape"] == [40, 24, 30]
    assert (shown["rate"], shown["duration"]) == pytest.approx((20.0, 2.0))
    assert shown["channels"] == 3
    assert "3 ROIs in 'processing/ophys/ImageSegmentation/cells'" in text


@pytest.mark.parametrize(
    "name", ["../movie.tif", "sub/../../movie.tif", "/etc/movie.tif", "https://a.org/movie.tif",
             "C:\\data\\movie.tif", "..\\movie.tif"],
)  # fmt: skip
def test_files_outside_the_folder_are_never_read(tmp_path: Path, name: str) -> None:
    tifffile.imwrite(tmp_path / "movie.tif", movies.pixels(40))
    folder = tmp_path / "inner"
    folder.mkdir()
    with pytest.raises(NWBDecodeError, match="Files elsewhere are not read"):
        read(session(folder, [name]))


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "movie.mat").write_bytes(b"")
    with pytest.raises(NWBDecodeError, match=r"movie\.mat'; expected \.tif"):
        read(session(tmp_path, ["movie.mat"]))


@pytest.mark.parametrize("name", ["movie.tif", "movie.avi"])
def test_a_damaged_file_is_told_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not a movie" * 50)
    with pytest.raises(NWBDecodeError, match="cannot be read"):
        read(session(tmp_path, [name]))


def test_colors_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "movie.tif", np.zeros((9, 24, 30, 3), "u1"), photometric="rgb")
    with pytest.raises(NWBDecodeError, match="expected pages of one gray image"):
        read(session(tmp_path, ["movie.tif"]))


def test_a_changed_file_gives_new_traces(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "movie.tif", movies.pixels(40))
    path = session(tmp_path, ["movie.tif"])
    before = read(path)
    tifffile.imwrite(tmp_path / "movie.tif", movies.pixels(40) + 5, compression="zlib")
    np.testing.assert_allclose(read(path), before + 5, rtol=1e-6)


def test_fewer_frames_than_timestamps_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "movie.tif", movies.pixels(39))
    with pytest.raises(NWBDecodeError, match="hold 39 frames; its num_samples is 40"):
        read(session(tmp_path, ["movie.tif"]))


@pytest.mark.parametrize("stated", [40, 41])
def test_a_stated_number_of_frames_is_checked(tmp_path: Path, stated: int) -> None:
    tifffile.imwrite(tmp_path / "movie.tif", movies.pixels(40))
    with h5py.File(session(tmp_path, ["movie.tif"]), "r+") as file:
        movie = file["acquisition/Movie"]
        del movie["timestamps"]
        movie["starting_time"] = 1.0
        movie["starting_time"].attrs["rate"] = 20.0
        movie["starting_time"].attrs["unit"] = "seconds"
        movie["num_samples"] = stated
    path = tmp_path / "session.nwb"
    if stated == 40:
        assert read(path).shape == (40, 3)
    else:
        with pytest.raises(NWBDecodeError, match="hold 40 frames; its num_samples is 41"):
            read(path)


@pytest.mark.parametrize("sides", [(24, 24), (24, 30)])
@pytest.mark.parametrize("kind", ["image_mask", "pixel_mask"])
def test_masks_of_the_schema_have_x_along_the_columns_of_a_picture(
    tmp_path: Path, kind: str, sides: tuple[int, int]
) -> None:
    movie = movies.pixels(40, sides)
    tifffile.imwrite(tmp_path / "movie.tif", movie)
    held = movies.masks(sides)
    # The schema's masks are (x, y); rows of the picture are y.
    path = session(tmp_path, ["movie.tif"], kind=kind, held=held.transpose(0, 2, 1))
    with load.open(path) as opened:
        signal = opened.signal()
    np.testing.assert_allclose(signal.read(0, 40).to_numpy(), movies.means(movie, held), rtol=2e-7)
    assert "x along the movie's columns" in repr(signal)


def test_blocks_of_a_grid_lie_where_masks_would(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "movie.tif", movies.pixels(40))
    with load.open(session(tmp_path, ["movie.tif"])) as opened:
        signal = opened.signal(regions="grid", grid=(2, 3))
    # 24 rows, 30 columns: x goes along the columns, as of the schema's masks.
    assert signal.channels["x"].tolist() == [4.5, 14.5, 24.5] * 2
    assert signal.channels["y"].tolist() == [5.5] * 3 + [17.5] * 3


def test_masks_read_the_other_way_are_kept_apart_in_the_cache(tmp_path: Path) -> None:
    movie, held = movies.pixels(40, (24, 24)), movies.masks((24, 24))
    tifffile.imwrite(tmp_path / "movie.tif", movie)
    with load.open(session(tmp_path, ["movie.tif"], held=held.transpose(0, 2, 1))) as opened:
        usual, turned, kept = (opened.signal(transpose_masks=way) for way in (None, True, False))
    np.testing.assert_allclose(
        kept.read(0, 40).to_numpy(), movies.means(movie, held.transpose(0, 2, 1)), rtol=2e-7
    )
    assert usual.reader.digest == turned.reader.digest != kept.reader.digest


def test_masks_that_fit_a_picture_rows_first_alone_are_taken_so(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "movie.tif", movies.pixels(40))
    with load.open(session(tmp_path, ["movie.tif"])) as opened:
        signal = opened.signal()
    assert "x along the movie's rows, as it fits" in repr(signal)
