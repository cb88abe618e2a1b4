"""Local HDF5 files: opening them safely, and reading their datasets from any process."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.load.deflated import Inflated
from nwbdecode.load.filters import add_filters, lacking
from nwbdecode.load.links import broken_links
from nwbdecode.load.stored import StoredRows, read_rows

if TYPE_CHECKING:
    import h5py
    from pynwb import NWBFile

    from nwbdecode.load.signal import Reader


@dataclass(frozen=True)
class HDF5Reader(StoredRows):
    """Rows of one dataset in a local HDF5 file, without an open handle."""

    def read(self, start: int, stop: int, columns: np.ndarray | None = None) -> np.ndarray:
        """Read samples ``[start, stop)`` as stored, shape (time, channel)."""
        return self._read(start, stop, lambda data: read_rows(data, start, stop, columns))

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> np.ndarray:
        """Read a box of pixels of frames ``[start, stop)``, shape (time, x, y[, z])."""
        return self._read(start, stop, lambda data: np.asarray(data[(slice(start, stop), *box)]))

    def _read(self, start: int, stop: int, take: Callable[[Any], np.ndarray]) -> np.ndarray:
        try:
            # Opened for each read: a handle that stayed open would keep this process from opening
            # the file with a lock, as h5py does by default, after its source is closed.
            with unlocked(self.path) as file:
                return take(Inflated(file[self.dataset]))
        except (OSError, RuntimeError, KeyError) as error:
            raise NWBDecodeError(
                f"could not read samples {start} to {stop} of {self.dataset!r} in {self.path!r}: "
                f"{error}. The file may have been damaged, moved or replaced since it was opened"
            ) from error


@contextmanager
def reading(label: str) -> Iterator[None]:
    """Name the file where HDF5 fails while something of it is read."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        told = lacking(error) or (
            f"{first_line(error)}. The file is damaged; restore it from a copy"
        )
        raise NWBDecodeError(f"a part of {label!r} cannot be read: {told}") from error


@dataclass(frozen=True)
class LocalFile:
    """A local HDF5 file that holds NWB.

    Parameters
    ----------
    path : str
        Absolute path.
    """

    path: str

    @classmethod
    def at(cls, path: str | Path) -> LocalFile:
        """Take a path as the user wrote it; checked when opened."""
        return cls(str(Path(path).expanduser().absolute()))

    @property
    def label(self) -> str:
        return Path(self.path).name

    def open(self) -> tuple[NWBFile, Callable[[], None]]:
        """Open read-only.

        Raises
        ------
        NWBDecodeError
            If there is no such file, it is a folder, not HDF5, damaged, holds
            no NWB 2 data, or pynwb cannot read it.
        """
        _check_file(Path(self.path))
        return read_nwb(_h5py(self.path), self.path)

    def origin(self) -> dict[str, Any]:
        """Where the file lies: what a result keeps of it."""
        return {"file_name": self.label, "path": self.path}

    def nwb_version(self) -> str:
        with _h5py(self.path) as file:
            return version_of(file, self.path)

    def reader(self, data: Any) -> Reader:
        from nwbdecode.load.memory import reader_of

        return reader_of(data)

    def release(self) -> None:
        """Nothing stays open: each read opens the file and closes it."""


def read_nwb(file: h5py.File, label: str) -> tuple[NWBFile, Callable[[], None]]:
    """Have pynwb read an open HDF5 file: its content, and what closes it.

    Raises
    ------
    NWBDecodeError
        If it cannot, and then the file is closed; faults of the network stay
        what they are.
    """
    try:
        version = version_of(file, label)
        import pynwb

        with warnings.catch_warnings():
            # A file's cached schema often differs from the installed one; nothing to act on.
            warnings.filterwarnings("ignore", message="Ignoring the following cached namespace")
            io = pynwb.NWBHDF5IO(file=file, mode="r")
            return io.read(), io.close
    except NWBDecodeError:
        file.close()
        raise
    except Exception as error:
        lost = broken_links(file)
        lost = f"{lost}. " if lost else ""
        file.close()
        raise NWBDecodeError(
            f"pynwb {pynwb.__version__} could not read {label!r} (NWB {version}): "
            f"{first_line(error)}. {lost}Check the file with `pynwb-validate`; "
            "if it uses an extension, install that extension's package"
        ) from error


