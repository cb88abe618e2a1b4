"""Zarr stores on the network are refused: what is there, and the command that fetches it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from nwbdecode import load
from nwbdecode.cli import cli
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.zarr import has_hdmf_zarr
from tests.load.dandi_server import DandiServer

pytestmark = pytest.mark.filterwarnings("ignore:Consolidated metadata")


def store(folder: Path, *, zarr_format: int = 2, consolidated: bool = True) -> Path:
    """A store with 6000 samples of 4 bytes, as NWB-Zarr states itself."""
    path = folder / "session.nwb.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    group.attrs["nwb_version"] = "2.8.0"
    voltage = group.create_array("voltage", shape=(1500, 4), chunks=(500, 4), dtype="f4")
    voltage[:] = np.ones((1500, 4))
    if consolidated:
        zarr.consolidate_metadata(str(path))
    return path


def served(archive: DandiServer, path: Path, under: str = "lab") -> str:
    """Serve every file of a folder; gives the folder's address."""
    for file in path.rglob("*"):
        if file.is_file():
            archive.serve(f"{under}/{path.name}/{file.relative_to(path).as_posix()}", file)
    return f"{archive.store}/files/{under}/{path.name}"


def refused(address: str, **how: bool) -> tuple[str, list[str]]:
    """What opening an address answers, and the command it advises."""
    with pytest.raises(NWBDecodeError) as caught:
        load.open(address, **how)
    said = str(caught.value)
    advised = re.search("`(.*)`", said)
    return said, shlex.split(advised[1]) if advised else []


@pytest.mark.parametrize("end", ["", "/", "/.zmetadata", "/.zgroup"])
def test_a_store_on_the_web_is_told_with_its_size_and_fetched_by_its_folder(
    archive: DandiServer, tmp_path: Path, end: str
) -> None:
    address = served(archive, store(tmp_path))
    said, advised = refused(address + end)
    assert f"{address!r} is a Zarr store of many files" in said
    assert "found its .zmetadata: Zarr format 2, NWB 2.8.0, 1 array, 0.0 MB unpacked" in said
    assert advised[0] == "wget"
    assert advised[-1] == f"{address}/"


def test_without_consolidated_metadata_and_in_format_3_it_is_told_too(
    archive: DandiServer, tmp_path: Path
) -> None:
    plain = store(tmp_path / "plain", consolidated=False)
    assert "found its .zgroup: Zarr format 2" in refused(served(archive, plain, "plain"))[0]
    new = store(tmp_path / "new", zarr_format=3)
    assert (
        "found its zarr.json: Zarr format 3, NWB 2.8.0" in refused(served(archive, new, "new"))[0]
    )


def test_fetching_it_whole_is_no_way_out_where_its_files_are_not_known_and_the_shell_says_so(
    archive: DandiServer, tmp_path: Path
) -> None:
    address = served(archive, store(tmp_path, consolidated=False))
    said, _ = refused(address)
    assert "download=True" not in said
    assert refused(address, download=True)[0] == said
    shown = CliRunner().invoke(cli, ["inspect", address, "--download"])
    assert shown.exit_code == 1
    assert shown.stderr == f"error: {said}\n"


def test_a_bucket_is_synchronized(
    archive: DandiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"{archive.store}/files")
    served(archive, store(tmp_path), "bucket/my data")
    said, advised = refused("s3://bucket/my data/session.nwb.zarr")
    assert "'s3://bucket/my data/session.nwb.zarr' is a Zarr store" in said
    source, target = "s3://bucket/my data/session.nwb.zarr", "session.nwb.zarr"
    assert advised == ["aws", "s3", "sync", "--no-sign-request", source, target]


@pytest.mark.parametrize("kind", ["missing", "a page"])
def test_where_no_store_is_it_is_said_what_was_looked_for(
    archive: DandiServer, tmp_path: Path, kind: str
) -> None:
    address = f"{archive.store}/files/none.nwb.zarr"
    if kind == "a page":
        (tmp_path / "page").write_text("<html>not found</html>")
        for name in ("", "/.zmetadata", "/.zgroup", "/zarr.json"):
            archive.serve(f"none.nwb.zarr{name}", tmp_path / "page")
    said, advised = refused(address)
    assert "reads like a Zarr store, but none is there" in said
    assert "no .zmetadata, zarr.json or .zgroup in it" in said
    assert not advised


def test_a_description_that_is_made_up_is_told_without_a_fault_of_its_own(
    archive: DandiServer, tmp_path: Path
) -> None:
    root = tmp_path / "odd.nwb.zarr"
    root.mkdir()
    for text in ('{"metadata": {"a/.zarray": {"shape": "x"}, ".zattrs": 3}}', '{"metadata": 1}'):
        (root / ".zmetadata").write_text(text)
        assert (
            "is a Zarr store of many files (found its .zmetadata"
            in refused(served(archive, root))[0]
        )


def test_its_signature_is_not_repeated(archive: DandiServer, tmp_path: Path) -> None:
    signed = archive.sign(served(archive, store(tmp_path)))
    said, _ = refused(signed)
    assert "is a Zarr store" in said
    assert "X-Amz" not in said


def test_a_zarr_asset_is_fetched_by_a_command_that_the_dandi_client_reads(
    archive: DandiServer, ephys_path: Path
) -> None:
    from dandi.dandiarchive import parse_dandi_url

    path = "sub-1/a.nwb.zarr"
    asset = archive.add("000003", {path: ephys_path})[path]
    asset.is_zarr = True
    one = f"{archive.api}/dandisets/000003/versions/draft/assets/{asset.asset_id}/download/"
    for address in ("DANDI:000003", f"DANDI:000003/{path}", "DANDI:000003/sub-*/*", one):
        said, advised = refused(address)
        assert f"000003@draft/{path} is a Zarr asset of many files" in said
        assert said.endswith("open the folder 'a.nwb.zarr'")
        assert advised[:2] == ["dandi", "download"]
        with parse_dandi_url(advised[2]).navigate() as (_, _, found):
            assert [one.identifier for one in found] == [asset.asset_id]


def test_a_dandisets_listing_says_what_a_zarr_asset_needs_here(
    archive: DandiServer, tmp_path: Path
) -> None:
    file = tmp_path / "manifest"
    file.write_bytes(b"stands for many")
    archive.add("000004", {"sub-1/a.nwb.zarr": file})["sub-1/a.nwb.zarr"].is_zarr = True
    shown = CliRunner().invoke(cli, ["inspect", "DANDI:000004"]).stdout
    assert "Zarr" in shown
    assert "not streamed" not in shown
    assert ("nwbdecode[zarr]" in shown) != has_hdmf_zarr()
