"""Write a result to a new NWB file, whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pynwb import NWBHDF5IO

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.hdf5 import unlocked
from nwbdecode.results.module import add_decoding
from nwbdecode.results.session import new_file

if TYPE_CHECKING:
    from pynwb import NWBFile

    from nwbdecode.decoding import Decoding


def write(decoding: Decoding, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a result to a new NWB file that needs nothing beside it.

    The file has a new identifier and names its source; session, subject and
    electrodes are copied, so any NWB reader opens it alone. It is written
    aside in the same folder and moved into place when it is complete: a crash
    half-way leaves whatever was there before.

    Parameters
    ----------
    decoding : Decoding
    path : path-like
        Where the file shall be, by custom with the suffix ``.nwb``.
    overwrite : bool, default False
        Replace a file that is there. The source itself is never replaced.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    NWBDecodeError
        When the file exists, is the source, has no folder, or something in
        the result cannot be stored.

    Examples
    --------
    >>> from nwbdecode.results import read, write  # doctest: +SKIP
    >>> path = write(result, "session_decoded.nwb")  # doctest: +SKIP
    >>> read(path).identical(result)  # doctest: +SKIP
    True
    """
    path = Path(path)
    _refuse(path, decoding.source, overwrite=overwrite)
    nwbfile = new_file(decoding.source)
    add_decoding(nwbfile, decoding)
    _put(nwbfile, path)
    return path


def _refuse(path: Path, source: Any, *, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise NWBDecodeError(f"there is no folder {str(path.parent)!r} to write {path.name!r} into")
    if path.is_dir():
        raise NWBDecodeError(f"{str(path)!r} is a folder; give the name of a file in it")
    if not path.exists():
        return
    if _is_source(path, source):
        raise NWBDecodeError(
            f"{str(path)!r} is the recording that was decoded, which is never written to; "
            "give another path"
        )
    if not overwrite:
        raise NWBDecodeError(
            f"{str(path)!r} exists; give another path, or overwrite=True to replace it"
        )


def _is_source(path: Path, source: Any) -> bool:
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


def _put(nwbfile: NWBFile, path: Path) -> None:
    aside = path.parent / f".{path.stem}.{uuid.uuid4().hex[:12]}.partial.nwb"
    try:
        with NWBHDF5IO(str(aside), mode="w") as io:
            io.write(nwbfile)
        _flush(aside)
        os.replace(aside, path)
        _flush(path.parent)
    except OSError as error:
        raise NWBDecodeError(
            f"{str(path)!r} could not be written ({error}); check permissions and free space"
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Make what was written survive a power cut, as far as the system can."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
