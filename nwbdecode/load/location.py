"""The door that every kind of source comes through: something that can open itself again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from pynwb import NWBFile

    from nwbdecode.load.remote.cache import CacheSettings
    from nwbdecode.load.remote.dandi import Asset
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

    def origin(self) -> dict[str, Any]:
        """Where the file came from, as JSON values that a result keeps.

        ``file_name`` and ``path`` always. Where a path does not tell versions
        apart, ``content``: a text that is the same for the same bytes only.
        ``url``: what opens it again.
        """

    def release(self) -> None:
        """Close what this process keeps open of the file."""


def locate(
    source: Any,
    *,
    download: bool = False,
    cache: str | Path | None = None,
    cache_bytes: float | None = None,
) -> Location:
    """Find the kind of location that fits what the user gave.

    Parameters
    ----------
    source, download, cache, cache_bytes
        As for `nwbdecode.open`.

    Raises
    ------
    NWBDecodeError
        If `source` is neither a path, an address, nor an open NWBFile, or
        stands for several files.
    """
    from nwbdecode.load.hdf5 import LocalFile
    from nwbdecode.load.memory import OpenFile
    from nwbdecode.load.remote.address import is_remote
    from nwbdecode.load.zarr import ZarrFolder, is_zarr

    if isinstance(source, str) and is_remote(source) and not Path(source).exists():
        from nwbdecode.load.remote.cache import CacheSettings

        return _remote(source, CacheSettings.given(cache, cache_bytes), download=download)
    if download:
        raise NWBDecodeError(f"{source!r} is not on the network; there is nothing to download")
    if isinstance(source, str | Path):
        path = Path(source).expanduser().absolute()
        return ZarrFolder(str(path)) if is_zarr(path) else LocalFile.at(path)
    if type(source).__module__.startswith("pynwb") or hasattr(source, "session_start_time"):
        return OpenFile(source)
    raise NWBDecodeError(
        f"cannot open a {type(source).__name__}; "
        "expected the path or address of an NWB file, an open pynwb NWBFile, or a signal (Signal, "
        "DataArray, SpikeInterface recording)"
    )


def _remote(text: str, settings: CacheSettings, *, download: bool) -> Location:
    from nwbdecode.load.remote.address import dandi_address, s3_address
    from nwbdecode.load.remote.file import locate as locate_file
    from nwbdecode.load.remote.file import web

    archived = dandi_address(text)
    if archived is None:
        s3 = text.lower().startswith("s3://")
        door = web(s3_address(text), text) if s3 else web(text)
        return locate_file(door, settings, download=download)
    found = assets(text)
    if len(found) > 1:
        shown = "\n  ".join(asset.label for asset in found[:20])
        more = f"\n  and {len(found) - 20} more" if len(found) > 20 else ""
        raise NWBDecodeError(
            f"{text!r} stands for {len(found)} NWB files; open one of them:\n  {shown}{more}"
        )
    return locate_file(found[0], settings, download=download)


def assets(source: Any) -> list[Asset]:
    """NWB files that an address on a DANDI archive stands for.

    Parameters
    ----------
    source : str
        Such as ``"DANDI:000552"`` or ``"DANDI:000552@draft/sub-*/*.nwb"``.

    Returns
    -------
    list of Asset
        With ``path``, ``size`` in bytes, ``asset_id`` and ``label``, the
        address that opens it.

    Raises
    ------
    NWBDecodeError
        If it is no such address, or nothing there fits it.
    """
    from nwbdecode.load.remote.address import dandi_address
    from nwbdecode.load.remote.dandi import assets as listed

    address = dandi_address(str(source))
    if address is None:
        raise NWBDecodeError(f"{source!r} is no address on a DANDI archive")
    return listed(address)


def is_several(source: Any) -> bool:
    """Whether a source names a dandiset, a folder or a pattern rather than one file."""
    from nwbdecode.load.remote.address import dandi_address, is_remote

    if not isinstance(source, str) or not is_remote(source):
        return False
    address = dandi_address(source)
    return address is not None and not address.is_one
