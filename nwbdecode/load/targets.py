"""Reading behavior and stimuli: values in SI units on their own clock, with their kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.load import events
from nwbdecode.load.clock import fault, stamps_of
from nwbdecode.load.columns import read_columns
from nwbdecode.load.derivations import DERIVATIONS
from nwbdecode.load.derive import MAX_GAP, wrap
from nwbdecode.load.invalid import INVALID, invalid_spans, without_invalid
from nwbdecode.load.kinds import series_kind, si_unit, turn_unit
from nwbdecode.load.memory import unwrapped
from nwbdecode.load.neural import check_stamps, stated_rate
from nwbdecode.load.series import Index, find, shape_of
from nwbdecode.load.spec import TargetSpec, split_columns
from nwbdecode.load.tables import Column, classes_of, rows_of

if TYPE_CHECKING:
    import xarray as xr
    from pynwb import TimeSeries

#: What callers may ask for: one target, several, or names for them.
Asked = str | TargetSpec | Iterable[str | TargetSpec] | Mapping[str, str | TargetSpec]


def specs(asked: Asked, kinds: Mapping[str, str] | None = None) -> list[TargetSpec]:
    """Read what the user asked for into specifications with distinct names.

    Raises
    ------
    NWBDecodeError
        If a specification cannot be read, two have one name, or `kinds` names
        none of them.
    """
    if isinstance(asked, str | TargetSpec):
        asked = [asked]
    if isinstance(asked, Mapping):
        listed = [replace(_spec(value), name=str(name)) for name, value in asked.items()]
    else:
        listed = [_spec(value) for value in asked]
    if not listed:
        raise NWBDecodeError(
            "no target was given; expected a path such as 'behavior/Position/led1'"
        )
    names = [spec.label for spec in listed]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise NWBDecodeError(
            f"two targets are named {twice[0]!r}; name them, as in 'first=PATH' and 'second=PATH'"
        )
    for name, kind in (kinds or {}).items():
        if name not in names:
            raise NWBDecodeError(f"kinds names no target {name!r}. {suggest(name, names)}")
        at = names.index(name)
        listed[at] = replace(listed[at], kind=kind)
    return listed


def _spec(value: str | TargetSpec) -> TargetSpec:
    if isinstance(value, str | TargetSpec):
        return TargetSpec.parse(value) if isinstance(value, str) else value
    raise NWBDecodeError(f"a target is given as text or TargetSpec; found {type(value).__name__}")


def read_target(spec: TargetSpec, listed: Index, *, keep_invalid: bool = False) -> xr.DataArray:
    """Read one target, deriving it where asked.

    Parameters
    ----------
    spec : TargetSpec
    listed : Index
        Of the file.
    keep_invalid : bool, default False
        Keep what rows of ``invalid_times`` mark that name the target's series.

    Returns
    -------
    xarray.DataArray, dims (time,) or (time, component)

    Raises
    ------
    NWBDecodeError
        If a path, clock, kind or shape cannot be used.
    """
    derivation = DERIVATIONS.get(spec.derivation)
    # The kind of what a derivation makes is its own, unless it keeps that of its source.
    kind = "" if derivation is not None and derivation.kind else spec.kind
    asked = [split_columns(path) for path in spec.paths]
    paths = [find(path, listed.targets, listed, what="target") for path, _ in asked]
    made = [
        _read(listed.targets[path], path, columns, kind if i == 0 else "")
        for i, (path, (_, columns)) in enumerate(zip(paths, asked, strict=True))
    ]
    invalid = [] if keep_invalid else _invalid(listed, [p.attrs["object_id"] for p in made])
    # What is derived must not be made of them; rows of a table are masked once they are spread.
    made = [part if "stop" in part.coords else without_invalid(part, invalid) for part in made]
    if derivation is not None:
        if not derivation.of_events and any("stop" in part.coords for part in made):
            raise NWBDecodeError(
                f"{paths[0]!r} holds intervals or events; {spec.derivation} needs a series. "
                f"{suggest('', [n for n, d in DERIVATIONS.items() if d.of_events])}"
            )
        target = derivation.function(*made, **{**derivation.defaults, **spec.options})
    else:
        target = events.spread(made[0]) if "stop" in made[0].coords else made[0]
    target = without_invalid(target, invalid)
    reason = f"{spec.derivation} is {derivation.kind}" if derivation and derivation.kind else ""
    attrs = {
        "derivation": "",
        **target.attrs,
        "path": ",".join(paths),
        "object_id": ",".join(part.attrs["object_id"] for part in made),
        "spec": str(spec),
        "kind_from": "given" if spec.kind else "inferred",
        "kind_reason": "" if spec.kind else reason or made[0].attrs["kind_reason"],
        "missing": _missing(target),
    }
    if invalid:
        attrs["invalid_times"] = len(invalid)
    target = target.copy(deep=False)
    target.attrs = attrs
    return target.rename(spec.label)


def _invalid(listed: Index, object_ids: Iterable[str]) -> list[tuple[float, float]]:
    """Invalid times that name the series; rows that name none are about the signal."""
    if INVALID not in listed.tables:
        return []
    table = listed.tables[INVALID]
    return [span for one in object_ids for span in invalid_spans(table, one, unnamed=False)]


def _missing(target: xr.DataArray) -> float:
    """Share of samples, or of a step function's time, without a value."""
    lost = ~np.isfinite(target.to_numpy().reshape(target.sizes["time"], -1)).all(axis=1)
    if not target.attrs.get("steps"):
        return float(lost.mean())
    held = np.diff(target["time"].to_numpy())
    return float(held[lost[:-1]].sum() / held.sum()) if held.size else 0.0


