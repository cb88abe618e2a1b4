"""Kill writers at the k-th write, fsync or rename of every way to write, and look what is left.

``python -m tests.results.killing`` prints the table; ``--every 1`` kills at each k.

Each writer is a fork of a process that has imported everything and made the
files; a small library in C, loaded before libc, counts its calls on the files of
one folder, HDF5's own among them, and sends SIGKILL at the k-th. Of a torn write
half reaches the file; a torn rename is one after which nothing else happens.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nwbdecode.decoding import Decoding

KINDS = ("write", "fsync", "rename")


def library(folder: Path) -> Path:
    """Compile the library that counts and kills."""
    made = folder / "killing.so"
    source = Path(__file__).with_name("killing.c")
    command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(made), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return made


@dataclass(frozen=True)
class Way:
    """One way to write: what is there before, and the call that is killed.

    Attributes
    ----------
    before : path or None
        File that is there before.
    act : callable
        Given the path to write to.
    done : callable
        Whether the file at a path is complete.
    """

    name: str
    before: Path | None
    act: Callable[[Path], object]
    done: Callable[[Path], bool]


def ways(folder: Path) -> list[Way]:
    """Every way to write, with small files in a folder."""
    import pynwb

    import nwbdecode as nd
    from nwbdecode.results.soundness import faults
    from tests import made
    from tests.results import imaged
    from tests.sessions import with_tone

    first, second = made.decoding(bins=90), made.decoding(bins=90, seed=1)
    recording = folder / "recording.nwb"
    with pynwb.NWBHDF5IO(str(recording), mode="w") as io:
        io.write(with_tone("killed", ["low", "high"]))
    decoded = nd.write(first, folder / "decoded.nwb")
    added = Path(shutil.copy(recording, folder / "added.nwb"))
    nd.append(first, added)
    regions = imaged.decoded(imaged.recorded(folder / "imaging.nwb"))

    def holds(run: str, expected: Decoding = second) -> Callable[[Path], bool]:
        return lambda path: faults(path) == [] and nd.read(path, run=run).identical(expected)

    return [
        Way("write, new file", None, lambda p: nd.write(second, p), holds("run")),
        Way(
            "write, replacing a file", decoded,
            lambda p: nd.write(second, p, exists="replace"), holds("run"),
        ),
        Way(
            "append to a recording", recording,
            lambda p: nd.append(second, p, run="b"), holds("b"),
        ),
        Way(
            "append, replacing a run", added,
            lambda p: nd.append(second, p, exists="replace"), holds("run"),
        ),
        Way(
            "append beside a run", added,
            lambda p: nd.append(second, p, exists="new"), holds("run_2"),
        ),
        Way(
            "write, regions copied", None,
            lambda p: nd.write(regions, p), holds("run", regions),
        ),
    ]  # fmt: skip


class Writers:
    """Forks that write and are killed.

    Parameters
    ----------
    folder : pathlib.Path
        Empty; each writer writes into it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._library = ctypes.CDLL(os.environ["LD_PRELOAD"])
        self._library.killing_count.restype = ctypes.c_long

    def prepare(self, way: Way) -> Path:
        path = self.folder / "file.nwb"
        for left in self.folder.iterdir():
            left.unlink()
        if way.before is not None:
            shutil.copy(way.before, path)
        return path

    def count(self, way: Way) -> list[int]:
        """Writes, fsyncs and renames of a writer that is left alone."""
        path = self.prepare(way)
        out, into = os.pipe()
        writer = os.fork()
        if writer == 0:
            self._arm(-1, 0, torn=False)
            code = 1
            try:
                way.act(path)
                told = [self._library.killing_count(kind) for kind in range(len(KINDS))]
                os.write(into, " ".join(map(str, told)).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(into)
        _, status = os.waitpid(writer, 0)
        told = os.read(out, 4096).split()
        os.close(out)
        if status != 0 or not way.done(path):
            raise RuntimeError(f"{way.name}: the writer failed when left alone")
        return [int(n) for n in told]

    def kill(self, way: Way, kind: int, at: int, *, torn: bool) -> str:
        """Kill a writer at one call; tell what became of the file and its folder."""
        from nwbdecode.results.safe import clean

        path = self.prepare(way)
        writer = os.fork()
        if writer == 0:
            os.close(2)
            self._arm(kind, at, torn=torn)
            try:
                way.act(path)
            finally:
                os._exit(0)
        _, status = os.waitpid(writer, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            return "not killed"
        clean(self.folder)
        left = sorted(p.name for p in self.folder.iterdir() if p != path)
        if left:
            return f"left behind: {left}"
        if not path.exists():
            return "as before" if way.before is None else "LOST"
        if way.before is not None and path.read_bytes() == way.before.read_bytes():
            return "as before"
        try:
            return "complete" if way.done(path) else "WRONG"
        except Exception as error:
            return f"DAMAGED ({error})"

    def _arm(self, kind: int, at: int, *, torn: bool) -> None:
        self._library.killing_arm(str(self.folder).encode(), kind, ctypes.c_long(at), int(torn))


Call = tuple[int, int, bool]


def calls(counts: list[int], every: int) -> Iterator[Call]:
    """Kinds, numbers and tearing of the calls to kill at; fsyncs and renames always all."""
    for kind, count in enumerate(counts):
        step = every if KINDS[kind] == "write" else 1
        for number, at in enumerate(range(1, count + 1, step)):
            both = KINDS[kind] == "rename"
            half = KINDS[kind] == "write" and number % 2 == 1
            for torn in (False, True) if both else (half,):
                yield kind, at, torn


def worst(counts: list[int]) -> list[Call]:
    """Five calls: amid the writes, the last write, the first fsync, before and after the rename."""
    writes = counts[0]
    return [(0, writes // 2, True), (0, writes, False), (1, 1, False), (2, 1, False), (2, 1, True)]


def main() -> int:
    """Print the table; 1 if anything was lost."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--every", type=int, default=1, help="kill at every n-th write only")
    asked.add_argument("--ten", action="store_true", help="five of two ways alone, for every day")
    given = asked.parse_args()
    if "LD_PRELOAD" not in os.environ:
        with tempfile.TemporaryDirectory() as place:
            env = {**os.environ, "LD_PRELOAD": str(library(Path(place)))}
            return subprocess.run([sys.executable, "-m", __spec__.name, *sys.argv[1:]], env=env,
                                  check=False).returncode  # fmt: skip
    with tempfile.TemporaryDirectory() as files, tempfile.TemporaryDirectory() as place:
        writers = Writers(Path(place))
        print(
            f"{'way':26}{'kind':8}{'calls':>6}{'kills':>6}{'as before':>11}{'complete':>10}  other"
        )
        total, wrong, start = 0, 0, time.time()
        for way in ways(Path(files))[slice(1, 3) if given.ten else slice(None)]:
            counts = writers.count(way)
            chosen = worst(counts) if given.ten else list(calls(counts, given.every))
            for kind, name in enumerate(KINDS):
                found = [writers.kill(way, k, at, torn=torn) for k, at, torn in chosen if k == kind]
                before, complete = found.count("as before"), found.count("complete")
                other = sorted({text for text in found if text not in ("as before", "complete")})
                total, wrong = total + len(found), wrong + len(found) - before - complete
                print(
                    f"{way.name:26}{name:8}{counts[kind]:6}{len(found):6}{before:11}{complete:10}"
                    f"  {'; '.join(other)}",
                    flush=True,
                )
        print(f"{total} kills, {wrong} of them bad, {time.time() - start:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
