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
from nwbdecode.load.remote.dandi import Asset
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
    # An archive of one's own goes by its address; the others have names.
    known = asset.dandiset and re.fullmatch(r"[a-z-]+", asset.instance)
    command = shlex.join(["dandi", "download", asset.label if known else asset.home])
    name = asset.path.rsplit("/", 1)[-1]
    return NWBDecodeError(
        f"{asset.label} is a Zarr asset of many files, {asset.size / 1e6:.1f} MB; these are not "
        f"streamed. Fetch it with `{command}` and open the folder {name!r}"
    )


def refuse_store(door: Web) -> None:
    """Refuse a web address under which a Zarr store lies, or should lie.

    Parameters
    ----------
    door : Web
        Any other file's passes, without a request.

    Raises
    ------
    NWBDecodeError
        That says what was found there, and how it is fetched.
    """
    root = _root(door.url)
    if root is None:
        return
    shown = re.sub(rf"/({'|'.join(map(re.escape, _ROOTS))})?$", "", door.label)
    for name in _ROOTS:
        described = _described(root, name, shown)
        if described is not None:
            raise NWBDecodeError(
                f"{shown!r} is a Zarr store of many files ({_told(name, described)}); these are "
                f"not streamed. {_fetch(door, shown)}"
            )
    raise NWBDecodeError(
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


def _described(root: str, name: str, shown: str) -> dict[str, Any] | None:
    """One of a store's descriptions, None where it is missing or something else."""
    parts = urlsplit(root)
    part = _Part(urlunsplit(parts._replace(path=f"{parts.path}/{name}")), shown)
    try:
        with Connection(part).whole() as response:
            described = json.loads(response.raw.read(_MOST))
    except (_Missing, ValueError):
        return None
    return described if isinstance(described, dict) else None


def _told(name: str, described: dict[str, Any]) -> str:
    """What a description says of the store: format, version of NWB, size."""
    held = described.get("metadata") if name == ".zmetadata" else None
    entries = held if isinstance(held, dict) else {}
    root = described.get("attributes") if name == "zarr.json" else entries.get(".zattrs")
    version = root.get("nwb_version") if isinstance(root, dict) else None
    arrays = [entry for key, entry in entries.items() if key.rpartition("/")[2] == ".zarray"]
    said = [f"found its {name}: Zarr format {3 if name == 'zarr.json' else 2}"]
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


def _fetch(door: Web, shown: str) -> str:
    """How a store is fetched, and opened."""
    name = unquote(shown.rpartition("/")[2])
    bucket = _BUCKET.match(shown)
    address = f"s3://{bucket['bucket']}/{unquote(bucket['key'])}" if bucket else shown
    if address.lower().startswith("s3://"):
        command = shlex.join(["aws", "s3", "sync", "--no-sign-request", address, name])
        return f"Fetch it with `{command}` and open the folder {name!r}"
    command = shlex.join(["wget", "--recursive", "--no-parent", "--no-host-directories"])
    return (
        f"Fetch it, such as with `{command} {shlex.quote(shown + '/')}` where the server lists "
        f"its files, those that begin with a dot among them, and open the folder {name!r}"
    )
