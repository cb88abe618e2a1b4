"""What is refused before anything is computed or written: files that a result may not go to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.hdf5 import first_line, unlocked, version_of
from nwbdecode.results.runs import Exists, check_exists, check_run, module_name, settle


def check_output(
    path: str | os.PathLike[str],
    *,
    exists: Exists,
    source: Mapping[str, Any] | None = None,
    run: str | None = None,
) -> None:
    """Refuse a new file that cannot be written, before anything is computed for it.

    Parameters
    ----------
    path : path-like
    exists : {"error", "replace", "new"}
    source : mapping, optional
        `Decoding.source`, where it is known: the recording is never replaced.
    run : str, optional
        The run that will be written: a file with others is not replaced, nor is one
        that `write` has not made.

    Raises
    ------
    NWBDecodeError
    """
    path = Path(path)
    check_exists(exists)
    if not path.parent.is_dir():
        raise NWBDecodeError(f"there is no folder {str(path.parent)!r} to write {path.name!r} into")
    if path.is_dir():
        raise NWBDecodeError(f"{str(path)!r} is a folder; give the name of a file in it")
    if not path.exists() or exists == "new":
        return
    if source is not None and _is_source(path, source):
        raise NWBDecodeError(
            f"{str(path)!r} is the recording that was decoded, which is never replaced; give "
            "another path, or add the result to it with `append` (fit --append)"
        )
    if exists == "error":
        raise NWBDecodeError(
            f"{str(path)!r} exists; give another path, or choose exists='replace' or exists='new'"
        )
    runs = _runs_written(path)
    if runs is None:
        raise NWBDecodeError(
            f"{str(path)!r} is no result that nwbdecode wrote, such as a recording or another "
            "program's file, and is not replaced; give another path, or remove it yourself"
        )
    others = runs - {module_name(check_run(run))}
    if others:
        raise NWBDecodeError(
            f"{str(path)!r} holds other runs too (in {', '.join(sorted(others))}), which would be "
            "lost; `append` with exists='replace' replaces one run"
        )


def _runs_written(path: Path) -> set[str] | None:
    """Modules that hold runs in a file made by `write`; None where it is any other file."""
    if not path.stat().st_size:
        return set()  # as programs make that want a name of their own: nothing is lost
    try:
        with unlocked(str(path)) as file:
            # A recording to which a result was added holds runs too, but was not made here.
            made = np.atleast_2d(file["general/was_generated_by"].asstr()[()])[:, 0]
            modules = file.get("processing", {}).items()
            runs = {str(name) for name, module in modules if is_run(module)}
    except (OSError, KeyError, IndexError, AttributeError, TypeError):
        return None
    return runs if "nwbdecode" in made and runs else None


def is_run(module: h5py.Group) -> bool:
    """Whether a processing module in an open file holds a run."""
    return "DecodingRun" in [
        held.attrs.get("neurodata_type") for held in module.values() if held is not None
    ]


def check_appendable(
    path: str | os.PathLike[str], *, run: str | None = None, exists: Exists = "new"
) -> None:
    """Refuse a file that no result can be added to, before anything is computed for it.

    Parameters
    ----------
    path : path-like
    run : str, optional
    exists : {"error", "replace", "new"}, default "new"

    Raises
    ------
    NWBDecodeError
    """
    path, name = Path(path), check_run(run)
    check_exists(exists)
    if not path.is_file():
        raise NWBDecodeError(
            f"there is no file {str(path)!r} to add a result to; `write` makes one"
        )
    if not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK):
        raise NWBDecodeError(
            f"{str(path)!r} is read-only; make it writable if it is yours to change, or write the "
            "result to a file of its own"
        )
    try:
        with _unwatched(path) as file:
            version_of(file, str(path))
            settle(name, exists, file.get("processing", {}))
    except OSError as error:
        if "lock" in str(error):
            raise NWBDecodeError(
                f"{str(path)!r} is open for writing in another program; close it there first"
            ) from error
        raise NWBDecodeError(
            f"{str(path)!r} cannot be read as an NWB file in HDF5 ({first_line(error)})"
        ) from error


def _unwatched(path: Path) -> h5py.File:
    """Open a file that nobody is writing to, as HDF5's own lock tells."""
    try:
        return h5py.File(path, mode="r", locking="best-effort")
    except OSError as error:
        if "locking flag" not in str(error):
            raise
        return h5py.File(path, mode="r", locking=False)  # this process itself is reading it


def _is_source(path: Path, source: Mapping[str, Any]) -> bool:
    """Whether an existing file is the source, here or as a copy."""
    told = source.get("path")
    if told and Path(told).exists() and path.samefile(told):
        return True
    try:
        with unlocked(str(path)) as file:
            object_id = file.attrs.get("object_id")
    except OSError:  # no HDF5, so not what was decoded
        return False
    return object_id is not None and object_id == source.get("object_id")
