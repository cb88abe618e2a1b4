"""Behavior made from positions: speed, heading and head direction, on labelled arrays.

Every function takes and gives `xarray.DataArray` objects with a ``time``
coordinate in seconds and knows nothing of NWB. The result's ``attrs`` state
how many seconds before and after a sample it depends on (``support``), which
is what keeps training and test data apart later on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr

#: Most seconds between two samples that are bridged unless asked otherwise.
MAX_GAP = 1.0


def speed(
    position: xr.DataArray, *, median: float = 0.3, gaussian: float = 0.2, max_gap: float = MAX_GAP
) -> xr.DataArray:
    r"""Speed of a position: the norm of its smoothed time derivative.

    Lost samples are interpolated linearly, each coordinate passes a median
    filter of the odd number of samples nearest to `median` seconds and a
    Gaussian of SD `gaussian` seconds (cut at 4 SD), and

    .. math:: s(t) = \sqrt{\sum_c \left(\frac{dx_c}{dt}\right)^2}

    with central differences. Nothing reaches across a gap longer than `max_gap`.

    Parameters
    ----------
    position : xarray.DataArray, dims (time, component) or (time,)
        NaN where lost.
    median, gaussian : float, default 0.3 and 0.2
        Seconds; 0 leaves a filter out.
    max_gap : float, default 1.0
        Longest time in seconds between two tracked samples that is
        interpolated; ``inf`` bridges every gap.

    Returns
    -------
    xarray.DataArray, dims (time,)
        In units of `position` per second; NaN inside gaps too long to bridge.

    Raises
    ------
    NWBDecodeError
        If `position` has no usable shape or a setting is negative.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> time = np.arange(100) / 50
    >>> walk = xr.DataArray(
    ...     np.stack([3 * time, 4 * time], 1), dims=("time", "component"),
    ...     coords={"time": time}, attrs={"units": "meters"},
    ... )
    >>> fast = speed(walk, median=0, gaussian=0)
    >>> float(fast[50].round(6)), fast.attrs["units"]
    (5.0, 'meters/second')
    """
    velocity, attrs = velocity_of(position, "speed", median, gaussian, max_gap)
    units = f"{position.attrs.get('units', 'a.u.')}/second"
    values = np.sqrt((velocity**2).sum(axis=1))
    return labelled(position, values, kind="linear", units=units, derivation="speed", **attrs)


def heading(
    position: xr.DataArray,
    *,
    median: float = 0.3,
    gaussian: float = 0.2,
    max_gap: float = MAX_GAP,
    min_speed: float = 0.0,
) -> xr.DataArray:
    r"""Direction of motion: :math:`\mathrm{atan2}(dy/dt, dx/dt)` of the smoothed position.

    Parameters
    ----------
    position : xarray.DataArray, dims (time, component)
        At least x and y.
    median, gaussian, max_gap : float
        As in `speed`.
    min_speed : float, default 0.0
        Below this speed (units of `position` per second) and at rest the
        direction means nothing and is NaN.

    Returns
    -------
    xarray.DataArray, dims (time,)
        Radians in (-pi, pi], counterclockwise from the x axis.

    Raises
    ------
    NWBDecodeError
        If `position` has fewer than two components or a setting is negative.
    """
    need_plane(position, "heading")
    velocity, attrs = velocity_of(position, "heading", median, gaussian, max_gap)
    if not min_speed >= 0:
        raise NWBDecodeError(f"min_speed is {min_speed}; expected zero or a positive number")
    fast = np.sqrt((velocity**2).sum(axis=1))
    angle = wrap(np.arctan2(velocity[:, 1], velocity[:, 0]))
    angle[(fast < min_speed) | (fast == 0)] = np.nan
    return labelled(
        position, angle, kind="circular", units="radians", derivation="heading", **attrs
    )


def head_direction(front: xr.DataArray, back: xr.DataArray | None = None) -> xr.DataArray:
    r"""Head direction from two markers, or a measured one as it is.

    :math:`\mathrm{atan2}(y_f - y_b, x_f - x_b)`; NaN where either marker is
    lost or both coincide.

    Parameters
    ----------
    front : xarray.DataArray, dims (time, component)
        Position of the marker nearer the nose; or, alone, an array of angles.
    back : xarray.DataArray, dims (time, component), optional
        Position of the other, on the same clock.

    Returns
    -------
    xarray.DataArray, dims (time,)
        Radians in (-pi, pi], counterclockwise from the x axis.

    Raises
    ------
    NWBDecodeError
        If the clocks or units differ, or one position is given alone.
    """
    if back is None:
        if front.attrs.get("kind") != "circular":
            raise NWBDecodeError(
                f"{front.name!r} is no direction; head_direction needs two markers, front first, "
                "as in 'led1,led2:head_direction', or one CompassDirection"
            )
        return front.assign_attrs(derivation="head_direction")
    for marker in (front, back):
        need_plane(marker, "head_direction")
    times = front["time"].to_numpy(), back["time"].to_numpy()
    if len(times[0]) != len(times[1]) or not np.allclose(*times, rtol=0, atol=1e-6):
        raise NWBDecodeError(
            f"{front.name!r} ({len(times[0])} samples from {_first(times[0])} s) and {back.name!r} "
            f"({len(times[1])} samples from {_first(times[1])} s) lie on different clocks; "
            "head_direction needs both markers on the same one"
        )
    if front.attrs.get("units") != back.attrs.get("units"):
        raise NWBDecodeError(
            f"the markers are measured in {front.attrs.get('units')!r} and "
            f"{back.attrs.get('units')!r}; head_direction needs the same units"
        )
    across = front.to_numpy()[:, :2] - back.to_numpy()[:, :2]
    angle = wrap(np.arctan2(across[:, 1], across[:, 0]))
    angle[(across == 0).all(axis=1)] = np.nan
    return labelled(
        front,
        angle,
        kind="circular",
        units="radians",
        derivation="head_direction",
        support=[0.0, 0.0],
        max_gap=MAX_GAP,
    )


def wrap(angle: np.ndarray) -> np.ndarray:
    """Bring angles in radians into (-pi, pi].

    Examples
    --------
    >>> import numpy as np
    >>> wrap(np.array([0.0, -np.pi, 3 * np.pi / 2])).round(3).tolist()
    [0.0, 3.142, -1.571]
    """
    inside = (angle > -np.pi) & (angle <= np.pi)
    # What already lies inside keeps its exact value.
    return np.where(inside, angle, np.pi - np.mod(np.pi - angle, 2 * np.pi))


def labelled(like: xr.DataArray, values: np.ndarray, **attrs: Any) -> xr.DataArray:
    """Put one value at each time of another array."""
    import xarray as xr

    return xr.DataArray(values, dims=("time",), coords={"time": like["time"]}, attrs=attrs)


def _first(times: np.ndarray) -> str:
    return f"{times[0]:.3f}" if len(times) else "no"


def need_plane(position: xr.DataArray, derivation: str) -> None:
    """Refuse a position of fewer than two components."""
    if position.ndim != 2 or position.shape[1] < 2:
        raise NWBDecodeError(
            f"{derivation} needs a position of two components or more; "
            f"{str(position.name)!r} has shape {position.shape}"
        )


def check_settings(derivation: str, **settings: float) -> None:
    """Refuse a setting that is no length of time; only `max_gap` may be without end."""
    for name, value in settings.items():
        if not value >= 0 or (name != "max_gap" and np.isinf(value)):
            raise NWBDecodeError(
                f"{name} of {derivation} is {value}; expected zero or a positive number"
            )


def velocity_of(
    position: xr.DataArray,
    derivation: str,
    median: float,
    gaussian: float,
    max_gap: float,
    *,
    further: int = 0,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Time derivative of each component, shape (time, component), with what it reads.

    `further` samples are added to the support for what the caller does with it.
    """
    check_settings(derivation, median=median, gaussian=gaussian, max_gap=max_gap)
    # A position on a line has one component; any other scalar has no speed.
    line = position.ndim == 1 and position.attrs.get("units") == "meters"
    if (position.ndim != 2 and not line) or position.attrs.get("kind", "linear") != "linear":
        raise NWBDecodeError(
            f"{derivation} needs a position, dims (time, component) or (time,) in meters; "
            f"{str(position.name)!r} has shape {position.shape} in "
            f"{position.attrs.get('units', 'unknown units')!r}"
        )
    time = position["time"].to_numpy()
    values = position.to_numpy().reshape(len(time), -1).astype(np.float64)
    if len(time) < 2:
        raise NWBDecodeError(f"{derivation} needs two samples or more; found {len(time)}")
    if not (np.diff(time) > 0).all():
        raise NWBDecodeError(f"{derivation} needs times that increase from sample to sample")
    step = typical_step(time)
    window, sigma = odd(median / step), gaussian / step
    velocity = np.full_like(values, np.nan)
    samples = window // 2 + int(4 * sigma + 0.5) + 1 + further
    reach, filled = samples * step, 0.0
    good = np.asarray(np.isfinite(values).all(axis=1))
    for run in tracked_runs(good, time, max_gap, step):
        span = slice(run[0], run[-1] + 1)
        whole = np.stack([np.interp(time[span], time[run], v) for v in values[run].T], axis=1)
        filled = max(filled, longest_loss(run, time))
        reach = max(reach, longest_span(time[span], samples))
        velocity[span] = _differentiate(smooth(whole, window, sigma), time[span], step)
    return velocity, {"support": [reach + filled] * 2, "max_gap": float(max_gap)}


