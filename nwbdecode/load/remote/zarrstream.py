"""A Zarr store on the network, of which the chunks that are read are fetched and no others.

Its consolidated metadata are read once, and so is every array of pickles: both are
looked through, and what zarr is given later is what was looked through.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.hdf5 import first_line
from nwbdecode.load.pickles import refuse_programs
from nwbdecode.load.remote.address import veiled
from nwbdecode.load.remote.cache import BlockCache, CacheSettings
from nwbdecode.load.remote.http import PatientSession
from nwbdecode.load.remote.mirror import fetch_file, inside
from nwbdecode.load.remote.stores import Store
from nwbdecode.load.remote.stream import MEMORY, USUAL_SPEED
from nwbdecode.load.remote.zarrays import DescribedArray, described_arrays
from nwbdecode.load.zarr import ZarrReader, needs_hdmf_zarr

if TYPE_CHECKING:
    from pynwb import NWBFile

    from nwbdecode.load.remote.dandi import Asset
    from nwbdecode.load.signal import Reader

_AT_ONCE = 8
#: Bytes of all pickles of a store: they are references, tens of bytes each.
_MOST_PICKLED = 64 << 20


@dataclass(frozen=True, eq=False)
class RemoteZarr:
    """An NWB-Zarr store behind an address; picklable, without connections.

    Parameters
    ----------
    store : Store
        With consolidated metadata.
    settings : CacheSettings
    content : str
        The same text for the same store and version, and for no others.
    asset : Asset, optional
        Whose store it is.
    """

    store: Store
    settings: CacheSettings
    content: str
    asset: Asset | None = None

    @classmethod
    def at(cls, store: Store, settings: CacheSettings, asset: Asset | None = None) -> RemoteZarr:
        """Take a store whose description was read."""
        # Nothing tells one version from the next: keep nothing beyond this opening.
        version = store.version or f"unversioned {uuid.uuid4()}"
        digest = hashlib.sha256(store.text).hexdigest()
        return cls(store, settings, f"url:{store.shown}:{version}:{digest}", asset)

    @property
    def label(self) -> str:
        return self.asset.label if self.asset else self.store.shown

    @property
    def path(self) -> None:
        return None

    def origin(self) -> dict[str, Any]:
        told: dict[str, Any] = {"path": None, "content": self.content}
        if self.asset:
            return {**told, **self.asset.origin()}
        name = unquote(urlsplit(self.store.shown).path.rsplit("/", 1)[-1])
        signed = veiled(self.store.root)
        told |= {"signed": signed} if signed else {}
        return {**told, "file_name": name, "url": self.store.shown}

    def nwb_version(self) -> str:
        stated = self.store.entries.get(".zattrs")
        version = stated.get("nwb_version") if isinstance(stated, dict) else None
        if not version:
            raise NWBDecodeError(
                f"{self.label!r} is a Zarr store but not NWB: it states no nwb_version"
            )
        return str(version)

    def open(self) -> tuple[NWBFile, Callable[[], None]]:
        """Open read-only.

        Raises
        ------
        NWBDecodeError
            If hdmf-zarr is not installed, or the store is no NWB, holds what could run as
            a program, or cannot be read.
        """
        self.nwb_version()
        NWBZarrIO = needs_hdmf_zarr(self.label)
        try:
            opened = NWBZarrIO(path=_zarr_store(self), mode="r")
            return opened.read(), opened.close
        except NWBDecodeError:
            raise
        except Exception as error:
            raise NWBDecodeError(
                f"hdmf-zarr could not read {self.label!r}: {type(error).__name__}: "
                f"{first_line(error)}. Fetch it with download=True (--download), or ask whoever "
                "keeps the store"
            ) from error

    def reader(self, data: Any) -> Reader:
        from nwbdecode.load.memory import reader_of

        return reader_of(data)

    def release(self) -> None:
        """Let go of what is held in memory."""
        self.__dict__.pop("files", None)

    @cached_property
    def files(self) -> Files:
        """Files of the store, as this process asks for them."""
        return Files(self)

    def __reduce__(self) -> Any:
        return RemoteZarr, (self.store, self.settings, self.content, self.asset)


class Files:
    """Files of a store by their names.

    Parameters
    ----------
    remote : RemoteZarr

    Raises
    ------
    NWBDecodeError
        If the metadata are none that are known, or pickles in the store could run programs.
    """

    def __init__(self, remote: RemoteZarr) -> None:
        self.store = remote.store
        self._label = remote.label
        self.arrays = described_arrays(self.store.entries, self.store.shown)
        self._numbers = {array.folder: k for k, array in enumerate(self.arrays)}
        self._cache = BlockCache(remote.settings, remote.content)
        self._recent: OrderedDict[str, bytes] = OrderedDict()
        self._recent_bytes = 0
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._process = os.getpid()
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self.held: dict[str, bytes] = {
            name: json.dumps(said).encode() for name, said in self.store.entries.items()
        }
        self.held[".zmetadata"] = self.store.text
        self._pickled = {a.folder for a in self.arrays if _is_pickled(self.store.entries, a)}
        self._look_through()

    def get(self, names: Iterable[str]) -> dict[str, bytes]:
        """Those of the files that are there."""
        asked = list(names)
        some = len(asked) > 1
        found = self._run(self._one, asked) if some else map(self._one, asked)
        return {name: data for name, data in zip(asked, found, strict=True) if data is not None}

    def held_bytes(self) -> int:
        """Bytes of chunks that are on disk."""
        return self._cache.held_bytes()

    def _run(self, call: Callable[[str], bytes | None], names: list[str]) -> Iterator[bytes | None]:
        # Threads do not come along where a process is forked.
        if self._process != os.getpid():
            self._process, self._pool = os.getpid(), ThreadPoolExecutor(_AT_ONCE)
            self._mine = threading.local()
        return self._pool.map(call, names)

    def _one(self, name: str) -> bytes | None:
        if name in self.held:
            return self.held[name]
        array, number = self._place(name)
        if array is None or array.folder in self._pickled:
            return None
        with self._lock:
            if name in self._recent:
                self._recent.move_to_end(name)
                return self._recent[name] or None
        key = f"chunk|{self._numbers[array.folder]}|{number}"
        data = self._cache.get(key)
        if data is None:
            data = self._fetched(name, array.most)
            self._cache.set(key, data)
        self._remember(name, data)
        # A chunk that is not there is kept as an empty one: all of it is the fill value.
        return data or None

    def _fetched(self, name: str, most: int) -> bytes:
        if not hasattr(self._mine, "session"):
            self._mine.session = PatientSession()
            # It has sent the description: a fault now is one that may pass.
            self._mine.session.reached.add(urlsplit(self.store.root).netloc.rpartition("@")[2])
        pieces = [b""]

        def take(came: Iterable[bytes]) -> None:
            pieces[:] = came

        fetch_file(self._mine.session, self.store, name, take, most=most)
        return b"".join(pieces)

    def _remember(self, name: str, data: bytes) -> None:
        with self._lock:
            self._recent_bytes += len(data) - len(self._recent.pop(name, b""))
            self._recent[name] = data
            while self._recent_bytes > MEMORY and len(self._recent) > 1:
                self._recent_bytes -= len(self._recent.popitem(last=False)[1])

    def _place(self, name: str) -> tuple[DescribedArray | None, int]:
        """The array that a chunk belongs to, and its number there."""
        for k in range(name.count("/") + 1, -1, -1):
            folder = "/".join(name.split("/")[:k])
            if folder in self._numbers and folder != name:
                array = self.arrays[self._numbers[folder]]
                return array, _number(array, name[len(folder) :].lstrip("/"))
        return None, -1

    def _look_through(self) -> None:
        """Fetch what is pickled, and refuse what could run."""
        arrays = [array for array in self.arrays if array.folder in self._pickled]
        names = [(array, key) for array in arrays for key in array.keys()]  # noqa: SIM118
        left = _MOST_PICKLED
        with tempfile.TemporaryDirectory() as place:
            (Path(place) / ".zmetadata").write_bytes(self.store.text)
            for array, name in names:
                data = self._fetched(name, min(array.most, left))
                left -= len(data)
                if data:
                    self.held[name] = data
                    target = inside(Path(place), name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(data)
            refuse_programs(place, self._label)


def _is_pickled(entries: Mapping[str, Any], array: DescribedArray) -> bool:
    described = entries[f"{array.folder}/.zarray" if array.folder else ".zarray"]
    return "pickle" in json.dumps([described.get("filters"), described.get("compressor")])


def _number(array: DescribedArray, rest: str) -> int:
    """Number of a chunk by what its name says after its array's."""
    try:
        place = [int(part) for part in rest.split(array.separator)]
        if not array.counts:
            return 0
        return int(np.ravel_multi_index(place, array.counts))
    except ValueError:
        return -1


