"""From the entries of a layout back to labelled arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.results.arrays import Entry, restore

if TYPE_CHECKING:
    import xarray as xr

#: Where a layout entry finds the time of the bins.
TIME = "@time"


def time_first(dims: list[str]) -> list[str]:
    """Order of dimensions in which series are stored.

    Examples
    --------
    >>> time_first(["component", "time"])
    ['time', 'component']
    """
    return ["time", *(dim for dim in dims if dim != "time")]


def from_entry(entry: Entry, variable: Callable[[Entry], xr.Variable]) -> xr.Dataset:
    """Rebuild a dataset of the variables that its entries describe."""
    import xarray as xr

    return xr.Dataset(
        {name: variable(held) for name, held in entry["variables"].items()},
        {name: variable(held) for name, held in entry["coords"].items()},
        entry["attrs"],
    )


def from_table(entry: Entry, column: Callable[[str], Any]) -> xr.Dataset:
    """Rebuild the dataset that `to_table` laid out.

    Parameters
    ----------
    entry : dict
        What `to_table` returned.
    column : callable
        Gives the values of the column at a path.
    """
    sizes = entry.get("rows", {})

    def variable(held: Entry) -> xr.Variable:
        if "at" not in held:
            return restore(held)
        values = np.asarray(column(held["at"]))
        values = values.reshape(*sizes.values(), *values.shape[1:])
        # An axis the array does not have was filled with copies: any one will do.
        values = values[tuple(slice(None) if dim in held["dims"] else 0 for dim in sizes)]
        mine = [dim for dim in sizes if dim in held["dims"]]
        order = mine + [dim for dim in held["dims"] if dim not in sizes]
        return restore(held, values.transpose([order.index(dim) for dim in held["dims"]]))

    return from_entry(entry, variable)
