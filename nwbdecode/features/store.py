"""Where features lie on disk: one Zarr folder a recipe, filled block by block."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from nwbdecode.blocks import BlockStore, versions
from nwbdecode.features.notch import REVISION as NOTCH_REVISION
from nwbdecode.features.recipe import REMARKS

if TYPE_CHECKING:
    from nwbdecode.features.referencing import Referencing
    from nwbdecode.load.signal import Signal

#: Bins a block: the unit of writing, of resuming and of reading.
BLOCK = 512
#: Raised whenever the same recipe comes to give other values.
_REVISION = 7


def recipe_hash(recipe: Mapping[str, Any], signal: Signal, reference: Referencing) -> str:
    """Hash of a recipe together with the samples it is applied to.

    A file stands for its samples by path, size and time of change, a folder
    by those of all files in it, and a remote file by what its source says of
    its content (a checksum, or address and version); samples in memory are
    hashed themselves.
    """
    digest = hashlib.blake2b(digest_size=16)
    settings = {name: value for name, value in recipe.items() if name not in REMARKS}
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    facts = [signal.path, signal.object_id, signal.columns.tolist(), signal.conversion.tolist()]
    facts += [signal.offset, [(s.start, s.stop, s.start_time, s.rate) for s in signal.segments]]
    facts += [_REVISION, BLOCK, signal.reader.dtype.str]
    facts += [reference.facts, list(signal.frequencies)]
    if recipe.get("notch"):
        facts.append(NOTCH_REVISION)
    if signal.only is not None:
        facts.append(signal.only)
    # Traces made of a movie also depend on its regions and on how they were corrected.
    facts += [getattr(signal.reader, "digest", "")]
    digest.update(json.dumps(facts).encode())
    path, content = signal.source.get("path"), signal.source.get("content")
    if content:
        digest.update(content.encode())
    elif path and os.path.exists(path):
        digest.update(json.dumps(versions(path)).encode())
    else:
        step = max(1, (64 << 20) // max(1, signal.n_channels * 8))
        for segment in signal.segments:
            for start in range(segment.start, segment.stop, step):
                block = signal.read_array(start, min(start + step, segment.stop), units="counts")
                digest.update(np.ascontiguousarray(block).view(np.uint8).data)
    return digest.hexdigest()


class FeatureStore(BlockStore):
    """A feature array on disk, Zarr format 2.

    Parameters
    ----------
    path : Path
    shape : (time, frequency, channel)
    recipe : mapping
        Written beside the values for whoever looks at the folder.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int], recipe: Mapping[str, Any]):
        small = recipe.get("tolerance", 0.0) > 0
        super().__init__(
            path, shape, block=BLOCK, name="power", about={"recipe": recipe}, compressed=small
        )

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

        # The folder's own time says when it was last used: what cleans up goes by that.
        with contextlib.suppress(OSError):
            os.utime(self.path)
        return zarr.open_group(self.path, mode="r")["power"]

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        return self._open().oindex[key]