def _zarr_store(remote: RemoteZarr) -> Any:
    """The store as zarr 2 takes it; hdmf-zarr wants one that is a folder's by its class."""
    from zarr.storage import DirectoryStore  # type: ignore[attr-defined]

    class StreamedStore(DirectoryStore):
        """Read-only, and nothing of it lies where its path says."""

        def __init__(self) -> None:
            super().__init__(f"/nonexistent/{hashlib.sha256(remote.content.encode()).hexdigest()}")
            self.files = remote.files

        def reader_of(self, data: Any) -> RemoteZarrReader | None:
            if data.dtype.hasobject:
                return None
            return RemoteZarrReader(
                remote.label, data.path, tuple(data.shape), data.dtype.str, int(data.chunks[0]),
                file=remote,
            )  # fmt: skip

        def __getitem__(self, key: str) -> bytes:
            found = self.files.get([key])
            if key not in found:
                raise KeyError(key)
            return found[key]

        def getitems(self, keys: Any, *, contexts: Any) -> dict[str, bytes]:
            return self.files.get(keys)

        def __contains__(self, key: object) -> bool:
            return key in self.files.held or bool(self.files.get([str(key)]))

        def keys(self) -> Any:
            return self.files.held.keys()

        def __iter__(self) -> Iterator[str]:
            return iter(self.files.held)

        def __len__(self) -> int:
            return len(self.files.held)

        def listdir(self, path: str | None = None) -> list[str]:
            start = f"{path.strip('/')}/" if path and path.strip("/") else ""
            below = (name[len(start) :] for name in self.files.held if name.startswith(start))
            return sorted({name.partition("/")[0] for name in below})

        def getsize(self, path: str | None = None) -> int:
            return -1

        def __setitem__(self, key: str, value: Any) -> None:
            raise PermissionError("a store on the network is read-only")

        def __delitem__(self, key: str) -> None:
            raise PermissionError("a store on the network is read-only")

    return StreamedStore()


