"""Fetching a remote file whole: going on where an earlier try stopped, and checking what came."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.hdf5 import LocalFile
from nwbdecode.load.remote.dandi import Asset
from nwbdecode.load.remote.http import TRIES, Connection, wait_before

if TYPE_CHECKING:
    from nwbdecode.load.remote.file import RemoteFile

_PIECE = 1 << 20


@dataclass(frozen=True)
class FetchedFile(LocalFile):
    """A local copy of a remote file, which keeps where it came from.

    Parameters
    ----------
    came_from : dict
        Facts of the remote file.
    """

    came_from: dict[str, Any]

    def origin(self) -> dict[str, Any]:
        return {**super().origin(), **self.came_from}


def fetched(remote: RemoteFile) -> FetchedFile:
    """Fetch a file into the cache's ``downloads``, or find it there.

    A broken try is gone on with. The size is checked, and the checksum where
    the archive knows one; a file that fails is deleted.

    Raises
    ------
    NWBDecodeError
        If the disk is too full, the server breaks off again and again, or the
        bytes are not those that the archive has.
    """
    from filelock import FileLock

    from nwbdecode.load.remote.file import remote_origin

    told = remote_origin(remote)
    key = hashlib.sha256(remote.content.encode()).hexdigest()[:16]
    folder = remote.settings.downloads / key
    path = folder / (str(told["file_name"]).replace(os.sep, "_") or "recording.nwb")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Another process may be fetching the same file: wait, and find it.
        with FileLock(folder / ".lock"):
            if not path.is_file():
                _fetch(remote, path)
    except OSError as error:
        raise NWBDecodeError(
            f"{remote.label!r} cannot be fetched into {str(folder)!r} ({error}). "
            "Name another folder with NWBDECODE_CACHE"
        ) from error
    return FetchedFile(str(path), came_from=told)


def _fetch(remote: RemoteFile, path: Path) -> None:
    part = path.with_name(path.name + ".part")
    size = remote.stated.size
    have = part.stat().st_size if part.exists() else 0
    room = shutil.disk_usage(path.parent).free
    if size - have > room:
        raise NWBDecodeError(
            f"{remote.label!r} needs {(size - have) / 1e9:.2f} GB in {str(path.parent)!r}, where "
            f"{room / 1e9:.2f} GB are free. Name another folder with NWBDECODE_CACHE"
        )
    _pour(remote, part)
    wrong = _fault(remote, part)
    if wrong:
        part.unlink()
        raise NWBDecodeError(f"what came of {remote.label!r} is not the file: {wrong}. Try again")
    part.replace(path)


def _pour(remote: RemoteFile, part: Path) -> None:
    """Add to the part until it is whole."""
    from tqdm.auto import tqdm

    size = remote.stated.size
    connection = Connection(remote.door, remote.stated)
    stuck = 0
    with (
        part.open("ab") as file,
        tqdm(
            total=max(size, 0) or None, initial=file.tell(), unit="B", unit_scale=True,
            desc=f"fetching {part.stem}", delay=2,
        ) as bar,
    ):  # fmt: skip
        while size < 0 or file.tell() < size:
            before = file.tell()
            try:
                with connection.whole(before) as response:
                    if before and response.status_code != 206:
                        # The server starts over, so must the file.
                        file.truncate(0)
                        bar.reset()
                    for piece in response.iter_content(_PIECE):
                        file.write(piece)
                        bar.update(len(piece))
                if size < 0:
                    return
            except requests.RequestException as error:
                if size < 0:
                    raise NWBDecodeError(f"{remote.label!r} broke off ({error})") from error
            stuck = stuck + 1 if file.tell() <= before else 0
            if stuck >= TRIES:
                raise NWBDecodeError(
                    f"the server of {remote.label!r} breaks off after {file.tell()} of {size} "
                    "bytes. Try again later: what has come is kept"
                )
            if file.tell() < size:
                wait_before(stuck + 1)


def _fault(remote: RemoteFile, part: Path) -> str:
    """What is wrong with the bytes that came; empty if nothing is."""
    found, size = part.stat().st_size, remote.stated.size
    if found != size and size >= 0:
        return f"it has {found} bytes, expected {size}"
    door = remote.door
    if isinstance(door, Asset) and door.sha256:
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != door.sha256:
            return f"its SHA-256 is {digest[:12]}..., expected {door.sha256[:12]}..."
    elif isinstance(door, Asset) and door.dandi_etag:
        from dandi.support.digests import get_dandietag

        etag = get_dandietag(part).as_str()
        if etag != door.dandi_etag:
            return f"its digest is {etag}, expected {door.dandi_etag}"
    return ""
