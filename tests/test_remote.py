"""The corridor on a recording that is never on this disk whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import nwbdecode as nd
from nwbdecode import load
from nwbdecode.cli import cli
from nwbdecode.errors import NWBDecodeError
from nwbdecode.estimate import estimate
from nwbdecode.features.referencing import referencing
from nwbdecode.features.store import recipe_hash
from tests.load.dandi_server import DandiServer
from tests.sessions import QUICK, SIGNAL, SPEED, simulated

ADDRESS = "DANDI:000001@draft/sub-1/sub-1_ecephys.nwb"


def hashed(signal: load.Signal) -> str:
    """Name under which features of a signal would be kept."""
    return recipe_hash({}, signal, referencing(signal.channels))


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(tmp_path_factory.mktemp("remote") / "recording.nwb")


@pytest.fixture(scope="module")
def archive(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DandiServer]:
    with DandiServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DANDI_INSTANCE", server.site)
        patch.setenv("NWBDECODE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("DANDI_API_KEY", raising=False)
        server.add("000001", {"sub-1/sub-1_ecephys.nwb": recording}, published=["0.1.1"])
        yield server


@pytest.fixture(scope="module")
def decoded(archive: DandiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("decoded") / "decoded.nwb"
    nd.fit(ADDRESS, SIGNAL, SPEED, output, config=QUICK, progress=False)
    return output


def test_a_streamed_recording_gives_the_features_of_its_file(
    archive: DandiServer, recording: Path
) -> None:
    found = []
    for source in (ADDRESS, recording):
        with load.open(source) as opened:
            signal = opened.signal(SIGNAL)
        found.append(nd.wavelet_power(signal, lowest=20.0, n_bands=3, bin=0.1, progress=False))
    np.testing.assert_array_equal(*found)


def test_a_result_knows_the_asset_it_was_made_from(decoded: Path) -> None:
    told = nd.read(decoded).source
    assert told["dandi"]["path"] == "sub-1/sub-1_ecephys.nwb"
    assert told["path"] is None


def test_a_result_finds_its_recording_on_the_archive_again(
    decoded: Path, archive: DandiServer
) -> None:
    result = nd.importance(decoded, by="channel", repeats=1, progress=False)
    assert set(result.importance) == {"channel"}
    again = nd.predict(decoded, ADDRESS, progress=False)
    assert again.recipe["prediction"]["use"] == "out-of-fold"
    assert again.recipe["prediction"]["largest_difference"] < 1e-4


def test_a_result_whose_recording_is_gone_from_the_archive_says_so(decoded: Path) -> None:
    result = nd.read(decoded)
    gone = str(result.source["url"]).replace("/assets/", "/assets/f")
    lost = result.replace(source={**result.source, "url": gone})
    with pytest.raises(NWBDecodeError):
        nd.importance(lost, progress=False)
    nowhere = {k: v for k, v in result.source.items() if k != "url"}
    with pytest.raises(NWBDecodeError, match="name it with `source`"):
        nd.importance(result.replace(source=nowhere), progress=False)


def test_features_are_found_again_however_the_recording_is_opened(archive: DandiServer) -> None:
    other_version = ADDRESS.replace("@draft", "@0.1.1")
    hashes = set()
    for address, download in [(ADDRESS, False), (other_version, False), (ADDRESS, True)]:
        with load.open(address, download=download) as opened:
            hashes.add(hashed(opened.signal(SIGNAL)))
    assert len(hashes) == 1


def test_the_hash_of_a_remote_signal_reads_no_sample(archive: DandiServer) -> None:
    with load.open(ADDRESS, cache_bytes=0) as opened:
        signal = opened.signal(SIGNAL)
        archive.forget()
        first = hashed(signal)
        assert archive.asked == []
    changed = {**signal.source, "content": "sha256:of another file"}
    assert hashed(replace(signal, source=changed)) != first


def test_a_file_of_another_version_at_the_same_address_is_another_signal(
    archive: DandiServer, recording: Path, tmp_path: Path
) -> None:
    file = tmp_path / "x.nwb"
    file.write_bytes(recording.read_bytes())
    url = archive.serve("x.nwb", file)
    first = hashed(load.open(url).signal(SIGNAL))
    assert hashed(load.open(archive.sign(url)).signal(SIGNAL)) == first
    file.write_bytes(file.read_bytes() + b"\0")
    assert hashed(load.open(url).signal(SIGNAL)) != first


def test_before_a_decode_it_is_said_what_will_be_streamed(
    archive: DandiServer, recording: Path, tmp_path: Path
) -> None:
    with load.open(ADDRESS, cache=tmp_path / "fresh", cache_bytes=3e9) as opened:
        signal = opened.signal(SIGNAL)
        data = opened.nwbfile.acquisition["ElectricalSeries"].data
        told = estimate(signal, QUICK)["stream"]
        stored = data.id.get_storage_size()
        part = estimate(opened.signal(SIGNAL, time=(0, 6)), QUICK)["stream"]
    assert told["bytes"] == pytest.approx(stored, rel=0.01)
    assert part["bytes"] < 0.3 * stored
    assert 0 < told["held"] <= recording.stat().st_size
    assert told["seconds"] >= 0
    assert told["cache"] == str(tmp_path / "fresh" / "streams")
    assert (told["most_bytes"], told["host"]) == (3_000_000_000, "127.0.0.1")


def test_the_shell_says_it_before_it_streams(archive: DandiServer, tmp_path: Path) -> None:
    # Too little time for folds: it ends soon, and in an error.
    arguments = ["fit", ADDRESS, "--target", SPEED, "--time", "0:6", "--bands", "2"]
    arguments += ["--lowest-frequency", "50", "-o", str(tmp_path / "out.nwb")]
    ran = CliRunner().invoke(cli, arguments)
    assert ran.exit_code == 1
    said = next(line for line in ran.stderr.splitlines() if line.startswith("streams about "))
    assert "from 127.0.0.1" in said
    assert "streams (at most 10.7 GB" in said


@pytest.mark.parametrize("command", ["fit", "fit-many"])
def test_a_cache_folder_that_is_asked_for_holds_streams_too(
    archive: DandiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "usual"))
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(QUICK))
    output = tmp_path / ("out" if command == "fit-many" else "out.nwb")
    done = CliRunner().invoke(
        cli,
        [command, ADDRESS, "--signal", SIGNAL, "--target", SPEED, "--config", str(settings),
         "--cache", str(tmp_path / "asked"), "-o", str(output)],
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert {"features", "streams"} <= {path.name for path in (tmp_path / "asked").iterdir()}
    assert not (tmp_path / "usual").exists()
