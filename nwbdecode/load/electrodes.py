"""The channel table: electrodes or ROIs behind the columns of a signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import pandas as pd
    from pynwb import TimeSeries

#: What is kept of an electrode table once channels are chosen.
KEPT = ("x", "y", "z", "location", "group", "bad")
_BAD = ("bad", "bad_channel", "bad_channels", "is_bad")
_GOOD = ("good", "good_channel", "is_good")


def channel_table(series: TimeSeries, n_columns: int) -> pd.DataFrame:
    """Describe every column of a signal by what the file knows of it.

    Parameters
    ----------
    series : pynwb ElectricalSeries or RoiResponseSeries
    n_columns : int
        Columns stored.

    Returns
    -------
    pandas.DataFrame
        One row a column, in their order, indexed by electrode or ROI id
        (``"channel"``), with every plain column of the table.

    Raises
    ------
    NWBDecodeError
        If the table names more or fewer channels than there are columns.
    """
    import pandas as pd

    from nwbdecode.load.rois import roi_columns

    imaging = hasattr(series, "rois")
    region = series.rois if imaging else series.electrodes
    rows = np.asarray(region.data[:], dtype=int)
    if len(rows) != n_columns:
        raise NWBDecodeError(
            f"{series.name!r} stores {n_columns} columns but names {len(rows)} "
            f"{'ROIs' if imaging else 'electrodes'}; correct the file, or its data are transposed"
        )
    table = region.table
    ids = np.asarray(table.id[:])[rows] if len(table.id) else rows
    columns = _plain_columns(table, rows)
    if imaging:
        columns |= roi_columns(table, rows)
    else:
        columns |= _groups(table, rows)
    columns |= _bad(columns)
    # Ids that repeat could not tell channels apart: the stored column can.
    index = ids if len(set(ids.tolist())) == len(ids) else np.arange(len(ids))
    return pd.DataFrame(columns, index=pd.Index(index, name="channel"))


def _plain_columns(table: Any, rows: np.ndarray) -> dict[str, Any]:
    columns = {}
    for name in table.colnames:
        column = table[name]
        if hasattr(column, "target") or name in ("group", "image_mask", "pixel_mask", "voxel_mask"):
            continue
        values = np.asarray(column.data[:])
        if values.ndim != 1 or len(values) <= rows.max(initial=-1):
            continue
        values = values[rows]
        if values.dtype.kind in "OSU":
            values = np.array([text(value) for value in values], dtype=object)
        columns[name] = values
    return {k: v for k, v in columns.items() if k not in ("x", "y", "z") or np.isfinite(v).any()}


def text(value: Any) -> str:
    """Give text as str, whether the file keeps bytes or characters."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _groups(table: Any, rows: np.ndarray) -> dict[str, Any]:
    if "group_name" in table.colnames:
        names = np.asarray(table["group_name"].data[:], dtype=object)[rows]
        return {"group": np.array([text(name) for name in names], dtype=object)}
    if "group" not in table.colnames:
        return {}
    groups = table["group"].data
    return {"group": np.array([groups[int(row)].name for row in rows], dtype=object)}


def _bad(columns: dict[str, Any]) -> dict[str, Any]:
    named = {name.lower(): name for name in columns}
    for names, inverted in ((_BAD, False), (_GOOD, True)):
        for name in names:
            if name in named:
                word = "good" if inverted else "bad"
                return {"bad": _truth(columns[named[name]], word) ^ inverted}
    return {}


def _truth(values: np.ndarray, word: str) -> np.ndarray:
    if values.dtype.kind != "O":
        return np.asarray(np.nan_to_num(values.astype(float)) != 0)
    return np.array([str(v).strip().lower() in ("true", "yes", "1", "1.0", word) for v in values])


def kept(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the columns that a signal carries on."""
    return table[[name for name in KEPT if name in table]]


def choose(table: pd.DataFrame, channels: Any) -> np.ndarray:
    """Find the rows that a user's choice of channels means.

    Parameters
    ----------
    table : pandas.DataFrame
        From `channel_table`.
    channels : None, int, sequence of int, or str
        Ids; text such as ``"0,3,5-8"``; or a condition on the table's columns
        such as ``"location == 'CA1' and x > 3"``.

    Returns
    -------
    array of int
        Positions in the table: in the order of the ids, else in its own.

    Raises
    ------
    NWBDecodeError
        If an id or column does not exist, a condition is none that can be
        used, or nothing fits it.
    """
    from nwbdecode.load.query import ID_LIST, matching

    if channels is None:
        return np.arange(len(table))
    if isinstance(channels, str):
        if ID_LIST.fullmatch(channels):
            return _rows(table, _listed(channels, table))
        return matching(channels, table)
    if isinstance(channels, int | np.integer) and not isinstance(channels, bool):
        return _rows(table, [int(channels)])
    wanted = list(channels)
    if not all(isinstance(c, int | np.integer) and not isinstance(c, bool) for c in wanted):
        raise NWBDecodeError(
            f"channels {wanted!r} are no ids; expected integers of the channel table, "
            "or a condition such as \"location == 'CA1'\""
        )
    return _rows(table, [int(c) for c in wanted])


def _listed(listed: str, table: pd.DataFrame) -> list[int]:
    ids: list[int] = []
    for part in listed.split(","):
        low, dash, high = (piece.strip() for piece in part.partition("-"))
        if not dash:
            ids.append(int(low))
            continue
        between = [i for i in table.index.tolist() if int(low) <= i <= int(high)]
        if not between:
            raise NWBDecodeError(f"no channel id lies in {part.strip()}; there are {ids_of(table)}")
        ids += between
    return ids


def _rows(table: pd.DataFrame, ids: Sequence[int]) -> np.ndarray:
    if not ids:
        raise NWBDecodeError(f"no channels were given; there are {ids_of(table)}")
    rows = table.index.get_indexer(list(ids))
    missing = [i for i, row in zip(ids, rows, strict=True) if row < 0]
    if missing:
        raise NWBDecodeError(f"there is no channel {missing}; the ids are {ids_of(table)}")
    if len(set(ids)) < len(ids):
        raise NWBDecodeError(f"channels {list(ids)} name one twice; give each once")
    return np.asarray(rows)


def ids_of(table: pd.DataFrame) -> str:
    """Write a table's ids short, for messages."""
    ids = table.index.tolist()
    return str(ids) if len(ids) <= 16 else f"{ids[:6]} ... {ids[-3:]} ({len(ids)} of them)"