def tracked_runs(
    good: np.ndarray, time: np.ndarray, max_gap: float, step: float
) -> list[np.ndarray]:
    """Indices of good samples, cut where two of them lie more than `max_gap` apart."""
    where = np.flatnonzero(good)
    # A clock slower than `max_gap` has no gap to bridge, only long steps.
    breaks = np.flatnonzero(np.diff(time[where]) > max(max_gap, 1.5 * step))
    return [run for run in np.split(where, breaks + 1) if len(run) > 1]


def longest_loss(run: np.ndarray, time: np.ndarray) -> float:
    """Longest time in seconds between two good samples with lost ones between them."""
    missing = np.diff(run) > 1
    return float(np.diff(time[run])[missing].max()) if missing.any() else 0.0


def longest_span(time: np.ndarray, samples: int) -> float:
    """Longest time in seconds that so many steps of a clock take; an uneven one takes longer."""
    samples = min(samples, len(time) - 1)
    return float((time[samples:] - time[: len(time) - samples]).max())


def typical_step(time: np.ndarray) -> float:
    """Typical step of a clock: its span over the number of median steps in it."""
    gaps = np.diff(time)
    # Times far from zero are rounded; the mean over whole steps is exact where a step is not.
    return float((time[-1] - time[0]) / np.rint(gaps / np.median(gaps)).clip(min=1).sum())


def odd(samples: float) -> int:
    """Odd number of samples nearest to a length, at least one."""
    return 2 * max(0, int(np.rint((samples - 1) / 2))) + 1


def smooth(values: np.ndarray, window: int, sigma: float) -> np.ndarray:
    """Median filter and Gaussian over time, each left out at zero."""
    from scipy.ndimage import gaussian_filter1d, median_filter

    if window > 1:
        values = median_filter(values, size=(window, 1))
    if sigma > 0:
        values = gaussian_filter1d(values, sigma, axis=0, truncate=4.0)
    return values


def _differentiate(values: np.ndarray, time: np.ndarray, step: float) -> np.ndarray:
    even = np.allclose(np.diff(time), step, rtol=1e-5, atol=0)
    # On an even clock the plain formula spares the rounding of the times.
    return np.asarray(np.gradient(values, step if even else time, axis=0))
