"""What is taken for done already: a result of the recording as it is, and of no other."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile, TimeSeries

import nwbdecode as nd
from nwbdecode.decoding import Decoding
from tests.arrays import CONFIG, recording
from tests.load.imaging import movies

TARGET = "behavior/effort"
FILMED = {**CONFIG, "features": {"bin": 0.1}}
LONG_AGO = (0, 0)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "cache"))


def saved(nwbfile: NWBFile, path: Path) -> Path:
    with NWBHDF5IO(str(path), mode="w") as io:
        io.write(nwbfile)
    return path


def fit(source: Path, output: Path) -> Decoding:
    return nd.fit(
        source, targets=TARGET, output=output, config=CONFIG, exists="skip", progress=False
    )


def test_a_recording_that_was_changed_since_is_not_done(tmp_path: Path) -> None:
    source, output = saved(recording("monday"), tmp_path / "monday.nwb"), tmp_path / "decoded.nwb"
    made = fit(source, output)
    before = output.read_bytes()
    assert fit(source, output).identical(made)
    os.utime(source)
    with pytest.raises(nd.NWBDecodeError, match=r"changed or replaced since.*exists='replace'"):
        fit(source, output)
    assert output.read_bytes() == before


def test_a_recording_replaced_by_an_older_one_is_not_done(tmp_path: Path) -> None:
    """As when a backup is put back, or another version of the session is fetched."""
    source, output = saved(recording("monday"), tmp_path / "monday.nwb"), tmp_path / "decoded.nwb"
    older = Path(shutil.copy(source, tmp_path / "older.nwb"))
    with NWBHDF5IO(str(older), mode="r+") as io:
        session = io.read()
        session.acquisition["ElectricalSeries"].data[:] *= 2
    os.utime(older, LONG_AGO)
    fit(source, output)
    os.replace(older, source)
    with pytest.raises(nd.NWBDecodeError, match=r"then \d+ bytes.*now \d+ bytes, of 1970-01-01"):
        fit(source, output)


def test_a_recording_that_was_moved_is_done(tmp_path: Path) -> None:
    source, output = saved(recording("monday"), tmp_path / "monday.nwb"), tmp_path / "decoded.nwb"
    made = fit(source, output)
    assert fit(source.rename(tmp_path / "moved.nwb"), output).identical(made)


def test_a_prediction_of_a_recording_replaced_by_an_older_one_is_not_done(tmp_path: Path) -> None:
    source, output = saved(recording("monday"), tmp_path / "monday.nwb"), tmp_path / "decoded.nwb"
    tuesday = saved(recording("tuesday", like=1), tmp_path / "tuesday.nwb")
    fit(source, output)
    predicted = tmp_path / "predicted.nwb"
    for _ in range(2):
        nd.predict(output, tuesday, predicted, exists="skip", progress=False)
    os.utime(tuesday, LONG_AGO)
    with pytest.raises(nd.NWBDecodeError, match="changed or replaced since"):
        nd.predict(output, tuesday, predicted, exists="skip", progress=False)


def test_a_result_in_the_recording_itself_is_done_though_adding_it_changed_the_file(
    tmp_path: Path,
) -> None:
    source = saved(recording("monday"), tmp_path / "monday.nwb")
    for _ in range(2):
        nd.fit(
            source, targets=TARGET, append=True, config=CONFIG, exists="skip", progress=False
        )  # fmt: skip
    assert nd.read(source).targets == ["effort"]


def test_a_zarr_folder_of_which_one_chunk_was_replaced_is_not_done(tmp_path: Path) -> None:
    hdmf_zarr = pytest.importorskip("hdmf_zarr")
    source, output = tmp_path / "monday.nwb.zarr", tmp_path / "decoded.nwb"
    with hdmf_zarr.NWBZarrIO(path=str(source), mode="w") as io:
        io.write(recording("monday"))
    made = fit(source, output)
    assert fit(source, output).identical(made)
    chunk = source / "acquisition" / "ElectricalSeries" / "data" / "0.0"
    folder = os.stat(source)
    # A folder's own time says nothing of what is deeper in it.
    os.utime(chunk, LONG_AGO)
    assert os.stat(source).st_mtime_ns == folder.st_mtime_ns
    with pytest.raises(nd.NWBDecodeError, match="changed or replaced since"):
        fit(source, output)


def filmed(path: Path) -> tuple[Path, Path]:
    """A session whose movie lies in a file beside it."""
    tifffile = pytest.importorskip("tifffile", reason="needs the imaging extra")
    path.parent.mkdir()
    frames = movies.pixels(1200)
    tifffile.imwrite(path.with_suffix(".tif"), frames)
    nwbfile, plane = movies.session()
    movies.add_movie(
        nwbfile, plane, None, external_file=[path.with_suffix(".tif").name], format="external",
        starting_frame=[0], timestamps=1.0 + np.arange(1200) / movies.RATE,
    )  # fmt: skip
    movies.add_masks(nwbfile, plane)
    nwbfile.add_stimulus(
        TimeSeries(name="tone", data=frames[:, 3, 4].astype(float), unit="V", rate=movies.RATE)
    )
    return saved(nwbfile, path), path.with_suffix(".tif")


@pytest.mark.parametrize("way", ["fit", "fit and append", "predict"])
def test_a_movie_beside_the_recording_that_was_changed_since_is_not_done(
    way: str, tmp_path: Path
) -> None:
    source, movie = filmed(tmp_path / "here" / "session.nwb")
    trained, predicted = tmp_path / "trained.nwb", tmp_path / "predicted.nwb"

    def made() -> Decoding:
        if way == "predict":
            return nd.predict(trained, source, predicted, exists="skip", progress=False)
        place = {"append": True} if way == "fit and append" else {"output": trained}
        return nd.fit(
            source, targets="presentation/tone", **place, config=FILMED, exists="skip",
            progress=False,
        )  # fmt: skip

    if way == "predict":
        nd.fit(source, targets="presentation/tone", output=trained, config=FILMED, progress=False)
    first = made()
    moved = source.parent.rename(tmp_path / "there")
    source, movie = moved / source.name, moved / movie.name
    assert made().identical(first)
    os.utime(movie, LONG_AGO)
    with pytest.raises(
        nd.NWBDecodeError, match=r"movie beside the recording which was changed or replaced since"
    ):
        made()