def announced(target: xr.DataArray) -> str:
    """Say in one line what a target was taken for, and what of it is missing.

    Examples
    --------
    >>> import xarray as xr
    >>> attrs = {"kind": "linear", "units": "meters", "kind_from": "inferred", "missing": 0.15}
    >>> attrs["kind_reason"] = "2 columns of numbers with the unit 'meters'"
    >>> announced(xr.DataArray([0.0], dims="time", name="place", attrs=attrs))
    "place: linear, meters (2 columns of numbers with the unit 'meters'); 15 % missing"
    """
    attrs = target.attrs
    classes = attrs.get("classes", [])
    shown = ", ".join(map(str, classes[:6])) + (", ..." if len(classes) > 6 else "")
    what = f"{len(classes)} classes: {shown}" if classes else attrs.get("units", "")
    why = "as asked" if attrs.get("kind_from") == "given" else attrs.get("kind_reason", "")
    said = [f"{target.name}: {attrs['kind']}{', ' + what if what else ''}"]
    said[0] += f" ({why})" if why else ""
    if attrs.get("units_from"):
        said.append(f"in radians by the {attrs['units_from']}")
    if attrs.get("missing", 0) > 0:
        said.append(f"{100 * attrs['missing']:.2g} % missing")
    if attrs.get("invalid_times"):
        said.append(f"missing in {attrs['invalid_times']} of the file's 'invalid_times'")
    if attrs.get("rows_without_stop"):
        said.append(f"{attrs['rows_without_stop']} rows without a stop time left out")
    if attrs.get("seconds_of_conflict"):
        said.append(f"{attrs['seconds_of_conflict']:.3g} s where rows contradict each other")
    return "; ".join(said)


def _read(
    item: TimeSeries | Column, path: str, columns: tuple[str, ...], kind: str
) -> xr.DataArray:
    if isinstance(item, Column):
        if columns:
            raise NWBDecodeError(f"{path!r} has one value a row; it has no columns to pick")
        return rows_of(item, path, kind)
    if is_intervals(item):
        return interval_rows(item, path)
    return _series(item, path, columns, kind)


def _series(series: TimeSeries, path: str, columns: tuple[str, ...], kind: str) -> xr.DataArray:
    import xarray as xr

    stored, labels = read_columns(series, path, columns)
    time = clock_of(series, path, shape_of(series))
    inferred, reason = series_kind(series, stored, max(1, len(labels)))
    kind, reason = (kind, "") if kind else (inferred, reason)
    values, attrs = _valued(series, path, stored, kind)
    # Some systems write a frame twice: the first of equal times stands for both.
    fresh = np.concatenate([[True], np.diff(time) > 0])
    coords: dict[str, Any] = {"time": time[fresh]}
    dims: tuple[str, ...] = ("time",)
    if values.ndim == 2:
        dims = ("time", "component")
        coords["component"] = labels
    step = float(np.median(np.diff(time[fresh]))) if fresh.sum() > 1 else 0.0
    attrs |= {
        "kind": kind,
        "kind_reason": reason,
        "support": [0.0, 0.0],
        # A clock slower than the usual limit could otherwise never be interpolated.
        "max_gap": max(MAX_GAP, 1.5 * step),
        "object_id": str(series.object_id),
    }
    if not fresh.all():
        attrs["repeated_timestamps"] = int((~fresh).sum())
    if is_annotations(series):
        # An annotation is an event: what it says holds until the next one.
        coords["stop"] = ("time", np.full(int(fresh.sum()), np.nan))
        attrs["hold"] = True
    return xr.DataArray(values[fresh], dims=dims, coords=coords, attrs=attrs, name=path)


