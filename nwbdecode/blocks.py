"""Arrays on disk that are filled block by block: what features and extracted traces lie in.

A folder is named by the hash of all that its values depend on, so it is never stale; a
block counts as written only once its flag is set, so a killed run goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def cache_folder() -> Path:
    """Folder of all that is kept between runs: ``NWBDECODE_CACHE``, or the user's cache folder."""
    import platformdirs

    given = os.environ.get("NWBDECODE_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("nwbdecode"))


def versions(path: str) -> list[tuple[str, int, int]]:
    """Name, size and time of change of a file, or of every file in a folder.

    A file stands for its content by these. A folder's own time of change says
    nothing of files deeper in it.
    """
    found = [os.path.abspath(path)]
    if os.path.isdir(path):
        found = sorted(os.path.join(at, name) for at, _, names in os.walk(path) for name in names)
    return [(name, (held := os.stat(name)).st_size, held.st_mtime_ns) for name in found]


class BlockStore:
    """A float32 array in a folder, Zarr format 2, written in blocks of its first axis.

    Parameters
    ----------
    path : Path
    shape : tuple of int
    block : int
        Rows a block: the unit of writing and of resuming.
    name : str
        Of the array in the folder.
    about : mapping
        Written beside the values for whoever looks at the folder.
    compressed : bool, default False
        For values that were rounded; others hold too much noise to become smaller.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        *,
        block: int,
        name: str,
        about: Mapping[str, Any],
        compressed: bool = False,
    ):
        import zarr

        self.path, self.block = path, block
        # Format 2 is what both zarr 2.18 and zarr 3 read; zarr 2 knows no other.
        form: dict[str, Any] = {"zarr_format": 2} if int(zarr.__version__.split(".")[0]) > 2 else {}
        path.mkdir(parents=True, exist_ok=True)
        group: Any = zarr.open_group(str(path), mode="a", **form)
        names = set(group.array_keys())
        with contextlib.suppress(OSError):  # it is in use now; see `caching`
            os.utime(path)
        if {name, "written"} <= names and group[name].shape == tuple(shape):
            self._values, self._written = group[name], group["written"]
            return
        options: dict[str, Any] = {
            "store": str(path),
            "overwrite": True,
            **form,
        }
        compressor = None
        if compressed:
            from numcodecs import Blosc

            compressor = Blosc(cname="zstd", clevel=3, shuffle=Blosc.BITSHUFFLE)
        self._values = zarr.create(
            shape=shape,
            chunks=(block, *shape[1:]),
            dtype="f4",
            path=name,
            fill_value=np.nan,
            compressor=compressor,
            **options,
        )
        # One flag a chunk: a flag's write cannot disturb another block's.
        self._written = zarr.create(
            shape=(-(-shape[0] // block),),
            chunks=(1,),
            dtype="u1",
            path="written",
            fill_value=0,
            compressor=None,
            **options,
        )
        group.attrs.update(json.loads(json.dumps(dict(about), default=str)))

    def missing(self) -> list[int]:
        """Indices of the blocks not yet written."""
        return np.flatnonzero(self._written[:] == 0).tolist()

    def has(self, block: int) -> bool:
        """Whether a block is written."""
        return bool(self._written[block])

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows ``[start, stop)``; NaN where no block was written."""
        return np.asarray(self._values[start:stop])

    def write(self, block: int, values: np.ndarray) -> None:
        """Write one block and then its flag."""
        start = block * self.block
        self._values[start : start + len(values)] = values
        self._written[block] = 1
