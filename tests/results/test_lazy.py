"""Long and distant results are read by parts; older ones are brought up to date."""

from __future__ import annotations

import gzip
import pickle
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import nwbdecode as nd
from nwbdecode.decoding import Decoding
from tests import made
from tests.load.dandi_server import DandiServer
from tests.results.counting import Counting
from tests.results.strategies import decodings

BINS = 60_000


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nd.write(made.decoding(bins=BINS), tmp_path_factory.mktemp("long") / "decoded.nwb")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with DandiServer() as server:
        monkeypatch.setenv("DANDI_INSTANCE", server.site)
        monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "cache"))
        monkeypatch.delenv("DANDI_API_KEY", raising=False)
        yield server


def stored_bytes(path: Path, *parts: str) -> int:
    with h5py.File(path) as file:
        return sum(file[f"processing/decoding/{part}"].id.get_storage_size() for part in parts)


def test_one_target_asks_for_its_own_bytes_alone(long: Path) -> None:
    with Counting(long, "r") as file:
        result = nd.read(file, lazy=True)
        opening = file.count
        result.predictions["speed"].to_numpy()
        speed = file.count - opening
        again = result.predictions["speed"].to_numpy()
        assert file.count - opening == speed  # kept once read
    own = stored_bytes(long, "BehavioralTimeSeries/predicted_speed/data")
    everything = long.stat().st_size
    assert own <= speed < own + 64_000
    # The clock, the tables and the texts; of series and weights nothing.
    assert opening < stored_bytes(long, "run/time") + 400_000 < 0.3 * everything
    np.testing.assert_array_equal(again, made.decoding(bins=BINS).predictions["speed"])


def test_a_stretch_of_time_asks_for_its_chunks_alone(long: Path) -> None:
    name = "BehavioralTimeSeries/predicted_tone/data"
    with Counting(long, "r") as file:
        result = nd.read(file, lazy=True)
        opening = file.count
        part = result.predictions["tone"].isel(time=slice(100, 200)).to_numpy()
        assert file.count - opening < 0.7 * stored_bytes(long, name)
    np.testing.assert_array_equal(part, made.decoding(bins=BINS).predictions["tone"][100:200])


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(decoding=decodings())
def test_any_result_is_equal_however_lazily_it_is_read(decoding: Decoding, tmp_path: Path) -> None:
    path = nd.write(decoding, tmp_path / "decoded.nwb", exists="replace")
    lazily = nd.read(path, lazy=True)
    assert pickle.loads(pickle.dumps(lazily)).differences(decoding) == []
    assert lazily.differences(decoding) == []
    assert lazily.load().differences(decoding) == []


def test_a_short_local_file_is_read_whole_and_may_then_change(tmp_path: Path) -> None:
    path = nd.write(made.decoding(), tmp_path / "decoded.nwb")
    eager, lazily = nd.read(path), nd.read(path, lazy=True)
    nd.write(made.decoding(seed=1), path, exists="replace")
    assert eager.identical(made.decoding())
    with pytest.raises(nd.NWBDecodeError, match="replaced or changed since it was read"):
        lazily.load()
    with pytest.raises(nd.NWBDecodeError, match="replaced or changed since it was read"):
        lazily.decoders["final"]


def test_a_decoder_is_checked_when_it_is_asked_for(tmp_path: Path) -> None:
    path = nd.write(made.decoding(), tmp_path / "decoded.nwb")
    with h5py.File(path, "a") as file:
        file["processing/decoding/run/final/weights"][-1] ^= 1
    lazily = nd.read(path, lazy=True)
    assert lazily.decoders["fold0"] == made.decoding().decoders["fold0"]
    with pytest.raises(nd.NWBDecodeError, match="'final' do not match their SHA-256"):
        lazily.decoders["final"]


def test_a_result_on_the_network_is_the_same(long: Path, archive: DandiServer) -> None:
    expected = made.decoding(bins=BINS)
    archive.add("000001", {"sub-1/decoded.nwb": long})
    for address in (archive.serve("decoded.nwb", long), "DANDI:000001@draft/sub-1/decoded.nwb"):
        result = nd.read(address)
        archive.forget()
        np.testing.assert_array_equal(result.predictions["speed"], expected.predictions["speed"])
        own = stored_bytes(long, "BehavioralTimeSeries/predicted_speed/data")
        # Blocks of 64 KiB, some of which were fetched with what lies beside them.
        assert archive.count()[1] < own + 3 * 65_536
        assert result.identical(expected)
    page = nd.report(address, long.with_suffix(".html"))
    assert "predicted" in page.read_text()


def test_a_file_that_is_gone_from_the_network_says_so(archive: DandiServer) -> None:
    with pytest.raises(nd.NWBDecodeError, match="404"):
        nd.read(f"{archive.store}/files/none.nwb")


@pytest.mark.parametrize("file", [3, None, ["a.nwb"]])
def test_what_is_no_file_is_refused(file: Any) -> None:
    with pytest.raises(nd.NWBDecodeError, match="cannot read results from a"):
        nd.read(file)


def test_a_file_of_layout_1_0_is_migrated(tmp_path: Path) -> None:
    """Its decoders did not tell which session they had seen; now they do, so none is leaked to."""
    old = Path(__file__).parent / "files" / "layout_1_0.nwb.gz"
    path = tmp_path / "old.nwb"
    with gzip.open(old) as packed, path.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    with h5py.File(path) as file:
        assert file["processing/decoding/run"].attrs["schema_version"] == "1.0"
    expected, back = made.decoding(bins=60), nd.read(path)
    assert back.differences(expected) == ["decoders"]
    for label, decoder in expected.decoders.items():
        assert back.decoders[label].weights == decoder.weights
        (session,) = back.decoders[label].config["sessions"]
        assert session["identifier"] == expected.source["identifier"]
        assert {k: v for k, v in back.decoders[label].config.items() if k != "sessions"} == dict(
            decoder.config
        )


def test_a_file_alone_in_a_folder_is_read_explored_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    nd.write(made.decoding(), tmp_path / "decoded.nwb").rename(folder / "decoded.nwb")
    monkeypatch.chdir(folder)
    assert nd.read("decoded.nwb").identical(made.decoding())
    explorer = nd.explore("decoded.nwb")
    assert explorer.decoding.targets == made.decoding().targets
    nd.report("decoded.nwb", "report.html")
    assert sorted(path.name for path in folder.iterdir()) == ["decoded.nwb", "report.html"]
