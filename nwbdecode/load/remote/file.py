"""A remote NWB file: opened without fetching it, and read from any process."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import sys
import threading
import uuid
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.filters import add_filters
from nwbdecode.load.hdf5 import first_line, read_nwb, version_of
from nwbdecode.load.remote.address import veiled
from nwbdecode.load.remote.cache import CacheSettings
from nwbdecode.load.remote.chunks import Spans, byte_ranges, pieces, stored_bytes
from nwbdecode.load.remote.dandi import Asset
from nwbdecode.load.remote.http import Connection, Door, Stated, Web, ignores_ranges
from nwbdecode.load.remote.stores import NoStore, refuse_asset, store_at
from nwbdecode.load.remote.stream import USUAL_SPEED, Stream
from nwbdecode.load.stored import StoredRows, read_rows

if TYPE_CHECKING:
    import h5py
    from pynwb import NWBFile

    from nwbdecode.load.signal import Reader

_MOST_OPEN = 8
# Bytes and seconds that a connection must have carried before its own speed is believed.
_ENOUGH = 2e6
#: Stored bytes of a dataset that is asked for whole by its first read: it comes in about the
#: time that one more request takes, and a look at it makes several.
_AT_ONCE = 1 << 20
_open: OrderedDict[tuple[int, str], tuple[Stream, h5py.File]] = OrderedDict()
_streams: weakref.WeakValueDictionary[tuple[int, str], Stream] = weakref.WeakValueDictionary()
_lock = threading.RLock()
# Datasets know their file by its name only; this leads back to where it came from.
_known: weakref.WeakValueDictionary[str, RemoteFile] = weakref.WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class RemoteFile:
    """An HDF5 file behind an address; picklable, without handles or secrets.

    Parameters
    ----------
    door : Door
        Where its bytes are asked for.
    stated : Stated
        Size and version when it was opened; another version is refused later.
    content : str
        The same text for the same bytes and for no others.
    settings : CacheSettings
    """

    door: Door
    stated: Stated
    content: str
    settings: CacheSettings
    name: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.content.encode()).hexdigest()[:32]
        object.__setattr__(self, "name", f"nwbdecode:{digest}")
        _known[self.name] = self

    def __reduce__(self) -> Any:
        return RemoteFile, (self.door, self.stated, self.content, self.settings)

    @classmethod
    def at(cls, door: Door, settings: CacheSettings) -> RemoteFile:
        """Ask what lies behind an address."""
        if isinstance(door, Asset):
            # An asset's id never comes to mean other bytes: there is nothing to ask.
            return cls(door, Stated(door.size), door.content, settings)
        stated = Connection(door).state()
        return cls(door, stated, _content(door, stated), settings)

    @property
    def label(self) -> str:
        return self.door.label

    @property
    def path(self) -> None:
        return None

    def origin(self) -> dict[str, Any]:
        """Where the file came from, and what it was: what a result keeps of it."""
        return {"path": None, **remote_origin(self)}

    def open(self) -> tuple[NWBFile, Callable[[], None]]:
        """Open read-only.

        Raises
        ------
        NWBDecodeError
            If the server sends no parts of files, or what it sends is no NWB
            file that can be read.
        """
        if not self.stated.ranges:
            raise ignores_ranges(self.label, self.stated.size)
        return read_nwb(self._h5py(self._stream()), self.label)

    def nwb_version(self) -> str:
        return version_of(self.handle(), self.label)

    def reader(self, data: Any) -> Reader:
        from nwbdecode.load.memory import reader_of

        return reader_of(data)

    def handle(self) -> h5py.File:
        """An open handle of this process, from a small cache."""
        return self._opened()[1]

    def stream(self) -> Stream:
        """The stream of the file that this process shares."""
        return self._opened()[0]

    def release(self) -> None:
        """Close this process's cached handle."""
        with _lock:
            _, handle = _open.pop((os.getpid(), self.name), (None, None))
            stream = _streams.get((os.getpid(), self.name))
        if handle is not None:
            handle.close()
        if stream is not None:
            stream.forget()

    def _opened(self) -> tuple[Stream, h5py.File]:
        key = os.getpid(), self.name
        with _lock:
            stream = self._stream()
            if key in _open and _open[key][1] and _open[key][0] is stream:
                _open.move_to_end(key)
                return _open[key]
            _open[key] = stream, self._h5py(stream)
            while len(_open) > _MOST_OPEN:
                _open.popitem(last=False)
            return _open[key]

    def _stream(self) -> Stream:
        # A stream inherited by fork shares its connections with the parent: never use it.
        key = os.getpid(), self.name
        with _lock:
            stream = _streams.get(key)
            # The same file by a fresher signature is asked for by that one.
            same = stream is not None and (
                stream.connection.door == self.door and stream.cache.settings == self.settings
            )
            if stream is None or not same:
                stream = Stream(self.name, self.door, self.stated, self.content, self.settings)
                _streams[key] = stream
            return stream

    def _h5py(self, stream: Stream) -> h5py.File:
        import h5py

        add_filters()
        try:
            # Chunks are often larger than HDF5's usual cache of 1 MiB a dataset, and
            # one that does not fit is decompressed again for each read that touches it.
            return h5py.File(stream, mode="r", rdcc_nbytes=16 << 20)
        except (OSError, RuntimeError) as error:
            raise NWBDecodeError(
                f"{self.label!r} ({self.stated.size} bytes) is no HDF5 file, or a damaged one "
                f"({first_line(error)}); expected an NWB file"
            ) from error


