"""What a source offers: every signal and target, described without reading them whole."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load import clock, neural, targets
from nwbdecode.load.electrodes import channel_table
from nwbdecode.load.imaging.movie import is_movie, movie_shape, plane_of, region_counts
from nwbdecode.load.series import Index, shape_of

if TYPE_CHECKING:
    from pynwb import TimeSeries

    from nwbdecode.load.signal import Reader

#: Values of a target that are looked at for missing ones unless all are asked for.
_MOST_ROWS = 1 << 20


def catalog(listed: Index, facts: Mapping[str, Any], *, full: bool) -> dict[str, Any]:
    """Describe a file's signals and targets in JSON values.

    Parameters
    ----------
    listed : Index
    facts : mapping
        About the session.
    full : bool
        Read every timestamp and target value, instead of probing long ones.
    """
    source = dict(facts)
    source["bytes"] = os.path.getsize(facts["path"]) if facts.get("path") else None
    return {
        "source": source,
        "signals": [_signal(path, s, full) for path, s in listed.signals.items()],
        "targets": [_target(path, s, listed, full) for path, s in listed.targets.items()],
    }


def _common(path: str, series: TimeSeries, full: bool) -> dict[str, Any]:
    shape = shape_of(series)
    problems: list[str] = []
    entry: dict[str, Any] = {
        "path": path,
        "type": type(series).__name__,
        "object_id": str(series.object_id),
        "description": str(series.description or ""),
        "shape": list(shape),
        "dtype": _dtype(series),
        "problems": problems,
    }
    try:
        if is_movie(series):
            shape = movie_shape(series, path)
            entry["shape"] = list(shape)
        else:
            neural.check_shape(path, shape)
        entry |= _clock(path, series, shape, full, problems)
    except NWBDecodeError as error:
        problems.append(str(error))
        nothing = dict.fromkeys(("rate", "start", "stop", "duration"))
        entry |= {**nothing, "gaps": 0, "clock": "", "clock_read": "whole"}
    return entry


def _clock(
    path: str, series: TimeSeries, shape: tuple[int, ...], full: bool, problems: list[str]
) -> dict[str, Any]:
    stamps = clock.stamps_of(series)
    if stamps is None:
        rate = neural.stated_rate(series, path)
        start = float(series.starting_time or 0.0)
        stop, gaps, read = start + shape[0] / rate, 0, "whole"
    else:
        neural.check_stamps(path, shape, stamps.shape[0])
        seen = clock.probe(stamps, whole=full)
        rate, start, stop, gaps = seen.rate, seen.start, seen.stop, seen.gaps
        read = "whole" if seen.whole else "probed"
        problems += seen.problems
    return {
        "rate": _number(rate),
        "start": _number(start),
        "stop": _number(stop),
        "duration": _number(stop - start),
        "gaps": gaps,
        "clock": "rate" if stamps is None else "timestamps",
        "clock_read": read,
    }


def _signal(path: str, series: TimeSeries, full: bool) -> dict[str, Any]:
    entry = _common(path, series, full)
    shape = entry["shape"]
    if is_movie(series):
        return entry | _movie(series, entry)
    table = None
    if not hasattr(series, "rois") and len(shape) in (1, 2):
        try:
            table = channel_table(series, shape[1] if len(shape) > 1 else 1)
        except NWBDecodeError as error:
            entry["problems"].append(str(error))
    places = {} if table is None or "location" not in table else table["location"]
    return entry | {
        "units": str(series.unit),
        "modality": neural.modality_of(series, path, table),
        "channels": shape[1] if len(shape) > 1 else 1,
        "locations": sorted(set(map(str, places))),
        "bytes": int(np.prod(shape)) * _itemsize(entry["dtype"]),
    }


def _movie(series: TimeSeries, entry: dict[str, Any]) -> dict[str, Any]:
    """What a movie has beside its clock: the masks that could make channels of it."""
    regions = region_counts(series)
    plane = plane_of(series)
    return {
        "units": str(series.unit),
        "modality": "imaging",
        # Which of several, or how fine a grid, is the user's choice.
        "channels": next(iter(regions.values())) if len(regions) == 1 else None,
        "regions": regions,
        "locations": [str(plane.location)] if plane is not None and plane.location else [],
        "bytes": int(np.prod(entry["shape"])) * _itemsize(entry["dtype"]),
    }


def _target(path: str, series: TimeSeries, listed: Index, full: bool) -> dict[str, Any]:
    entry = _common(path, series, full)
    shape = tuple(entry["shape"])
    columns = shape[1] if len(shape) > 1 else 1
    ndim = 2 if columns > 1 else 1
    kind = targets.inferred_kind(series, np.dtype(entry["dtype"]).kind, ndim)
    unit, _ = targets.si_unit(series)
    usable = len(shape) in (1, 2) and 0 not in shape
    missing, read = _missing(series, full) if usable else (None, "whole")
    return entry | {
        "units": {"circular": "radians", "categorical": ""}.get(kind, unit),
        "kind": kind,
        "components": targets.components(series, columns) if ndim == 2 else [],
        "missing": missing,
        "missing_read": read,
        "derivations": _derivations(path, series, listed) if usable and kind == "linear" else [],
    }


def _derivations(path: str, series: TimeSeries, listed: Index) -> list[str]:
    from pynwb.behavior import SpatialSeries

    if not isinstance(series, SpatialSeries):
        return []
    shape = shape_of(series)
    if len(shape) == 1 or shape[1] == 1:
        return ["speed"] if targets.si_unit(series)[0] == "meters" else []
    folder = path.rsplit("/", 1)[0] + "/"
    beside = [
        name
        for name, other in listed.targets.items()
        if name.startswith(folder) and name != path and shape_of(other) == shape
    ]
    return ["speed", "heading", *(["head_direction"] if beside else [])]


def _missing(series: TimeSeries, full: bool) -> tuple[float | None, str]:
    """Share of samples with a value that is not finite, and how much was read to tell."""
    from nwbdecode.load.memory import reader_of

    reader: Reader = reader_of(series.data)
    n = reader.shape[0]
    if reader.dtype.kind != "f":
        return 0.0, "whole"
    if full or n <= _MOST_ROWS:
        spans = [(a, min(a + _MOST_ROWS, n)) for a in range(0, n, _MOST_ROWS)]
    else:
        length = _MOST_ROWS // 16
        spans = [(int(a), int(a) + length) for a in np.linspace(0, n - length, 16)]
    lost = sum(int((~np.isfinite(reader.read(a, b))).any(axis=1).sum()) for a, b in spans)
    seen = sum(b - a for a, b in spans)
    return lost / seen, "whole" if seen >= n else "probed"


def _dtype(series: TimeSeries) -> str:
    from nwbdecode.load.memory import unwrapped

    if series.fields.get("data") is None:
        return "float64"
    data = unwrapped(series.data)
    return str(np.dtype(getattr(data, "dtype", None) or np.asarray(data).dtype))


def _itemsize(dtype: str) -> int:
    return int(np.dtype(dtype).itemsize)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
