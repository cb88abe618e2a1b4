"""NWB-Zarr folders, through hdmf-zarr: opened only once nothing in them can run."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.pickles import refuse_programs
from nwbdecode.load.stored import StoredRows, read_rows

if TYPE_CHECKING:
    from pynwb import NWBFile

    from nwbdecode.load.signal import Reader


def is_zarr(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a Zarr folder."""
    names = (".zgroup", ".zmetadata", "zarr.json")
    return any(os.path.isfile(os.path.join(path, name)) for name in names)


@dataclass(frozen=True)
class ZarrFolder:
    """A Zarr folder that holds NWB.

    Parameters
    ----------
    path : str
        Absolute path.
    """

    path: str

    @property
    def label(self) -> str:
        return Path(self.path).name

    def origin(self) -> dict[str, Any]:
        """Where the folder lies: what a result keeps of it."""
        return {"file_name": self.label, "path": self.path, "bytes": _bytes(self.path)}

    def open(self) -> tuple[NWBFile, Callable[[], None]]:
        """Open read-only.

        Raises
        ------
        NWBDecodeError
            If hdmf-zarr is not installed, or the folder is no NWB, holds what
            could run as a program, or cannot be read.
        """
        self.nwb_version()
        NWBZarrIO = needs_hdmf_zarr(self.path)
        refuse_programs(self.path)
        opened = None
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Ignoring the following cached namespace")
                opened = NWBZarrIO(path=self.path, mode="r")
                return opened.read(), opened.close
        except Exception as error:
            if opened is not None:
                opened.close()
            reason = (str(error).strip().splitlines() or [""])[0]
            raise NWBDecodeError(
                f"hdmf-zarr could not read {self.path!r}: {type(error).__name__}: {reason[:300]}. "
                "Check the folder with the program that wrote it, or export it to HDF5"
            ) from error

    def nwb_version(self) -> str:
        """Version that the folder states, read without zarr."""
        root = Path(self.path)
        try:
            if (root / "zarr.json").is_file():
                stated = json.loads((root / "zarr.json").read_text()).get("attributes", {})
            else:
                stated = json.loads((root / ".zattrs").read_text())
            version = stated.get("nwb_version")
        except (OSError, ValueError, AttributeError) as error:
            version, reason = None, f" ({error})"
        else:
            reason = ""
        if not version:
            inside = sorted(item.name for item in root.iterdir() if item.is_dir())[:8]
            raise NWBDecodeError(
                f"{self.path!r} is a Zarr folder but not NWB: it states no nwb_version{reason}. "
                f"Found in it: {', '.join(inside) or 'nothing'}"
            )
        return str(version)

    def reader(self, data: Any) -> Reader:
        from nwbdecode.load.memory import reader_of

        return reader_of(data)

    def release(self) -> None:
        """Nothing stays open: Zarr opens a file for each chunk it reads."""


def has_hdmf_zarr() -> bool:
    """Whether NWB-Zarr can be read here."""
    try:
        needs_hdmf_zarr("")
    except NWBDecodeError:
        return False
    return True


def needs_hdmf_zarr(path: str) -> Any:
    """Give the class that reads NWB-Zarr.

    Raises
    ------
    NWBDecodeError
        If hdmf-zarr is not installed.
    """
    import zarr

    try:
        from hdmf_zarr import NWBZarrIO
    except ImportError as error:
        raise NWBDecodeError(
            f"{path!r} is an NWB-Zarr folder; reading it needs hdmf-zarr, which works with "
            f"zarr 2 (installed: zarr {zarr.__version__}; {error}). In a fresh environment: "
            'pip install "nwbdecode[zarr]"'
        ) from error
    return NWBZarrIO


@dataclass(frozen=True)
class ZarrReader(StoredRows):
    """Rows of one array in a local Zarr folder."""

    def read(self, start: int, stop: int, columns: np.ndarray | None = None) -> np.ndarray:
        """Read samples ``[start, stop)`` as stored, shape (time, channel)."""
        return self._read(start, stop, lambda data: read_rows(data, start, stop, columns))

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> np.ndarray:
        """Read a box of pixels of frames ``[start, stop)``, shape (time, x, y[, z])."""
        return self._read(start, stop, lambda data: np.asarray(data[(slice(start, stop), *box)]))

    def _read(self, start: int, stop: int, take: Callable[[Any], np.ndarray]) -> np.ndarray:
        try:
            data: Any = self._group()[self.dataset]
            if data.shape != self.stored_shape:
                raise ValueError(f"it has shape {data.shape}, and had {self.stored_shape}")
            return take(data)
        except NWBDecodeError:
            raise
        except Exception as error:  # codecs' answers to damage have no common class
            raise NWBDecodeError(
                f"could not read samples {start} to {stop} of {self.dataset!r} in {self.path!r}: "
                f"{error}. The folder may have been damaged, moved or replaced since it was opened"
            ) from error

    def _group(self) -> Any:
        """The folder, opened: that reads a few hundred bytes, and notices one that was replaced."""
        import zarr

        return zarr.open_group(self.path, mode="r")


def zarr_reader(data: Any) -> Reader | None:
    """Reader of an array in a folder on disk or in a stream, None for any other store."""
    store = data.store
    # Consolidated metadata wrap the store that holds the chunks.
    store = getattr(data, "chunk_store", None) or store
    store = getattr(store, "store", store)
    if hasattr(store, "reader_of"):
        return store.reader_of(data)
    where = getattr(store, "path", None)
    if not isinstance(where, str) or not is_zarr(where) or data.dtype.hasobject:
        return None
    shape, rows = tuple(data.shape), int(data.chunks[0])
    return ZarrReader(os.path.abspath(where), data.path, shape, data.dtype.str, rows)


def _bytes(path: str) -> int:
    return sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(path)
        for name in names
    )
