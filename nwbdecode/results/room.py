"""Room on the disk that HDF5 will need, taken before it begins.

HDF5 does not survive a write that fails: what it could not write stays open in the
process, cannot be closed any more, and is tried again when the interpreter ends, which
crashes it (https://github.com/h5py/h5py/issues/914, 1120 and 2160). So the room is
taken by plain system calls, whose failure is an ordinary error.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

#: Answers of file systems that can only find room by writing.
_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_ZEROS = bytes(1 << 20)


def create(path: Path) -> None:
    """Make an HDF5 file with nothing in it, without HDF5 writing to the disk.

    Raises
    ------
    OSError
        If there is a file, or no room for it.
    """
    import h5py

    with h5py.File("empty", "w", driver="core", backing_store=False) as file:
        file.flush()
        image = file.id.get_file_image()
    with open(path, "xb") as new:
        new.write(image)


def reserve(path: Path, size: int) -> None:
    """Make a file longer by what will be written to it.

    HDF5 writes into the room at a file's end, and cuts off what it did not use when it
    closes the file.

    Parameters
    ----------
    path : pathlib.Path
    size : int
        Bytes.

    Raises
    ------
    OSError
        If there is no room.
    """
    with open(path, "r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(file.fileno(), end, size)
                return
            except OSError as error:
                if error.errno not in _CANNOT:
                    raise
        while size > 0:
            size -= file.write(_ZEROS[:size])
