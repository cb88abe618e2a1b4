"""A remote file as HDF5 reads it: positions and bytes, by remfile over the shared cache."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.remote.cache import BLOCK, BlockCache, CacheSettings
from nwbdecode.load.remote.http import Connection, Door, Stated

#: Bytes of a stream that are kept in memory.
MEMORY = 64 << 20
#: Bytes a second that a connection is taken to carry before it has shown its own speed.
USUAL_SPEED = 20e6
#: Bytes that one request may ask for.
LONGEST = 16 << 20


@dataclass(frozen=True)
class _Answer:
    """As much of an answer as remfile looks at."""

    status_code: int
    content: bytes = b""
    reason: str = ""


class Stream:
    """A file-like object over one remote file; several threads may share it.

    Parameters
    ----------
    name : str
        Its `repr`, by which HDF5 calls the file: unique to the content.
    door : Door
    stated : Stated
        What the file was when it was opened.
    content : str
        Key of the cache.
    settings : CacheSettings
    """

    def __init__(
        self, name: str, door: Door, stated: Stated, content: str, settings: CacheSettings
    ) -> None:
        import remfile

        self.name = name
        self.size = stated.size
        self.connection = Connection(door, stated)
        self.cache = BlockCache(settings, content)
        self._position = 0
        self._lock = threading.RLock()
        self._failed: BaseException | None = None
        # remfile never sees the address: it may expire, and would be a poor key for the cache.
        self._file = remfile.File(
            name,
            disk_cache=self.cache,
            _size=self.size,
            _min_chunk_size=BLOCK,
            _max_cache_size=MEMORY,
            _max_chunk_size=LONGEST,
            _use_session=False,
        )
        self._file.session = self

    def get(self, url: str, headers: dict[str, str]) -> _Answer:
        """Answer remfile's request for a range: what it takes for its session."""
        first, last = headers["Range"].removeprefix("bytes=").split("-")
        try:
            return _Answer(206, self.connection.fetch(int(first), int(last) + 1))
        except NWBDecodeError as error:
            # All patience has been shown: a status that remfile does not try again.
            self._failed = error
            return _Answer(410, reason=str(error))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read from the position on."""
        left = max(0, self.size - self._position)
        data = self._range(self._position, left if size < 0 else min(size, left))
        self._position += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def forget(self) -> None:
        """Free the memory; what was read is still on disk."""
        with self._lock:
            self._file._chunks.clear()
            self._file._chunk_indices.clear()

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Have ranges of bytes at hand, each by one request rather than by many small ones.

        remfile guesses from the reads before how far the next will go; here it
        is known, so it is told to ask for what is missing and for nothing beyond.
        """
        for start, stop in ranges:
            for low, high in self._missing(start, min(stop, self.size)):
                with self._lock:
                    self._file._smart_loader_chunk_sequence_length = 1
                    self._range(low, high - low)
                    self._file._smart_loader_chunk_sequence_length = 1

    def _missing(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Runs of whole blocks of a range that are neither in memory nor on disk."""
        lacking = [
            number
            for number in range(start // BLOCK, -(-stop // BLOCK))
            if number not in self._file._chunks and not self.cache.has(BLOCK, number)
        ]
        for _, run in itertools.groupby(enumerate(lacking), lambda pair: pair[1] - pair[0]):
            numbers = [number for _, number in run]
            for first in range(0, len(numbers), LONGEST // BLOCK):
                some = numbers[first : first + LONGEST // BLOCK]
                yield some[0] * BLOCK, min((some[-1] + 1) * BLOCK, self.size)

    def _range(self, start: int, size: int) -> bytes:
        if size <= 0:
            return b""
        with self._lock:
            self._failed = None
            try:
                self._file.seek(start)
                data: bytes = self._file.read(size)
            except Exception as error:
                # Said by the connection where it failed; by remfile itself otherwise.
                if self._failed is not None:
                    raise self._failed from None
                raise NWBDecodeError(
                    f"bytes {start} to {start + size} of {self.connection.door.label!r} "
                    f"could not be streamed ({type(error).__name__}: {error})"
                ) from error
            # remfile itself only bounds its memory after reads of several blocks.
            if len(self._file._chunks) * BLOCK > 2 * MEMORY:
                self.forget()
            return data

    def __repr__(self) -> str:
        return self.name
