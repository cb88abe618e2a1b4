"""A file that pynwb finds sound, before anyone sees it under its name."""

from __future__ import annotations

import json
import warnings
from collections import OrderedDict
from collections.abc import Collection, MutableMapping
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import pynwb
from hdmf.build import BuildManager, TypeMap
from hdmf.validate import ValidatorMap
from pynwb.validation import get_cached_namespaces_to_validate

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.hdf5 import unlocked

if TYPE_CHECKING:
    import h5py

_SHOWN = 3
#: What pynwb caches by itself.
_OWN = ("core", "hdmf-common", "hdmf-experimental")

#: A catalog of types, and what validates a file by it.
Judges: TypeAlias = tuple[Any, list[ValidatorMap]]
#: Reading specifications takes longer than validating most files, and files alike say the same.
_JUDGES: OrderedDict[str, Judges] = OrderedDict()
_REMEMBERED = 4
_AT_WORK = Lock()


def prune_specifications(file: h5py.File) -> dict[str, list[str]]:
    """Keep the newest version alone of each specification that a file caches.

    Appending to a file caches the specification of today beside its own, and
    hdmf takes the last one by the alphabet, to which 2.7 is newer than 2.11.

    Parameters
    ----------
    file : h5py.File
        Open for writing.

    Returns
    -------
    dict of str to list of str
        Versions that were removed, by namespace.
    """
    from packaging.version import InvalidVersion, Version

    def order(version: str) -> tuple[bool, Any]:
        try:
            return True, Version(version)
        except InvalidVersion:
            return False, version

    cached = cached_specifications(file)
    removed = {}
    for namespace, versions in cached.items():
        old = sorted(versions, key=order)[:-1]
        for version in old:
            del versions[version]
        if old:
            removed[str(namespace)] = old
    return removed


def cached_specifications(file: h5py.File) -> MutableMapping[str, Any]:
    """Give the specifications that a file caches, by namespace and version."""
    place = file.attrs.get(".specloc")
    return file[place] if place else file.get("specifications", {})


def forget_unused(file: h5py.File, known: Collection[str] = ()) -> None:
    """Remove the specifications of extensions that nothing in a file needs.

    pynwb caches every extension that the process has loaded. One that has nothing
    to do with the file can keep others from opening it.

    Parameters
    ----------
    file : h5py.File
        Open for writing.
    known : collection of str
        Namespaces that stay: those that were there before.
    """
    cached = cached_specifications(file)
    needed = {*_OWN, *known}
    file.visititems(lambda _, held: needed.add(str(held.attrs.get("namespace", "core"))))
    todo = sorted(needed)
    while todo:
        for held in cached.get(todo.pop(), {}).values():
            told = json.loads(held["namespace"][()])["namespaces"]
            parts = [part for space in told for part in space.get("schema", [])]
            found = {part["namespace"] for part in parts if "namespace" in part} - needed
            needed |= found
            todo += found
    for name in set(cached) - needed:
        del cached[name]


def faults(path: Path) -> list[str]:
    """What `pynwb.validate` finds wrong with a file."""
    with warnings.catch_warnings(), unlocked(str(path)) as file:
        # A file's cached schema often differs from the installed one; nothing to act on.
        warnings.filterwarnings("ignore", message="Ignoring the following cached namespace")
        catalog, validators = _by_its_own_specifications(file)
        manager = catalog and BuildManager(TypeMap(namespaces=catalog))
        # Closed at once: what an external link leads to is open as long as this is.
        with pynwb.NWBHDF5IO(file=file, mode="r", manager=manager) as io:
            if not validators:
                return [str(error) for error in pynwb.validate(io=io)]
            builder = io.read_builder()
            return [str(error) for each in validators for error in each.validate(builder)]


def _by_its_own_specifications(file: h5py.File) -> Judges:
    """What validates a file by what it says of its types; nothing where it says nothing.

    Another extension that this process has loaded may take only some types from the
    core, and know no file at all.
    """
    said = _said(file)
    with _AT_WORK:
        if said in _JUDGES:
            _JUDGES.move_to_end(said)
            return _JUDGES[said]
        told = pynwb.NWBHDF5IO(file=file, mode="r", load_namespaces=False)
        namespaces, manager, _ = get_cached_namespaces_to_validate(io=told)
        catalog = manager and manager.namespace_catalog
        found = [ValidatorMap(catalog.get_namespace(name)) for name in namespaces]
        _JUDGES[said] = catalog, found
        if len(_JUDGES) > _REMEMBERED:
            _JUDGES.popitem(last=False)
        return catalog, found


def _said(file: h5py.File) -> str:
    """All that a file says of its types, as one digest."""
    digest = sha256()

    def add(name: str, held: Any) -> None:
        digest.update(repr((name, held[()] if hasattr(held, "shape") else None)).encode())

    if ".specloc" in file.attrs:
        file[file.attrs[".specloc"]].visititems(add)
    return digest.hexdigest()


def check_sound(path: Path, was: Path | None = None, *, label: str) -> None:
    """Refuse a file that has faults which were not there before.

    Parameters
    ----------
    path : pathlib.Path
    was : pathlib.Path, optional
        The file that was appended to.
    label : str
        Names the file in the message.

    Raises
    ------
    NWBDecodeError
    """
    fresh = faults(path)
    if fresh and was is not None:
        known = set(faults(was))
        fresh = [fault for fault in fresh if fault not in known]
    if fresh:
        more = f", and {len(fresh) - _SHOWN} more" if len(fresh) > _SHOWN else ""
        raise NWBDecodeError(
            f"{label!r} would not be valid NWB with this result in it, so it was left as it was "
            f"({'; '.join(fresh[:_SHOWN])}{more}). Write the result to a file of its own"
        )
