"""What a source offers: every signal and target, described without reading them whole."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load import bands, clock, neural, units
from nwbdecode.load.columns import components, sample_of
from nwbdecode.load.commands import add_commands
from nwbdecode.load.electrodes import channel_table, text
from nwbdecode.load.faulty import NO_CLOCK, described_or_faulty
from nwbdecode.load.filters import check_filters
from nwbdecode.load.imaging.movie import (
    is_movie,
    movie_shape,
    plane_of,
    region_counts,
    superseded,
)
from nwbdecode.load.kinds import decided_by_values, series_kind, si_unit
from nwbdecode.load.learnable import lone_class, present, rows_why_not
from nwbdecode.load.links import check_present
from nwbdecode.load.offered import column_entry, interval_entry, series_derivations
from nwbdecode.load.series import Index, shape_of
from nwbdecode.load.tables import Column
from nwbdecode.load.targets import clock_of, is_annotations, is_intervals

if TYPE_CHECKING:
    import pandas as pd
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
    path = facts.get("path")
    source.setdefault("bytes", os.path.getsize(path) if path else None)
    found: dict[str, Any] = {
        "source": source,
        "signals": [
            described_or_faulty(partial(_signal, path, series, full), path, series)
            for path, series in listed.signals.items()
        ],
        "targets": [
            described_or_faulty(partial(_described, path, item, listed, full), path, item)
            for path, item in listed.targets.items()
            if getattr(item, "listed", True)
        ],
    }
    movies = set(superseded(listed))
    for entry in found["signals"]:
        if "regions" in entry:
            entry["superseded"] = entry["path"] in movies
    add_commands(found)
    return found


def _common(path: str, series: TimeSeries, full: bool, *, repeats: bool = False) -> dict[str, Any]:
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
        if 0 in shape:
            check_present(series, path)
        if is_movie(series):
            shape = movie_shape(series, path)
            entry["shape"] = list(shape)
        elif bands.is_decomposition(series) or len(shape) != 3:
            neural.check_shape(path, shape, banded=bands.is_decomposition(series))
        entry |= _clock(path, series, shape, full, problems, repeats=repeats)
    except NWBDecodeError as error:
        problems.append(str(error))
        entry |= {**dict.fromkeys(NO_CLOCK), "gaps": 0, "clock": "", "clock_read": "whole"}
    return entry


def _clock(
    path: str,
    series: TimeSeries,
    shape: tuple[int, ...],
    full: bool,
    problems: list[str],
    *,
    repeats: bool,
) -> dict[str, Any]:
    stamps = clock.stamps_of(series)
    if stamps is None:
        rate = neural.stated_rate(series, path)
        start = float(series.starting_time or 0.0)
        stop, gaps, read = start + shape[0] / rate, 0, "whole"
        run = shape[0] / rate
    else:
        neural.check_stamps(path, shape, stamps.shape[0])
        seen = clock.probe(stamps, whole=full, repeats=repeats)
        rate, start, stop, gaps = seen.rate, seen.start, seen.stop, seen.gaps
        read = "whole" if seen.whole else "probed"
        problems += seen.problems
        # Where some stretches were looked at, the others have as many gaps.
        run = shape[0] / rate / (gaps * max(1.0, shape[0] / max(seen.seen, 1)) + 1)
    return {
        "rate": _number(rate),
        "start": _number(start),
        "stop": _number(stop),
        "duration": _number(stop - start),
        "gaps": gaps,
        "run": _number(run),
        # A clock says how many samples its time would hold.
        "lost": 0.0 if stamps is None else _lost(shape[0], rate * (stop - start)),
        "clock": "rate" if stamps is None else "timestamps",
        "clock_read": read,
    }


def _lost(samples: int, expected: float) -> float | None:
    """Share of the samples that a clock's time and rate have room for and that are not there."""
    return max(0.0, 1 - samples / expected) if expected > 0 and math.isfinite(expected) else None


