"""Fetching a Zarr store whole: all files that its consolidated metadata speak of."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import requests

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.remote.address import veiled
from nwbdecode.load.remote.http import TRIES, PatientSession, Web, wait_before
from nwbdecode.load.remote.zarrays import DescribedArray, described_arrays
from nwbdecode.load.zarr import ZarrFolder, needs_hdmf_zarr

if TYPE_CHECKING:
    from nwbdecode.load.remote.cache import CacheSettings
    from nwbdecode.load.remote.stores import Store

#: Files asked for at once, and how many are thought of ahead.
_AT_ONCE, _AHEAD = 8, 512
#: Bytes of an answer that are held at a time, and of an empty answer that are read at all.
_PIECE, _SHORT = 1 << 20, 1 << 16


@dataclass(frozen=True)
class MirroredFolder(ZarrFolder):
    """A local copy of a Zarr store, which keeps where it came from.

    Parameters
    ----------
    came_from : dict
        Facts of the store.
    """

    came_from: dict[str, Any]

    def origin(self) -> dict[str, Any]:
        return {**super().origin(), **self.came_from}


def mirrored(store: Store, settings: CacheSettings) -> MirroredFolder:
    """Fetch a store into the cache's ``downloads``, or find it there.

    A broken try is gone on with. Only the copy is looked through and read, so
    that what is unpickled is what was looked through.

    Raises
    ------
    NWBDecodeError
        If hdmf-zarr is not installed, the disk is too full, the server fails, or the
        metadata name files outside of the store.
    """
    from filelock import FileLock

    needs_hdmf_zarr(store.shown)
    name = unquote(store.shown.rpartition("/")[2])
    if name in ("", ".", "..") or set(name) & set("/\\:\0"):
        raise NWBDecodeError(
            f"the address {store.shown!r} ends in {name!r}, which is no name of a folder; "
            "give the address of the store itself"
        )
    content = f"url:{store.shown}:{store.version}:{hashlib.sha256(store.text).hexdigest()}"
    folder = settings.downloads / hashlib.sha256(content.encode()).hexdigest()[:16]
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Another process may be fetching the same store: wait, and find it.
        with FileLock(folder / ".lock"):
            if not path.is_dir():
                part = folder / f"{name}.part"
                _fetch(store, part)
                part.rename(path)
    except OSError as error:
        raise NWBDecodeError(
            f"{store.shown!r} cannot be fetched into {str(folder)!r} ({error}). "
            "Name another folder with NWBDECODE_CACHE"
        ) from error
    told = {"url": store.shown, "file_name": name, "content": content}
    told |= {"signed": signed} if (signed := veiled(store.root)) else {}
    return MirroredFolder(str(path), came_from=told)


def _fetch(store: Store, part: Path) -> None:
    from tqdm.auto import tqdm

    arrays = described_arrays(store.entries, store.shown)
    for key, described in store.entries.items():
        _write(inside(part, key), [json.dumps(described).encode()])
    _write(part / ".zmetadata", [store.text])
    mine = threading.local()

    def one(asked: tuple[DescribedArray, str]) -> None:
        array, key = asked
        target = inside(part, key)
        if target.exists():
            return
        if not hasattr(mine, "session"):
            mine.session = PatientSession()
        fetch_file(mine.session, store, key, partial(_write, target), most=array.most)

    keys = ((array, key) for array in arrays for key in array.keys())  # noqa: SIM118
    total = sum(array.n_chunks for array in arrays)
    with (
        ThreadPoolExecutor(_AT_ONCE) as pool,
        tqdm(total=total, unit="file", desc=f"fetching {part.stem}", delay=2) as bar,
    ):
        while some := list(itertools.islice(keys, _AHEAD)):
            for _ in pool.map(one, some):
                bar.update()


def inside(part: Path, key: str) -> Path:
    """Where a file of the store goes; never outside of the copy."""
    if "\\" in key or ":" in key or not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise NWBDecodeError(f"the metadata of the Zarr store name a file outside of it, {key!r}")
    return part / PurePosixPath(key)


def _write(target: Path, pieces: Iterable[bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.aside")
    try:
        with open(aside, "wb") as file:
            for piece in pieces:
                file.write(piece)
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)


def fetch_file(
    session: PatientSession,
    store: Store,
    key: str,
    take: Callable[[Iterable[bytes]], None],
    *,
    most: int,
) -> None:
    """Have one file of the store taken; nothing where there is none: all of it is the fill value.

    What breaks off is taken again from its beginning.
    """
    parts = urlsplit(store.root)
    url = urlunsplit(parts._replace(path=f"{parts.path}/{quote(key)}"))
    for tried in range(1, TRIES + 1):
        try:
            with session.get(url, headers={"Accept-Encoding": "identity"}, stream=True) as response:
                if response.status_code == 404:
                    if int(response.headers.get("Content-Length", _SHORT)) < _SHORT:
                        _ = response.content  # so that the connection can be used again
                    return
                # A refusal is no missing chunk: it would be read as the fill value.
                if response.status_code != 200:
                    raise Web(url, store.shown).refused(response.status_code)
                take(_bounded(response.iter_content(_PIECE), store, key, most))
                return
        except requests.RequestException:
            wait_before(tried)
    raise NWBDecodeError(
        f"the server of {store.shown!r} breaks off within {key!r}, {TRIES} times. Try again "
        "later: what has come is kept"
    )


def _bounded(pieces: Iterable[bytes], store: Store, key: str, most: int) -> Iterator[bytes]:
    """Pass on an answer as long as it can be the chunk that was asked for."""
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > most:
            raise NWBDecodeError(
                f"the server of {store.shown!r} sends more than {most} bytes for {key!r}, which "
                "can be no chunk of the array that the store's metadata describe: they are "
                "damaged, or the server answers with something else. Ask whoever keeps the store"
            )
        yield piece
