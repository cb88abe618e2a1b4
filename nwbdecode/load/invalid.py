"""Times that a file marks as invalid: cut out of signals, missing in targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.load.tables import times_of

if TYPE_CHECKING:
    import xarray as xr

#: Where a file marks them.
INVALID = "intervals/invalid_times"


def invalid_spans(table: Any, object_id: str, *, unnamed: bool = True) -> list[tuple[float, float]]:
    """Rows of invalid times that hold for a series.

    Parameters
    ----------
    table : TimeIntervals
    object_id : str
        Of the series.
    unnamed : bool, default True
        Whether rows that name no series count beside those that name this one.

    Returns
    -------
    list of (start, stop)
        Seconds; without a stop, up to infinity.
    """
    start, stop, _ = times_of(table)
    named = "timeseries" in table.colnames
    if not named and not unnamed:
        return []
    spans = []
    for row, (a, b) in enumerate(zip(start, stop, strict=True)):
        about = set()
        if named:
            about = {str(part.timeseries.object_id) for part in table["timeseries"][row]}
        if object_id not in about and (about or not unnamed):
            continue
        end = float(b) if np.isfinite(b) else np.inf
        if np.isfinite(a) and end > a:
            spans.append((float(a), end))
    return spans


def without_invalid(target: xr.DataArray, spans: Sequence[tuple[float, float]]) -> xr.DataArray:
    """Make a target missing in invalid times.

    Parameters
    ----------
    target : xarray.DataArray, dims (time,) or (time, component)
        Samples, or a step function, whose value holds until the next.
    spans : sequence of (start, stop)
        Seconds.

    Returns
    -------
    xarray.DataArray
        Missing where ``start <= time < stop``. A span that no sample lies in becomes a missing
        sample, so that nothing is interpolated across it.

    Examples
    --------
    >>> import xarray as xr
    >>> slow = xr.DataArray([1.0, 2.0, 3.0], dims="time", coords={"time": [0.0, 1.0, 2.0]})
    >>> without_invalid(slow, [(0.2, 0.4), (1.5, 2.5)]).to_series().to_dict()
    {0.0: 1.0, 0.2: nan, 1.0: 2.0, 2.0: nan}
    """
    for start, stop in spans:
        time = target["time"].to_numpy()
        ends = (start, stop) if target.attrs.get("steps") else (start,)
        inside = (time >= start) & (time < stop)
        if target.attrs.get("steps") or not inside.any():
            fresh = [at for at in ends if time[0] <= at < time[-1] and at not in time]
            target = _with_times(target, fresh)
            time = target["time"].to_numpy()
            inside = (time >= start) & (time < stop)
        target = target.where(~_like(target, inside))
    return target


def _like(target: xr.DataArray, inside: np.ndarray) -> xr.DataArray:
    import xarray as xr

    return xr.DataArray(inside, dims="time", coords={"time": target["time"]})


def _with_times(target: xr.DataArray, fresh: Sequence[float]) -> xr.DataArray:
    """Repeat, at new times, the sample before each."""
    time = target["time"].to_numpy()
    at = np.sort(np.concatenate([time, np.asarray(fresh, dtype=np.float64)]))
    before = np.searchsorted(time, at, side="right") - 1
    return target.isel(time=before).assign_coords(time=at)