def _signal(path: str, series: TimeSeries, full: bool) -> dict[str, Any]:
    if units.holds_spikes(series):
        entry, table = _units(path, series, full)
    else:
        entry = _common(path, series, full)
        movie = is_movie(series)
        table = None if movie else _channels(path, series, entry)
        if not entry["problems"]:
            _check_values(path, series, entry)
        if movie:
            return entry | _movie(series, entry)
    places = {} if table is None or "location" not in table else table["location"]
    usable = not entry["problems"]
    bad = [] if table is None or "bad" not in table else table.index[table["bad"]].tolist()
    if bad:
        shown = ", ".join(map(str, bad[:12])) + (", ..." if len(bad) > 12 else "")
        entry["problems"].append(f"{len(bad)} of {len(table)} channels marked bad: {shown}")
    shape = entry["shape"]
    return {
        "units": str(getattr(series, "unit", "")),
        "modality": neural.modality_of(series, path, table),
        "channels": shape[1] if len(shape) > 1 else 1,
        "locations": sorted(set(map(str, places))),
        "bad": bad,
        "usable": usable and (table is None or len(bad) < len(table)),
        "bytes": int(np.prod(shape)) * _itemsize(entry["dtype"]),
        **entry,
    }


def _check_values(path: str, series: TimeSeries, entry: dict[str, Any]) -> None:
    try:
        check_filters(series.fields.get("data"))
        neural.check_numbers(path, entry["dtype"])
        factors = neural.conversion_of(series, path, tuple(entry["shape"]))
        neural.check_scale(path, factors, float(series.offset or 0.0))
    except NWBDecodeError as error:
        entry["problems"].append(str(error))


def _channels(path: str, series: TimeSeries, entry: dict[str, Any]) -> pd.DataFrame | None:
    """Channel table of a series, None where it is not looked at or faulty."""
    shape = tuple(entry["shape"])
    try:
        if bands.is_decomposition(series):
            if len(shape) == 3:
                entry["frequencies"] = list(bands.frequencies_of(series, path))
                return bands.source_table(series, path, shape)
        elif not hasattr(series, "rois") and len(shape) in (1, 2) and 0 not in shape:
            return channel_table(series, shape[1] if len(shape) > 1 else 1)
    except NWBDecodeError as error:
        entry["problems"].append(str(error))
    return None


def _units(path: str, table: Any, full: bool) -> tuple[dict[str, Any], pd.DataFrame]:
    """Describe a table of units; without `full`, its time from the spikes of some."""
    known = units.unit_table(table)
    start, stop, gaps, whole = units.extent(table, full=full)
    spikes = len(table["spike_times"].target.data)
    nothing = [] if math.isfinite(start) else ["it holds no spike at a time that is a number"]
    return {
        "path": path,
        "type": type(table).__name__,
        "object_id": str(table.object_id),
        "description": str(table.description or ""),
        "shape": [len(table)],
        "dtype": "float64",
        "problems": nothing,
        "rate": units.RATE,
        "start": _number(start),
        "stop": _number(stop),
        "duration": _number(stop - start),
        "gaps": gaps,
        "run": _number(_observed_run(table, stop - start)),
        "lost": 0.0,
        "clock": "spike times",
        "clock_read": "whole" if whole else "probed",
        "units": "spikes/second",
        "channels": len(table),
        "bytes": 8 * spikes,
    }, known


def _observed_run(table: Any, duration: float) -> float:
    """Seconds of an average stretch in which units were observed."""
    intervals = units.observed(table)
    if not intervals or not sum(map(len, intervals)):
        return duration
    runs = np.unique(np.concatenate(intervals), axis=0)
    until = np.maximum.accumulate(runs[:, 1])
    first = np.append(0, np.flatnonzero(runs[1:, 0] > until[:-1]) + 1)
    last = np.append(first[1:], len(runs)) - 1
    return float((until[last] - runs[first, 0]).mean())


