"""The recording that a result was made from, where it is at hand: what a new file takes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from pynwb import NWBFile

    from nwbdecode.decoding import Decoding


@contextmanager
def recording_of(decoding: Decoding, source: Any = None) -> Iterator[NWBFile | None]:
    """Open the recording of a result, if it is one of regions and can be had.

    Parameters
    ----------
    decoding : Decoding
    source : Source, NWBFile or path, optional
        The recording; looked for on this machine by default, never on the network.

    Yields
    ------
    pynwb.NWBFile or None
        None where nothing of it is needed, or it is gone or another.
    """
    if (decoding.source.get("signal") or {}).get("modality") != "imaging":
        yield None
        return
    from nwbdecode.load import open as open_source

    told = decoding.source.get("path")
    if getattr(source, "is_signal", False):
        source = None
    if source is None and not (told and os.path.isfile(told)):
        yield None
        return
    try:
        opened = open_source(told if source is None else source)
    except NWBDecodeError:
        yield None  # the result has all that it needs without it
        return
    try:
        same = opened.facts.get("object_id") == decoding.source.get("object_id")
        yield opened.nwbfile if same else None
    finally:
        if opened is not source:
            opened.close()


def check_linkable(decoding: Decoding) -> None:
    """Refuse links to a recording that no link can lead to.

    Raises
    ------
    NWBDecodeError
    """
    path = decoding.source.get("path")
    place = (decoding.source.get("signal") or {}).get("path")
    if not path or not h5py.is_hdf5(path) or not place:
        raise NWBDecodeError(
            "links=True needs the recording as an HDF5 file on this machine, and "
            f"{path or 'no path'!r} is none; leave it out: the result is complete without"
        )


def add_links(file: h5py.File, decoding: Decoding, path: Path) -> None:
    """Link to the signal that was decoded, by the way from the new file to the recording.

    Parameters
    ----------
    file : h5py.File
        Written, and still open for writing.
    decoding : Decoding
    path : pathlib.Path
        Where the file will be.
    """
    signal = str(decoding.source["signal"]["path"]).strip("/")
    name = signal.rsplit("/", 1)[-1]
    way = os.path.relpath(os.path.realpath(decoding.source["path"]), path.parent)
    file.require_group("acquisition")[name] = h5py.ExternalLink(Path(way).as_posix(), f"/{signal}")
