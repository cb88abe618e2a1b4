"""Tables of intervals and events: what they hold, and their columns as rows in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.derive import wrap
from nwbdecode.load.electrodes import text
from nwbdecode.load.kinds import turn_unit, values_kind

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: Columns that say when a row is: asked for by `window`, never decoded for themselves.
TIMES = ("start_time", "stop_time", "timestamp", "duration")
#: Columns that refer to other objects.
_REFERENCES = ("timeseries",)
#: Event types of ndx-events before tables, known by name so that its package is not needed.
_BARE_EVENTS = ("Events", "LabeledEvents", "TTLs")
_MOST_CLASSES = 1000


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table of intervals or events, or, without a name, the table itself.

    Attributes
    ----------
    table : hdmf DynamicTable, or an ndx-events object
    path : str
        Of the table.
    name : str, default ""
    """

    table: Any
    path: str
    name: str = ""

    @property
    def listed(self) -> bool:
        """Whether it is worth decoding."""
        return self.name not in TIMES

    @property
    def object_id(self) -> str:
        return str(self.table.object_id)


def is_table(item: Any) -> bool:
    """Whether an object of a file is a table of intervals or events."""
    names = set(getattr(item, "colnames", None) or ())
    if {"start_time", "stop_time"} <= names or "timestamp" in names or "event_times" in names:
        return True
    return _type(item) in _BARE_EVENTS and getattr(item, "timestamps", None) is not None


def columns_of(table: Any, path: str) -> dict[str, Column]:
    """List what a table offers by path: itself, and each column of one value a row."""
    found = {path: Column(table, path)}
    if _type(table) in _BARE_EVENTS:
        if getattr(table, "data", None) is not None:
            found[f"{path}/data"] = Column(table, path, "data")
        return found
    for name in table.colnames:
        if name in (*_REFERENCES, "event_times") or hasattr(table[name], "table"):
            continue
        if _plain(table[name]):
            found[f"{path}/{name}"] = Column(table, path, name)
    return found


def _type(item: Any) -> str:
    return str(getattr(item, "neurodata_type", type(item).__name__))


def _plain(column: Any) -> bool:
    """Whether a column has one value a row, or texts that can be joined to one."""
    if hasattr(column, "target"):
        inner = column.target
        return not hasattr(inner, "target") and _dtype(inner) in "OSU" and _ndim(inner) == 1
    return _ndim(column) == 1 and not hasattr(column, "table")


def _ndim(column: Any) -> int:
    return len(getattr(column.data, "shape", None) or np.shape(column.data))


def _dtype(column: Any) -> str:
    data = column.data
    dtype = getattr(data, "dtype", None)
    return np.dtype(dtype).kind if dtype is not None else np.asarray(data).dtype.kind


def times_of(table: Any) -> tuple[np.ndarray, np.ndarray, bool]:
    """Start and stop of every row in seconds, and whether rows are events.

    Returns
    -------
    start, stop : float arrays, shape (row,)
        NaN where a row states none.
    events : bool
        Whether a row is an event, which need not have an end.
    """
    if _type(table) in _BARE_EVENTS:
        at = np.asarray(table.timestamps[:], dtype=np.float64)
        return at, np.full(len(at), np.nan), True
    if "event_times" in table.colnames:
        at = np.asarray(table["event_times"].target.data[:], dtype=np.float64)
        return at, np.full(len(at), np.nan), True
    if "timestamp" in table.colnames:
        at = np.asarray(table["timestamp"].data[:], dtype=np.float64)
        held = "duration" in table.colnames
        lasting = np.asarray(table["duration"].data[:], float) if held else np.full(len(at), np.nan)
        return at, at + lasting, True
    begin, end = (np.asarray(table[n].data[:], np.float64) for n in ("start_time", "stop_time"))
    return begin, end, False


def values_of(column: Column) -> np.ndarray:
    """Values of a column, one a row; several texts of a row are joined with commas."""
    table, name = column.table, column.name
    if _type(table) in _BARE_EVENTS:
        codes = np.asarray(table.data[:])
        # Read by the schema in the file alone, the attribute of a dataset bears both names.
        labels = getattr(table, "labels", getattr(table, "data__labels", None))
        if labels is None:
            return codes
        return np.array([text(labels[int(code)]) for code in codes], dtype=object)
    values = _column_values(table[name])
    if "event_times" in table.colnames:
        ends = np.asarray(table["event_times"].data[:], dtype=int)
        values = np.repeat(values, np.diff(ends, prepend=0))
    return values


