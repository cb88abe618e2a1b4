"""The same content in a fresh file, without the space that deleted parts left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.results.room import create, reserve
from nwbdecode.results.safe import own_alike

_WHOLE = "__nwbdecode_copy__"
#: HDF5 names so what it meets by a reference before it meets it by its path.
_MET_EARLY = "~obj_pointed_by_"


def repack(path: Path) -> None:
    """Rewrite an HDF5 file without the space that nothing uses.

    Everything is copied as it is stored, whether NWB knows it or not: chunks
    stay compressed, links stay links, and references point to the copies.
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
    fresh = path.with_name(path.name + "-repacked")
    try:
        create(fresh)
        reserve(fresh, path.stat().st_size)
        with h5py.File(path, "r") as old, h5py.File(fresh, "r+") as new:
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
    old.visititems(lambda name, held: _point_anew(held, new, name))


def _point_anew(held: Any, new: h5py.File, name: str) -> None:
    """Mend the references in compound values, which HDF5 copies without following them.

    A table of trials names its series so.
    """
    if not isinstance(held, h5py.Dataset) or not held.dtype.names:
        return
    fields = [f for f in held.dtype.names if h5py.check_ref_dtype(held.dtype[f]) is h5py.Reference]
    if not fields:
        return
    values = np.array(held[()])
    for field in fields:
        column = values[field]
        for row in np.ndindex(column.shape):
            if place := _place(held.file, column[row]):
                column[row] = new[place].ref
    new[name][()] = values


def _inventory(file: h5py.File) -> dict[str, tuple[Any, ...]]:
    """Every object by its path: form, names of attributes, and where references point."""
    found: dict[str, tuple[Any, ...]] = {"/": _told(file, file["/"])}
    file.visititems(lambda name, held: found.update({name: _told(file, held)}))
    return found


def _told(file: h5py.File, held: Any) -> tuple[Any, ...]:
    form: tuple[Any, ...] = ()
    if isinstance(held, h5py.Dataset):
        values = held[()] if _refers(held.dtype) else None
        places = [_place(file, reference) for reference in _references(values)]
        form = (held.shape, held.dtype, held.chunks, places)
    attrs = {
        name: [_place(file, reference) for reference in _references(value)]
        for name, value in held.attrs.items()
    }
    return type(held).__name__, form, attrs


def _place(file: h5py.File, reference: h5py.Reference) -> str | None:
    """Path that a reference leads to, None if to nothing."""
    if not reference:
        return None
    try:
        return str(file[reference].name)
    except (KeyError, OSError, RuntimeError, ValueError):  # to what is no more
        return ""


def _refers(dtype: np.dtype) -> bool:
    """Whether there are references anywhere in values of a type."""
    parts = [dtype[name] for name in dtype.names or ()]
    if dtype.subdtype is not None:
        parts.append(dtype.subdtype[0])
    items = h5py.check_vlen_dtype(dtype)
    if isinstance(items, np.dtype):
        parts.append(items)
    return h5py.check_ref_dtype(dtype) is not None or any(_refers(part) for part in parts)


def _references(values: Any) -> Iterator[h5py.Reference]:
    """Every reference in values, however deep."""
    if isinstance(values, h5py.Reference):
        yield values
    elif isinstance(values, np.ndarray | np.void) and values.dtype.names:
        for name in values.dtype.names:
            yield from _references(values[name])
    elif isinstance(values, np.ndarray) and values.dtype == object:
        for value in values.ravel():
            yield from _references(value)