@dataclass(frozen=True)
class RemoteZarrReader(ZarrReader):
    """Rows of one array of a store on the network.

    Parameters
    ----------
    file : RemoteZarr
    """

    file: RemoteZarr = field(kw_only=True)
    #: Rows that a look at a long series reads.
    probe_rows: ClassVar[int] = 1 << 15

    def _group(self) -> Any:
        import zarr

        return zarr.open_consolidated(store=_zarr_store(self.file), mode="r")

    def expected(self, start: int, stop: int, columns: np.ndarray | None = None) -> dict[str, Any]:
        """Say what reading samples ``[start, stop)`` asks of the network.

        As `RemoteReader.expected`, but at most: how well chunks are packed shows as they come.
        """
        described = self.file.store.entries[f"{self.dataset}/.zarray"]
        size = math.prod(described["chunks"]) * self.dtype.itemsize
        spans: list[tuple[int, int]] = [(0, n) for n in self.stored_shape[1:]]
        if columns is not None and len(columns) and spans:
            spans[0] = int(np.min(columns)), int(np.max(columns)) + 1

        def chunks(*reach: tuple[int, int]) -> int:
            steps = zip(reach, described["chunks"], strict=True)
            return math.prod(-(-high // step) - low // step for (low, high), step in steps)

        files = self.file.files
        return {
            "bytes": size * chunks((start, stop), *spans),
            "stored": size * chunks(*((0, n) for n in self.stored_shape)),
            "held": files.held_bytes(),
            "speed": USUAL_SPEED,
            "cache": str(self.file.settings.streams),
            "most_bytes": self.file.settings.most_bytes,
            "host": urlsplit(self.file.store.root).hostname or "",
        }
