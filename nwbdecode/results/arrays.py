"""One labelled array and its entry in the layout: type, dimensions, and where its values lie.

An entry is a JSON object with ``dims``, ``dtype`` and ``attrs``; its values are
``at`` a path in the processing module or, where they are few and no series or
table suits them, in the entry itself as ``values`` with their ``shape``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr
    from hdmf.backends.hdf5.h5_utils import H5DataIO

Entry = dict[str, Any]

_CHUNK_BYTES = 2**18
#: Names of the types that `describe` gives.
_TYPES = re.compile(r"bool|object|u?int(8|16|32|64)|float(16|32|64|96|128)|[<>=|]?U\d{1,9}")
#: Of an array that is read whole.
_MOST_BYTES = 2**32
#: Below this, a chunk's index costs more than compression saves.
_SMALL_BYTES = 2**12


def describe(variable: xr.Variable) -> Entry:
    """Start the entry of an array: all but where its values lie."""
    dtype = variable.dtype if isinstance(variable.dtype, np.dtype) else np.dtype(object)
    if dtype.kind not in "biufUO":
        raise NWBDecodeError(
            f"an array over {variable.dims} has type {variable.dtype}; only numbers, booleans "
            "and text can be stored, times as seconds"
        )
    name = dtype.str if dtype.kind == "U" else dtype.name
    return {"dims": list(variable.dims), "dtype": name, "attrs": dict(variable.attrs)}


def inline(variable: xr.Variable) -> Entry:
    """Describe an array and put its values into the entry itself."""
    values = variable.to_numpy()
    return describe(variable) | {"shape": list(values.shape), "values": values.ravel().tolist()}


def type_of(entry: Entry) -> np.dtype[Any]:
    """Type of an array by its entry.

    Raises
    ------
    NWBDecodeError
        When it is none that arrays of results have.
    """
    name = entry["dtype"]
    if not isinstance(name, str) or not _TYPES.fullmatch(name):
        raise NWBDecodeError(f"the layout names an array type {name!r} that is not used")
    return np.dtype(name)


def restore(entry: Entry, values: np.ndarray | None = None) -> xr.Variable:
    """Rebuild the array of an entry, from its own values or from those read elsewhere."""
    import xarray as xr

    dtype = type_of(entry)
    if values is None:
        # Filling an object array keeps text, None and numbers apart as they were.
        values = np.empty(len(entry["values"]), dtype=object)
        values[:] = entry["values"]
        values = values.reshape(entry["shape"])
    # The width of text is whatever the layout says: a lie would be allocated.
    if dtype.itemsize * values.size > _MOST_BYTES:
        raise NWBDecodeError(
            f"the layout names an array of {dtype.itemsize * values.size / 1e9:.3g} GB "
            f"({entry['dtype']!r} x {values.size}); nwbdecode writes none so large"
        )
    return xr.Variable(tuple(entry["dims"]), values.astype(dtype), entry["attrs"])


def is_text(values: np.ndarray) -> bool:
    """Whether every element is text that HDF5 can hold."""
    if values.dtype.kind not in "OU":
        return False
    return all(isinstance(v, str) and "\0" not in v and _encodes(v) for v in values.ravel())


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def stored(values: np.ndarray) -> np.ndarray | H5DataIO:
    """Give an array the HDF5 type and compression it is stored with."""
    from hdmf.backends.hdf5.h5_utils import H5DataIO

    if values.dtype == np.float16:  # NWB knows no half precision; single holds it exactly
        values = values.astype(np.float32)
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    if values.nbytes < _SMALL_BYTES:
        return values
    rows = max(1, _CHUNK_BYTES * len(values) // values.nbytes)
    return H5DataIO(
        data=values,
        compression="gzip",
        shuffle=True,
        chunks=(min(rows, len(values)), *values.shape[1:]),
    )
