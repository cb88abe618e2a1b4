"""Blocks of remote files on disk: shared, bounded, and the least recently used go first."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

from nwbdecode.errors import NWBDecodeError

#: Bytes of a block, the unit of asking and of keeping.
BLOCK = 64 * 1024
#: Bytes kept of all streams unless the user says otherwise.
MOST_BYTES = 10 * 1024**3
_CHECKSUM = 4
_UNFINISHED = ".part"


@dataclass(frozen=True)
class CacheSettings:
    """Where streams are kept, and how much of them.

    Parameters
    ----------
    folder : str
        Blocks lie in its ``streams``, whole files in its ``downloads``.
    most_bytes : int
        Of all blocks together; 0 keeps none.
    """

    folder: str
    most_bytes: int = MOST_BYTES

    @classmethod
    def given(
        cls, folder: str | os.PathLike[str] | None = None, most_bytes: float | None = None
    ) -> CacheSettings:
        """Take what was given, else ``NWBDECODE_CACHE`` and ``NWBDECODE_STREAM_CACHE_BYTES``.

        Raises
        ------
        NWBDecodeError
            If the number of bytes is none.
        """
        import platformdirs

        usual = os.environ.get("NWBDECODE_CACHE") or platformdirs.user_cache_dir("nwbdecode")
        asked = os.environ.get("NWBDECODE_STREAM_CACHE_BYTES") if most_bytes is None else most_bytes
        try:
            most = MOST_BYTES if asked in (None, "") else int(float(asked))
            if most < 0:
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            raise NWBDecodeError(
                f"the stream cache is to hold {asked!r} bytes; expected a number such as 10e9, "
                "or 0 to keep none (NWBDECODE_STREAM_CACHE_BYTES)"
            ) from None
        return cls(str(Path(folder or usual).expanduser().absolute()), most)

    @property
    def streams(self) -> Path:
        return Path(self.folder) / "streams"

    @property
    def downloads(self) -> Path:
        return Path(self.folder) / "downloads"


class BlockCache:
    """The blocks of one remote file, with the interface that remfile asks of a cache.

    A block is written aside and renamed, and ends in a checksum: a reader sees
    all of it or none. Any block may vanish at any time, and then is a miss.

    Parameters
    ----------
    settings : CacheSettings
    content : str
        What the file is, version included: the same text for the same bytes, and for no others.
    """

    def __init__(self, settings: CacheSettings, content: str) -> None:
        self.settings = settings
        self.folder = settings.streams / hashlib.sha256(content.encode()).hexdigest()[:32]
        self._unchecked = settings.most_bytes  # look at the folder before the first block
        self._lock = threading.Lock()
        self._usable = settings.most_bytes > 0

    def get(self, key: str) -> bytes | None:
        """The block that remfile calls `key`, None if it is not held."""
        path = self._path(key)
        try:
            held = path.read_bytes()
        except OSError:
            return None
        data, told = held[:-_CHECKSUM], held[-_CHECKSUM:]
        if zlib.crc32(data).to_bytes(_CHECKSUM, "big") != told:
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used just now
        return data

    def set(self, key: str, value: bytes) -> None:
        """Keep a block; a folder that cannot be written is told once and then left."""
        if not self._usable:
            return
        try:
            self._write(self._path(key), bytes(value))
        except OSError as error:
            self._usable = False
            warnings.warn(
                f"what is streamed is not kept in {self.settings.folder!r} ({error}); "
                "it is asked for again each time. Name another folder with NWBDECODE_CACHE",
                stacklevel=2,
            )
            return
        with self._lock:
            self._unchecked += len(value) + _CHECKSUM
            # Others write too: look again after a hundredth of the limit.
            if self._unchecked < self.settings.most_bytes / 100:
                return
            self._unchecked = 0
        trim(self.settings)

    def has(self, length: int, number: int) -> bool:
        """Whether a block is on disk, as far as can be told without reading it."""
        return self._usable and (self.folder / f"{length}-{number}").exists()

    def held_bytes(self) -> int:
        """Bytes of this file on disk."""
        return sum(size - _CHECKSUM for _, size, _ in _blocks(self.folder))

    def _write(self, path: Path, value: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}{_UNFINISHED}")
        try:
            aside.write_bytes(value + zlib.crc32(value).to_bytes(_CHECKSUM, "big"))
            aside.replace(path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise

    def _path(self, key: str) -> Path:
        # remfile's key is the file's name, the block's length and its number.
        _, length, number = key.rsplit("|", 2)
        return self.folder / f"{int(length)}-{int(number)}"


def trim(settings: CacheSettings) -> None:
    """Delete the blocks that were used longest ago until the rest fits well into the limit."""
    found = sorted(_blocks(settings.streams))
    total = sum(size for _, size, _ in found)
    if total <= settings.most_bytes * 0.98:
        return
    for _, size, path in found:
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= size
        if total <= settings.most_bytes * 0.9:
            break
    with contextlib.suppress(OSError):
        for folder in os.scandir(settings.streams):
            with contextlib.suppress(OSError):
                os.rmdir(folder.path)  # only if it is empty


def _blocks(folder: Path) -> list[tuple[int, int, str]]:
    """Time of last use, bytes and path of every block under a folder."""
    found = []
    waiting = [str(folder)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # deleted by another process meanwhile
            found.append((status.st_mtime_ns, status.st_size, entry.path))
    return found
