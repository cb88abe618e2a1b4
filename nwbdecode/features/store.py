"""Where features lie on disk: one Zarr folder a recipe, filled block by block.

A store's name is the hash of everything its values depend on, so it is never
stale; a block counts as written only once its flag is set, so a killed run
goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from nwbdecode.features.recipe import REMARKS

if TYPE_CHECKING:
    from nwbdecode.features.referencing import Referencing
    from nwbdecode.load.signal import Signal

#: Bins a block: the unit of writing, of resuming and of reading.
BLOCK = 512
#: Raised whenever the same recipe comes to give other values.
_REVISION = 2


def cache_folder() -> Path:
    """Folder of the feature stores: ``NWBDECODE_CACHE``, or the user's cache folder."""
    import platformdirs

    given = os.environ.get("NWBDECODE_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("nwbdecode"))


def recipe_hash(recipe: Mapping[str, Any], signal: Signal, reference: Referencing) -> str:
    """Hash of a recipe together with the samples it is applied to.

    A file stands for its samples by path, size and time of change; samples in
    memory are hashed themselves.
    """
    digest = hashlib.blake2b(digest_size=16)
    settings = {name: value for name, value in recipe.items() if name not in REMARKS}
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    facts = [signal.path, signal.object_id, signal.columns.tolist(), signal.conversion.tolist()]
    facts += [signal.offset, [(s.start, s.stop, s.start_time, s.rate) for s in signal.segments]]
    facts += [_REVISION, BLOCK, signal.reader.dtype.str]
    facts += [reference.facts, list(signal.frequencies)]
    if signal.only is not None:
        facts.append(signal.only)
    digest.update(json.dumps(facts).encode())
    path = signal.source.get("path")
    if path and os.path.exists(path):
        status = os.stat(path)
        digest.update(f"{os.path.abspath(path)} {status.st_size} {status.st_mtime_ns}".encode())
    else:
        step = max(1, (64 << 20) // max(1, signal.n_channels * 8))
        for segment in signal.segments:
            for start in range(segment.start, segment.stop, step):
                block = signal.read_array(start, min(start + step, segment.stop), units="counts")
                digest.update(np.ascontiguousarray(block).view(np.uint8).data)
    return digest.hexdigest()


class FeatureStore:
    """A feature array on disk, Zarr format 2.

    Parameters
    ----------
    path : Path
    shape : (time, frequency, channel)
    recipe : mapping
        Written beside the values for whoever looks at the folder.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int], recipe: Mapping[str, Any]):
        import zarr

        self.path = path
        # Format 2 is what both zarr 2.18 and zarr 3 read; zarr 2 knows no other.
        form: dict[str, Any] = {"zarr_format": 2} if int(zarr.__version__.split(".")[0]) > 2 else {}
        path.mkdir(parents=True, exist_ok=True)
        group: Any = zarr.open_group(str(path), mode="a", **form)
        blocks = -(-shape[0] // BLOCK)
        names = set(group.array_keys())
        if {"power", "written"} <= names and group["power"].shape == tuple(shape):
            self._power, self._written = group["power"], group["written"]
            return
        options: dict[str, Any] = {
            "store": str(path),
            "overwrite": True,
            "compressor": None,
            **form,
        }
        self._power = zarr.create(
            shape=shape,
            chunks=(BLOCK, *shape[1:]),
            dtype="f4",
            path="power",
            fill_value=np.nan,
            **options,
        )
        # One flag a chunk: a flag's write cannot disturb another block's.
        self._written = zarr.create(
            shape=(blocks,), chunks=(1,), dtype="u1", path="written", fill_value=0, **options
        )
        group.attrs["recipe"] = json.loads(json.dumps(recipe, default=str))

    def missing(self) -> list[int]:
        """Indices of the blocks not yet written."""
        return np.flatnonzero(self._written[:] == 0).tolist()

    def write(self, block: int, values: np.ndarray) -> None:
        """Write one block and then its flag."""
        start = block * BLOCK
        self._power[start : start + len(values)] = values
        self._written[block] = 1

    def lazy(self) -> indexing.LazilyIndexedArray:
        """The values as an array that reads what is asked of it."""
        return indexing.LazilyIndexedArray(_ZarrValues(str(self.path)))


class _ZarrValues(BackendArray):
    """Xarray's door to the stored values; reopened by path, so it can be pickled."""

    def __init__(self, path: str):
        self.path = path
        array = self._open()
        self.shape, self.dtype = array.shape, np.dtype(array.dtype)

    def _open(self) -> Any:
        import zarr

        return zarr.open_group(self.path, mode="r")["power"]

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        return self._open().oindex[key]
