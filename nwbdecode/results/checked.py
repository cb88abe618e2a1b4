"""HDF5 objects of a file that nobody vouches for: found by name, checked, and only then read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import h5py

#: Bytes of text that one dataset may hold.
MOST_TEXT = 64 << 20
#: Bytes that one chunk may have when it is decompressed.
_MOST_CHUNK = 64 << 20
#: Below this many bytes an array may be stored in as little as it likes.
_SMALL = 1 << 20
#: Constant data shrink to a thousandth by deflate; what claims more was never written.
_MOST_SHRUNK = 2000
#: Links that lead to links, at most.
_MOST_HOPS = 8


class Checked:
    """An open HDF5 file that is read from as if a stranger had made it.

    Nothing leaves the file: external links, external storage and virtual
    datasets are refused. Nothing is allocated because a header says so: a
    dataset that declares far more than it stores is refused, and so is text
    beyond `MOST_TEXT`.

    Parameters
    ----------
    file : h5py.File
    label : str
        Names the file in error messages.
    """

    def __init__(self, file: h5py.File, label: str) -> None:
        self.file, self.label = file, label

    def has(self, path: str) -> bool:
        """Whether something lies at a path, whatever it may be."""
        try:
            self._follow(path)
        except KeyError:
            return False
        return True

    def names(self, path: str) -> list[str]:
        """Names in a group, none where there is no such group."""
        return sorted(map(str, self.group(path))) if self.has(path) else []

    def group(self, path: str) -> h5py.Group:
        """Give the group at a path.

        Raises
        ------
        KeyError
            When nothing lies there.
        NWBDecodeError
            When it is no group, or lies outside this file.
        """
        import h5py

        held = self._follow(path)
        if not isinstance(held, h5py.Group):
            raise self.refused(path, "is no group")
        return held

    def dataset(self, path: str) -> h5py.Dataset:
        """Give the dataset at a path; its values are not read yet.

        Raises
        ------
        KeyError
            When nothing lies there.
        NWBDecodeError
            When it is no dataset, lies outside this file, or declares more
            than it holds.
        """
        import h5py

        held = self._follow(path)
        if not isinstance(held, h5py.Dataset):
            raise self.refused(path, "is no dataset")
        if held.is_virtual or held.external:
            raise self.refused(path, "takes its values from other files")
        if held.shape is None:
            raise self.refused(path, "holds nothing")
        self._check_size(held, path)
        return held

    def numbers(self, path: str) -> h5py.Dataset:
        """Give a dataset of numbers or booleans."""
        held = self.dataset(path)
        if held.dtype.kind not in "biuf":
            raise self.refused(path, f"holds {held.dtype}, expected numbers")
        return held

    def text(self, path: str) -> str:
        """Read a dataset that holds one text."""
        held = self.dataset(path)
        self._check_text(held.dtype, held.shape, path)
        return self._decoded(held[()], path)

    def column(self, path: str) -> np.ndarray:
        """Read the values of a table's column: numbers as they are, text as objects."""
        import h5py

        held = self.dataset(path)
        if h5py.check_string_dtype(held.dtype) is None:
            return np.asarray(self.numbers(path)[()])
        if held.ndim != 1:
            raise self.refused(path, f"has shape {held.shape}, expected one text a row")
        out, left = np.empty(len(held), dtype=object), MOST_TEXT
        for row in range(len(held)):
            # Row by row: any number of rows may point to one huge text.
            out[row] = self._decoded(held[row], path)
            left -= len(out[row])
            if left < 0:
                raise self.refused(path, f"holds more than {MOST_TEXT >> 20} MiB of text")
        return out

    def attribute(self, path: str, name: str) -> str:
        """Read a text attribute of a group."""
        held = self.group(path).attrs
        if name not in held:
            raise KeyError(f"{path} has no attribute {name!r}")
        kept = held.get_id(name)
        self._check_text(kept.dtype, kept.shape, f"{path}@{name}")
        return self._decoded(held[name], f"{path}@{name}")

    def refused(self, path: str, why: str) -> NWBDecodeError:
        """Make the error for something that is not read."""
        return NWBDecodeError(
            f"{path!r} of {self.label!r} {why}; it is left unread. nwbdecode writes no such "
            "thing: get the file anew from someone you trust, or fit again"
        )

    def _follow(self, path: str, hops: int = 0) -> Any:
        import h5py

        here: Any = self.file["/"]
        parts = path.split("/")
        for number, part in enumerate(parts):
            if part in ("", ".", ".."):
                raise self.refused(path, "is no path within the file")
            if not isinstance(here, h5py.Group):
                raise KeyError(path)
            link = here.get(part, getlink=True)
            if link is None:
                raise KeyError(path)
            if isinstance(link, h5py.ExternalLink):
                raise self.refused(path, f"is a link to another file ({link.filename!r})")
            if isinstance(link, h5py.SoftLink):
                if hops >= _MOST_HOPS:
                    raise self.refused(path, "is a link that leads from link to link")
                there = str(link.path)
                before = "" if there.startswith("/") else "/".join(parts[:number]) + "/"
                here = self._follow((before + there).strip("/"), hops + 1)
            else:
                here = here[part]
        return here

    def _check_size(self, held: h5py.Dataset, path: str) -> None:
        declared = math.prod(held.shape) * held.dtype.itemsize
        stored = int(held.id.get_storage_size())
        if declared > max(_SMALL, _MOST_SHRUNK * stored):
            raise self.refused(
                path, f"declares {_size(declared)} (shape {held.shape}) and stores {_size(stored)}"
            )
        if held.chunks is not None:
            chunk = math.prod(held.chunks) * held.dtype.itemsize
            # A chunk is unpacked whole, however small the dataset is.
            if chunk > _MOST_CHUNK:
                raise self.refused(path, f"has chunks of {_size(chunk)}")

    def _check_text(self, dtype: np.dtype, shape: Sequence[int], path: str) -> None:
        import h5py

        if h5py.check_string_dtype(dtype) is None or shape != ():
            raise self.refused(path, f"holds {dtype} of shape {shape}, expected one text")
        if dtype.itemsize > MOST_TEXT:
            raise self.refused(path, f"declares {_size(dtype.itemsize)} of text")

    def _decoded(self, value: Any, path: str) -> str:
        if len(value) > MOST_TEXT:
            raise self.refused(path, f"holds {_size(len(value))} of text")
        return value if isinstance(value, str) else bytes(value).decode("utf-8")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.3g} MB" if n_bytes < 1e12 else f"{n_bytes / 1e12:.3g} TB"
