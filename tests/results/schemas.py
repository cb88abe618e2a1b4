"""Results beside, in and added to recordings of every core schema, and what validators find.

``python -m tests.results.schemas`` prints the table of the docs. The recordings in ``files``
were made by ``old_recordings.py`` with the pynwb that their names tell.
"""

from __future__ import annotations

import contextlib
import gzip
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import pynwb
from dandi.files import dandi_file
from dandi.validate import Severity
from nwbinspector import Importance, inspect_nwbfile

import nwbdecode as nd
from nwbdecode.decoding import Decoding
from tests import made

FILES = Path(__file__).with_name("files")
#: Names of the recordings, oldest schema first.
RECORDINGS = sorted(p.name.removesuffix(".nwb.gz") for p in FILES.glob("by_pynwb_*.nwb.gz"))
WAYS = ("write", "append", "add_decoding")
SIGNAL = "acquisition/ElectricalSeries"
TARGET = "processing/behavior/Position/place"
#: Enough to walk every step in seconds.
CONFIG = {
    "features": {"bin": 0.1, "lowest": 5.0, "highest": 30.0, "n_bands": 3},
    "decoder": {"window": 8, "hidden": 4, "epochs": 1},
    "evaluation": {"folds": 2, "shifts": 20, "repeats": 1, "importance": ["channel"]},
}


def recording(name: str, folder: Path) -> Path:
    """Unpack a recording to where the archive would want it."""
    place = folder / "dandiset" / "sub-m1"
    place.mkdir(parents=True)
    path = place / "sub-m1_ecephys.nwb"
    path.write_bytes(gzip.decompress((FILES / f"{name}.nwb.gz").read_bytes()))
    return path


def core_version(path: Path) -> str:
    """Core schema that a file says it is of."""
    with h5py.File(path, mode="r") as file:
        return str(file.attrs["nwb_version"])


def made_of(path: Path) -> Decoding:
    """A made result with every kind of target that says it came from a recording."""
    with nd.open(path) as source:
        signal = source.signal(SIGNAL)
        told, channels = dict(signal.source), signal.channels
    decoding = made.decoding()
    importance = decoding.importance["channel"].assign_coords(channel=channels.index.to_numpy())
    return decoding.replace(
        source=told,
        channels=decoding.channels.assign_coords(channel=channels.index.to_numpy()),
        importance={**decoding.importance, "channel": importance},
    )


def fitted_to(path: Path) -> Decoding:
    """What a short fit finds."""
    return nd.fit(path, targets=TARGET, config=CONFIG, progress=False)


def by(way: str, decoding: Decoding, recording: Path) -> Path:
    """Put a result of a recording into a file, which lies beside the recording."""
    out = recording.with_name(f"sub-m1_desc-{way.replace('_', '')}_behavior+ecephys.nwb")
    if way == "write":
        return nd.write(decoding, out)
    if way == "append":
        shutil.copy(recording, out)
        nd.append(decoding, out)
        return out
    with pynwb.NWBHDF5IO(str(recording), mode="r") as old:
        nwbfile = old.read()
        nd.add_decoding(nwbfile, decoding)
        nwbfile.set_modified()
        with pynwb.NWBHDF5IO(str(out), mode="w") as new:
            new.export(src_io=old, nwbfile=nwbfile)
    return out


def faults(path: Path) -> list[str]:
    """What `pynwb.validate` finds."""
    return [str(fault) for fault in pynwb.validate(path=str(path))]


def warnings_of(path: Path) -> set[tuple[Any, ...]]:
    """What the inspector says above a suggestion, but where and in which file."""
    return {
        (message.check_function_name, message.object_name, message.message)
        for message in inspect_nwbfile(nwbfile_path=str(path))
        if message.importance is not Importance.BEST_PRACTICE_SUGGESTION
    }


def complaints(path: Path) -> set[str]:
    """What `dandi validate` finds at least an error; it needs no network."""
    found = dandi_file(path, path.parent.parent).get_validation_errors()
    return {
        f"{error.id}: {error.message}"
        for error in found
        if error.severity is None or error.severity >= Severity.ERROR
    }


@cache
def alone(name: str, look: Callable[[Path], Any]) -> Any:
    """What a look at a recording without any result gives."""
    with tempfile.TemporaryDirectory() as folder:
        return look(recording(name, Path(folder)))


def main() -> None:
    """Fit to every recording, write by every way, and print what is found."""
    print("| core schema | by pynwb | " + " | ".join(f"`{way}`" for way in WAYS) + " |")
    print("|---" * (2 + len(WAYS)) + "|", flush=True)
    for name in RECORDINGS:
        cells = []
        with tempfile.TemporaryDirectory() as folder:
            path = recording(name, Path(folder))
            with contextlib.redirect_stdout(sys.stderr):
                result = fitted_to(path)
            for way in WAYS:
                out = by(way, result, path)
                new = warnings_of(out) - alone(name, warnings_of)
                worse = complaints(out) - alone(name, complaints)
                equal = nd.read(out).differences(result) == []
                cells.append(
                    f"{len(faults(out))}, {len(worse)}, {len(new)}{'' if equal else ', not equal'}"
                )
        core = alone(name, core_version)
        print(f"| {core} | {name.removeprefix('by_pynwb_')} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
