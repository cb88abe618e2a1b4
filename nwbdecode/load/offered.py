"""What a catalog says of targets: columns of tables, intervals, and what can be derived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.commands import FOLDS
from nwbdecode.load.kinds import si_unit, values_kind
from nwbdecode.load.learnable import present, rows_why_not
from nwbdecode.load.series import Index, shape_of
from nwbdecode.load.tables import Column, times_of, values_of
from nwbdecode.load.targets import interval_rows

if TYPE_CHECKING:
    from pynwb import TimeSeries


def column_entry(path: str, column: Column) -> dict[str, Any]:
    """Describe a table of intervals or events, or one of its columns."""
    table = column.table
    start, stop, events = times_of(table)
    problems = []
    open_ended = int((~np.isfinite(stop)).sum())
    if not events and open_ended:
        problems.append(f"{open_ended} of {len(start)} rows have no stop time")
    kind, reason, missing, undecodable = "categorical", "inside or outside its rows", 0.0, ""
    dtype = "float64"
    if column.name:
        values = values_of(column)
        kind, reason = values_kind(values) if len(values) else ("linear", "it is empty")
        dtype = str(values.dtype)
        missing = float(1 - present(values).mean()) if len(values) else 0.0
        undecodable = rows_why_not(column.name, values, start, kind)
    elif 0 < len(start) < 2 * FOLDS:
        undecodable = f"{len(start)} rows are too few for {FOLDS} folds"
    begin = float(np.nanmin(start)) if np.isfinite(start).any() else None
    ends = np.concatenate([start, stop])
    end = float(np.nanmax(ends)) if begin is not None else None
    named = table[column.name] if column.name and hasattr(table, "colnames") else table
    derivations = ["window"] if column.name else []
    usual = ""
    if not np.isfinite(stop).any() and not (events and column.name):
        # What never ends holds in a window after its start, or is counted.
        usual = "window" if column.name else "rate"
    return {
        "path": path,
        "type": type(table).__name__ if not column.name else f"{type(table).__name__} column",
        "object_id": column.object_id,
        "description": str(getattr(named, "description", "") or ""),
        "shape": [len(start)],
        "dtype": dtype,
        "problems": problems if len(start) else ["it has no rows"],
        "rate": None,
        "start": begin,
        "stop": end,
        "duration": None if begin is None or end is None else end - begin,
        "gaps": 0,
        "run": None,
        "lost": 0.0,
        "clock": "rows",
        "clock_read": "whole",
        "units": "",
        "kind": kind,
        "kind_reason": reason,
        "components": [],
        "missing": missing,
        "missing_read": "whole",
        "derivations": [*derivations, "near", "since", "until", "rate"],
        "usual": usual,
        "undecodable": undecodable,
    }


def interval_entry(
    series: TimeSeries, path: str, problems: list[str], *, usable: bool
) -> dict[str, Any]:
    """Describe what an IntervalSeries offers."""
    if usable:
        try:
            interval_rows(series, path)
        except NWBDecodeError as error:
            problems.append(str(error))
    return {
        "units": "", "kind": "categorical", "kind_reason": "it is an IntervalSeries",
        "components": [], "missing": 0.0, "missing_read": "whole",
        "derivations": ["window", "near", "since", "until", "rate"],
    }  # fmt: skip


def series_derivations(path: str, series: TimeSeries, kind: str, listed: Index) -> list[str]:
    """Name what can be made of a series."""
    from pynwb.behavior import SpatialSeries

    if kind == "circular":
        return ["turn"]
    if not isinstance(series, SpatialSeries) or kind != "linear":
        return []
    shape = shape_of(series)
    if len(shape) == 1 or shape[1:] == (1,):
        return ["speed", "acceleration"] if si_unit(series)[0] == "meters" else []
    if len(shape) != 2:
        return []
    folder = path.rsplit("/", 1)[0] + "/"
    beside = [
        name
        for name, other in listed.targets.items()
        if name.startswith(folder)
        and name != path
        and not isinstance(other, Column)
        and shape_of(other) == shape
    ]
    both = ["head_direction"] if beside else []
    return ["speed", "heading", *both, "acceleration", "turn"]