def _described(path: str, item: Any, listed: Index, full: bool) -> dict[str, Any]:
    if isinstance(item, Column):
        return column_entry(path, item)
    return _target(path, item, listed, full)


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
        "usable": not entry["problems"],
        "locations": [str(plane.location)] if plane is not None and plane.location else [],
        "bytes": int(np.prod(entry["shape"])) * _itemsize(entry["dtype"]),
    }


def _target(path: str, series: TimeSeries, listed: Index, full: bool) -> dict[str, Any]:
    # Of a frame that was written twice, `targets` takes the first.
    entry = _common(path, series, full, repeats=True)
    shape = tuple(entry["shape"])
    usable = len(shape) in (1, 2, 3) and 0 not in shape
    if is_intervals(series):
        return entry | interval_entry(series, path, entry["problems"], usable=usable)
    columns = int(np.prod(shape[1:]))
    kind, reason = "linear", ""
    if usable:
        # What lies far away is read only where it decides.
        dtype = np.dtype(entry["dtype"])
        values = sample_of(series) if decided_by_values(series) else np.empty(0, dtype)
        kind, reason = series_kind(series, values, columns)
    unit, _ = si_unit(series)
    looked = usable and len(shape) < 3
    missing, read, varies = _looked_at(series, full) if looked else (None, "whole", [])
    flat = len(shape) == 2 and columns > 1
    labels = components(series, columns) if flat else []
    undecodable = "it never changes" if varies and not any(varies) else ""
    if kind == "categorical" and values.size == shape[0] and not entry["problems"]:
        undecodable = undecodable or _classes_why_not(series, path, values.ravel())
    return entry | {
        "units": {"circular": "radians", "categorical": ""}.get(kind, unit),
        "kind": kind,
        "kind_reason": reason,
        "components": labels,
        # What never changes beside what does is left out of the command.
        "varying": [] if all(varies) or not flat else list(compress(labels, varies)),
        "undecodable": undecodable,
        "missing": missing,
        "missing_read": read,
        "derivations": series_derivations(path, series, kind, listed) if usable else [],
    }


def _classes_why_not(series: TimeSeries, path: str, values: np.ndarray) -> str:
    """Say why no decoder could learn the classes of a series."""
    if values.dtype.kind in "OS":
        values = np.array([text(value) for value in values], dtype=str)
    time = clock_of(series, path, values.shape)
    # An annotation is an event, whose text holds until the next one.
    rows = is_annotations(series)
    if not rows and len(np.unique(values[present(values)])) < 2:
        return "it never changes"
    return rows_why_not("", values, time, "categorical") if rows else lone_class(values, time)


def _looked_at(series: TimeSeries, full: bool) -> tuple[float | None, str, list[bool]]:
    """Share of samples with a value that is not finite, how much was read, which columns vary.

    The last is empty where not all was read.
    """
    from nwbdecode.load.memory import reader_of

    reader: Reader = reader_of(series.data)
    n = reader.shape[0]
    # Over a network a look must cost less than from a disk.
    most = getattr(reader, "probe_rows", _MOST_ROWS)
    floats = reader.dtype.kind == "f"
    near = full or (n <= most and not hasattr(reader, "probe_rows"))
    if not floats and not (near and reader.dtype.kind in "iub"):
        return 0.0, "whole", []
    if full or n <= most:
        spans = [(a, min(a + _MOST_ROWS, n)) for a in range(0, n, _MOST_ROWS)]
    else:
        length = most // 16
        spans = [(int(a), int(a) + length) for a in np.linspace(0, n - length, 16)]
    lost, ends = 0, []
    for begin, end in spans:
        block = reader.read(begin, end)
        known = np.isfinite(block)
        lost += int((~known).any(axis=1).sum())
        block = np.where(known, block, np.nan) if floats else block
        ends += [np.fmin.reduce(block), np.fmax.reduce(block)]
    seen = sum(b - a for a, b in spans)
    if seen < n:
        return lost / seen, "probed", []
    varies = np.fmin.reduce(ends) < np.fmax.reduce(ends)
    # What holds no value at all is said elsewhere.
    return lost / seen, "whole", varies.tolist() if lost < seen else []


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
