"""The same content in a fresh file, without the space that deleted parts left behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py

from nwbdecode.errors import NWBDecodeError
from nwbdecode.results.safe import own_alike

_WHOLE = "__nwbdecode_copy__"
#: HDF5 names so what it meets by a reference before it meets it by its path.
_MET_EARLY = "~obj_pointed_by_"


def repack(path: Path) -> None:
    """Rewrite an HDF5 file without the space that nothing uses.

    Everything is copied as it is stored, whether NWB knows it or not: chunks
    stay compressed, links stay links, and references point to the copies.
    A file with references inside compound values, such as the series that a table of
    trials names, is left as it is: HDF5 copies those without pointing them anew.
    (Exporting with pynwb would drop what no specification names; deleting
    alone frees neither the text of a deleted part nor the file's length.)

    Parameters
    ----------
    path : pathlib.Path
        A file that nobody else sees yet.

    Raises
    ------
    NWBDecodeError
        If the copy does not have the same objects; the file is as it was then.
    """
    if _has_buried_references(path):
        return
    fresh = path.with_name(path.name + "-repacked")
    try:
        with h5py.File(path, "r") as old, h5py.File(fresh, "x") as new:
            _copy_all(old, new)
            if _inventory(old) != _inventory(new):
                raise NWBDecodeError(
                    "the space of the replaced run cannot be given back: HDF5 copies this file "
                    "incompletely. Use exists='new', which adds beside what is there"
                )
        own_alike(path, fresh)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _has_buried_references(path: Path) -> bool:
    """Whether a file holds references within compound types or arrays."""

    def buried(_: str, held: Any) -> bool | None:
        if not isinstance(held, h5py.Dataset):
            return None
        whole = h5py.check_ref_dtype(held.dtype) is not None
        return True if not whole and _refers(held.dtype) else None

    with h5py.File(path, "r") as file:
        return bool(file.visititems(buried))


def _refers(dtype: Any) -> bool:
    parts = [dtype[name] for name in dtype.names] if dtype.names else []
    if dtype.subdtype is not None:
        parts.append(dtype.subdtype[0])
    items = h5py.check_vlen_dtype(dtype)
    if items is not None and not isinstance(items, type):
        parts.append(items)
    return h5py.check_ref_dtype(dtype) is not None or any(_refers(part) for part in parts)


def _copy_all(old: h5py.File, new: h5py.File) -> None:
    # In one call: only then do references from one part to another find their copies.
    how = h5py.h5p.create(h5py.h5p.OBJECT_COPY)
    how.set_copy_object(h5py.h5o.COPY_EXPAND_REFERENCE_FLAG)
    h5py.h5o.copy(old.id, b"/", new.id, _WHOLE.encode(), how)
    for name in list(new[_WHOLE]):
        new.move(f"{_WHOLE}/{name}", name)
    for name, value in old.attrs.items():
        if isinstance(value, h5py.Reference):
            value = new[old[value].name].ref
        new.attrs.create(name, value, dtype=old.attrs.get_id(name).dtype)
    del new[_WHOLE]
    for name in [name for name in new if name.startswith(_MET_EARLY)]:
        del new[name]


def _inventory(file: h5py.File) -> dict[str, tuple[Any, ...]]:
    """Every object by its path: form, names of attributes, and where references point."""
    found: dict[str, tuple[Any, ...]] = {"/": _told(file, file["/"])}
    file.visititems(lambda name, held: found.update({name: _told(file, held)}))
    return found


def _told(file: h5py.File, held: Any) -> tuple[Any, ...]:
    form = (held.shape, held.dtype, held.chunks) if isinstance(held, h5py.Dataset) else ()
    attrs = {
        name: file[value].name if isinstance(value, h5py.Reference) and value else None
        for name, value in held.attrs.items()
    }
    return type(held).__name__, form, attrs