def remote_origin(file: RemoteFile) -> dict[str, Any]:
    """What is recorded of a remote file, without signatures or keys."""
    door = file.door
    told: dict[str, Any] = {"bytes": file.stated.size, "content": file.content}
    if isinstance(door, Asset):
        return {**door.origin(), **told}
    if file.stated.etag:
        told["etag"] = file.stated.etag
    if signed := veiled(door.url):
        told["signed"] = signed
    name = unquote(urlsplit(door.url).path.rsplit("/", 1)[-1])
    return {"file_name": name or door.label, "url": door.label, **told}


def _content(door: Door, stated: Stated) -> str:
    version = stated.etag or stated.modified
    if not version or stated.size < 0:
        # Nothing tells one version from the next: keep nothing beyond this opening.
        version = f"unversioned {uuid.uuid4()}"
    return f"url:{door.label}:{version}:{stated.size}"


@dataclass(frozen=True)
class RemoteReader(StoredRows):
    """Rows of one dataset of a remote file, without an open handle.

    Parameters
    ----------
    file : RemoteFile
    """

    file: RemoteFile = field(kw_only=True)
    #: Rows that a look at a long series reads.
    probe_rows: ClassVar[int] = 1 << 15

    def read(self, start: int, stop: int, columns: np.ndarray | None = None) -> np.ndarray:
        """Read samples ``[start, stop)`` as stored, shape (time, channel)."""

        def take(data: h5py.Dataset, low: int, high: int) -> np.ndarray:
            return read_rows(data, low, high, columns)

        return self._read(start, stop, _spans(columns), take)

    def read_box(self, start: int, stop: int, box: tuple[slice, ...]) -> np.ndarray:
        """Read a box of pixels of frames ``[start, stop)``, shape (time, x, y[, z])."""
        sides = self.stored_shape[1:]
        spans = [part.indices(n)[:2] for part, n in zip(box, sides, strict=False)]
        return self._read(
            start, stop, spans, lambda data, low, high: np.asarray(data[(slice(low, high), *box)])
        )

    def _read(
        self, start: int, stop: int, spans: Spans, take: Callable[[Any, int, int], np.ndarray]
    ) -> np.ndarray:
        """Have what is needed sent in few requests, and take it piece by piece."""
        try:
            data = self.file.handle()[self.dataset]
            stream = self.file.stream()
            if stored_bytes(data, 0, len(data), ()) <= _AT_ONCE:
                stream.prefetch(byte_ranges(data, 0, len(data), ()))
            blocks = []
            for low, high in pieces(data, start, stop, spans):
                stream.prefetch(byte_ranges(data, low, high, spans))
                blocks.append(take(data, low, high))
            return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        except (OSError, RuntimeError, KeyError) as error:
            raise NWBDecodeError(
                f"could not read samples {start} to {stop} of {self.dataset!r} in "
                f"{self.file.label!r}: {error}. The file may be damaged"
            ) from error

    def expected(self, start: int, stop: int, columns: np.ndarray | None = None) -> dict[str, Any]:
        """Say what reading samples ``[start, stop)`` asks of the network.

        Returns
        -------
        dict
            ``bytes`` (as stored, compressed), ``stored`` (of the whole series),
            ``held`` (bytes of the file that
            the cache has), ``speed`` (bytes a second, as seen so far),
            ``cache`` (folder), ``most_bytes`` (its limit) and ``host``.
        """
        stream = self.file.stream()
        data = self.file.handle()[self.dataset]
        traffic = stream.connection.traffic
        believed = traffic.bytes > _ENOUGH and traffic.seconds > 0
        speed = traffic.bytes / traffic.seconds if believed else USUAL_SPEED
        return {
            "bytes": stored_bytes(data, start, stop, _spans(columns)),
            "stored": stored_bytes(data, 0, data.shape[0], ()),
            "held": stream.cache.held_bytes(),
            "speed": speed,
            "cache": str(self.file.settings.streams),
            "most_bytes": self.file.settings.most_bytes,
            "host": urlsplit(self.file.door.url).hostname or "",
        }


