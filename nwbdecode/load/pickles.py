"""Looking through the pickles of an NWB-Zarr folder before a library unpickles them."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

# What hdmf-zarr writes into a column of references, and all that may be in one.
_HARMLESS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    # A compound column's fill value is a scalar.
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("hdmf_zarr.utils", "ZarrReference"),
}


def refuse_programs(path: str, shown: str = "") -> None:
    """Refuse a Zarr folder whose pickled arrays hold more than references into itself.

    hdmf-zarr stores references to objects as pickles, which zarr unpickles:
    whatever they name would run. They are read here first by an unpickler
    that knows nothing but those references. A folder that leads to another
    one, which has not been looked through, is refused too.

    Parameters
    ----------
    path : str
        Of a folder in Zarr format 2.
    shown : str, optional
        What messages call it.

    Raises
    ------
    NWBDecodeError
        Before anything of it has been unpickled.
    """
    for name, described in _described(path):
        where, _, kind = name.rpartition("/")
        try:
            if kind == ".zattrs":
                _refuse_leading_away(described, path)
                continue
            if (described.get("compressor") or {}).get("id") == "pickle":
                raise ValueError("it is packed as a pickle, which hdmf-zarr does not do")
            if "pickle" in [one.get("id") for one in described.get("filters") or []]:
                for pickled in (*_fill_values(described), *_chunks(path, where, described)):
                    _only_references(pickled, path)
        except Exception as error:
            raise NWBDecodeError(
                f"{where!r} in {shown or path!r} is not opened: {error}. It could run programs. "
                "Have it exported to HDF5 by someone who trusts it"
            ) from error


def _described(path: str) -> Iterator[tuple[str, Any]]:
    """Name and content of every description of an array or of attributes.

    Both those in the folders and the consolidated ones, which zarr believes:
    the two may differ.
    """
    for folder, _, names in os.walk(path, followlinks=True):
        for name in {".zarray", ".zattrs"} & set(names):
            place = Path(folder, name)
            yield place.relative_to(path).as_posix(), json.loads(place.read_text())
    consolidated = Path(path, ".zmetadata")
    if consolidated.is_file():
        for name, described in json.loads(consolidated.read_text())["metadata"].items():
            if name.rpartition("/")[2] in (".zarray", ".zattrs"):
                yield name, described


def _fill_values(described: dict[str, Any]) -> Iterator[bytes]:
    """The fill value of a compound column, which zarr unpickles as it opens the array."""
    if isinstance(described.get("fill_value"), str):
        yield base64.b64decode(described["fill_value"])


def _chunks(path: str, array: str, described: dict[str, Any]) -> Iterator[bytes]:
    """Chunks of a pickled array as they are before they are unpickled."""
    import numcodecs

    if [one["id"] for one in described["filters"]] != ["pickle"]:
        raise ValueError("it is a pickle behind another filter, which hdmf-zarr does not write")
    packed = described["compressor"]
    compressor = packed and numcodecs.get_codec(packed)
    for folder, _, names in os.walk(Path(path, array), followlinks=True):
        for name in names:
            if not name.startswith(".z"):
                held = Path(folder, name).read_bytes()
                yield bytes(compressor.decode(held)) if compressor else held


class _Careful(pickle.Unpickler):
    """An unpickler that finds nothing but what references are made of."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise ValueError(f"a pickle in it names {module}.{name}")
        return super().find_class(module, name)


def _only_references(chunk: bytes, path: str) -> None:
    for held in np.ravel(_Careful(io.BytesIO(chunk)).load()):
        # Fields of a compound column come as tuples that hold references among numbers.
        for part in held if isinstance(held, tuple | list) else [held]:
            _refuse_leading_away(part, path)


def _refuse_leading_away(held: Any, path: str) -> None:
    """Refuse a reference or link, however deep, whose source is another folder."""
    if isinstance(held, list):
        for item in held:
            _refuse_leading_away(item, path)
    if not isinstance(held, dict):
        return
    source = held.get("source")
    if "path" in held and isinstance(source, str):
        leads_to = os.path.realpath(os.path.join(path, source))
        if leads_to != os.path.realpath(path):
            raise ValueError(f"it leads to another folder, {source!r}")
    for item in held.values():
        _refuse_leading_away(item, path)
