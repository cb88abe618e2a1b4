"""What kind of target a series is: inferred from units, names and values, with the reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from pynwb import TimeSeries

#: Whole numbers of up to so many different values, without a unit, are taken for codes.
MOST_CODES = 10

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
        ("seconds", 1.0, "s sec second seconds"),
        ("seconds", 1e-3, "ms msec millisecond milliseconds"),
    )
    for spelled in names.split()
}
# What stands for a unit where there is none.
_UNITLESS = frozenset(
    (
        "", "n/a", "n.a.", "na", "none", "unknown", "undefined", "a.u.", "au", "arbitrary",
        "unitless", "dimensionless", "1", "bool", "boolean", "index", "id", "code", "label",
        "state", "class", "category", "int", "integer", "logical", "binary", "flag", "ttl", "-",
    )
)  # fmt: skip
_COMPASS = re.compile(
    r"head[ _-]?(direction|angle)|(?<![a-z])(hd|heading|yaw|azimuth|compass)(?![a-z])",
    re.IGNORECASE,
)
# Of a direction these are no direction: what changes it, or how fast it changes.
_CHANGE = re.compile(
    r"velocity|speed|accelerat|(?<![a-z])(rate|vel|acc|torque)(?![a-z])", re.IGNORECASE
)
#: Share of a turn that angles may reach beyond one by noise.
_BEYOND = 0.01
#: Percentiles between which angles lie that mark no lost samples.
_USUAL = (2.5, 97.5)


def si_unit(series: TimeSeries) -> tuple[str, float]:
    """SI name of a series' unit and the factor to it; unknown units stay as they are."""
    stated = str(getattr(series, "unit", "") or "").strip()
    known = _SI.get(stated) or _SI.get(stated.lower())
    return known or (stated, 1.0)


def series_kind(series: TimeSeries, values: np.ndarray, columns: int) -> tuple[str, str]:
    """Infer the kind of target that a series is.

    Parameters
    ----------
    series : pynwb.TimeSeries
    values : array
        Its stored values, or some of them.
    columns : int
        Values at each time.

    Returns
    -------
    (kind, reason) : (str, str)
    """
    unit, factor = si_unit(series)
    if values.dtype.kind not in "OSUb" and columns == 1:
        # Two columns of degrees are a gaze or a stimulus position, not a direction.
        if is_compass(series):
            return "circular", "it lies in a CompassDirection"
        if unit == "radians" and not _CHANGE.search(series.name):
            usual, turns = _turns(values) * abs(float(series.conversion or 1.0)) * factor
            if usual > 1 + _BEYOND:
                return "linear", f"an angle that runs over {turns:.3g} turns, so it is not wrapped"
            return "circular", f"its unit is {str(series.unit).strip()!r}"
        if _named_compass(series) and _unitless(series) and _within_a_turn(values):
            return "circular", f"it is named {series.name!r} and stays within one turn"
    scaled = float(series.conversion or 1.0) != 1 or float(series.offset or 0.0) != 0
    if columns > 1 or scaled or not _no_unit(unit):
        kind, reason = values_kind(values)
        if kind == "categorical" and values.dtype.kind in "OSUb":
            return kind, reason
        why = f"numbers with the unit {unit!r}" if not _no_unit(unit) else "numbers"
        return "linear", f"{columns} columns of {why}" if columns > 1 else why
    return values_kind(values)


def decided_by_values(series: TimeSeries) -> bool:
    """Whether a series' values must be looked at to tell its kind, as no unit does."""
    unit = si_unit(series)[0]
    return _no_unit(unit) or unit == "radians" or _named_compass(series)


def values_kind(values: np.ndarray) -> tuple[str, str]:
    """Infer a kind from values alone, where no unit says what they measure.

    Whole numbers with at least two and at most ten different values, each seen
    twice on average or more, are codes of classes, also where they are kept as
    floating point, as they must be beside NaN; so are zeros and ones however
    few. All other numbers are measured on a line.
    """
    if values.dtype.kind in "OSU":
        return "categorical", "it holds text"
    if values.dtype.kind == "b":
        return "categorical", "it holds yes and no"
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    different = np.unique(known)
    if len(different) == 2 and values.dtype.kind == "f" and np.array_equal(different, [0, 1]):
        return "categorical", "zeros and ones without a unit"
    whole = len(different) > 0 and np.array_equal(different, np.round(different))
    if values.dtype.kind in "iu" or (values.dtype.kind == "f" and whole):
        if 2 <= len(different) <= MOST_CODES and known.size >= 2 * len(different):
            return "categorical", f"whole numbers of {len(different)} values without a unit"
        return "linear", f"whole numbers of {len(different)} values"
    return "linear", "numbers"


def turn_unit(values: np.ndarray, said: str) -> float:
    """Factor to radians of angles whose unit is not stated, by how far they reach.

    Raises
    ------
    NWBDecodeError
        If they reach beyond one turn of 360 degrees; `said` begins the message.
    """
    reach = float(np.nanmax(np.abs(values), initial=0.0))
    if reach > 361:
        raise NWBDecodeError(
            f"{said} and reaches {reach:g}; a circular target needs radians or degrees"
        )
    return 1.0 if reach <= 2 * np.pi + 0.01 else float(np.pi / 180)


def is_compass(series: TimeSeries) -> bool:
    """Whether a series lies in a CompassDirection."""
    from pynwb.behavior import CompassDirection

    return isinstance(series.parent, CompassDirection)


def _named_compass(series: TimeSeries) -> bool:
    return bool(_COMPASS.search(series.name)) and not _CHANGE.search(series.name)


def _turns(values: np.ndarray) -> np.ndarray:
    """Turns that radians reach over: most of them, as a few may mark lost samples, and all."""
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return np.zeros(2)
    low, high = np.percentile(known, _USUAL)
    return np.array([high - low, np.ptp(known)]) / (2 * np.pi)


def _no_unit(unit: str) -> bool:
    return unit.lower() in _UNITLESS


def _unitless(series: TimeSeries) -> bool:
    """Whether the unit says nothing: none, or pynwb's default for whatever is spatial."""
    from pynwb.behavior import SpatialSeries

    unit = str(series.unit or "").strip().lower()
    return _no_unit(unit) or (isinstance(series, SpatialSeries) and unit == "meters")


def _within_a_turn(values: np.ndarray) -> bool:
    known = values[np.isfinite(values)]
    return bool(known.size) and float(np.abs(known).max()) <= 361
