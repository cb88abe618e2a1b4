"""Fetching a Zarr store whole: all files that its consolidated metadata speak of."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import requests

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.remote.http import TRIES, PatientSession, Web, wait_before
from nwbdecode.load.zarr import ZarrFolder, needs_hdmf_zarr

if TYPE_CHECKING:
    from nwbdecode.load.remote.cache import CacheSettings
    from nwbdecode.load.remote.stores import Store

#: Files asked for at once, and how many are thought of ahead.
_AT_ONCE, _AHEAD = 8, 512


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
    return MirroredFolder(str(path), came_from=told)


def _fetch(store: Store, part: Path) -> None:
    from tqdm.auto import tqdm

    for key, described in store.entries.items():
        _write(_inside(part, key), json.dumps(described).encode())
    _write(part / ".zmetadata", store.text)
    mine = threading.local()

    def one(key: str) -> None:
        target = _inside(part, key)
        if target.exists():
            return
        if not hasattr(mine, "session"):
            mine.session = PatientSession()
        held = _asked(mine.session, store, key)
        # Zarr stores nothing where all is the fill value.
        if held is not None:
            _write(target, held)

    total = sum(math.prod(_chunked(*array)[1]) for array in _arrays(store))
    keys = _keys(store)
    with (
        ThreadPoolExecutor(_AT_ONCE) as pool,
        tqdm(total=total, unit="file", desc=f"fetching {part.stem}", delay=2) as bar,
    ):
        while some := list(itertools.islice(keys, _AHEAD)):
            for _ in pool.map(one, some):
                bar.update()


def _arrays(store: Store) -> list[tuple[str, Any]]:
    """Folder and description of each array."""
    return [
        (key.rpartition("/")[0], described)
        for key, described in store.entries.items()
        if key.rpartition("/")[2] == ".zarray"
    ]


def _chunked(folder: str, described: Any) -> tuple[str, list[int], str]:
    """Folder of an array, its chunks along each axis, and what stands between their numbers."""
    try:
        pairs = zip(described["shape"], described["chunks"], strict=True)
        sizes = [-(-int(n) // int(each)) for n, each in pairs]
        separator = described.get("dimension_separator") or "."
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise NWBDecodeError(
            f"the metadata of the Zarr store describe {folder!r} in no way that is known ({error})"
        ) from error
    return folder, sizes, str(separator)


def _keys(store: Store) -> Iterator[str]:
    """Names of all chunks, array by array."""
    for where, described in _arrays(store):
        folder, sizes, separator = _chunked(where, described)
        for place in itertools.product(*map(range, sizes)):
            name = separator.join(map(str, place)) or "0"
            yield f"{folder}/{name}" if folder else name


def _inside(part: Path, key: str) -> Path:
    """Where a file of the store goes; never outside of the copy."""
    if "\\" in key or ":" in key or not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise NWBDecodeError(f"the metadata of the Zarr store name a file outside of it, {key!r}")
    return part / PurePosixPath(key)


def _write(target: Path, held: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.aside")
    aside.write_bytes(held)
    os.replace(aside, target)


def _asked(session: PatientSession, store: Store, key: str) -> bytes | None:
    """One file of the store, None where there is none."""
    parts = urlsplit(store.root)
    url = urlunsplit(parts._replace(path=f"{parts.path}/{quote(key)}"))
    for tried in range(1, TRIES + 1):
        try:
            response = session.get(url, headers={"Accept-Encoding": "identity"})
        except requests.RequestException:
            wait_before(tried)
            continue
        if response.status_code == 404:
            return None
        # A refusal is no missing chunk: it would be read as the fill value.
        if response.status_code != 200:
            raise Web(url, store.shown).refused(response.status_code)
        return response.content
    raise NWBDecodeError(
        f"the server of {store.shown!r} breaks off within {key!r}, {TRIES} times. Try again "
        "later: what has come is kept"
    )
