"""A Zarr store fetched whole is the same folder, and gives what the file of the session gives."""

from __future__ import annotations

import itertools
import json
import pickle
import re
import sys
import tracemalloc
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.remote.zarrays import MOST_CHUNKS, described_arrays
from tests.load import recordings
from tests.load.dandi_server import DandiServer
from tests.load.remote.test_stores import refused, served

RAW = "acquisition/Raw"


def described(folder: Path, entries: dict[str, Any]) -> Path:
    """A store that is nothing but its consolidated metadata."""
    root = folder / "odd.nwb.zarr"
    root.mkdir(exist_ok=True)
    (root / ".zmetadata").write_text(json.dumps({"metadata": entries}))
    return root


def test_without_hdmf_zarr_nothing_is_fetched(
    archive: DandiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hdmf_zarr", None)
    address = served(archive, described(tmp_path, {".zgroup": {"zarr_format": 2}}))
    said, _ = refused(address, download=True)
    assert f"{address!r} is an NWB-Zarr folder; reading it needs hdmf-zarr" in said
    assert archive.count()[0] == 1


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zarr") / "session 1.nwb.zarr"
    return recordings.save_zarr(recordings.ephys(), path)


@pytest.fixture
def address(archive: DandiServer, made: Path) -> str:
    return served(archive, made).replace(" ", "%20")


def content(folder: Path) -> dict[str, Any]:
    """Every file of a store; of descriptions what they say."""
    return {
        file.relative_to(folder).as_posix(): json.loads(file.read_text())
        if file.name.startswith(".z")
        else file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_it_is_the_same_folder_and_gives_what_the_file_gives(
    address: str, made: Path, source: load.Source, cache: Path
) -> None:
    with load.open(address, download=True) as opened:
        assert opened.path is not None
        assert Path(opened.path).is_relative_to(cache / "downloads")
        assert content(Path(opened.path)) == content(made)
        told = opened.catalog()["source"]
        assert (told["url"], told["file_name"]) == (address, made.name)
        signal = opened.signal(RAW)
        asked = ["front:speed", "tone"]
        for name, target in opened.targets(asked).items():
            np.testing.assert_array_equal(target, source.targets(asked)[name])
    copy = pickle.loads(pickle.dumps(signal))
    np.testing.assert_array_equal(copy.read(3, 400), source.signal(RAW).read(3, 400))


def test_a_second_opening_asks_for_its_description_alone(
    address: str, archive: DandiServer
) -> None:
    first = load.open(address, download=True).path
    archive.forget()
    assert load.open(address, download=True).path == first
    assert archive.count()[0] == 1


def test_a_store_that_changed_is_fetched_anew(address: str, archive: DandiServer) -> None:
    first = load.open(address, download=True).path
    archive.etags = False
    assert load.open(address, download=True).path != first


@pytest.mark.parametrize("kind", ["503", "cut", "reset"])
def test_what_breaks_off_is_asked_for_again(
    address: str, archive: DandiServer, made: Path, kind: str
) -> None:
    archive.fail(kind, 3, match=r"/\d[\d.]*$")
    with load.open(address, download=True) as opened:
        assert opened.path is not None
        assert content(Path(opened.path)) == content(made)


def test_a_part_that_is_refused_is_no_missing_one_and_what_came_is_kept(
    address: str, archive: DandiServer
) -> None:
    archive.fail("403", match="/Raw/data/")
    with pytest.raises(NWBDecodeError, match=r"may not be read \(HTTP 403\)"):
        load.open(address, download=True)
    came = {one.path for one in archive.asked if one.status == 200 and ".z" not in one.path[-10:]}
    assert came
    archive.forget()
    load.open(address, download=True)
    assert came.isdisjoint(one.path for one in archive.asked)


@pytest.mark.parametrize("key", ["../outside/.zattrs", "/outside/.zattrs", "a/../../b/.zattrs"])
def test_nothing_is_written_outside_of_the_copy(
    made: Path, archive: DandiServer, tmp_path: Path, cache: Path, key: str
) -> None:
    root = described(tmp_path, {".zgroup": {"zarr_format": 2}, key: {}})
    said, _ = refused(served(archive, root), download=True)
    assert f"name a file outside of it, {key!r}" in said
    assert not list(cache.rglob("outside*"))


def test_arrays_described_in_no_known_way_are_refused(
    made: Path, archive: DandiServer, tmp_path: Path
) -> None:
    odd: list[Any] = [{}, 3, {"shape": [float("inf")], "chunks": [1]}]
    for shape, chunks in (([5], [0]), ([5], [1, 2]), ([-5], [1]), ([1] * 40, [1] * 40)):
        odd.append({"shape": shape, "chunks": chunks})
    for array in odd:
        root = described(tmp_path, {"a/.zarray": array})
        said, _ = refused(served(archive, root), download=True)
        assert "describe 'a' in no way that is known" in said


@pytest.mark.parametrize("shape", [[10**15], [10**6, 10**6], [10**30]])
def test_more_chunks_than_anyone_can_fetch_are_refused_before_any_is_named(
    made: Path, archive: DandiServer, tmp_path: Path, cache: Path, shape: list[int]
) -> None:
    array = {"shape": shape, "chunks": [1] * len(shape), "dtype": "<f4"}
    address = served(archive, described(tmp_path, {"ok/.zgroup": {}, "a/b/.zarray": array}))
    said, _ = refused(address, download=True)
    assert re.search(r"speak of 1e\+\d+ chunks, 1e\+\d+ of them in 'a/b'; at most 10000000", said)
    assert not list(cache.rglob("ok"))


def test_chunks_are_named_one_by_one_up_to_the_bound() -> None:
    entries = {"a/.zarray": {"shape": [MOST_CHUNKS], "chunks": [1], "dtype": "<f4"}}
    tracemalloc.start()
    try:
        (array,) = described_arrays(entries, "store")
        assert list(itertools.islice(array.keys(), 3)) == ["a/0", "a/1", "a/2"]
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_an_answer_larger_than_any_chunk_can_be_is_broken_off(
    made: Path, archive: DandiServer, tmp_path: Path, cache: Path
) -> None:
    array = {"shape": [100], "chunks": [100], "dtype": "<f4"}
    root = described(tmp_path, {".zgroup": {"zarr_format": 2}, "a/.zarray": array})
    (root / "a").mkdir()
    (root / "a" / "0").write_bytes(bytes(3 << 20))
    said, _ = refused(served(archive, root), download=True)
    # Eight times 400 bytes, and a megabyte for what compressors add.
    assert f"sends more than {8 * 400 + (1 << 20)} bytes for 'a/0'" in said
    assert not list(cache.rglob("0*"))


@pytest.mark.parametrize("name", ["..%2F..%2Fleft.nwb.zarr", "%2Ftmp%2Fleft.nwb.zarr"])
def test_a_name_that_leads_out_of_the_cache_is_refused(
    archive: DandiServer, tmp_path: Path, name: str
) -> None:
    pytest.importorskip("hdmf_zarr")
    (tmp_path / ".zmetadata").write_text(json.dumps({"metadata": {".zgroup": {"zarr_format": 2}}}))
    archive.serve(f"lab/{name}/.zmetadata", tmp_path / ".zmetadata")
    archive.serve(f"lab/{unquote(name)}/.zmetadata", tmp_path / ".zmetadata")
    said, _ = refused(f"{archive.store}/files/lab/{name}", download=True)
    assert "which is no name of a folder" in said
