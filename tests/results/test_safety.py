"""A file is replaced whole or not at all, by one writer at a time, and nothing is left about."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import namedtuple
from pathlib import Path

import h5py
import pynwb
import pytest

import nwbdecode as nd
from nwbdecode.errors import NWBDecodeError
from nwbdecode.results.room import create, reserve
from nwbdecode.results.safe import clean, copy, replacing
from tests import made
from tests.results import killing
from tests.sessions import with_tone


def nothing() -> None:
    """A check that has no objection."""


def held(path: Path, code: str = "time.sleep(60)") -> subprocess.Popen[bytes]:
    """Another process that writes to a path and takes its time."""
    program = f"""
        import sys, time
        from pathlib import Path
        from nwbdecode.results.safe import replacing
        with replacing(Path(sys.argv[1]), need=1, check=lambda: None) as aside:
            aside.write_text("half")
            print("writing", flush=True)
            {code}
    """
    writer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(path)], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    return writer


def test_of_two_writers_at_once_the_second_is_told_and_nobody_is_harmed(tmp_path: Path) -> None:
    path = tmp_path / "decoded.nwb"
    writer = held(path)
    try:
        with pytest.raises(NWBDecodeError, match="is being written by another run"):
            nd.write(made.decoding(), path)
        beside = nd.write(made.decoding(), path, exists="new")
        assert beside.name == "decoded_2.nwb"
        # What the living writer holds is no leftover.
        assert any(name.endswith("partial") for name in os.listdir(tmp_path))
    finally:
        writer.kill()
        writer.wait()
    nd.write(made.decoding(), path)
    assert sorted(os.listdir(tmp_path)) == ["decoded.nwb", "decoded_2.nwb"]


def test_two_writers_in_one_process_are_told_apart_too(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path, need=1, check=nothing) as aside:
        aside.write_text("first")
        with (
            pytest.raises(NWBDecodeError, match="another run"),
            replacing(path, need=1, check=nothing),
        ):
            pass
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def check() -> None:
        if path.exists():
            raise NWBDecodeError("exists")

    writing = replacing(path, need=1, check=check)
    aside = writing.__enter__()
    aside.write_text("mine")
    path.write_text("theirs")
    with pytest.raises(NWBDecodeError, match="exists"):
        writing.__exit__(None, None, None)
    assert path.read_text() == "theirs"
    assert os.listdir(tmp_path) == ["file"]


def test_leftovers_of_the_dead_are_removed_and_all_else_stays(tmp_path: Path) -> None:
    writer = held(tmp_path / "a.nwb")
    living = held(tmp_path / "b.nwb")
    try:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        (tmp_path / ".a.nwb.partial").write_text("another program's")
        gone = clean(tmp_path)
        assert [name.startswith(".a.nwb.") for name in gone] == [True]
        left = sorted(os.listdir(tmp_path))
        assert left[0] == ".a.nwb.partial"
        assert [name.startswith(".b.nwb.") for name in left[1:]] == [True, True]
    finally:
        living.kill()
        living.wait()


def test_a_disk_without_room_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(NWBDecodeError, match=r"takes about [\d.]+ MB .* 0.0 MB free"):
        nd.write(made.decoding(), tmp_path / "decoded.nwb")
    assert os.listdir(tmp_path) == []


def test_a_copy_has_the_bytes_and_the_permissions(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(100_000))
    path.chmod(0o604)
    copy(path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o604


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "session.nwb"
    with pynwb.NWBHDF5IO(str(path), mode="w") as io:
        io.write(with_tone("full", ["low", "high"]))
    return path


FULL = """
import resource, signal, sys
from pathlib import Path
import h5py
import nwbdecode as nd
from tests import made

way, path, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
decoding, before = made.decoding(), path.read_bytes()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for share in (0.0, 0.02, 0.5, 0.9, 0.99):
    # Beyond the limit a write fails as on a full disk, with another number.
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * size), hard))
    try:
        if way == "write":
            nd.write(decoding, path, exists="replace")
        else:
            nd.append(decoding, path, exists="replace")
    except nd.NWBDecodeError as error:
        assert "could not be written" in str(error), error
    else:
        raise AssertionError(f"{share} of {size} bytes were enough")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    left = h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE | h5py.h5f.OBJ_DATASET)
    assert left == 0, f"{left} files and datasets are open"
    assert path.read_bytes() == before
    assert [held.name for held in path.parent.iterdir()] == [path.name]
if way == "write":
    nd.write(decoding, path, exists="replace")
else:
    nd.append(decoding, path, exists="replace")
"""


@pytest.mark.parametrize("way", ["write", "append"])
def test_a_full_disk_leaves_the_file_and_the_process_as_they_were(
    tmp_path: Path, recording: Path, way: str
) -> None:
    """HDF5 itself would keep what it could not write, and crash the process at its end."""
    path = tmp_path / "file.nwb"
    if way == "append":
        shutil.copy(recording, path)
        nd.append(made.decoding(seed=1), path)
    else:
        nd.write(made.decoding(seed=1), path)
    command = [sys.executable, "-c", FULL, way, path, path.stat().st_size]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert nd.read(path).identical(made.decoding())


def test_room_that_was_reserved_and_not_needed_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    create(path)
    small = path.stat().st_size
    reserve(path, 3 << 20)
    assert os.stat(path).st_blocks * 512 >= 3 << 20
    with h5py.File(path, "r+") as file:
        file["numbers"] = list(range(1000))
    assert small < path.stat().st_size < 20_000
    with h5py.File(path, "r") as file:
        assert file["numbers"][-1] == 999
    with pytest.raises(FileExistsError):
        create(path)


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("gcc") is None,
    reason="killing a writer at a given call needs Linux and gcc",
)
class TestKills:
    """The k-th call is the last; ``python -m tests.results.killing`` does it for every k."""

    @pytest.mark.slow
    def test_ten_writers_killed_at_their_worst_leave_the_file_whole(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "--ten")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "10 kills, 0 of them bad" in done.stdout

    @pytest.mark.slow
    @pytest.mark.kills
    def test_hundreds_of_writers_killed_leave_the_file_whole(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "--every", "5")
        assert done.returncode == 0, done.stdout + done.stderr
        assert int(done.stdout.splitlines()[-1].split()[0]) >= 200

    def run(self, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", killing.__name__, *options]
        env = {**os.environ, "TMPDIR": str(folder)}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)
