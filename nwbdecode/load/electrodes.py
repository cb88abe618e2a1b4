"""The channel table: electrodes or ROIs behind the columns of a signal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.marks import bad_channels, marking

if TYPE_CHECKING:
    import pandas as pd
    from pynwb import TimeSeries

#: Columns of a table that say again what ``group`` says.
_AGAIN = ("group_name",)
_PLACES = ("x", "y", "z", "rel_x", "rel_y", "rel_z")
#: Spaces that coordinates may be given in, and the words that tell.
_SPACES = {
    "MNI": r"\bMNI|ICBM|colin27",
    "Talairach": r"talairach",
    "fsaverage": r"fsaverage",
    "CCF": r"\bCCF|common coordinate framework",
    "native": r"\bnative|\bsubject'?s? space|\bT1[ -]?(w|space|image|MRI)|\bACPC\b",
}


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
    imaging = hasattr(series, "rois")
    region = series.rois if imaging else series.electrodes
    rows = np.asarray(region.data[:], dtype=int)
    if len(rows) != n_columns:
        raise NWBDecodeError(
            f"{series.name!r} stores {n_columns} columns but names {len(rows)} "
            f"{'ROIs' if imaging else 'electrodes'}; correct the file, or its data are transposed"
        )
    return described(region.table, rows)


def described(table: Any, rows: np.ndarray) -> pd.DataFrame:
    """Describe some rows of an electrode, ROI or unit table, one after the other.

    Parameters
    ----------
    table : hdmf DynamicTable
    rows : array of int

    Returns
    -------
    pandas.DataFrame
        Indexed by the rows' ids (``"channel"``), with ``group`` and ``bad`` made of
        whatever the table calls them.

    Raises
    ------
    NWBDecodeError
        If the table has no such rows, or what marks bad channels is neither yes nor no.
    """
    import pandas as pd

    from nwbdecode.load.rois import roi_columns

    _check_rows(table, rows)
    imaging = hasattr(table, "imaging_plane")
    ids = np.asarray(table.id[:])[rows] if len(table.id) else rows
    columns = _plain_columns(table, rows)
    columns |= roi_columns(table, rows) if imaging else _groups(table, rows)
    bad = bad_channels(columns)
    columns |= {} if bad is None else {"bad": bad}
    # Ids that repeat could not tell channels apart: the stored column can.
    index = ids if len(set(ids.tolist())) == len(ids) else np.arange(len(ids))
    return pd.DataFrame(columns, index=pd.Index(index, name="channel"))


def _check_rows(table: Any, rows: np.ndarray) -> None:
    """Refuse rows that a table does not have; a negative one would be read from its end."""
    count = len(table.id)
    lost = sorted({int(row) for row in rows[(rows < 0) | (rows >= count)]}) if count else []
    if lost:
        raise NWBDecodeError(
            f"a region of the table {table.name!r} names the rows {lost[:6]}; it has rows 0 to "
            f"{count - 1}. Correct the file"
        )


def _plain_columns(table: Any, rows: np.ndarray) -> dict[str, Any]:
    columns = {}
    for name in table.colnames:
        column = table[name]
        if hasattr(column, "target") or name in ("group", "image_mask", "pixel_mask", "voxel_mask"):
            continue
        # Looked at before it is read: mean waveforms of many units are large.
        if len(np.shape(column.data)) != 1 or len(column.data) <= rows.max(initial=-1):
            continue
        values = np.asarray(column.data[:])[rows]
        if values.dtype.kind in "OSU":
            # References to other objects describe no channel.
            if not all(isinstance(value, str | bytes) for value in values):
                continue
            values = np.array([text(value) for value in values], dtype=object)
        columns[name] = values
    return {k: v for k, v in columns.items() if k not in _PLACES or np.isfinite(v).any()}


def text(value: Any) -> str:
    """Give text as str, whether the file keeps bytes or characters."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _groups(table: Any, rows: np.ndarray) -> dict[str, Any]:
    if "group_name" in table.colnames:
        names = np.asarray(table["group_name"].data[:], dtype=object)[rows]
        return {"group": np.array([text(name) for name in names], dtype=object)}
    named = next((name for name in ("group", "electrode_group") if name in table.colnames), "")
    if not named:
        return {}
    groups = table[named].data
    return {"group": np.array([groups[int(row)].name for row in rows], dtype=object)}


def kept(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the columns that a signal carries on: all but those said twice or unknown throughout."""
    marks = [name for name in marking(map(str, table.columns)) if name != "bad"]
    again = [*marks, *(name for name in _AGAIN if "group" in table)]
    unknown = [
        name for name in table.columns if table[name].dtype.kind == "f" and table[name].isna().all()
    ]
    return table.drop(columns=[name for name in (*again, *unknown) if name in table])


def space_of(series: TimeSeries) -> str:
    """Space that electrodes' coordinates are given in, as the file says of them; empty if not.

    Looked for in the descriptions of the coordinate columns, and in columns that are
    called ``reference``, ``coordinate_space`` or alike.
    """
    table = series.electrodes.table
    said: list[str] = []
    for name in table.colnames:
        if name in _PLACES:
            said.append(str(table[name].description or ""))
        elif name in ("reference", "coordinate_space", "space", "coordinate_system"):
            values = np.asarray(table[name].data[:])
            said += [text(value) for value in values.ravel() if isinstance(value, str | bytes)]
    for space, words in _SPACES.items():
        if any(re.search(words, one, re.IGNORECASE) for one in said):
            return space
    return ""


def choose(table: pd.DataFrame, channels: Any) -> np.ndarray:
    """Find the rows that a user's choice of channels means.

    Parameters
    ----------
    table : pandas.DataFrame
        From `channel_table`.
    channels : None, int, sequence of int, or str
        Ids; a mask of all channels, as numpy compares give; text such as
        ``"0,3,5-8"``; or a condition on the table's columns
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
    if isinstance(channels, np.ndarray) and channels.dtype.kind == "b":
        return _marked(table, channels)
    if isinstance(channels, str):
        if ID_LIST.fullmatch(channels):
            return _rows(table, _listed(channels, table))
        return matching(channels, table)
    if isinstance(channels, int | np.integer) and not isinstance(channels, bool):
        return _rows(table, [int(channels)])
    try:
        wanted = list(channels)
    except TypeError:
        # A slice of positions or of ids? Neither is what the table's ids are.
        wanted = [channels]
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


def _marked(table: pd.DataFrame, mask: np.ndarray) -> np.ndarray:
    if mask.shape != (len(table),) or not mask.any():
        raise NWBDecodeError(
            f"the mask of channels has shape {mask.shape} and marks {mask.sum()}; expected one "
            f"truth value for each of {len(table)} channels, and one true at least"
        )
    return np.flatnonzero(mask)


def ids_of(table: pd.DataFrame) -> str:
    """Write a table's ids short, for messages."""
    ids = table.index.tolist()
    return str(ids) if len(ids) <= 16 else f"{ids[:6]} ... {ids[-3:]} ({len(ids)} of them)"
