"""A file that pynwb finds sound, before anyone sees it under its name."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pynwb
from pynwb.validation import get_cached_namespaces_to_validate

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.hdf5 import unlocked

if TYPE_CHECKING:
    import h5py

_SHOWN = 3


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

    place = file.attrs.get(".specloc")
    cached = file[place] if place else file.get("specifications", {})
    removed = {}
    for namespace, versions in cached.items():
        old = sorted(versions, key=order)[:-1]
        for version in old:
            del versions[version]
        if old:
            removed[str(namespace)] = old
    return removed


def faults(path: Path) -> list[str]:
    """What `pynwb.validate` finds wrong with a file."""
    with warnings.catch_warnings():
        # A file's cached schema often differs from the installed one; nothing to act on.
        warnings.filterwarnings("ignore", message="Ignoring the following cached namespace")
        with unlocked(str(path)) as file:
            io = pynwb.NWBHDF5IO(file=file, mode="r")
            # By what the file says of its types: another extension that this process has
            # loaded may take only some types from the core, and know no file at all.
            _, manager, _ = get_cached_namespaces_to_validate(io=io)
            if manager is not None:
                io = pynwb.NWBHDF5IO(file=file, mode="r", manager=manager)
            return [str(error) for error in pynwb.validate(io=io)]


def check_sound(path: Path, before: Iterable[str] = (), *, label: str) -> None:
    """Refuse a file that has faults which were not there before.

    Parameters
    ----------
    path : pathlib.Path
    before : iterable of str
        Faults of the file that was appended to.
    label : str
        Names the file in the message.

    Raises
    ------
    NWBDecodeError
    """
    known = set(before)
    fresh = [fault for fault in faults(path) if fault not in known]
    if fresh:
        more = f", and {len(fresh) - _SHOWN} more" if len(fresh) > _SHOWN else ""
        raise NWBDecodeError(
            f"{label!r} would not be valid NWB with this result in it, so it was left as it was "
            f"({'; '.join(fresh[:_SHOWN])}{more}). Write the result to a file of its own"
        )