def _check_file(path: Path) -> None:
    if path.is_dir():
        inside = [item.name for item in path.glob("*.nwb")]
        raise NWBDecodeError(
            f"{str(path)!r} is a folder; expected an NWB file. NWB files in it: "
            f"{suggest('', inside)}"
        )
    if not path.exists():
        beside = [item.name for item in path.parent.glob("*.nwb")] if path.parent.is_dir() else []
        hint = f"NWB files in {str(path.parent)!r}: {suggest(path.name, beside)}"
        if not path.parent.is_dir():
            hint = f"The folder {str(path.parent)!r} does not exist either."
        raise NWBDecodeError(f"there is no file {str(path)!r}. {hint}")
    if not os.access(path, os.R_OK):
        raise NWBDecodeError(f"{str(path)!r} may not be read: its permissions forbid it")


def unlocked(path: str) -> h5py.File:
    """Open a file without a lock: reading hinders nobody, and needs no leave to lock."""
    import h5py

    add_filters()
    try:
        return h5py.File(path, mode="r", locking=False)
    except OSError as error:
        if "locking flag" not in str(error):
            raise
        # This process has the file open with a lock already; HDF5 wants the same for all.
        return h5py.File(path, mode="r")


def _h5py(path: str) -> h5py.File:
    """Open a file that was found to be there, or say in the user's words why it cannot be."""
    import h5py

    size = os.path.getsize(path)
    if not h5py.is_hdf5(path):
        what = "is empty" if size == 0 else "does not begin as an HDF5 file does"
        raise NWBDecodeError(f"{path!r} {what}; expected an NWB file in HDF5")
    try:
        return unlocked(path)
    except Exception as error:  # h5py's answers to damage have no common class
        if "truncated" in str(error) or size < 800:
            why = "it is truncated, as after a broken copy or download. Fetch it again"
        elif "already open" in str(error):
            why = "another program or this one has it open for writing. Close it there first"
        else:
            why = "its structure is damaged, or truncated. Restore it from a copy"
        raise NWBDecodeError(
            f"{path!r} ({size} bytes) cannot be opened: {why} (HDF5 says: {first_line(error)})"
        ) from error


def version_of(file: h5py.File, label: str) -> str:
    """NWB version that an HDF5 file states, refusing what is not NWB 2."""
    try:
        version = file.attrs.get("nwb_version")
        old = "nwb_version" in file
        names = sorted(map(str, file))
    except NWBDecodeError:
        raise
    except Exception as error:
        raise NWBDecodeError(
            f"{label!r} cannot be read: its structure is damaged, or truncated. "
            f"Restore it from a copy (HDF5 says: {first_line(error)})"
        ) from error
    if version is None and old:
        raise NWBDecodeError(f"{label!r} is an NWB 1 file; expected NWB 2. Convert it first")
    if version is None:
        raise NWBDecodeError(
            f"{label!r} is HDF5 but not NWB: it states no nwb_version. "
            f"Found at its top: {', '.join(names[:8]) or 'nothing'}"
        )
    return version.decode() if isinstance(version, bytes) else str(version)


def first_line(error: BaseException) -> str:
    """What an error says, cut to one line."""
    said = str(error)
    built = next((part for part in error.args if hasattr(part, "path")), None)
    if built is not None and isinstance(error.args[-1], str):
        # hdmf gives all of the group that it failed at, and the reason after it.
        said = f"{str(built.path).removeprefix('root') or '/'}: {error.args[-1]}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    text = lines[0] if lines else ""
    return f"{type(error).__name__}: {text[:300]}"
