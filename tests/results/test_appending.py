"""A result is added to a file that the user owns: nothing else in it changes or is lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pynwb
import pytest

import nwbdecode as nd
from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError
from nwbdecode.results.soundness import prune_specifications
from tests import made
from tests.sessions import with_tone


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("given") / "session.nwb"
    nwbfile = with_tone("mine", ["low", "high"])
    nwbfile.add_scratch(np.arange(5), name="notes", description="the user's own")
    with pynwb.NWBHDF5IO(str(path), mode="w") as io:
        io.write(nwbfile)
    with h5py.File(path, "a") as file:  # what no specification knows
        file["general"].attrs["lab_database_key"] = 17
        file["general/private"] = "kept by the lab"
    return path


@pytest.fixture
def recording(given: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(given, tmp_path / "session.nwb"))


def content(path: Path) -> dict[str, Any]:
    """Every object and attribute but decodings and cached specifications, by path."""
    found: dict[str, Any] = {}

    def plain(file: h5py.File, value: Any) -> Any:
        if isinstance(value, h5py.Reference):
            return file[value].name
        return value.tolist() if isinstance(value, np.ndarray | np.generic) else value

    def note(name: str, held: Any) -> None:
        if name.startswith(("specifications", "processing")):
            return
        found[name] = {key: plain(held.file, value) for key, value in held.attrs.items()}
        if isinstance(held, h5py.Dataset):
            found[name]["="] = str(plain(held.file, held[()]))
            found[name]["stored"] = held.dtype, held.chunks, held.compression

    with h5py.File(path, "r") as file:
        file.visititems(note)
        found["/"] = {key: plain(file, value) for key, value in file.attrs.items()}
    return found


def test_all_that_was_there_is_as_it_was_and_the_result_is_read_back(recording: Path) -> None:
    before = content(recording)
    assert nd.append(made.decoding(), recording) == "run"
    assert content(recording) == before
    assert nd.read(recording).differences(made.decoding()) == []
    assert pynwb.validate(path=str(recording)) == []
    assert list(recording.parent.iterdir()) == [recording]


def test_series_that_trials_name_are_still_found_when_a_run_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "session.nwb"
    nwbfile = with_tone("mine", ["low", "high"])
    series = [
        pynwb.TimeSeries(name=name, data=np.arange(50.0), rate=10.0, unit="V")
        for name in ("a", "b")
    ]
    for one in series:
        nwbfile.add_acquisition(one)
    nwbfile.add_trial(start_time=0.0, stop_time=1.0, timeseries=series)
    nwbfile.add_trial(start_time=2.0, stop_time=3.0, timeseries=series[1:])
    with pynwb.NWBHDF5IO(str(path), mode="w") as io:
        io.write(nwbfile)

    def named() -> list[list[tuple[str, int, int, float]]]:
        with pynwb.NWBHDF5IO(str(path), mode="r") as io:
            trials = io.read().trials["timeseries"]
            return [
                [(r.timeseries.name, r.idx_start, r.count, float(r.data[0])) for r in trials[row]]
                for row in range(2)
            ]

    before = named()
    assert [[name for name, *_ in row] for row in before] == [["a", "b"], ["b"]]
    nd.append(made.decoding(bins=3000), path)
    size = path.stat().st_size
    nd.append(made.decoding(), path, exists="replace")
    assert named() == before
    assert path.stat().st_size < size
    assert nd.read(path).identical(made.decoding())


def test_replacing_a_run_gives_its_space_back_and_keeps_everything_else(recording: Path) -> None:
    before = content(recording)
    nd.append(made.decoding(seed=1), recording, run="other")
    nd.append(made.decoding(bins=3000), recording)
    sizes = []
    for seed in range(3):
        nd.append(made.decoding(seed=seed), recording, exists="replace")
        sizes.append(recording.stat().st_size)
    assert max(sizes) - min(sizes) < 0.01 * min(sizes)
    alone = Path(shutil.copy(recording, recording.with_name("alone.nwb")))
    nd.append(made.decoding(seed=2), alone, run="more")
    added = alone.stat().st_size - sizes[-1]
    assert sizes[-1] < recording.parent.joinpath("session.nwb").stat().st_size + added
    assert content(recording) == before
    assert nd.read(recording, run="run").identical(made.decoding(seed=2))
    assert nd.read(recording, run="other").identical(made.decoding(seed=1))
    assert pynwb.validate(path=str(recording)) == []


def test_a_run_that_is_there_is_kept_and_a_new_name_is_found_as_asked(recording: Path) -> None:
    nd.append(made.decoding(), recording, run="theta")
    before = recording.read_bytes()
    with pytest.raises(NWBDecodeError, match=r"holds run 'theta'; .*exists='replace'"):
        nd.append(made.decoding(seed=1), recording, run="theta")
    assert recording.read_bytes() == before
    assert nd.append(made.decoding(seed=1), recording, run="theta", exists="new") == "theta_2"
    assert nd.read(recording, run="theta").identical(made.decoding())


def test_a_module_of_someone_else_is_never_replaced(recording: Path) -> None:
    with pynwb.NWBHDF5IO(str(recording), mode="a") as io:
        nwbfile = io.read()
        nwbfile.create_processing_module(name="decoding", description="someone else's")
        io.write(nwbfile)
    before = recording.read_bytes()
    with pytest.raises(NWBDecodeError, match="holds no decoding run, so it is not replaced"):
        nd.append(made.decoding(), recording, exists="replace")
    assert recording.read_bytes() == before


def test_permissions_and_links_to_the_file_stay(recording: Path) -> None:
    recording.chmod(0o640)
    link = recording.with_name("link.nwb")
    link.symlink_to(recording)
    nd.append(made.decoding(), link)
    assert link.is_symlink()
    assert recording.stat().st_mode & 0o777 == 0o640
    assert nd.read(recording).identical(made.decoding())


def test_a_read_only_file_is_left_alone(recording: Path) -> None:
    recording.chmod(0o444)
    with pytest.raises(NWBDecodeError, match="is read-only"):
        nd.append(made.decoding(), recording)


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all"])
def test_what_is_no_nwb_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.nwb"
    with pytest.raises(NWBDecodeError, match=r"no file .* to add a result to"):
        nd.append(made.decoding(), path)
    path.write_bytes(content)
    with pytest.raises(NWBDecodeError, match="cannot be read as an NWB file"):
        nd.append(made.decoding(), path)
    assert path.read_bytes() == content


def test_a_file_that_another_program_writes_to_is_left_alone(recording: Path) -> None:
    with (
        h5py.File(recording, "r+", locking=True),
        pytest.raises(NWBDecodeError, match="open for writing in another program"),
    ):
        _in_another_process(recording)
    assert list(recording.parent.iterdir()) == [recording]


def _in_another_process(path: Path) -> None:
    """Ask from a process that has the file not open itself."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            import subprocess
            import sys

            program = (
                "import sys\nfrom nwbdecode.results.refusing import check_appendable\n"
                "try: check_appendable(sys.argv[1])\nexcept ValueError as error: print(error)"
            )
            done = subprocess.run(
                [sys.executable, "-c", program, str(path)], capture_output=True, check=False
            )
            os.write(into, done.stdout)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(into)
    told = os.read(out, 4096).decode()
    os.close(out)
    if told:
        raise NWBDecodeError(told)


