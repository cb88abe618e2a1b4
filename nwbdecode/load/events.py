"""Targets made of events and intervals: labels spread over time, and what lies around an event.

Events come as rows: an array of one value a row at the time the row begins, with
the coordinate ``stop`` where rows have an end. What is made of them is a step
function (``attrs["steps"]``): each value holds from its time until the next one, the
last without end. Its coordinate ``trial`` numbers the stretches that no fold may cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr


def spread(rows: xr.DataArray) -> xr.DataArray:
    """Let each row's value hold from its start to its stop.

    A row of an event that states no stop holds until the next event, the last one
    without end (``attrs["hold"]``); an interval without a stop is left out. Where
    rows with different values overlap, the value is missing.

    Parameters
    ----------
    rows : xarray.DataArray, dims (time,)

    Returns
    -------
    xarray.DataArray, dims (time,)
        A step function.

    Raises
    ------
    NWBDecodeError
        If no row has an extent.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rows = xr.DataArray(
    ...     [0.0, 1.0], dims="time", coords={"time": [1.0, 5.0], "stop": ("time", [3.0, 6.0])},
    ...     attrs={"kind": "categorical", "classes": ["left", "right"]},
    ... )
    >>> choice = spread(rows)
    >>> choice.to_series().to_dict()
    {1.0: 0.0, 3.0: nan, 5.0: 1.0, 6.0: nan}
    >>> choice["trial"].to_numpy().tolist()
    [0, -1, 1, -1]
    """
    start, stop = _extent(rows)
    if rows.attrs.get("hold"):
        if rows.attrs.get("outside") and not np.isfinite(stop).any():
            raise NWBDecodeError(
                f"the events of {rows.name!r} have no duration; ask for a column of labels, or for "
                ":near, :since, :until or :rate of them"
            )
        stop = np.where(np.isnan(stop), np.append(start[1:], np.inf), stop)
    ended = stop > start
    if not ended.any():
        raise NWBDecodeError(
            f"none of the {len(start)} rows of {rows.name!r} has a stop time after its start; "
            "place a window instead, as in 'TABLE/COLUMN:window(start=0,stop=1)'"
        )
    made = _steps(rows, start[ended], stop[ended], rows.to_numpy()[ended])
    left_out = int((~ended).sum())
    return made.assign_attrs(rows_without_stop=left_out) if left_out else made


def window(
    rows: xr.DataArray,
    times: xr.DataArray | None = None,
    *,
    start: float = 0.0,
    stop: float = 1.0,
    relative: float = 0.0,
) -> xr.DataArray:
    """Let each row's value hold in a window around its start, or around another time.

    Parameters
    ----------
    rows : xarray.DataArray, dims (time,)
    times : xarray.DataArray, dims (time,), optional
        A column of times of the same table, in seconds; NaN leaves a row out.
    start, stop : float, default 0 and 1
        Seconds after the row's time; negative ones lie before it.
    relative : {0, 1}, default 0
        Whether `times` count from the row's start rather than the session's.

    Returns
    -------
    xarray.DataArray, dims (time,)
        A step function; its trials reach over a row's own extent and its window.

    Raises
    ------
    NWBDecodeError
        If the window is empty, or `times` are no times of these rows.
    """
    _need_window("window", start, stop)
    begin, end = _extent(rows)
    anchor = begin
    if times is not None:
        if not np.array_equal(times["time"], begin):
            raise NWBDecodeError(
                f"{times.name!r} and {rows.name!r} are not of one table; window needs a column of "
                "values and one of times from the same rows"
            )
        anchor = times.to_numpy().astype(float)
        if relative:
            anchor = begin + anchor
        elif float(np.mean(anchor[np.isfinite(anchor)] < begin[np.isfinite(anchor)] - 60)) > 0.5:
            raise NWBDecodeError(
                f"most times in {times.name!r} lie more than a minute before their row begins; if "
                "they count from it, ask for window(relative=1)"
            )
    kept = np.isfinite(anchor)
    if not kept.any():
        raise NWBDecodeError(f"no row of {rows.name!r} has a time to place a window at")
    low, high = anchor[kept] + start, anchor[kept] + stop
    begin, end = begin[kept], end[kept]
    extent = np.fmin(low, begin), np.fmax(high, np.where(np.isnan(end), high, end))
    return _steps(rows, low, high, rows.to_numpy()[kept], extent=extent).assign_attrs(
        derivation="window"
    )


def near(rows: xr.DataArray, *, start: float = 0.0, stop: float = 0.5) -> xr.DataArray:
    """Tell times near an event from times away from all, between the first and the last.

    Parameters
    ----------
    rows : xarray.DataArray, dims (time,)
    start, stop : float, default 0 and 0.5
        Seconds after an event that count as near; negative ones lie before it.

    Returns
    -------
    xarray.DataArray, dims (time,)
        A step function of the classes "away" and "near".
    """
    _need_window("near", start, stop)
    at = rows["time"].to_numpy()[_present(rows)]
    attrs = {**rows.attrs, "kind": "categorical", "classes": ["away", "near"], "units": ""}
    named = rows.assign_attrs(attrs | {"outside": "away"})
    made = _steps(named, at + start, at + stop, np.ones(len(at)))
    return made.assign_attrs(derivation="near")


def since(rows: xr.DataArray, *, most: float = 1.0, step: float = 0.01) -> xr.DataArray:
    """Seconds since the last event, missing after `most` of them.

    Parameters
    ----------
    rows : xarray.DataArray, dims (time,)
    most : float, default 1
        Seconds after an event that are kept.
    step : float, default 0.01
        Seconds between the samples of the result.
    """
    time = _times(rows)
    return _ramp(rows, time, np.append(time[1:], np.inf), most, step, "since")


def until(rows: xr.DataArray, *, most: float = 1.0, step: float = 0.01) -> xr.DataArray:
    """Seconds until the next event, missing before the last `most` of them.

    Parameters
    ----------
    rows, most, step
        As for `since`.
    """
    time = -_times(rows)[::-1]
    made = _ramp(rows, time, np.append(time[1:], np.inf), most, step, "until")
    turned = made[::-1]
    return turned.assign_coords(time=-turned["time"].to_numpy()).assign_attrs(
        support=made.attrs["support"][::-1]
    )


def rate(rows: xr.DataArray, *, gaussian: float = 0.2) -> xr.DataArray:
    r"""Events per second, smoothed: :math:`\sum_i g(t - t_i)` between the first and the last.

    Parameters
    ----------
    rows : xarray.DataArray, dims (time,)
    gaussian : float, default 0.2
        Standard deviation of the Gaussian :math:`g` in seconds, cut at 4 of them.
    """
    if not gaussian > 0:
        raise NWBDecodeError(f"gaussian of rate is {gaussian}; expected seconds above zero")
    at = _times(rows)
    step = gaussian / 5
    # A grid of its own, so that where the first event lies moves no other sample.
    grid = np.arange(int(np.ceil(at[0] / step)), int(np.floor(at[-1] / step)) + 1) * step
    if not len(grid):
        raise NWBDecodeError(f"the events of {rows.name!r} span less than {step:g} s")
    reach = 4 * gaussian
    first = np.searchsorted(grid, at - reach)
    offsets = np.arange(int(np.ceil(2 * reach / step)) + 1)
    where = first[:, None] + offsets
    inside = where < len(grid)
    distance = grid[np.minimum(where, len(grid) - 1)] - at[:, None]
    inside &= np.abs(distance) <= reach
    height = np.exp(-0.5 * (distance / gaussian) ** 2) / (gaussian * np.sqrt(2 * np.pi))
    values = np.zeros(len(grid))
    # Adding one by one keeps a far event's rounding out of a near one's sum.
    np.add.at(values, where[inside], height[inside])
    return _sampled(rows, grid, values, "rate", "1/second", [reach, reach], step)


def _extent(rows: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    start = rows["time"].to_numpy().astype(float)
    held = "stop" in rows.coords
    stop = rows["stop"].to_numpy().astype(float) if held else np.full(len(start), np.nan)
    return start, stop


def _present(rows: xr.DataArray) -> np.ndarray:
    """Rows that happened: a class for none, such as an empty label, is no event."""
    return np.isfinite(rows.to_numpy().astype(float))


def _times(rows: xr.DataArray) -> np.ndarray:
    time = np.unique(rows["time"].to_numpy()[_present(rows)])
    if len(time) < 2:
        raise NWBDecodeError(f"{rows.name!r} holds {len(time)} event(s); two are needed at least")
    return time


def _need_window(name: str, start: float, stop: float) -> None:
    if not (np.isfinite(start) and np.isfinite(stop) and start < stop):
        raise NWBDecodeError(
            f"{name} reaches from {start:g} to {stop:g} s; expected start before stop"
        )


def _steps(
    rows: xr.DataArray,
    start: np.ndarray,
    stop: np.ndarray,
    values: np.ndarray,
    *,
    extent: tuple[np.ndarray, np.ndarray] | None = None,
) -> xr.DataArray:
    """Paint rows onto a step function, with the stretches that no fold may cut."""
    import xarray as xr

    low, high = (start, stop) if extent is None else extent
    edges = np.unique(np.concatenate([start, stop, low, high]))
    edges = edges[np.isfinite(edges)]
    held = np.full(len(edges), np.nan)
    taken, differ = np.zeros(len(edges), bool), np.zeros(len(edges), bool)
    first, last = np.searchsorted(edges, start), np.searchsorted(edges, stop)
    for a, b, value in zip(first, last, values, strict=True):
        part = slice(a, b)
        other = held[part] != value
        if np.isnan(value):
            other &= np.isfinite(held[part])
        differ[part] |= taken[part] & other
        held[part], taken[part] = value, True
    held[differ] = np.nan
    attrs = {k: v for k, v in rows.attrs.items() if k not in ("hold", "outside")}
    if rows.attrs.get("outside"):
        code = attrs["classes"].index(rows.attrs["outside"])
        between = (edges >= start.min()) & (edges < stop.max())
        held[between & ~taken] = code
    if differ.any():
        long = np.append(np.diff(edges), 0.0)[differ]
        attrs["seconds_of_conflict"] = float(long.sum())
    trial = _numbered(edges, low, high)
    coords: dict[str, Any] = {"time": edges, "trial": ("time", trial)}
    attrs |= {"steps": True, "support": [0.0, 0.0]}
    return xr.DataArray(held, dims="time", coords=coords, attrs=attrs, name=rows.name)


def _numbered(edges: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Number of the stretch that each step lies in, -1 for none; those that overlap are one."""
    order = np.argsort(low, kind="stable")
    low, reached = low[order], np.maximum.accumulate(high[order])
    fresh = np.append(True, low[1:] >= reached[:-1])
    begin = low[fresh]
    end = reached[np.append(np.flatnonzero(fresh)[1:] - 1, len(low) - 1)]
    which = np.searchsorted(begin, edges, side="right") - 1
    inside = (which >= 0) & (edges < end[np.maximum(which, 0)])
    return np.where(inside, which, -1)


def _ramp(
    rows: xr.DataArray,
    time: np.ndarray,
    following: np.ndarray,
    most: float,
    step: float,
    name: str,
) -> xr.DataArray:
    for option, value in {"most": most, "step": step}.items():
        if not (np.isfinite(value) and value > 0):
            raise NWBDecodeError(f"{option} of {name} is {value}; expected seconds above zero")
    # The last instant before the next event is still this event's.
    length = np.minimum(following - time, most)
    count = np.maximum(np.ceil(length / step - 1e-9).astype(int), 1)
    which = np.repeat(np.arange(len(time)), count)
    passed = (np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)) * step
    made = _sampled(rows, time[which] + passed, passed, name, "seconds", [most + step, 0.0], step)
    return made


def _sampled(
    rows: xr.DataArray,
    time: np.ndarray,
    values: np.ndarray,
    name: str,
    units: str,
    support: list[float],
    step: float,
) -> xr.DataArray:
    import xarray as xr

    attrs = {
        "kind": "linear", "units": units, "derivation": name, "support": support,
        "max_gap": 1.5 * step,
    }  # fmt: skip
    return xr.DataArray(values, dims="time", coords={"time": time}, attrs=attrs, name=rows.name)
