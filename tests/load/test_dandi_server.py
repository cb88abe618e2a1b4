"""The loopback archive answers as the recorded real one did, and the real client runs on it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.load import recordings
from tests.load.dandi_server import TOKEN, DandiServer

PATH = "sub-m1/sub-m1_ses-s1_image+ecephys.nwb"
VERSION = "0.261123.0329"


@pytest.fixture(scope="module")
def contract(real_data: Path) -> dict[str, Any]:
    return json.loads((real_data / "dandi_contract.json").read_text())


@pytest.fixture
def archive(ephys_path: Path) -> Iterator[DandiServer]:
    with DandiServer() as server:
        server.add("000001", {PATH: ephys_path}, published=[VERSION])
        yield server


def ask(archive: DandiServer, path: str) -> requests.Response:
    asset = archive.dandisets["000001"].versions["draft"].assets[0]
    path = path.replace("6153207a-d8c8-4f17-9f58-0692f7e0e794", asset.asset_id)
    headers = {"Authorization": "token wrong"} if "auth" in path else {}
    return requests.get(archive.api + path, headers=headers, allow_redirects=False, timeout=10)


def same_shape(found: Any, recorded: Any, at: str = "") -> list[str]:
    """Where two JSON values differ in keys or types; empty lists stand for any."""
    if recorded is None or found is None:
        return []
    if type(found) is not type(recorded):
        return [f"{at}: {type(found).__name__} instead of {type(recorded).__name__}"]
    if isinstance(recorded, dict):
        wrong = [f"{at}: keys {sorted(set(found) ^ set(recorded))}"] * (set(found) != set(recorded))
        for key in set(found) & set(recorded):
            wrong += same_shape(found[key], recorded[key], f"{at}.{key}")
        return wrong
    if isinstance(recorded, list) and recorded and found:
        return same_shape(found[0], recorded[0], f"{at}[0]")
    return []


def test_every_recorded_call_is_answered_alike(
    archive: DandiServer, contract: dict[str, Any]
) -> None:
    assert len(contract) > 10
    for name, recorded in contract.items():
        answer = ask(archive, recorded["path"])
        assert answer.status_code == recorded["status"], name
        kept = {"Content-Type", "Location", "WWW-Authenticate"}
        assert kept & set(answer.headers) == kept & set(recorded["headers"]), name
        assert answer.headers["Content-Type"] == recorded["headers"]["Content-Type"]
        body = answer.json() if answer.content else ""
        assert same_shape(body, recorded["body"], name) == []


def test_what_a_recorded_answer_has_and_this_one_lacks_would_be_noticed() -> None:
    assert same_shape({"a": 1}, {"a": 1, "b": 2}) == [": keys ['b']"]
    assert same_shape({"a": [{"b": 1}]}, {"a": [{"b": "x"}]}) == [".a[0].b: int instead of str"]


def test_signed_addresses_have_the_parts_of_real_ones(
    archive: DandiServer, contract: dict[str, Any]
) -> None:
    asked = contract["get_dl"]
    here = urlsplit(ask(archive, asked["path"]).headers["Location"])
    there = urlsplit(asked["headers"]["Location"])
    assert set(parse_qs(here.query)) == set(parse_qs(there.query))
    uuid = r"[0-9a-f-]{36}$"
    assert re.search(rf"/blobs/\w{{3}}/\w{{3}}/{uuid}", there.path)
    assert re.search(rf"/blobs/\w{{3}}/\w{{3}}/{uuid}", here.path)


def test_the_real_client_walks_through_it(
    archive: DandiServer, ephys_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANDI_NO_ET", "1")
    from dandi.dandiapi import DandiAPIClient

    with DandiAPIClient(archive.api, token=TOKEN) as client:
        dandiset = client.get_dandiset("000001", VERSION, lazy=False)
        asset = dandiset.get_asset_by_path(PATH)
        assert [one.path for one in dandiset.get_assets_by_glob("sub-*/*.nwb")] == [PATH]
        assert asset.get_raw_digest("dandi:sha2-256")
        asset.download(tmp_path / "x.nwb")
    assert (tmp_path / "x.nwb").read_bytes() == ephys_path.read_bytes()


def test_the_real_client_turns_pages(ephys_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANDI_NO_ET", "1")
    from dandi.dandiapi import DandiAPIClient

    names = [f"sub-{k:02}/sub-{k:02}.nwb" for k in range(25)]
    with DandiServer(page=10) as server:
        server.add("000001", dict.fromkeys(names, ephys_path))
        with DandiAPIClient(server.api) as client:
            held = client.get_dandiset("000001").get_assets(order="path")
            assert [asset.path for asset in held] == names


def test_real_remfile_reads_from_it(archive: DandiServer, ephys_path: Path) -> None:
    import h5py
    import remfile

    url = archive.serve("a b.nwb", ephys_path)
    with h5py.File(remfile.File(url), "r") as file:
        samples = file["acquisition/Raw/data"][:]
    assert (samples == recordings.counts(5000)).all()
