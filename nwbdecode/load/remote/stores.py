"""Zarr stores on the network: found out, and refused with the command that fetches them."""

from __future__ import annotations

import json
import math
import re
import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.remote.dandi import Asset, is_known
from nwbdecode.load.remote.http import Connection, Web

#: What a store has at its root, from what tells most to what tells least.
_ROOTS = (".zmetadata", "zarr.json", ".zgroup")
#: How stores are called: by their suffix, or on DANDI's own bucket by their id.
_NAMED = re.compile(r"\.zarr$|/zarr/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
_BUCKET = re.compile(r"https://(?P<bucket>[^/]+?)\.s3[.-](?:[^/]*\.)?amazonaws\.com/(?P<key>.+)")
#: Bytes of a description that are looked at.
_MOST = 64 << 20


def refuse_asset(asset: Asset) -> NWBDecodeError:
    """Say how an asset of many files is fetched."""
    # The client's own addresses have no place for an archive that it does not know.
    known = asset.dandiset and is_known(asset.instance)
    command = shlex.join(["dandi", "download", asset.label if known else asset.home])
    name = asset.path.rsplit("/", 1)[-1]
    return NWBDecodeError(
        f"{asset.label} is a Zarr asset of many files, {asset.size / 1e6:.1f} MB; these are "
        "streamed only with hdmf-zarr, and where anyone may read their .zmetadata. "
        f"Fetch it with `{command}` and open the folder {name!r}"
    )


class NoStore(NWBDecodeError):
    """No Zarr store is where one should be."""


@dataclass(frozen=True)
class Store:
    """A Zarr store at an address.

    Attributes
    ----------
    root : str
        Address of its folder, with what signs it.
    shown : str
        The same as messages and results have it.
    found : str
        Which of its descriptions was found.
    text : bytes
        That description.
    version : str
        What the server says of the description's version.
    """

    root: str
    shown: str
    found: str
    text: bytes
    version: str

    @property
    def described(self) -> dict[str, Any]:
        held: dict[str, Any] = json.loads(self.text)
        return held

    @property
    def entries(self) -> dict[str, Any]:
        """Descriptions of all that is in it, by name; empty where they are not consolidated."""
        held = self.described.get("metadata") if self.found == ".zmetadata" else None
        return held if isinstance(held, dict) else {}

    def refused(self) -> NWBDecodeError:
        """Say what was found, and how it is fetched."""
        return NWBDecodeError(
            f"{self.shown!r} is a Zarr store of many files ({_told(self)}); these are "
            f"{'streamed only where hdmf-zarr is' if self.entries else 'not streamed'}. "
            f"{_fetch(self)}"
        )


def store_at(door: Web) -> Store | None:
    """Find the Zarr store that a web address leads to or into.

    Returns
    -------
    Store or None
        None for any other file's address, without a request.

    Raises
    ------
    NoStore
        If it is the address of a store and none is there.
    """
    root = _root(door.url)
    if root is None:
        return None
    shown = re.sub(rf"/({'|'.join(map(re.escape, _ROOTS))})?$", "", door.label)
    for name in _ROOTS:
        store = _described(root, name, shown)
        if store is not None:
            return store
    raise NoStore(
        f"{shown!r} reads like a Zarr store, but none is there for all to read: the server has "
        f"no {', '.join(_ROOTS[:-1])} or {_ROOTS[-1]} in it. Check the address, or fetch the "
        "folder with the program that has access to it and open it"
    )


def _root(url: str) -> str | None:
    """Address of the store that an address leads to or into, None for any other file."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    folder, _, last = path.rpartition("/")
    path = folder if last in _ROOTS else path
    return urlunsplit(parts._replace(path=path)) if _NAMED.search(path) else None


@dataclass(frozen=True)
class _Part(Web):
    """A file that may be missing."""

    def refused(self, status: int) -> NWBDecodeError:
        # A bucket that may not be listed answers 403 for what it lacks.
        return _Missing() if status in (400, 401, 403, 404, 405, 410) else super().refused(status)


class _Missing(NWBDecodeError):
    pass


def _described(root: str, name: str, shown: str) -> Store | None:
    """A store by one of its descriptions, None where that is missing or something else."""
    parts = urlsplit(root)
    part = _Part(urlunsplit(parts._replace(path=f"{parts.path}/{name}")), shown)
    try:
        with Connection(part).whole() as response:
            text = response.raw.read(_MOST)
            version = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
            # Where a redirect led, the rest lies too.
            led = urlsplit(response.url or part.url)
        if not isinstance(json.loads(text), dict):
            return None
    except (_Missing, ValueError):
        return None
    root = urlunsplit(led._replace(path=led.path.removesuffix(f"/{name}")))
    return Store(root, shown, name, text, version)


def _told(store: Store) -> str:
    """What a description says of the store: format, version of NWB, size."""
    new = store.found == "zarr.json"
    root = store.described.get("attributes") if new else store.entries.get(".zattrs")
    version = root.get("nwb_version") if isinstance(root, dict) else None
    arrays = [one for key, one in store.entries.items() if key.rpartition("/")[2] == ".zarray"]
    said = [f"found its {store.found}: Zarr format {3 if new else 2}"]
    said += [f"NWB {version}"] if isinstance(version, str) else []
    if arrays:
        many = "arrays" if len(arrays) > 1 else "array"
        said.append(f"{len(arrays)} {many}, {sum(map(_bytes, arrays)) / 1e6:.1f} MB unpacked")
    return ", ".join(said)


def _bytes(array: Any) -> int:
    try:
        return math.prod(map(int, array["shape"])) * np.dtype(array["dtype"]).itemsize
    except (KeyError, TypeError, ValueError):
        return 0


def _fetch(store: Store) -> str:
    """How a store is fetched, and opened."""
    shown = store.shown
    name = unquote(shown.rpartition("/")[2])
    bucket = _BUCKET.match(shown)
    address = f"s3://{bucket['bucket']}/{unquote(bucket['key'])}" if bucket else shown
    where = ""
    if address.lower().startswith("s3://"):
        command = shlex.join(["aws", "s3", "sync", "--no-sign-request", address, name])
    else:
        command = shlex.join(["wget", "--recursive", "--no-parent", "--no-host-directories"])
        command += " " + shlex.quote(f"{shown}/")
        where = " (where the server lists its files, those that begin with a dot too)"
    own = "with download=True (--download), or " if store.entries else ""
    return f"Fetch it {own}with `{command}`{where} and open the folder {name!r}"
