"""What is kept between runs, its size, and how to be rid of it."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nwbdecode.errors import NWBDecodeError, suggest

#: What the cache folder holds that can be made or fetched again.
KINDS = ("features", "traces", "streams", "downloads")
#: Seconds without use after which nothing can be at work on an entry.
RESTING = 3600.0


@dataclass(frozen=True)
class Kept:
    """One entry of the cache.

    Attributes
    ----------
    kind : {"features", "traces", "streams", "downloads"}
    path : Path
    nbytes : int
    used : float
        Seconds since 1970 at which it was last used.
    """

    kind: str
    path: Path
    nbytes: int
    used: float


def kept(cache: str | os.PathLike[str] | None = None) -> list[Kept]:
    """List what is kept, the longest unused first.

    Parameters
    ----------
    cache : path, optional
        The cache folder, if not the usual one.
    """
    from nwbdecode.blocks import cache_folder

    folder = cache_folder() if cache is None else Path(cache).expanduser()
    found = [entry for kind in KINDS for entry in _entries(folder, kind)]
    return sorted(found, key=lambda entry: entry.used)


def clean(
    cache: str | os.PathLike[str] | None = None,
    *,
    kinds: Sequence[str] = KINDS,
    older_than: float = RESTING,
) -> tuple[list[Kept], list[Kept]]:
    """Remove what was not used for some time; all of it can be made or fetched again.

    Parameters
    ----------
    cache : path, optional
        The cache folder, if not the usual one.
    kinds : sequence of {"features", "traces", "streams", "downloads"}
    older_than : float, default 3600
        Seconds without use. With less than the default, features that a run is
        reading may vanish under it.

    Returns
    -------
    removed, spared : list of Kept

    Raises
    ------
    NWBDecodeError
        If there is no such kind.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise NWBDecodeError(f"nothing of kind {kind!r} is kept. {suggest(kind, KINDS)}")
    removed, spared = [], []
    now = time.time()
    for entry in kept(cache):
        if entry.kind not in kinds:
            continue
        if now - entry.used < older_than:
            spared.append(entry)
            continue
        # Whoever opens it from now on finds none rather than half of it.
        away = entry.path.with_name(f".{uuid.uuid4().hex}")
        try:
            entry.path.rename(away)
        except FileNotFoundError:  # another one that cleans was here first
            continue
        if away.is_dir():
            shutil.rmtree(away)
        else:
            away.unlink()
        removed.append(entry)
    return removed, spared


def _entries(folder: Path, kind: str) -> Iterator[Kept]:
    """What lies in a folder of one kind, leftovers of a removal that was cut short among it."""
    try:
        paths = sorted((folder / kind).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in paths:
        nbytes, used = 0, path.stat().st_mtime
        if path.is_dir():
            for at, _, names in os.walk(path):
                for name in names:
                    try:
                        held = os.stat(os.path.join(at, name))
                    except FileNotFoundError:  # a run replaces it just now
                        continue
                    nbytes += held.st_size
                    # Blocks that are fetched are marked when they are used.
                    used = max(used, held.st_mtime)
        else:
            nbytes = path.stat().st_size
        yield Kept(kind, path, nbytes, used)
