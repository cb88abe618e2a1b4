"""Fetching a recording whole: checked, gone on with, and known for what it is."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from tests.load import recordings
from tests.load.dandi_server import DandiServer
from tests.load.remote.conftest import PATH

RAW = "acquisition/Raw"


def fetched_path(address: str) -> Path:
    with load.open(address, download=True) as opened:
        found = opened.signal(RAW).read(10, 20)
        np.testing.assert_allclose(found, recordings.volts()[10:20], **recordings.CLOSE)
        assert opened.path is not None
        return Path(opened.path)


def test_a_fetched_recording_is_the_file_and_knows_where_it_came_from(
    archive: DandiServer, ephys_path: Path, cache: Path
) -> None:
    archive.add("000001", {PATH: ephys_path})
    with load.open(f"DANDI:000001/{PATH}", download=True) as opened:
        told = opened.facts
        assert opened.catalog()["source"]["dandi"] == told["dandi"]
    assert told["dandi"]["path"] == PATH
    path = Path(told["path"])
    assert path.read_bytes() == ephys_path.read_bytes()
    assert path.is_relative_to(cache / "downloads")
    assert not list(cache.rglob("*.part"))


def test_a_second_opening_fetches_nothing(archive: DandiServer, url: str) -> None:
    first = fetched_path(url)
    archive.forget()
    assert fetched_path(url) == first
    assert archive.count() == (1, 1)


def test_a_broken_download_is_gone_on_with(
    archive: DandiServer, url: str, ephys_path: Path, cache: Path
) -> None:
    size = ephys_path.stat().st_size
    whole = fetched_path(url)
    part = whole.with_name(whole.name + ".part")
    part.write_bytes(ephys_path.read_bytes()[:200_000])
    whole.unlink()
    archive.forget()
    assert fetched_path(url).read_bytes() == ephys_path.read_bytes()
    assert [asked.range for asked in archive.asked] == ["bytes=0-0", "bytes=200000-"]
    assert archive.count()[1] == 1 + size - 200_000


def test_cuts_on_the_way_are_mended(archive: DandiServer, url: str, ephys_path: Path) -> None:
    archive.fail("cut", 5)
    archive.fail("503", 2)
    assert fetched_path(url).read_bytes() == ephys_path.read_bytes()


def test_a_server_that_ignores_ranges_starts_over(
    archive: DandiServer, url: str, ephys_path: Path
) -> None:
    archive.ranges = False
    archive.fail("cut", match="session")
    archive.fail("cut", match="session")
    assert fetched_path(url).read_bytes() == ephys_path.read_bytes()


@pytest.mark.parametrize("digests", [True, False], ids=["sha256", "dandi-etag"])
def test_bytes_that_are_not_the_archives_are_deleted(
    archive: DandiServer, ephys_path: Path, tmp_path: Path, cache: Path, digests: bool
) -> None:
    file = tmp_path / "x.nwb"
    file.write_bytes(ephys_path.read_bytes())
    archive.add("000001", {PATH: file}, digests=digests)
    (asset,) = load.assets(f"DANDI:000001/{PATH}")
    other = bytearray(ephys_path.read_bytes())
    other[-1] ^= 1

    from nwbdecode.load.remote.cache import CacheSettings
    from nwbdecode.load.remote.file import locate

    file.write_bytes(bytes(other))
    with pytest.raises(NWBDecodeError, match=r"is not the file: its (SHA-256|digest) is"):
        locate(asset, CacheSettings.given(), download=True)
    assert not [path for path in (cache / "downloads").rglob("*") if path.suffix != ".lock"
                and path.is_file() and path.name != ".lock"]  # fmt: skip


def test_a_disk_that_is_too_full_is_told_first(
    archive: DandiServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(NWBDecodeError, match=r"needs 0\.00 GB .* where 0\.00 GB are free"):
        load.open(url, download=True)
    assert archive.count() == (1, 1)


def _fetch(url: str) -> bytes:
    with load.open(url, download=True) as opened:
        return Path(str(opened.path)).read_bytes()


def test_two_processes_fetch_it_once(archive: DandiServer, url: str, ephys_path: Path) -> None:
    archive.latency = 0.3
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(_fetch, [url, url], chunksize=1)
    assert found == [ephys_path.read_bytes()] * 2
    assert sum(asked.range == "" for asked in archive.asked) == 1


def test_what_is_at_hand_cannot_be_fetched(ephys_path: Path) -> None:
    with pytest.raises(NWBDecodeError, match="nothing to download"):
        load.open(ephys_path, download=True)
