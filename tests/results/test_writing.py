"""Writing replaces nothing by accident and leaves nothing half-done."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from pynwb import NWBHDF5IO

from nwbdecode.errors import NWBDecodeError
from nwbdecode.results import append, read, write
from nwbdecode.results.session import new_file
from tests import made
from tests.sessions import with_tone

FILES = Path(__file__).parent / "files"


def test_an_existing_file_is_kept_unless_overwriting_is_asked_for(tmp_path: Path) -> None:
    path = write(made.decoding(), tmp_path / "decoded.nwb")
    other = made.decoding(seed=1)
    with pytest.raises(NWBDecodeError, match=r"exists; .*exists='replace'"):
        write(other, path)
    assert read(path).identical(made.decoding())
    write(other, path, exists="replace")
    assert read(path).identical(other)


def test_the_recording_is_never_written_to_even_through_a_link(tmp_path: Path) -> None:
    source = tmp_path / "session.nwb"
    source.write_bytes(b"hours of recording")
    link = tmp_path / "alias.nwb"
    link.symlink_to(source)
    decoding = made.decoding()
    decoding = decoding.replace(source={**decoding.source, "path": str(source)})
    with pytest.raises(NWBDecodeError, match="recording that was decoded"):
        write(decoding, link, exists="replace")
    assert source.read_bytes() == b"hours of recording"


def test_a_copy_of_the_recording_is_known_by_its_object_id(tmp_path: Path) -> None:
    recording = new_file({})
    with NWBHDF5IO(str(tmp_path / "session.nwb"), mode="w") as io:
        io.write(recording)
    copy = Path(shutil.copy(tmp_path / "session.nwb", tmp_path / "copy.nwb"))
    decoding = made.decoding()
    source = {**decoding.source, "object_id": recording.object_id}
    with pytest.raises(NWBDecodeError, match="recording that was decoded"):
        write(decoding.replace(source=source), copy, exists="replace")


def recorded(path: Path) -> Path:
    """Another recording than the one decoded, at a path that was meant for a result."""
    with NWBHDF5IO(str(path), mode="w") as io:
        io.write(with_tone("another", ["low", "high"]))
    return path


def annotated(path: Path) -> Path:
    """A recording that holds a result of its own."""
    append(made.decoding(seed=1), recorded(path))
    return path


def noted(path: Path) -> Path:
    path.write_text("another program's")
    return path


def measured(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["processing/decoding"] = 1.0
    return path


@pytest.mark.parametrize("there", [recorded, annotated, noted, measured])
def test_only_a_result_is_replaced(tmp_path: Path, there: Callable[[Path], Path]) -> None:
    path = there(tmp_path / "decoded.nwb")
    before = path.read_bytes()
    with pytest.raises(NWBDecodeError, match=r"is no result that nwbdecode wrote.*another path"):
        write(made.decoding(), path, exists="replace")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_file_that_holds_a_name_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "decoded.nwb"
    path.touch()
    write(made.decoding(), path, exists="replace")
    assert read(path).identical(made.decoding())


def test_a_result_of_an_earlier_layout_is_replaced(tmp_path: Path) -> None:
    old = gzip.decompress((FILES / "layout_1_0.nwb.gz").read_bytes())
    (tmp_path / "decoded.nwb").write_bytes(old)
    path = write(made.decoding(), tmp_path / "decoded.nwb", exists="replace")
    assert read(path).identical(made.decoding())


def test_a_failure_leaves_the_old_file_whole_and_nothing_beside_it(tmp_path: Path) -> None:
    path = write(made.decoding(), tmp_path / "decoded.nwb")
    before = path.read_bytes()
    broken = made.decoding(seed=1)
    final = replace(broken.decoders["final"], weights=b"no safetensors")
    with pytest.raises(NWBDecodeError, match=r"'final' are not a sound safetensors buffer"):
        write(broken.replace(decoders={"final": final}), path, exists="replace")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_of_the_disk_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(made.decoding(), tmp_path / "decoded.nwb")
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(NWBDecodeError, match="No space left on device"):
        write(made.decoding(seed=1), path, exists="replace")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_or_a_folder_as_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NWBDecodeError, match="no folder"):
        write(made.decoding(), tmp_path / "absent" / "decoded.nwb")
    with pytest.raises(NWBDecodeError, match="is a folder"):
        write(made.decoding(), tmp_path)


def test_a_start_of_session_that_is_no_date_is_named(tmp_path: Path) -> None:
    decoding = made.decoding()
    source = {**decoding.source, "session_start_time": "yesterday"}
    with pytest.raises(NWBDecodeError, match=r"'yesterday'; expected ISO 8601"):
        write(decoding.replace(source=source), tmp_path / "decoded.nwb")


def test_a_file_is_not_replaced_by_one_that_lacks_a_run_of_it(tmp_path: Path) -> None:
    path = write(made.decoding(), tmp_path / "decoded.nwb", run="theta")
    append(made.decoding(seed=1), path, run="gamma")
    before = path.read_bytes()
    for run, lost in (("theta", "decoding_gamma"), (None, "decoding_gamma, decoding_theta")):
        with pytest.raises(NWBDecodeError, match=rf"holds other runs too \(in {lost}\)"):
            write(made.decoding(seed=2), path, run=run, exists="replace")
        assert path.read_bytes() == before


def test_a_link_that_leads_nowhere_hides_no_run(tmp_path: Path) -> None:
    path = write(made.decoding(), tmp_path / "decoded.nwb", run="theta")
    with h5py.File(path, "a") as file:
        file["processing/decoding_theta/gone"] = h5py.SoftLink("/nowhere")
    before = path.read_bytes()
    with pytest.raises(NWBDecodeError, match="holds other runs too"):
        write(made.decoding(seed=2), path, exists="replace")
    assert path.read_bytes() == before


def test_a_file_of_one_named_run_is_replaced_by_a_run_of_that_name(tmp_path: Path) -> None:
    path = write(made.decoding(), tmp_path / "decoded.nwb", run="theta")
    write(made.decoding(seed=1), path, run="theta", exists="replace")
    assert read(path, run="theta").identical(made.decoding(seed=1))
