"""Compression that HDF5 learns from plugins: found if installed, named if not."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from nwbdecode.errors import NWBDecodeError

#: Filters of the package hdf5plugin, by the numbers that the HDF Group registers.
_PLUGINS = {
    307: "bzip2", 32001: "Blosc", 32004: "LZ4", 32008: "Bitshuffle", 32013: "ZFP",
    32015: "Zstandard", 32017: "SZ", 32018: "FCIDECOMP", 32024: "SZ3", 32026: "Blosc2",
    32028: "SPERR",
}  # fmt: skip
_GET = 'Install them with `pip install "nwbdecode[filters]"`, and open it again'
#: How HDF5 says that a filter is lacking: by the folder of plugins, or by its name.
_LACKING = re.compile(
    r"required filter|can't open directory \(.*plugin|filter .*not (registered|available)",
    re.IGNORECASE,
)


def add_filters() -> None:
    """Teach HDF5 the filters of hdf5plugin, where that is installed."""
    with contextlib.suppress(ImportError):
        import hdf5plugin  # noqa: F401


def check_filters(data: Any) -> None:
    """Refuse a dataset whose filters HDF5 does not have here, by their names.

    Parameters
    ----------
    data : h5py.Dataset or anything else
        Others are let pass.

    Raises
    ------
    NWBDecodeError
    """
    import h5py

    if not isinstance(data, h5py.Dataset) or data.chunks is None:
        return
    plan = data.id.get_create_plist()
    for place in range(plan.get_nfilters()):
        code, _, _, name = plan.get_filter(place)
        if h5py.h5z.filter_avail(code):
            continue
        known = _PLUGINS.get(code)
        called = known or name.decode("utf-8", "replace") or "a filter without a name"
        what = _GET if known else "Install the plugin that its writer used"
        raise NWBDecodeError(
            f"{data.name!r} is compressed by {called} (HDF5 filter {code}), which HDF5 lacks here. "
            f"{what}; all else in the file can be read"
        )


def lacking(error: BaseException) -> str:
    """What to do about a failed read, if a filter was lacking; else empty."""
    if not isinstance(error, OSError) or not _LACKING.search(str(error)):
        return ""
    return f"it is compressed by a filter that HDF5 lacks here, such as Zstandard or Blosc. {_GET}"
