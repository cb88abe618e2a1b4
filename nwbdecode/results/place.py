"""Where a decoded file lies, and how to open it again for each part that is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.hdf5 import unlocked
from nwbdecode.results.checked import Checked

if TYPE_CHECKING:
    import h5py

    from nwbdecode.load.remote.file import RemoteFile


class Place(Protocol):
    """A file that can be opened whenever a part of it is wanted."""

    label: str
    #: Whether each read may take long, so that nothing is read before it is wanted.
    far: bool

    def opened(self) -> Any:
        """Context in which the file is open, as `Checked`."""


def place_of(file: Any) -> Place:
    """Find the place that a user's word for a file means.

    Parameters
    ----------
    file : path, address (https, s3, DANDI), or binary file object

    Raises
    ------
    NWBDecodeError
        When there is no such file, or it is none that holds results.
    """
    from nwbdecode.load.remote.address import is_remote

    if hasattr(file, "read") and hasattr(file, "seek"):
        return _Handed(file)
    if isinstance(file, str) and is_remote(file) and not os.path.exists(file):
        from nwbdecode.load.location import locate

        return _Remote(locate(file))
    if not isinstance(file, str | os.PathLike):
        raise NWBDecodeError(
            f"cannot read results from a {type(file).__name__}; expected the path or address of "
            "a file that nwbdecode wrote"
        )
    return _Local(Path(file).expanduser().absolute(), os.fspath(file))


def _unreadable(label: str, error: object) -> NWBDecodeError:
    return NWBDecodeError(f"{label!r} cannot be read as an NWB file in HDF5 ({error})")


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


class _Local:
    """A file on disk, opened for each read: no handle stays that could keep others from it."""

    far = False

    def __init__(self, path: Path, label: str) -> None:
        from nwbdecode.load.zarr import is_zarr

        self.label, self._path = label, path
        if is_zarr(path):
            raise NWBDecodeError(f"{label!r} is a Zarr folder; results are files in HDF5")
        if not path.is_file():
            raise NWBDecodeError(f"there is no file {label!r}")
        self._stamp = _stamp(path)

    @contextmanager
    def opened(self) -> Iterator[Checked]:
        if not self._path.is_file() or _stamp(self._path) != self._stamp:
            raise NWBDecodeError(
                f"{self.label!r} was replaced or changed since it was read; read it again, or read "
                "it with lazy=False to hold all of it"
            )
        try:
            file = unlocked(str(self._path))
        except OSError as error:
            raise _unreadable(self.label, error) from error
        with file:
            yield _checked(file, self.label)


class _Remote:
    """A file on the network, read by ranges of bytes through the cache of streams."""

    far = True

    def __init__(self, location: Any) -> None:
        self.label: str = location.label
        self._location: RemoteFile = location

    @contextmanager
    def opened(self) -> Iterator[Checked]:
        # The handle belongs to the cache of streams, which closes it.
        yield _checked(self._location.handle(), self.label)


class _Handed:
    """A binary file object, which stays the user's to close."""

    far = True

    def __init__(self, file: Any) -> None:
        self.label = str(getattr(file, "name", None) or type(file).__name__)
        self._file = file
        self._open: h5py.File | None = None

    @contextmanager
    def opened(self) -> Iterator[Checked]:
        import h5py

        if self._open is None:
            try:
                self._open = h5py.File(self._file, mode="r")
            except (OSError, RuntimeError, ValueError) as error:
                raise _unreadable(self.label, error) from error
        yield _checked(self._open, self.label)


def _checked(file: h5py.File, label: str) -> Checked:
    if "nwb_version" not in file.attrs:
        raise _unreadable(label, "it states no nwb_version")
    return Checked(file, label)
