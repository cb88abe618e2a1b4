"""Links of an HDF5 file that lead nowhere: which file or dataset is missing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import h5py


def check_present(series: Any, path: str) -> None:
    """Refuse a series whose data are not here: a link that leads nowhere, or not yet written.

    Parameters
    ----------
    series : pynwb.TimeSeries
    path : str
        As in the file.

    Raises
    ------
    NWBDecodeError
        It names what is missing.
    """
    from nwbdecode.load.hdf5 import unlocked
    from nwbdecode.load.memory import unwrapped

    unwrapped(series.fields.get("data"))
    # Where a link is broken, pynwb gives no data instead.
    where = series.container_source
    if not where or not os.path.isfile(where):
        return
    try:
        with unlocked(where) as file:
            told = _broken(file, f"{path}/data")
    except (OSError, RuntimeError, KeyError):
        # An open handle of another kind, or a file that is damaged: told elsewhere.
        return
    if told:
        raise NWBDecodeError(f"the data of {path!r} {told}")


def broken_links(file: h5py.File) -> str:
    """Say which links of an open local file lead nowhere; empty if none does."""
    if not isinstance(file.filename, str) or not os.path.isfile(file.filename):
        return ""
    names: list[str] = []
    try:
        file.visititems_links(
            lambda name, link: names.append(name) if hasattr(link, "path") else None
        )
        said = [f"{name!r} {told}" for name in names if (told := _broken(file, name))]
    except Exception:  # of a damaged file HDF5 may say anything; the damage is told elsewhere
        return ""
    return "; ".join(said[:3])


def _resolves(file: h5py.File, name: str) -> bool:
    # `in` looks at the link alone where it leads out of the file.
    try:
        return file[name] is not None
    except (KeyError, OSError):
        return False


def _broken(file: h5py.File, name: str) -> str:
    import h5py

    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.ExternalLink | h5py.SoftLink) or _resolves(file, name):
        return ""
    if isinstance(link, h5py.SoftLink):
        return f"is a link to {link.path!r}, which is not in the file. Correct the file"
    folder = os.path.dirname(os.path.abspath(file.filename))
    there = os.path.normpath(os.path.join(folder, link.filename))
    if os.path.isfile(there):
        return (
            f"is a link into {link.filename!r}, and that file has no readable {link.path!r}. "
            "Find the file that was meant"
        )
    return (
        f"is a link into the file {link.filename!r}, and there is no {there!r}. Put it there: it "
        "was left behind when the NWB file was moved"
    )