def _spans(columns: np.ndarray | None) -> Spans:
    if columns is None or len(columns) == 0:
        return ()
    return [(int(np.min(columns)), int(np.max(columns)) + 1)]


def remote_reader(data: h5py.Dataset) -> RemoteReader | None:
    """Reader of a dataset that was opened from the network here, None for any other."""
    file = _known.get(data.file.filename)
    if file is None:
        return None
    return RemoteReader(file.name, data.name, data.shape, data.dtype.str, file=file)


def locate(door: Door, settings: CacheSettings, *, download: bool) -> Any:
    """Location of a remote file: streamed, or fetched whole first."""
    from nwbdecode.load.remote.download import fetched
    from nwbdecode.load.remote.mirror import mirrored
    from nwbdecode.load.remote.zarrstream import RemoteZarr
    from nwbdecode.load.zarr import has_hdmf_zarr

    if isinstance(door, Asset) and door.is_zarr:
        folder = "" if download or not has_hdmf_zarr() else door.folder()
        with contextlib.suppress(NoStore):
            store = store_at(Web(folder)) if folder else None
            if store is not None and store.entries:
                return RemoteZarr.at(store, settings, door)
        raise refuse_asset(door)
    store = store_at(door) if isinstance(door, Web) else None
    if store is not None:
        if download and store.entries:
            return mirrored(store, settings)
        if store.entries and has_hdmf_zarr():
            return RemoteZarr.at(store, settings)
        raise store.refused()
    remote = RemoteFile.at(door, settings)
    return fetched(remote) if download else remote


def web(url: str, given: str = "") -> Web:
    """Door of a web address, refused where it names no host."""
    if not urlsplit(url).hostname:
        raise NWBDecodeError(f"{url!r} names no host; expected such as 'https://host/file.nwb'")
    return Web(url, given)


@atexit.register
def _close_all() -> None:
    # HDF5 closes what is left open after Python has gone, and then calls into it. A file
    # stays open as long as any dataset of it is held, wherever that may be.
    _open.clear()
    h5py = sys.modules.get("h5py")
    if h5py is None:
        return
    for held in h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE):
        if h5py.h5f.get_name(held).startswith(b"nwbdecode:"):
            h5py.File(held).close()