def clock_of(series: TimeSeries, path: str, shape: tuple[int, ...]) -> np.ndarray:
    """Time of every sample in seconds, shape (time,).

    Raises
    ------
    NWBDecodeError
        If timestamps are missing, NaN, decreasing, or not one a sample.
    """
    stamps = stamps_of(series)
    if stamps is None:
        start = float(series.starting_time or 0.0)
        return start + np.arange(shape[0]) / stated_rate(series, path)
    check_stamps(path, shape, stamps.shape[0])
    time = stamps.read(0, shape[0])[:, 0].astype(np.float64)
    wrong = fault(time, 0, repeats=True)
    if wrong:
        raise NWBDecodeError(
            f"the clock of {path!r} cannot be used: {wrong}. Correct the file's timestamps"
        )
    return time


def interval_rows(series: TimeSeries, path: str) -> xr.DataArray:
    """Read an IntervalSeries as rows: +k begins an interval of kind k, -k ends it.

    Raises
    ------
    NWBDecodeError
        If none of its intervals begins and ends.
    """
    import xarray as xr

    shape = shape_of(series)
    time = clock_of(series, path, shape)
    marks = np.asarray(unwrapped(series.data)[:])
    rows: list[tuple[float, float, int]] = []
    for code in np.unique(np.abs(marks[marks != 0])):
        own = np.abs(marks) == code
        begins, at = marks[own] > 0, time[own]
        pairs = np.flatnonzero(begins[:-1] & ~begins[1:])
        rows += [(float(at[i]), float(at[i + 1]), int(code)) for i in pairs]
    if not rows:
        raise NWBDecodeError(f"{path!r} holds no interval that begins (> 0) and then ends (< 0)")
    start, stop, codes = (np.array(part) for part in zip(*sorted(rows), strict=True))
    kinds = np.unique(codes)
    names = ["on"] if len(kinds) == 1 else [str(code) for code in kinds]
    attrs = {
        "kind": "categorical", "kind_reason": "it is an IntervalSeries", "units": "",
        "classes": ["off", *names], "outside": "off", "hold": False,
        "object_id": str(series.object_id), "support": [0.0, 0.0],
    }  # fmt: skip
    return xr.DataArray(
        np.searchsorted(kinds, codes) + 1.0, dims="time", name=path, attrs=attrs,
        coords={"time": start, "stop": ("time", stop)},
    )  # fmt: skip


def is_intervals(series: Any) -> bool:
    """Whether a series marks intervals by their ends."""
    from pynwb.misc import IntervalSeries

    return isinstance(series, IntervalSeries)


def is_annotations(series: Any) -> bool:
    """Whether a series holds notes that someone took."""
    from pynwb.misc import AnnotationSeries

    return isinstance(series, AnnotationSeries)


def _valued(
    series: TimeSeries, path: str, stored: np.ndarray, kind: str
) -> tuple[np.ndarray, dict[str, Any]]:
    if kind == "categorical":
        return classes_of(stored, path)
    if stored.dtype.kind not in "iufb":
        raise NWBDecodeError(f"{path!r} holds text; it can be categorical but not {kind}")
    unit, factor = si_unit(series)
    values = stored.astype(np.float64) * float(series.conversion or 1.0)
    values += float(series.offset or 0.0)
    values[~np.isfinite(values)] = np.nan
    if kind != "circular":
        return values * factor, {"units": unit}
    if values.ndim != 1:
        raise NWBDecodeError(
            f"{path!r} has shape {stored.shape}; a circular target is one angle at each time"
        )
    if unit == "radians":
        return wrap(values * factor), {"units": "radians"}
    # pynwb's default unit for any SpatialSeries is meters, also for angles.
    said = f"{path!r} is in {unit!r}"
    factor = turn_unit(values, said)
    return wrap(values * factor), {
        "units": "radians",
        "units_from": f"range of the values; the file states {unit!r}",
    }
