"""Reading leaves a source as it is: no byte, no time, no lock, whoever else has it open."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest

from nwbdecode import load
from tests.load import recordings

RAW = "acquisition/Raw"
WALK = """
import sys
import numpy as np
from nwbdecode import load
with load.open(sys.argv[1]) as opened:
    repr(opened)
    opened.targets(["front:speed", "tone"])
    print(int(opened.signal("acquisition/Raw").read(0, 5000, units="counts").sum()))
"""
HOLD = """
import sys, h5py
with h5py.File(sys.argv[1], "a") as held:
    print("open", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return recordings.save(recordings.ephys(), tmp_path)


def walk(path: Path, *before: str) -> int:
    """Look at a recording and read it in another process; gives the sum of its samples."""
    ran = subprocess.run(
        [*before, sys.executable, "-c", WALK, str(path)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return int(ran.stdout)


def state(path: Path) -> tuple[bytes, int, int, int]:
    status = path.stat()
    return path.read_bytes(), status.st_mtime_ns, status.st_ctime_ns, len(os.listdir(path.parent))


def test_bytes_and_times_stay_and_nothing_appears_beside_it(path: Path) -> None:
    before = state(path)
    with load.open(path) as opened:
        repr(opened)
        opened.catalog(full=True)
        opened.targets(["front:speed", "hd", "tone"])
        opened.signal(RAW).read(0, 5000)
    assert state(path) == before


def test_an_open_recording_is_open_for_reading_only_and_not_locked(path: Path) -> None:
    if not Path("/proc/locks").exists():
        pytest.skip("only Linux tells which files a process has locked")
    with load.open(path) as opened:
        opened.signal(RAW).read(0, 10)
        mine = Path("/proc/self/fd")
        found = [fd for fd in mine.iterdir() if fd.exists() and fd.resolve() == path]
        flags = [Path("/proc/self/fdinfo", fd.name).read_text() for fd in found]
        locks = Path("/proc/locks").read_text()
    assert len(found) >= 1
    assert all(int(re.search(r"flags:\s*(\d+)", text)[1], 8) & 3 == os.O_RDONLY for text in flags)  # type: ignore[index]
    assert f":{path.stat().st_ino} " not in locks


def test_a_recording_that_another_program_has_open_for_appending_is_read(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with load.open(path) as opened:
            found = opened.signal(RAW).read(0, 20)
        other.communicate("\n", timeout=60)
    np.testing.assert_allclose(found, recordings.volts()[:20], **recordings.CLOSE)


def test_another_program_may_write_while_a_recording_is_read(path: Path) -> None:
    with load.open(path) as opened:
        signal = opened.signal(RAW)
        signal.read(0, 10)
        code = "import sys, h5py; h5py.File(sys.argv[1], 'r+').attrs['note'] = 'mine'"
        ran = subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
        assert ran.returncode == 0


def test_a_recording_of_another_on_a_read_only_disk_is_read(path: Path) -> None:
    expected = int(recordings.counts(5000).sum())
    mount = f"mount --bind {path.parent} {path.parent} && mount -o remount,ro,bind {path.parent}"
    alone = ["unshare", "-rm", "sh", "-c"]
    tried = subprocess.run([*alone, f"{mount} && ! touch {path.parent}/x"], capture_output=True)
    if tried.returncode:
        pytest.skip("this machine does not let a test mount a folder read-only")
    assert walk(path, *alone, f'{mount} && exec "$@"', "sh") == expected


def test_after_its_source_is_closed_a_signal_reads_and_leaves_the_file_to_others(
    path: Path,
) -> None:
    with load.open(path) as opened:
        signal = opened.signal(RAW)
    expected = recordings.volts()[:20]
    for _ in range(2):
        np.testing.assert_allclose(signal.read(0, 20), expected, **recordings.CLOSE)
        # Neither says how to lock, and HDF5 wants one way in all of a process.
        with h5py.File(path, "r") as held:
            assert "acquisition" in held
            np.testing.assert_allclose(signal.read(0, 20), expected, **recordings.CLOSE)
        with pynwb.NWBHDF5IO(path=str(path), mode="a") as io:
            assert "Raw" in io.read().acquisition


def test_threads_read_one_file_at_once(path: Path) -> None:
    with load.open(path) as opened:
        signal = opened.signal(RAW)
    spans = [(i * 100, i * 100 + 900) for i in range(40)]
    with ThreadPoolExecutor(4) as pool:
        blocks = list(pool.map(lambda span: signal.read_array(*span), spans))
    for block, (start, stop) in zip(blocks, spans, strict=True):
        np.testing.assert_allclose(block, recordings.volts()[start:stop], **recordings.CLOSE)