def test_a_file_changed_meanwhile_keeps_that_change(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nwbdecode.results.writing as writing

    check = writing.check_sound

    def slowly(*given: Any, **named: Any) -> None:
        check(*given, **named)
        with h5py.File(recording, "a") as file:
            file.attrs["changed"] = "by another program"

    monkeypatch.setattr(writing, "check_sound", slowly)
    with pytest.raises(NWBDecodeError, match="changed by another program while"):
        nd.append(made.decoding(), recording)
    with h5py.File(recording, "r") as file:
        assert file.attrs["changed"] == "by another program"
        assert "processing" in file
        assert "decoding" not in file["processing"]
    assert list(recording.parent.iterdir()) == [recording]


def test_the_run_points_to_the_signal_and_targets_that_the_file_holds(recording: Path) -> None:
    with pynwb.NWBHDF5IO(str(recording), mode="r") as io:
        nwbfile = io.read()
        signal = nwbfile.acquisition["ElectricalSeries"].object_id
        tone = nwbfile.stimulus["tone"].object_id
    decoding = _of(signal, tone)
    nd.append(decoding, recording)
    with pynwb.NWBHDF5IO(str(recording), mode="r") as io:
        nwbfile = io.read()
        run = nwbfile.processing["decoding"]["run"]
        decoder = run.decoders["fold0"]
        assert decoder.input is nwbfile.acquisition["ElectricalSeries"]
        assert decoder.time_series["tone"] is nwbfile.stimulus["tone"]
        assert run.scores is nwbfile.processing["decoding"]["scores"]


def _of(signal: str, target: str) -> Decoding:
    decoding = made.decoding()
    told = {**made.source()["signal"], "object_id": signal}  # type: ignore[dict-item]
    for part in (decoding.predictions, decoding.truth, *decoding.baselines.values()):
        part["tone"].attrs["object_id"] = target
    return decoding.replace(source={**decoding.source, "signal": told})


def test_the_newest_specification_is_kept_by_number_not_by_alphabet(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "file.nwb", "w") as file:
        for version in ("2.7.0", "2.11.0", "2.11.0-alpha", "2.9.0"):
            file.create_group(f"specifications/core/{version}")
        file.create_group("specifications/ndx-odd/one")
        file.attrs[".specloc"] = file["specifications"].ref
        removed = prune_specifications(file)
        assert removed == {"core": ["2.7.0", "2.9.0", "2.11.0-alpha"]}
        assert list(file["specifications/core"]) == ["2.11.0"]
        assert list(file["specifications/ndx-odd"]) == ["one"]
