"""Replace a file whole or not at all, whatever kills the writer half-way.

What shall be in the file is written aside in the same folder and renamed into
place when it is complete and on the disk. One writer a path holds a lock for as
long as it writes; the system lets go of it when the writer dies, which is how
leftovers of dead writers are told from the work of living ones.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nwbdecode.errors import NWBDecodeError

# No suffix .nwb: whoever lists NWB files shall not find half of one.
_PARTIAL = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}\.nwbdecode-partial(-repacked)?")
_LOCK = re.compile(r"\.(?P<name>.+)\.nwbdecode-lock")
#: Answers of file systems that know no locks.
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
_PIECE = 64 << 20


class Busy(NWBDecodeError):
    """Another writer is at work on the same file."""


@contextmanager
def replacing(path: Path, *, need: int, check: Callable[[], None]) -> Iterator[Path]:
    """Give a path to write to; what lies there when all went well becomes the file.

    Parameters
    ----------
    path : pathlib.Path
        The file, which may exist.
    need : int
        Bytes that the new file will take, about.
    check : callable
        Called once this is the only writer, and again right before the file
        takes its place: raises where it may not.

    Yields
    ------
    pathlib.Path
        In the same folder; nothing is there yet.

    Raises
    ------
    NWBDecodeError
        When another writer is at work on `path`, the disk is too full, or the
        system refuses to write.
    """
    try:
        with _only_writer(path) as alone:
            check()
            if alone:
                clean(path.parent, mine=path.name)
            check_space(path.parent, need, path)
            aside = path.parent / f".{path.name}.{uuid.uuid4().hex[:12]}.nwbdecode-partial"
            try:
                yield aside
                flush(aside)
                check()
                os.replace(aside, path)
                flush(path.parent)
            finally:
                aside.unlink(missing_ok=True)
    except OSError as error:
        raise NWBDecodeError(
            f"{str(path)!r} could not be written ({error}); check permissions and free space"
        ) from error


def copy(path: Path, aside: Path) -> None:
    """Copy a file's bytes and permissions, sharing blocks where the file system can."""
    from tqdm.auto import tqdm

    size = path.stat().st_size
    with (
        open(path, "rb", buffering=0) as old,
        # Nobody may read the copy who may not read the file.
        open(aside, "xb", buffering=0, opener=_private) as new,
        tqdm(total=size, unit="B", unit_scale=True, desc=f"copying {path.name}", delay=2) as bar,
    ):
        while done := _copy_piece(old.fileno(), new.fileno()):
            bar.update(done)
    own_alike(path, aside)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def own_alike(path: Path, aside: Path) -> None:
    """Give a new file the permissions and, where that may be done, the owner of another."""
    shutil.copymode(path, aside)
    with contextlib.suppress(OSError, AttributeError):  # only root may give files away
        found = path.stat()
        os.chown(aside, found.st_uid, found.st_gid)


def _copy_piece(old: int, new: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(old, new, _PIECE)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
    piece = memoryview(os.read(old, _PIECE))
    size = len(piece)
    while piece:
        piece = piece[os.write(new, piece) :]
    return size


def clean(folder: Path, mine: str = "") -> list[str]:
    """Remove what killed writers left in a folder; give the names.

    What a living writer holds stays, and so does everything where the file
    system knows no locks: nobody can tell there.

    Parameters
    ----------
    folder : pathlib.Path
    mine : str
        Name of the file whose lock the caller holds.
    """
    partial: dict[str, list[str]] = {}
    for name in os.listdir(folder):
        if found := _PARTIAL.fullmatch(name):
            partial.setdefault(found["name"], []).append(name)
        elif found := _LOCK.fullmatch(name):
            partial.setdefault(found["name"], [])
    gone = []
    for whose, names in sorted(partial.items()):
        holding = contextlib.nullcontext(True) if whose == mine else _only_writer(folder / whose)
        with contextlib.suppress(Busy, OSError), holding as alone:
            for name in names if alone else ():
                (folder / name).unlink()
                gone.append(name)
    return gone


def check_space(folder: Path, need: int, path: Path) -> None:
    """Refuse to begin what will not fit.

    Raises
    ------
    NWBDecodeError
    """
    free = shutil.disk_usage(folder).free
    if need > free:
        raise NWBDecodeError(
            f"writing {str(path)!r} takes about {need / 1e6:.1f} MB beside what is there, and "
            f"{str(folder)!r} has {free / 1e6:.1f} MB free; make room or choose another folder"
        )


@contextmanager
def _only_writer(path: Path) -> Iterator[bool]:
    """Hold the lock of a file to be written.

    Yields
    ------
    bool
        Whether nobody else can hold it: false where the file system knows no locks.

    Raises
    ------
    Busy
        When another writer holds it.
    """
    place = path.parent / f".{path.name}.nwbdecode-lock"
    handle, alone = _acquire(place)
    if handle is None:
        raise Busy(
            f"{str(path)!r} is being written by another run; wait for it to end, or give another "
            "path"
        )
    try:
        yield alone
    finally:
        # Removed while it is held: whoever waits finds that its file is gone, and makes another.
        with contextlib.suppress(OSError):  # Windows removes no open file
            place.unlink()
        os.close(handle)


def _acquire(place: Path) -> tuple[int | None, bool]:
    """Open and lock a file: its handle, None where another holds it, and whether locks work."""
    while True:
        handle = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = _lock(handle)
            if locked is False:
                os.close(handle)
                return None, True
            if os.path.samestat(os.fstat(handle), os.stat(place)):
                return handle, locked is not None
        except FileNotFoundError:  # its last holder removed it after it was opened here
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int) -> bool | None:
    """Lock an open file, if no other holds it; None where the file system knows no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise
    return True


def flush(path: Path) -> None:
    """Make what was written survive a power cut, as far as the system can."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folders
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