def _column_values(held: Any) -> np.ndarray:
    if hasattr(held, "target"):
        ends = np.asarray(held.data[:], dtype=int)
        texts = [text(value) for value in held.target.data[:]]
        parts = [tuple(texts[a:b]) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        return np.array([", ".join(part) for part in parts], dtype=object)
    values = np.asarray(held.data[:])
    if hasattr(held, "elements") and held.elements is not None:
        names = [text(value) for value in np.asarray(held.elements.data[:])]
        return np.array([names[int(code)] for code in values], dtype=object)
    if values.dtype.kind in "OSU":
        return np.array([text(value) for value in values], dtype=object)
    return values


def rows_of(column: Column, path: str, kind: str = "") -> xr.DataArray:
    """Read a column as rows in time: its values at their starts, with their stops.

    Parameters
    ----------
    column : Column
    path : str
        Of the column.
    kind : str, default ""
        Empty: inferred from the values.

    Returns
    -------
    xarray.DataArray, dims (time,)
        In order of the starts; coordinate ``stop`` is NaN where a row has no end.

    Raises
    ------
    NWBDecodeError
        If the table is empty or no row has a start.
    """
    import xarray as xr

    start, stop, events = times_of(column.table)
    if not len(start):
        raise NWBDecodeError(f"the table {column.path!r} has no rows")
    order = np.argsort(start, kind="stable")
    order = order[np.isfinite(start[order])]
    if not order.size:
        raise NWBDecodeError(f"no row of {column.path!r} has a time")
    attrs: dict[str, Any]
    if column.name:
        stored = values_of(column)[order]
        inferred, reason = values_kind(stored)
        values, attrs = as_kind(stored, path, kind or inferred)
        attrs |= {"kind": kind or inferred, "kind_reason": "" if kind else reason}
    else:
        values = np.ones(len(order))
        attrs = {"units": "", "classes": ["outside", "inside"], "outside": "outside"}
        attrs |= {"kind": "categorical", "kind_reason": "it tells inside from outside the rows"}
    attrs |= {"object_id": column.object_id, "hold": events, "support": [0.0, 0.0]}
    coords = {"time": start[order], "stop": ("time", stop[order])}
    return xr.DataArray(values, dims="time", coords=coords, attrs=attrs, name=path)


def as_kind(stored: np.ndarray, path: str, kind: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Numbers that mean stored values as a kind of target, with units and classes."""
    if kind == "categorical":
        return classes_of(stored, path)
    if stored.dtype.kind not in "iufb":
        raise NWBDecodeError(f"{path!r} holds text; it can be categorical but not {kind}")
    values = stored.astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    if kind != "circular":
        return values, {"units": ""}
    return wrap(values * turn_unit(values, repr(path))), {
        "units": "radians",
        "units_from": "range of the values",
    }


def classes_of(stored: np.ndarray, path: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Codes of stored values in their order, NaN where missing, with the classes' names."""
    if stored.ndim != 1:
        raise NWBDecodeError(
            f"{path!r} has shape {stored.shape}; a categorical target is one class at each time"
        )
    if stored.dtype.kind == "f":
        missing = ~np.isfinite(stored)
        labels, codes = np.unique(stored[~missing], return_inverse=True)
        classes = [f"{label:.12g}" for label in labels]
    else:
        texts = stored.dtype.kind in "OS"
        held = np.array([text(v) for v in stored], dtype=str) if texts else stored
        # An empty text is no label.
        missing = held == "" if held.dtype.kind == "U" else np.zeros(len(held), dtype=bool)
        labels, codes = np.unique(held[~missing], return_inverse=True)
        classes = [str(label) for label in labels]
    if len(classes) > _MOST_CLASSES:
        raise NWBDecodeError(
            f"{path!r} holds {len(classes)} different values; a categorical target has at most "
            f"{_MOST_CLASSES}. Ask for it as @linear"
        )
    values = np.full(len(stored), np.nan)
    values[~missing] = codes
    return values, {"units": "", "classes": classes}


def frame_of(table: Any) -> pd.DataFrame:
    """Every plain column of a table, for conditions; several texts of a row stay a tuple."""
    import pandas as pd

    if _type(table) in _BARE_EVENTS:
        return pd.DataFrame({"timestamp": np.asarray(table.timestamps[:], float)})
    held: dict[str, Any] = {}
    for name in table.colnames:
        column = table[name]
        if name in (*_REFERENCES, "event_times") or not _plain(column):
            continue
        if hasattr(column, "target"):
            ends = np.asarray(column.data[:], dtype=int)
            texts = [text(value) for value in column.target.data[:]]
            parts = np.empty(len(ends), dtype=object)
            parts[:] = [tuple(texts[a:b]) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
            held[name] = parts
        else:
            held[name] = _column_values(column)
    return pd.DataFrame(held, index=pd.Index(np.asarray(table.id[:]), name="id"))
