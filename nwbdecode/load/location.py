"""The door that every kind of source comes through: something that can open itself again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from pynwb import NWBFile

    from nwbdecode.load.signal import Reader


class Location(Protocol):
    """Where an NWB file lies; picklable, so that another process opens the same file.

    A new kind of source (a Zarr folder, a URL, an archive) is a class with
    these members and a line in `locate`.
    """

    @property
    def label(self) -> str:
        """Name that messages use."""

    @property
    def path(self) -> str | None:
        """Absolute path of a local file, None for anything else."""

    def open(self) -> tuple[NWBFile, Callable[[], None]]:
        """Open read-only: the file's content, and what closes it."""

    def nwb_version(self) -> str:
        """Version of the NWB core schema that the file states."""

    def reader(self, data: Any) -> Reader:
        """Wrap a dataset of the opened file so that it can be pickled and read by rows."""


def locate(source: Any) -> Location:
    """Find the kind of location that fits what the user gave.

    Raises
    ------
    NWBDecodeError
        If `source` is neither a path nor an open NWBFile.
    """
    from nwbdecode.load.hdf5 import LocalFile
    from nwbdecode.load.memory import OpenFile

    if isinstance(source, str | Path):
        return LocalFile.at(source)
    if type(source).__module__.startswith("pynwb") or hasattr(source, "session_start_time"):
        return OpenFile(source)
    raise NWBDecodeError(
        f"cannot open a {type(source).__name__}; "
        "expected the path of an NWB file or an open pynwb NWBFile"
    )
