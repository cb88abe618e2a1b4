"""NWB-Zarr folders: the same as the HDF5 file of the same session, and nothing in them runs."""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from nwbdecode.features.referencing import referencing
from nwbdecode.features.store import recipe_hash
from tests.load import recordings

RAW = "acquisition/Raw"


def test_without_hdmf_zarr_it_is_said_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['hdmf_zarr'] = None\n"
        "from nwbdecode import load\n"
        "try:\n    load.open(sys.argv[1])\n"
        "except load.location.NWBDecodeError as error:\n    print(error)"
    )
    (tmp_path / ".zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / ".zattrs").write_text('{"nwb_version": "2.11.0"}')
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert 'pip install "nwbdecode[zarr]"' in ran.stdout
    assert "needs hdmf-zarr, which works with zarr 2 (installed: zarr" in ran.stdout


def test_a_zarr_folder_without_nwb_is_refused_with_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / ".zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / "voltage").mkdir()
    with pytest.raises(NWBDecodeError, match=r"Zarr folder but not NWB.*Found in it: voltage"):
        load.open(tmp_path)


def hashed(signal: load.Signal) -> str:
    """Name under which features of a signal would be kept."""
    return recipe_hash({}, signal, referencing(signal.channels))


@pytest.fixture(scope="module")
def hdmf_zarr() -> Any:
    return pytest.importorskip(
        "hdmf_zarr", reason="hdmf-zarr is not installed; .ci/zarr-environment tests with it"
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zarr") / "session.nwb.zarr"
    return recordings.save_zarr(recordings.ephys(), path)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A folder of one's own to change."""
    return Path(shutil.copytree(made, tmp_path / made.name))


def test_a_zarr_folder_gives_what_the_file_gives(made: Path, source: load.Source) -> None:
    asked = ["front:speed", "hd", "tone"]
    with load.open(made) as opened:
        for kind in ("signals", "targets"):
            for mine, theirs in zip(opened.catalog()[kind], source.catalog()[kind], strict=True):
                # Made twice, so the same but for their ids.
                assert {**mine, "object_id": ""} == {**theirs, "object_id": ""}
        for path in (RAW, "processing/ecephys/LFP/LFP"):
            mine, theirs = opened.signal(path), source.signal(path)
            np.testing.assert_array_equal(mine.read(3, 400), theirs.read(3, 400))
            assert mine.channels.equals(theirs.channels)
        chosen = opened.signal(RAW, channels="location == 'CA3'")
        np.testing.assert_allclose(
            chosen.read(5, 9), recordings.volts()[5:9, 1::2], **recordings.CLOSE
        )
        for name, target in opened.targets(asked).items():
            np.testing.assert_array_equal(target, source.targets(asked)[name])
        assert made.name in repr(opened)


def _read(signal: load.Signal) -> np.ndarray:
    return signal.read(100, 120).to_numpy()


def test_its_signal_outlives_the_source_and_travels(made: Path) -> None:
    with load.open(made) as opened:
        signal = opened.signal(RAW, channels=[104, 100])
    expected = recordings.volts()[100:120, [4, 0]]
    np.testing.assert_allclose(_read(signal), expected, **recordings.CLOSE)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_allclose(pool.apply(_read, (signal,)), expected, **recordings.CLOSE)


def test_an_open_nwbfile_of_a_folder_travels_by_its_path(hdmf_zarr: Any, made: Path) -> None:
    with hdmf_zarr.NWBZarrIO(path=str(made), mode="r") as io, load.open(io.read()) as opened:
        assert opened.path == str(made)
        signal = pickle.loads(pickle.dumps(opened)).signal(RAW)
    np.testing.assert_allclose(signal.read(0, 5), recordings.volts()[:5], **recordings.CLOSE)


def _state(folder: Path) -> dict[str, Any]:
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_reading_changes_no_file_of_the_folder(folder: Path) -> None:
    before = _state(folder)
    with load.open(folder) as opened:
        opened.catalog(full=True)
        opened.signal(RAW).read(0, 5000)
        opened.targets(["front:speed", "tone"])
    assert _state(folder) == before


def test_features_of_a_folder_are_found_again_until_a_chunk_changes(folder: Path) -> None:
    with load.open(folder) as opened:
        signal = opened.signal(RAW)
    first = hashed(signal)
    assert hashed(signal) == first
    chunk = next(path for path in (folder / RAW / "data").iterdir() if path.name[0] != ".")
    chunk.write_bytes(chunk.read_bytes())
    assert hashed(signal) != first


def test_a_damaged_chunk_is_told(folder: Path) -> None:
    with load.open(folder) as opened:
        signal = opened.signal(RAW)
    for chunk in (folder / RAW / "data").iterdir():
        if chunk.name[0] != ".":
            chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(NWBDecodeError, match="could not read samples 0 to 10"):
        signal.read(0, 10)


class Runs:
    """What a hostile file holds: unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def poison(
    folder: Path, mark: Path, array: str = "general/extracellular_ephys/electrodes/group"
) -> dict[str, Any]:
    """Put a pickle that makes a file into an array; gives how the array was described."""
    import numcodecs

    described = json.loads((folder / array / ".zarray").read_text())
    held = np.array([Runs(mark)] * described["shape"][0], dtype=object)
    packed = numcodecs.get_codec(described["compressor"]).encode(pickle.dumps(held))
    (folder / array / "0").write_bytes(packed)
    return described


@pytest.mark.parametrize("spelled", ["pickle", "pick\\u006ce"])
def test_a_pickle_that_would_run_is_refused_and_does_not_run(
    folder: Path, tmp_path: Path, spelled: str
) -> None:
    poison(folder, tmp_path / "ran")
    for path in (folder / ".zmetadata", *folder.rglob(".zarray")):
        path.write_text(path.read_text().replace('"pickle"', f'"{spelled}"'))
    with pytest.raises(NWBDecodeError, match=r"electrodes/group.*Path\.touch.*could run programs"):
        load.open(folder)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_that_only_the_consolidated_descriptions_tell_of_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    array = "stimulus/presentation/tone/data"
    poison(folder, tmp_path / "ran", array)
    told = json.loads((folder / ".zmetadata").read_text())
    told["metadata"][f"{array}/.zarray"]["filters"] = [{"id": "pickle", "protocol": 5}]
    (folder / ".zmetadata").write_text(json.dumps(told))
    with pytest.raises(NWBDecodeError, match=r"tone/data.*could run programs"):
        load.open(folder)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_hidden_behind_another_codec_is_refused(folder: Path) -> None:
    column = folder / "general/extracellular_ephys/electrodes/group"
    described = json.loads((column / ".zarray").read_text())
    described["filters"].append({"id": "zlib", "level": 1})
    (column / ".zarray").write_text(json.dumps(described))
    with pytest.raises(NWBDecodeError, match="behind another filter"):
        load.open(folder)


def described_anew(folder: Path, array: str, **said: Any) -> None:
    """Change how an array is described, in its folder and in the consolidated descriptions."""
    place, together = folder / array / ".zarray", folder / ".zmetadata"
    described = json.loads(place.read_text()) | said
    place.write_text(json.dumps(described))
    told = json.loads(together.read_text())
    told["metadata"][f"{array}/.zarray"] = described
    together.write_text(json.dumps(told))


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newer numcodecs unpickles only when told to, as older ones always do."""
    import numcodecs.pickles

    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)


@pytest.mark.usefixtures("trusting")
def test_a_pickle_in_place_of_a_compressor_is_refused(folder: Path, tmp_path: Path) -> None:
    described_anew(folder, f"{RAW}/data", compressor={"id": "pickle"})
    for chunk in (folder / RAW / "data").glob("[0-9]*"):
        chunk.write_bytes(pickle.dumps(Runs(tmp_path / "ran")))
    with pytest.raises(NWBDecodeError, match=r"Raw/data.*packed as a pickle.*could run programs"):
        load.open(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("trusting")
def test_a_pickled_fill_value_that_would_run_is_refused(folder: Path, tmp_path: Path) -> None:
    fill = base64.b64encode(pickle.dumps(Runs(tmp_path / "ran"))).decode()
    pickled = [{"id": "pickle", "protocol": 5}]
    described_anew(folder, f"{RAW}/data", dtype=[["t", "|O"]], filters=pickled, fill_value=fill)
    for chunk in (folder / RAW / "data").glob("[0-9]*"):
        chunk.unlink()
    with pytest.raises(NWBDecodeError, match=r"Raw/data.*Path\.touch.*could run programs"):
        load.open(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("trusting")
def test_a_compound_column_of_references_has_a_harmless_fill_value(folder: Path) -> None:
    import numcodecs
    import zarr

    zarr.open_group(str(folder), mode="a").require_dataset(
        "acquisition/Raw/odd", shape=(2,), dtype=[("a", "<i4"), ("t", "O")],
        object_codec=numcodecs.Pickle(),
    )  # fmt: skip
    with load.open(folder) as opened:
        assert opened.signal(RAW).n_channels


def test_a_link_to_a_folder_that_was_not_looked_through_is_refused(
    folder: Path, made: Path
) -> None:
    link = {"name": "other", "source": "../other.nwb.zarr", "path": "/acquisition/Raw"}
    (folder / "acquisition/.zattrs").write_text(json.dumps({"zarr_link": [link]}))
    with pytest.raises(NWBDecodeError, match=r"leads to another folder, '\.\./other"):
        load.open(folder)


def test_a_folder_of_neuroconv_is_read(hdmf_zarr: Any, tmp_path: Path) -> None:
    helper = pytest.importorskip("neuroconv.tools.nwb_helpers", reason="neuroconv is not installed")
    nwbfile = recordings.ephys()
    path = tmp_path / "session.nwb.zarr"
    helper.configure_and_write_nwbfile(nwbfile=nwbfile, nwbfile_path=str(path), backend="zarr")
    with load.open(path) as opened:
        np.testing.assert_allclose(
            opened.signal(RAW).read(0, 5000), recordings.volts(), **recordings.CLOSE
        )
        assert opened.targets("tone")["tone"].attrs["classes"] == ["high", "low", "off"]
