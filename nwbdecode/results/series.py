"""Datasets over time as NWB series that share one clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pynwb import ProcessingModule, TimeSeries
from pynwb.behavior import BehavioralTimeSeries, CompassDirection, Position, SpatialSeries

from nwbdecode.results.arrays import Entry, describe, inline, stored
from nwbdecode.results.layout import TIME
from nwbdecode.results.naming import Names, readable

if TYPE_CHECKING:
    import xarray as xr

_LENGTHS = {
    "m": "meters", "meter": "meters", "meters": "meters", "metre": "meters", "metres": "meters",
    "cm": "centimeters", "centimeters": "centimeters", "mm": "millimeters",
    "millimeters": "millimeters", "um": "micrometers", "micrometers": "micrometers",
    "pixels": "pixels",
}  # fmt: skip
_ANGLES = {"rad": "radians", "radians": "radians", "deg": "degrees", "degrees": "degrees"}
_MOST_AXES = 4


def is_regular(time: np.ndarray) -> bool:
    """Whether all steps agree to a nanosecond, so that a starting time and a rate say it all.

    NWB asks for a rate instead of timestamps then, and its inspector checks it
    by this very rule.
    """
    if len(time) < 3:
        return False
    steps = np.unique(np.diff(time).round(9))
    return len(steps) == 1 and bool(steps[0] > 0)


class SeriesShelf:
    """Collects the series of one run and puts each into the container its values call for.

    Vectors in units of length go to `Position`, angles to `CompassDirection`,
    all else to `BehavioralTimeSeries`, or straight into the module.

    Parameters
    ----------
    time : array of float64, shape (time,)
        Bin centers in seconds.
    """

    def __init__(self, time: np.ndarray) -> None:
        self._time = np.asarray(time, dtype=np.float64)
        self._regular = is_regular(self._time)
        self._names = Names()
        self._held: dict[str, list[TimeSeries]] = {}
        self._coords: dict[tuple[Any, ...], Entry] = {}
        self._owner: tuple[str, TimeSeries] | None = None

    @property
    def clock(self) -> str | None:
        """Path of the series that holds the timestamps; None where it takes `exact_time`."""
        return None if self._regular or self._owner is None else self._owner[0]

    @property
    def exact_time(self) -> np.ndarray | None:
        """Bin centers where no series holds them to the last bit."""
        return None if self.clock is not None or not len(self._time) else self._time

    def add_dataset(
        self, dataset: xr.Dataset, *, prefix: str, kinds: Mapping[str, str], about: str
    ) -> Entry:
        """Add every variable over time; what has no time stays in the layout entry.

        Parameters
        ----------
        dataset : xarray.Dataset
        prefix : str
            Begins the name of each series (``"predicted"``).
        kinds : mapping of str to str
            Kind of target by variable name.
        about : str
            Begins the description of each series.
        """
        entry: Entry = {"attrs": dict(dataset.attrs), "variables": {}, "coords": {}}
        for label, coord in dataset.coords.items():
            entry["coords"][str(label)] = self._coord(str(label), coord.variable)
        for label, array in dataset.data_vars.items():
            entry["variables"][str(label)] = self._target(
                array.variable,
                name=f"{prefix}_{label}",
                kind=kinds[str(label)],
                about=f"{about} {label!r}",
            )
        return entry

    def fill(self, module: ProcessingModule) -> None:
        """Put all that was added into a processing module."""
        for home, held in self._held.items():
            if home == "Position":
                module.add(Position(name=home, spatial_series=held))
            elif home == "CompassDirection":
                module.add(CompassDirection(name=home, spatial_series=held))
            elif home == "BehavioralTimeSeries":
                module.add(BehavioralTimeSeries(name=home, time_series=held))
            else:
                for series in held:
                    module.add(series)

    def _coord(self, label: str, variable: xr.Variable) -> Entry:
        if label == "time" and variable.dims == ("time",) and variable.size:
            return describe(variable) | {"at": TIME}
        if not _fits(variable):
            return inline(variable)
        # Truth and baselines carry the same fold numbers as the predictions: keep them once.
        key = (label, variable.dims, variable.dtype.str, variable.to_numpy().tobytes())
        if key not in self._coords:
            about = "Fold whose decoder predicted each bin, -1 for none"
            self._coords[key] = self._put(
                "", variable, label, about if label == "fold" else f"{label} of each bin", "n.a."
            )
        return describe(variable) | {"at": self._coords[key]["at"]}

    def _target(self, variable: xr.Variable, *, name: str, kind: str, about: str) -> Entry:
        if not _fits(variable):
            return inline(variable)
        units = readable(variable.attrs.get("units") or "n.a.")
        home = "BehavioralTimeSeries"
        if kind == "linear" and units in _LENGTHS and variable.ndim == 2:
            if variable.size // variable.sizes["time"] <= 3:
                home, units = "Position", _LENGTHS[units]
        elif kind == "circular" and units in _ANGLES and variable.ndim == 1:
            home, units = "CompassDirection", _ANGLES[units]
        elif kind == "categorical":
            many = variable.ndim > 1
            units = "probability" if many else "n.a."
            classes = ", ".join(map(str, variable.attrs.get("classes", ())))
            about += f": probability of each class ({classes})" if many else f": codes of {classes}"
        return self._put(home, variable, name, about, units)

    def _put(self, home: str, variable: xr.Variable, name: str, about: str, unit: str) -> Entry:
        values = variable.transpose("time", ...).to_numpy()
        name = self._names.take(name)
        path = f"{home}/{name}" if home else name
        given: dict[str, Any] = {"name": name, "data": stored(values), "unit": unit}
        if home in ("Position", "CompassDirection"):
            given["reference_frame"] = "that of the decoded target in the source"
            made = SpatialSeries
        else:
            made = TimeSeries
        series = made(description=readable(about), **given, **self._when())
        self._held.setdefault(home, []).append(series)
        if self._owner is None:
            self._owner = path, series
        return describe(variable) | {"at": path}

    def _when(self) -> dict[str, Any]:
        if self._regular:
            rate = (len(self._time) - 1) / (self._time[-1] - self._time[0])
            return {"starting_time": float(self._time[0]), "rate": float(rate)}
        return {"timestamps": stored(self._time) if self._owner is None else self._owner[1]}


def _fits(variable: xr.Variable) -> bool:
    return (
        "time" in variable.dims
        and variable.size > 0
        and variable.ndim <= _MOST_AXES
        and variable.dtype.kind in "biuf"
    )
