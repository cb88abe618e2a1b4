"""Reading behavior and stimuli: values in SI units on their own clock, with their kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.load.clock import fault, stamps_of
from nwbdecode.load.derive import DERIVATIONS, MAX_GAP, wrap
from nwbdecode.load.electrodes import text
from nwbdecode.load.neural import check_shape, check_stamps, stated_rate
from nwbdecode.load.series import Index, find, shape_of
from nwbdecode.load.spec import TargetSpec

if TYPE_CHECKING:
    import xarray as xr
    from pynwb import TimeSeries

#: What callers may ask for: one target, several, or names for them.
Asked = str | TargetSpec | Iterable[str | TargetSpec] | Mapping[str, str | TargetSpec]

_MOST_CLASSES = 1000
_SI: dict[str, tuple[str, float]] = {
    spelled: (unit, factor)
    for unit, factor, names in (
        ("meters", 1.0, "m meter meters metre metres"),
        ("meters", 1e-2, "cm centimeter centimeters centimetre centimetres"),
        ("meters", 1e-3, "mm millimeter millimeters millimetre millimetres"),
        ("radians", 1.0, "rad radian radians"),
        ("radians", np.pi / 180, "deg degree degrees °"),
        ("meters/second", 1.0, "m/s m/sec meter/second meters/second meters/s"),
        ("meters/second", 1e-2, "cm/s cm/sec centimeter/second centimeters/second centimeters/s"),
        ("meters/second", 1e-3, "mm/s mm/sec millimeters/second"),
        ("radians/second", 1.0, "rad/s radians/second radians/s"),
        ("radians/second", np.pi / 180, "deg/s degrees/second degrees/s"),
    )
    for spelled in names.split()
}


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


def read_target(spec: TargetSpec, listed: Index) -> xr.DataArray:
    """Read one target, deriving it where asked.

    Parameters
    ----------
    spec : TargetSpec
    listed : Index
        Of the file.

    Returns
    -------
    xarray.DataArray, dims (time,) or (time, component)

    Raises
    ------
    NWBDecodeError
        If a path, clock, kind or shape cannot be used.
    """
    paths = [find(path, listed.targets, listed, what="target") for path in spec.paths]
    made = [
        _read(listed.targets[path], path, "" if spec.derivation else spec.kind) for path in paths
    ]
    if spec.derivation:
        derivation = DERIVATIONS[spec.derivation]
        target = derivation.function(*made, **{**derivation.defaults, **spec.options})
    else:
        target = made[0]
    attrs = {
        "derivation": "",
        **target.attrs,
        "path": ",".join(paths),
        "object_id": ",".join(part.attrs["object_id"] for part in made),
        "spec": str(spec),
        "kind_from": "given" if spec.kind else "inferred",
    }
    target = target.copy(deep=False)
    target.attrs = attrs
    return target.rename(spec.label)


def _read(series: TimeSeries, path: str, kind: str) -> xr.DataArray:
    import xarray as xr

    from nwbdecode.load.memory import unwrapped

    shape = shape_of(series)
    check_shape(path, shape)
    stored = np.asarray(unwrapped(series.data)[:])
    stored = stored[:, 0] if stored.ndim == 2 and stored.shape[1] == 1 else stored
    time = clock_of(series, path, shape)
    kind = kind or inferred_kind(series, stored.dtype.kind, stored.ndim)
    values, attrs = _valued(series, path, stored, kind)
    # Some systems write a frame twice: the first of equal times stands for both.
    fresh = np.concatenate([[True], np.diff(time) > 0])
    coords: dict[str, Any] = {"time": time[fresh]}
    dims: tuple[str, ...] = ("time",)
    if values.ndim == 2:
        dims = ("time", "component")
        coords["component"] = components(series, values.shape[1])
    step = float(np.median(np.diff(time[fresh]))) if fresh.sum() > 1 else 0.0
    attrs |= {
        "kind": kind,
        "support": [0.0, 0.0],
        # A clock slower than the usual limit could otherwise never be interpolated.
        "max_gap": max(MAX_GAP, 1.5 * step),
        "object_id": str(series.object_id),
    }
    if not fresh.all():
        attrs["repeated_timestamps"] = int((~fresh).sum())
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


def inferred_kind(series: TimeSeries, dtype_kind: str, ndim: int) -> str:
    """Kind of target that a series is, from its type, units and data."""
    if dtype_kind in "OSUb":
        return "categorical"
    unit, _ = si_unit(series)
    circular = is_compass(series) or unit == "radians"
    # Two columns of degrees are a gaze or a stimulus position, not a direction.
    return "circular" if circular and ndim == 1 else "linear"


def is_compass(series: TimeSeries) -> bool:
    """Whether a series lies in a CompassDirection."""
    from pynwb.behavior import CompassDirection

    return isinstance(series.parent, CompassDirection)


def si_unit(series: TimeSeries) -> tuple[str, float]:
    """SI name of a series' unit and the factor to it; unknown units stay as they are."""
    stated = str(series.unit or "").strip()
    known = _SI.get(stated) or _SI.get(stated.lower())
    return known or (stated, 1.0)


def components(series: TimeSeries, n: int) -> list[str]:
    """Names of a series' columns."""
    from pynwb.behavior import SpatialSeries

    features = getattr(series, "features", None)
    if features is not None and len(features) == n:
        return [text(name) for name in features[:]]
    if isinstance(series, SpatialSeries) and n <= 3:
        return list("xyz"[:n])
    return [str(i) for i in range(n)]


def _valued(
    series: TimeSeries, path: str, stored: np.ndarray, kind: str
) -> tuple[np.ndarray, dict[str, Any]]:
    if kind == "categorical":
        return _classes(stored, path)
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
    attrs = {"units": "radians"}
    if unit != "radians":
        # pynwb's default unit for any SpatialSeries is meters, also for angles.
        reach = float(np.nanmax(np.abs(values), initial=0.0))
        if reach > 361:
            raise NWBDecodeError(
                f"{path!r} is in {unit!r} and reaches {reach:g}; "
                "a circular target needs radians or degrees"
            )
        factor = 1.0 if reach <= 2 * np.pi + 0.01 else np.pi / 180
        attrs["units_from"] = f"range of the values; the file states {unit!r}"
    return wrap(values * factor), attrs


def _classes(stored: np.ndarray, path: str) -> tuple[np.ndarray, dict[str, Any]]:
    if stored.ndim != 1:
        raise NWBDecodeError(
            f"{path!r} has shape {stored.shape}; a categorical target is one class at each time"
        )
    if stored.dtype.kind == "f":
        missing = ~np.isfinite(stored)
        labels, codes = np.unique(stored[~missing], return_inverse=True)
        classes = [f"{label:.12g}" for label in labels]
    else:
        missing = np.zeros(len(stored), dtype=bool)
        held = np.array([text(v) for v in stored]) if stored.dtype.kind in "OS" else stored
        labels, codes = np.unique(held, return_inverse=True)
        classes = [str(label) for label in labels]
    if len(classes) > _MOST_CLASSES:
        raise NWBDecodeError(
            f"{path!r} holds {len(classes)} different values; a categorical target has at most "
            f"{_MOST_CLASSES}. Ask for it as @linear"
        )
    values = np.full(len(stored), np.nan)
    values[~missing] = codes
    return values, {"units": "", "classes": classes}
