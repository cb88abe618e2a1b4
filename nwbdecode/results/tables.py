"""Datasets over a few labelled axes as tables: one row for each combination of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from hdmf.common import DynamicTable, DynamicTableRegion, VectorData

from nwbdecode.results.arrays import Entry, describe, inline, is_text, stored
from nwbdecode.results.naming import Names, readable

if TYPE_CHECKING:
    import xarray as xr

#: What a table has besides its columns, under the same kind of name.
_RESERVED = (
    "id", "name", "description", "colnames", "columns", "parent", "children", "fields", "tags",
    "timeseries",
)  # fmt: skip
#: A `VectorData` has at most four axes, and the rows are the first.
_MOST_EXTRA = 3


def to_table(
    dataset: xr.Dataset,
    *,
    name: str,
    rows: Sequence[str],
    description: str,
    columns: Mapping[str, str],
    renamed: Mapping[str, str] | None = None,
    beside: Sequence[VectorData] = (),
    table_type: Callable[..., DynamicTable] = DynamicTable,
) -> tuple[DynamicTable | None, Entry]:
    """Lay a dataset out as a table.

    Arrays that lack a row axis are repeated over it; axes beyond the rows
    become the width of a column. Arrays without any row axis, and those no
    column can hold, stay in the layout entry.

    Parameters
    ----------
    dataset : xarray.Dataset
    name, description : str
        Of the table.
    rows : sequence of str
        Dimensions whose combinations are the rows, slowest first.
    columns : mapping of str to str
        Descriptions by variable name.
    renamed : mapping of str to str, optional
        Column names for variables whose own name does not do.
    beside : sequence of VectorData
        Columns for other readers that the dataset does not need, such as row
        numbers in other tables.
    table_type : callable, default DynamicTable
        Class of the table.

    Returns
    -------
    table : DynamicTable or None
        None where the dataset has no rows.
    entry : dict
        How to rebuild the dataset with `nwbdecode.results.layout.from_table`.
    """
    entry: Entry = {"attrs": dict(dataset.attrs), "variables": {}, "coords": {}}
    fits = all(dataset.sizes.get(dim, 0) > 0 for dim in rows)
    sizes = {dim: dataset.sizes[dim] for dim in rows} if fits else {}
    names = Names([*_RESERVED, *(column.name for column in beside)])
    held: list[VectorData] = []
    for group, found in (("coords", dataset.coords), ("variables", dataset.data_vars)):
        for label, array in found.items():
            values = _by_rows(array.variable, sizes) if fits else None
            if values is None:
                entry[group][str(label)] = inline(array.variable)
                continue
            column = names.take((renamed or {}).get(str(label), str(label)))
            about = readable(columns.get(str(label)) or f"{label} of each row")
            data = [str(v) for v in values] if values.dtype.kind in "OU" else stored(values)
            held.append(VectorData(name=column, description=about, data=data))
            entry[group][str(label)] = describe(array.variable) | {"at": f"{name}/{column}"}
    if not held:
        return None, entry
    entry["rows"] = sizes
    return table_type(name=name, description=readable(description), columns=[*held, *beside]), entry


def _by_rows(variable: xr.Variable, sizes: Mapping[str, int]) -> np.ndarray | None:
    """Values with one leading row axis, or None where no column can hold them."""
    extra = [str(dim) for dim in variable.dims if dim not in sizes]
    mine = [dim for dim in sizes if dim in variable.dims]
    values = variable.to_numpy()
    text = values.dtype.kind in "OU"
    if not mine or not values.size or len(extra) > _MOST_EXTRA:
        return None
    if text and (extra or not is_text(values)):
        return None
    ordered = variable.transpose(*mine, *extra).to_numpy()
    ordered = ordered[tuple(slice(None) if dim in mine else None for dim in sizes)]
    widths = [variable.sizes[dim] for dim in extra]
    filled: np.ndarray = np.broadcast_to(ordered, (*sizes.values(), *widths))
    return filled.reshape(-1, *widths)


@dataclass(frozen=True)
class Rows:
    """Which row of another table each decoded channel is.

    Attributes
    ----------
    what : str
        Name of a column that points there: ``"electrode"``, ``"roi"``.
    table : DynamicTable
    rows : list of int
        In the order of the channels.
    """

    what: str
    table: DynamicTable
    rows: list[int]

    def region(self, name: str = "", channels: Sequence[int] | None = None) -> DynamicTableRegion:
        """Make a column of the rows of some channels, of all in order by default."""
        picked = self.rows if channels is None else [self.rows[channel] for channel in channels]
        about = f"Row of the table {self.table.name!r} for each decoded channel"
        return region(name or self.what, picked, self.table, about)


def region(name: str, rows: Sequence[int], table: DynamicTable, about: str) -> DynamicTableRegion:
    """Make a column of row numbers in another table."""
    return DynamicTableRegion(name=name, data=list(rows), table=table, description=about)
