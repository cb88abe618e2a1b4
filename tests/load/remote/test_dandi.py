"""Recordings on DANDI archives: found, opened, refused and listed, by the real client."""

from __future__ import annotations

import json
import logging
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nwbdecode import load
from nwbdecode.cli import cli
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.remote import http
from nwbdecode.load.remote.dandi import token_variables
from tests.load import recordings
from tests.load.dandi_server import TOKEN, DandiServer
from tests.load.remote.conftest import PATH

RAW = "acquisition/Raw"
OLD, NEW = "0.230630.2304", "0.261123.0329"


@pytest.fixture
def one(archive: DandiServer, ephys_path: Path) -> DandiServer:
    """An archive with one dandiset, published twice, of one recording."""
    archive.add("000001", {PATH: ephys_path, "README.md": ephys_path}, published=[OLD, NEW])
    return archive


@pytest.fixture
def many(archive: DandiServer, ephys_path: Path) -> DandiServer:
    """An archive with a dandiset of 25 recordings, ten to a page."""
    archive.page = 10
    names = [f"sub-{k:02}/sub-{k:02}_ses-{'ab'[k % 2]}.nwb" for k in range(25)]
    archive.add("000552", dict.fromkeys([*names, "dataset_description.json"], ephys_path))
    return archive


def spellings(archive: DandiServer) -> list[str]:
    asset = archive.dandisets["000001"].versions["draft"].assets[0].asset_id
    encoded = PATH.replace("+", "%2B").replace("/", "%2F")
    return [
        f"DANDI:000001/{PATH}",
        f"DANDI:000001@{OLD}/{PATH}",
        f"DANDI:000001@draft/{PATH}",
        f"DANDI:000001/{NEW}/{PATH}",
        "DANDI:000001/sub-*/*.nwb",
        "DANDI:000001",
        "DANDI:000001/sub-m1/",
        f"dandi://{archive.site}/000001/{PATH}",
        f"dandi://{archive.api}/000001@draft/{PATH}",
        f"{archive.site}/dandiset/000001/{NEW}/files?location={encoded}",
        f"{archive.site}/dandiset/000001/draft/files?location=sub-m1",
        f"{archive.site}/#/dandiset/000001",
        f"{archive.api}/dandisets/000001/versions/{NEW}/assets/{asset}/download/",
        f"{archive.api}/dandisets/000001/versions/draft/assets/{asset}/",
        f"{archive.api}/dandisets/000001/versions/draft/assets/?path={encoded}",
        f"{archive.api}/assets/{asset}/download/",
    ]


def test_every_spelling_opens_the_recording(one: DandiServer) -> None:
    expected = recordings.volts()[10:20]
    for text in spellings(one):
        with load.open(text) as opened:
            found = opened.signal(RAW).read(10, 20)
        np.testing.assert_allclose(found, expected, **recordings.CLOSE, err_msg=text)


def test_without_a_version_the_latest_published_one_is_meant(one: DandiServer) -> None:
    for text, version in [
        (f"DANDI:000001/{PATH}", NEW),
        (f"DANDI:000001@draft/{PATH}", "draft"),
        (f"DANDI:000001@{OLD}/{PATH}", OLD),
    ]:
        with load.open(text) as opened:
            assert opened.facts["dandi"]["version"] == version


def test_where_it_came_from_is_recorded_and_opens_it_again(
    one: DandiServer, ephys_path: Path
) -> None:
    asset = one.dandisets["000001"].versions["draft"].assets[0]
    with load.open(f"DANDI:000001@{OLD}/{PATH}") as opened:
        told = opened.signal(RAW).source
    assert told["dandi"] == {
        "instance": one.host,
        "api": one.api,
        "dandiset": "000001",
        "version": OLD,
        "asset_id": asset.asset_id,
        "path": PATH,
        "sha256": asset.content.sha256,
    }
    assert (told["path"], told["bytes"]) == (None, ephys_path.stat().st_size)
    with load.open(told["url"]) as again:
        assert again.facts["dandi"] == told["dandi"]


def test_reading_on_needs_no_new_signature(one: DandiServer) -> None:
    signal = load.open(f"DANDI:000001/{PATH}", cache_bytes=0).signal(RAW)
    one.forget()
    signal.reader.file.stream().forget()  # type: ignore[attr-defined]
    signal.read(0, 5000)
    assert one.count("api")[0] == 0
    assert one.count("store")[0] >= 1


def test_an_expired_signature_is_renewed(one: DandiServer) -> None:
    signal = load.open(f"DANDI:000001/{PATH}", cache_bytes=0).signal(RAW)
    signal.read(0, 10)
    for _ in range(2):
        signal.reader.file.stream().forget()  # type: ignore[attr-defined]
        one.expire()
        one.forget()
        np.testing.assert_allclose(signal.read(0, 5000), recordings.volts(), **recordings.CLOSE)
        assert 403 in [asked.status for asked in one.asked]
        assert one.count("api")[0] == 1


