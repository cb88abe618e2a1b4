"""A Zarr store on the network gives what the file gives, and only what is read is fetched."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nwbdecode as nd
from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from tests import arrays
from tests.load import recordings
from tests.load.dandi_server import DandiServer
from tests.load.remote.test_stores import served
from tests.load.test_zarr import poison

hdmf_zarr = pytest.importorskip("hdmf_zarr", reason="hdmf-zarr needs zarr 2, see docs/sources.md")

RAW = "acquisition/Raw"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session of `recordings.ephys`, its voltage in chunks of 500 samples and 3 channels."""
    nwbfile = recordings.session(lab="A lab", experimenter=["Doe, Jane"], keywords=["place cells"])
    recordings.add_electrodes(nwbfile)
    data = hdmf_zarr.ZarrDataIO(recordings.counts(5000, recordings.CHANNELS), chunks=(500, 3))
    nwbfile.add_acquisition(recordings.electrical(nwbfile, data=data))
    lfp = recordings.electrical(nwbfile, "LFP", n=500, rate=250.0, starting_time=0.0)
    nwbfile.create_processing_module(name="ecephys", description="filtered").add(
        recordings.LFP(electrical_series=lfp)
    )
    recordings.add_behavior(nwbfile)
    path = tmp_path_factory.mktemp("zarr") / "session 1.nwb.zarr"
    return recordings.save_zarr(nwbfile, path)


@pytest.fixture
def address(archive: DandiServer, made: Path) -> str:
    return served(archive, made).replace(" ", "%20")


def chunks(archive: DandiServer, array: str = "") -> list[str]:
    """Names of the chunks of an array that were asked for."""
    return [one.path for one in archive.asked if f"{array}/data/" in one.path]


def test_it_gives_what_the_file_gives_in_other_processes_too(
    address: str, made: Path, source: load.Source
) -> None:
    with load.open(address) as opened:
        for kind in ("signals", "targets"):
            assert opened.catalog()[kind] == load.open(made).catalog()[kind]
        signal = opened.signal(RAW)
        asked = ["front:speed", "tone"]
        for name, target in opened.targets(asked).items():
            np.testing.assert_array_equal(target, source.targets(asked)[name])
    copy = pickle.loads(pickle.dumps(signal))
    np.testing.assert_array_equal(copy.read(3, 400), source.signal(RAW).read(3, 400))


def test_looking_into_it_asks_for_no_sample_of_its_signals(
    address: str, archive: DandiServer, made: Path
) -> None:
    load.open(address).catalog()
    assert not chunks(archive, RAW)
    assert archive.count()[0] < sum(1 for file in made.rglob("*") if file.is_file())


def test_a_stretch_of_some_channels_is_fetched_by_its_chunks_and_once(
    address: str, archive: DandiServer
) -> None:
    with load.open(address) as opened:
        signal = opened.signal(RAW, channels=[100, 101])
        archive.forget()
        signal.read(700, 1400)
        told = signal.reader.expected(700, 1400, signal.columns)
        assert (told["bytes"], told["stored"]) == (2 * 500 * 3 * 2, 20 * 500 * 3 * 2)
        assert sorted(name[-3:] for name in chunks(archive, RAW)) == ["1.0", "2.0"]
    archive.forget()
    with load.open(address) as opened:
        opened.signal(RAW, channels=[100, 101]).read(700, 1400)
    assert not chunks(archive, RAW)


def test_a_store_of_another_version_is_not_read_from_what_is_kept(
    address: str, archive: DandiServer
) -> None:
    for kept in (True, False):
        archive.etags = kept
        archive.forget()
        load.open(address).signal(RAW).read(0, 50)
        assert chunks(archive, RAW)


def test_an_asset_of_an_archive_is_streamed_from_its_folder(
    archive: DandiServer, made: Path, ephys_path: Path, source: load.Source
) -> None:
    path = "sub-1/a.nwb.zarr"
    asset = archive.add("000003", {path: ephys_path})[path]
    asset.is_zarr = True
    for file in made.rglob("*"):
        if file.is_file():
            archive.serve(f"zarr/{asset.blob}/{file.relative_to(made).as_posix()}", file)
    with load.open(f"DANDI:000003/{path}") as opened:
        signal = opened.signal(RAW)
        archive.forget()
        np.testing.assert_array_equal(signal.read(700, 1400), source.signal(RAW).read(700, 1400))
        assert len(chunks(archive, RAW)) == 4
    assert signal.source["file_name"] == "a.nwb.zarr"
    assert signal.source["dandi"]["asset_id"] == asset.asset_id
    assert load.open(signal.source["url"]).signal(RAW).source["content"] == signal.source["content"]


def test_a_bucket_is_streamed_too(
    archive: DandiServer, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"{archive.store}/files")
    served(archive, made, "bucket/my data")
    with load.open(f"s3://bucket/my data/{made.name}") as opened:
        assert opened.signal(RAW).source["url"] == f"s3://bucket/my data/{made.name}"


@pytest.mark.parametrize("kind", ["503", "cut", "reset"])
def test_what_breaks_off_is_asked_for_again(
    address: str, archive: DandiServer, source: load.Source, kind: str
) -> None:
    archive.fail(kind, 3, match=r"/\d[\d.]*$")
    with load.open(address) as opened:
        found = opened.signal(RAW).read(0, 300)
    np.testing.assert_array_equal(found, source.signal(RAW).read(0, 300))


def test_a_chunk_that_is_refused_is_no_missing_one(address: str, archive: DandiServer) -> None:
    signal = load.open(address).signal(RAW)
    archive.fail("403", match="/Raw/data/")
    with pytest.raises(NWBDecodeError, match=r"may not be read \(HTTP 403\)"):
        signal.read(0, 50)


def test_a_pickle_that_would_run_is_refused_and_does_not_run(
    archive: DandiServer, made: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "odd.nwb.zarr"))
    poison(folder, tmp_path / "ran")
    with pytest.raises(NWBDecodeError, match=r"odd\.nwb\.zarr' is not opened: .*Path\.touch"):
        load.open(served(archive, folder)).catalog()
    assert not (tmp_path / "ran").exists()


def test_a_pickle_that_is_exchanged_once_it_was_looked_through_is_not_read(
    archive: DandiServer, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Newer numcodecs unpickles only when told to, as older ones always do.
    monkeypatch.setattr("numcodecs.pickles.ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    folder = Path(shutil.copytree(made, tmp_path / "odd.nwb.zarr"))
    opened = load.open(served(archive, folder))
    assert opened.nwbfile.electrodes is not None
    poison(folder, tmp_path / "ran")
    served(archive, folder)
    groups = opened.nwbfile.electrodes["group"][:]
    assert [group.name for group in groups[:2]] == ["probe0", "probe1"]
    assert not (tmp_path / "ran").exists()


def test_it_is_decoded_as_the_folder_is_and_once(archive: DandiServer, tmp_path: Path) -> None:
    folder = recordings.save_zarr(arrays.recording("monday"), tmp_path / "monday.nwb.zarr")
    address, output = served(archive, folder), tmp_path / "decoded.nwb"
    how: dict[str, Any] = {
        "targets": "behavior/effort", "config": arrays.CONFIG, "progress": False
    }  # fmt: skip
    made = nd.fit(address, output=output, exists="skip", **how)
    np.testing.assert_array_equal(
        made.predictions["effort"], nd.fit(folder, **how).predictions["effort"]
    )
    archive.forget()
    assert nd.fit(address, output=output, exists="skip", **how).identical(made)
    assert not chunks(archive)
    assert set(nd.importance(output, progress=False).importance) == {"frequency", "channel"}
