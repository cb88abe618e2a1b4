"""An NWBFile that is already open, and arrays that live in memory or behind its handles."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.filters import add_filters, check_filters
from nwbdecode.load.hdf5 import HDF5Reader, LocalFile
from nwbdecode.load.signal import ArrayReader

if TYPE_CHECKING:
    from pynwb import NWBFile

    from nwbdecode.load.location import Location
    from nwbdecode.load.signal import Reader


@dataclass(frozen=True, eq=False)
class OpenFile:
    """An NWBFile that the user holds open; never closed here.

    Parameters
    ----------
    content : pynwb.NWBFile
    """

    content: NWBFile

    @property
    def label(self) -> str:
        return os.path.basename(self.path) if self.path else "NWBFile in memory"

    @property
    def path(self) -> str | None:
        home = self._home()
        return home.path if home else None

    def _home(self) -> Location | None:
        """Where on disk the user opened it from."""
        from nwbdecode.load.zarr import ZarrFolder, is_zarr

        where = self.content.container_source
        if where and os.path.isfile(where):
            return LocalFile(os.path.abspath(where))
        return ZarrFolder(os.path.abspath(where)) if where and is_zarr(where) else None

    def origin(self) -> dict[str, Any]:
        home = self._home()
        return home.origin() if home else {"file_name": "", "path": None}

    def open(self) -> tuple[NWBFile, Callable[[], None]]:
        add_filters()
        return self.content, _nothing

    def nwb_version(self) -> str:
        home = self._home()
        if home:
            return home.nwb_version()
        import pynwb

        catalog = pynwb.get_type_map().namespace_catalog
        return str(catalog.get_namespace(name="core").version)

    def reader(self, data: Any) -> Reader:
        return reader_of(data)

    def release(self) -> None:
        home = self._home()
        if home:
            home.release()

    def __reduce__(self) -> Any:
        home = self._home()
        if not home:
            raise NWBDecodeError(
                "an NWBFile that lives only in memory cannot travel to another process; "
                "write it to a file and open that, or pass on its signal instead"
            )
        return type(home), (home.path,)


def _nothing() -> None:
    """Leave the user's file open."""


@dataclass(frozen=True, eq=False)
class HeldReader:
    """Rows of an array-like that is sliced on demand and stays where it is."""

    data: Any

    @property
    def shape(self) -> tuple[int, int]:
        shape = self.data.shape
        return int(shape[0]), int(shape[1]) if len(shape) > 1 else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        dtype: np.dtype[Any] = np.dtype(self.data.dtype)
        return dtype

    def read(self, start: int, stop: int, columns: np.ndarray | None = None) -> np.ndarray:
        block = np.asarray(self.data[start:stop])
        block = block[:, None] if block.ndim == 1 else block
        return block if columns is None else block[:, columns]

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> np.ndarray:
        """Read a box of pixels of frames ``[start, stop)``, shape (time, x, y[, z])."""
        return np.asarray(self.data[(slice(start, stop), *box)])


def unwrapped(data: Any) -> Any:
    """Take off the wrappers that hdmf puts around a dataset before it is written.

    Raises
    ------
    NWBDecodeError
        If an iterator is inside: asking it for samples would take them from whoever writes it.
    """
    from hdmf.data_utils import AbstractDataChunkIterator

    data = _bare(data)
    if isinstance(data, AbstractDataChunkIterator):
        raise NWBDecodeError(
            "the data is an iterator that can be read only once; "
            "write the NWBFile to a file and open that"
        )
    return data


def _bare(data: Any) -> Any:
    from hdmf.data_utils import DataIO

    while isinstance(data, DataIO):
        data = data.data
    return data


def stated_shape(data: Any) -> tuple[int, ...]:
    """Shape of a dataset or array-like; 0 along axes that an iterator does not know yet."""
    from hdmf.data_utils import AbstractDataChunkIterator

    data = _bare(data)
    iterator = isinstance(data, AbstractDataChunkIterator)
    shape = data.maxshape if iterator else getattr(data, "shape", None)
    return tuple(int(n or 0) for n in (np.shape(data) if shape is None else shape))


def reader_of(data: Any) -> Reader:
    """Wrap a dataset or array so that its rows can be read, pickled where possible."""
    import h5py

    data = unwrapped(data)
    if isinstance(data, h5py.Dataset):
        check_filters(data)
        path = data.file.filename
        if isinstance(path, str) and os.path.isfile(path):
            rows = data.chunks[0] if data.chunks else 1
            return HDF5Reader(os.path.abspath(path), data.name, data.shape, data.dtype.str, rows)
        return _streamed(data) or HeldReader(data)
    if type(data).__module__.startswith("zarr."):
        from nwbdecode.load.zarr import zarr_reader

        return zarr_reader(data) or HeldReader(data)
    if isinstance(data, np.ndarray | list | tuple):
        array = np.asarray(data)
        return ArrayReader(array[:, None] if array.ndim == 1 else array)
    return HeldReader(data)


def _streamed(data: Any) -> Reader | None:
    """Reader of a dataset that was opened from the network; others never load that room."""
    import sys

    if "nwbdecode.load.remote.file" not in sys.modules:
        return None
    from nwbdecode.load.remote.file import remote_reader

    return remote_reader(data)