@pytest.mark.parametrize("kind", ["429", "503", "reset"])
def test_an_api_that_fails_for_a_while_is_asked_again(one: DandiServer, kind: str) -> None:
    one.fail(kind, 2, where="api", match="dandisets")
    load.open(f"DANDI:000001/{PATH}").close()
    assert one.faults[0].times == 0


def test_an_embargoed_recording_names_the_variable_to_set(
    archive: DandiServer, ephys_path: Path
) -> None:
    archive.add("000002", {PATH: ephys_path}, embargoed=True)
    named = r"HTTP 401.*embargoed.*Set DANDI_127_0_0_1_\d+_API_KEY or DANDI_API_KEY"
    with pytest.raises(NWBDecodeError, match=named):
        load.open(f"DANDI:000002/{PATH}")


def test_an_embargoed_recording_opens_with_the_key_of_the_environment(
    archive: DandiServer, ephys_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add("000002", {PATH: ephys_path}, embargoed=True)
    monkeypatch.setenv("DANDI_API_KEY", TOKEN)
    with load.open(f"DANDI:000002/{PATH}") as opened:
        signal = opened.signal(RAW)
        assert TOKEN not in repr(signal.source)
    np.testing.assert_allclose(signal.read(0, 9), recordings.volts()[:9], **recordings.CLOSE)
    # The store must never see the key: it is another host.
    assert {asked.authorization for asked in archive.asked if asked.host == "store"} == {""}
    assert f"token {TOKEN}" in {asked.authorization for asked in archive.asked}


def test_a_wrong_key_is_told(
    archive: DandiServer, ephys_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add("000002", {PATH: ephys_path}, embargoed=True)
    monkeypatch.setenv("DANDI_API_KEY", "wrong")
    with pytest.raises(NWBDecodeError, match="the key given there may not see it"):
        load.open(f"DANDI:000002/{PATH}")


def test_a_public_dandiset_is_asked_for_without_a_key(
    one: DandiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANDI_API_KEY", TOKEN)
    load.assets("DANDI:000001")
    assert {asked.authorization for asked in one.asked} == {""}


def test_the_main_archives_key_goes_to_no_archive_that_an_address_names(
    archive: DandiServer, ephys_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add("000002", {PATH: ephys_path}, embargoed=True)
    monkeypatch.delenv("DANDI_INSTANCE")
    monkeypatch.setenv("DANDI_API_KEY", TOKEN)
    with pytest.raises(NWBDecodeError, match="embargoed"):
        load.open(f"dandi://{archive.site}/000002/{PATH}")
    assert {asked.authorization for asked in archive.asked} == {""}


def test_each_archive_has_a_variable_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DANDI_INSTANCE", raising=False)
    assert token_variables("dandi") == ["DANDI_API_KEY"]
    assert token_variables("dandi-sandbox") == ["DANDI_SANDBOX_API_KEY"]
    monkeypatch.setenv("DANDI_INSTANCE", "https://dandi.lab.org/")
    assert token_variables("dandi.lab.org") == ["DANDI_LAB_ORG_API_KEY", "DANDI_API_KEY"]


def test_a_missing_dandiset_is_named(one: DandiServer) -> None:
    with pytest.raises(NWBDecodeError, match=r"no dandiset 000999 on 127\.0\.0\.1"):
        load.open("DANDI:000999")
    with pytest.raises(NWBDecodeError, match="no dandiset 000999"):
        load.open(f"DANDI:000999@draft/{PATH}")


def test_a_missing_version_is_named_with_those_there_are(one: DandiServer) -> None:
    with pytest.raises(NWBDecodeError, match=rf"no version '9\.9\.9'.*'{OLD}', '{NEW}', 'draft'"):
        load.open(f"DANDI:000001@9.9.9/{PATH}")


def test_a_missing_asset_is_named_with_the_nearest(many: DandiServer) -> None:
    with pytest.raises(NWBDecodeError) as told:
        load.open("DANDI:000552/sub-03/sub-03_ses-c.nwb")
    text = str(told.value)
    assert "no asset 'sub-03/sub-03_ses-c.nwb' in dandiset 000552@draft" in text
    assert "Did you mean 'sub-03/sub-03_ses-b.nwb'" in text
    with pytest.raises(NWBDecodeError, match=r"There are: .* and 19 more"):
        load.open("DANDI:000552/nothing-like-it.nwb")


def test_a_missing_asset_id_is_named(one: DandiServer) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    for text in (
        f"{one.api}/assets/{unknown}/download/",
        f"{one.api}/dandisets/000001/versions/draft/assets/{unknown}/download/",
    ):
        with pytest.raises(NWBDecodeError, match=f"no asset {unknown}"):
            load.open(text)


def test_an_asset_replaced_since_is_told(one: DandiServer) -> None:
    signal = load.open(f"DANDI:000001@draft/{PATH}", cache_bytes=0).signal(RAW)
    one.add("000001", {})
    one.expire()
    signal.reader.file.stream().forget()  # type: ignore[attr-defined]
    with pytest.raises(NWBDecodeError, match=r"no longer has asset .*replaced or deleted"):
        signal.read(0, 10)


def test_several_matches_are_listed_and_none_is_opened(many: DandiServer) -> None:
    with pytest.raises(NWBDecodeError) as told:
        load.open("DANDI:000552/sub-0?/*_ses-a.nwb")
    text = str(told.value)
    assert "stands for 5 NWB files; open one of them" in text
    for k in range(0, 10, 2):
        assert f"000552@draft/sub-{k:02}/sub-{k:02}_ses-a.nwb" in text
    assert "sub-10" not in text


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("", 25), ("/sub-*/*.nwb", 25), ("/SUB-1*", 10), ("/*_ses-b.nwb", 12), ("/sub-07/", 1)],
)
def test_patterns_match_as_archives_match(many: DandiServer, pattern: str, expected: int) -> None:
    found = load.assets(f"DANDI:000552{pattern}")
    assert len(found) == expected
    assert [asset.path for asset in found] == sorted(asset.path for asset in found)


def test_a_pattern_without_a_match_is_told(many: DandiServer) -> None:
    with pytest.raises(NWBDecodeError, match=r"no NWB file matches 'mouse-\*' in dandiset 000552"):
        load.open("DANDI:000552/mouse-*")


def test_the_shell_lists_a_dandiset(many: DandiServer, ephys_path: Path) -> None:
    shown = CliRunner().invoke(cli, ["inspect", "DANDI:000552"])
    assert shown.exit_code == 0
    assert "25 NWB files" in shown.stdout
    machine = CliRunner().invoke(cli, ["inspect", "DANDI:000552/sub-0*", "--json"])
    found = json.loads(machine.stdout)["assets"]
    assert len(found) == 10
    for row in found:
        assert row["asset_id"] in shown.stdout
        assert row["path"] in shown.stdout
        assert row["size"] == ephys_path.stat().st_size
    one = CliRunner().invoke(cli, ["inspect", found[3]["url"], "--json"])
    assert json.loads(one.stdout)["source"]["dandi"]["path"] == found[3]["path"]


def test_every_address_that_is_told_opens_whatever_archive_it_is_of(
    many: DandiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive has an address and no name; the environment need not name it."""
    monkeypatch.delenv("DANDI_INSTANCE")
    dandiset = f"dandi://{many.site}/000552"
    shown = CliRunner().invoke(cli, ["inspect", dandiset]).stdout
    machine = json.loads(CliRunner().invoke(cli, ["inspect", dandiset, "--json"]).stdout)
    with pytest.raises(NWBDecodeError, match="open one of them") as several:
        load.open(f"{dandiset}/sub-0?/*.nwb")
    (command,) = (line for line in shown.splitlines() if "look into one" in line)
    told = [
        shlex.split(command)[-1],
        machine["assets"][0]["address"],
        str(several.value).splitlines()[1].strip(),
    ]
    for address in told:
        done = CliRunner().invoke(cli, ["inspect", address, "--json"])
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["source"]["dandi"]["path"].startswith("sub-00/")


def test_an_unknown_archive_is_named_with_the_known_ones() -> None:
    with pytest.raises(
        NWBDecodeError, match=r"no DANDI archive named 'dndi'\. Did you mean 'dandi'"
    ):
        load.open("dandi://dndi/000001/x.nwb")


def test_a_host_that_is_no_archive_is_told(
    archive: DandiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NWBDecodeError, match="does not answer as a DANDI archive does"):
        load.open(f"dandi://{archive.store}/000001/x.nwb")


def test_the_client_says_nothing_of_its_own(
    one: DandiServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    before = logging.getLogger("dandi").level
    with pytest.raises(NWBDecodeError):
        load.open("DANDI:000999")
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("dandi").level == before


def test_an_archive_out_of_reach_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    from dandi import consts

    monkeypatch.delenv("DANDI_INSTANCE", raising=False)
    gone = consts.DandiInstance("dandi", None, "http://127.0.0.1:9/api")
    monkeypatch.setitem(consts.known_instances, "dandi", gone)
    waits: list[float] = []
    monkeypatch.setattr(http.time, "sleep", waits.append)
    with pytest.raises(NWBDecodeError, match=r"127\.0\.0\.1:9 cannot be reached"):
        load.open("DANDI:000001")
    assert len(waits) < 5
