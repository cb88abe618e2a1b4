"""Second derivatives of behavior: acceleration, and how fast a direction turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.derive import (
    MAX_GAP,
    check_settings,
    head_direction,
    labelled,
    longest_loss,
    longest_span,
    need_plane,
    odd,
    smooth,
    tracked_runs,
    typical_step,
    velocity_of,
    wrap,
)

if TYPE_CHECKING:
    import xarray as xr

#: Longest loss of a direction that is bridged: within it a head turns less than half around.
MAX_GAP_TURN = 0.2


def acceleration(
    position: xr.DataArray, *, median: float = 0.3, gaussian: float = 0.2, max_gap: float = MAX_GAP
) -> xr.DataArray:
    r"""Rate of change of speed, :math:`ds/dt`: positive when speeding up.

    `position` is smoothed as in `speed`; its speed is differentiated once more by
    central differences, and nowhere across a gap.

    Parameters
    ----------
    position, median, gaussian, max_gap
        As for `speed`.

    Returns
    -------
    xarray.DataArray, dims (time,)
        In units of `position` per second squared.

    Raises
    ------
    NWBDecodeError
        If `position` has no usable shape or a setting is negative.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> time = np.arange(200) / 50
    >>> fall = xr.DataArray(
    ...     4.9 * time**2, dims="time", coords={"time": time}, attrs={"units": "meters"}
    ... )
    >>> made = acceleration(fall, median=0, gaussian=0)
    >>> float(made[100].round(6)), made.attrs["units"]
    (9.8, 'meters/second^2')
    """
    velocity, attrs = velocity_of(position, "acceleration", median, gaussian, max_gap, further=1)
    time = position["time"].to_numpy()
    step = typical_step(time)
    fast = np.sqrt((velocity**2).sum(axis=1))
    values = np.full(len(time), np.nan)
    for run in runs_of(np.isfinite(fast), time, max(max_gap, 1.5 * step)):
        values[run] = np.gradient(fast[run], time[run])
    units = f"{position.attrs.get('units', 'a.u.')}/second^2"
    return labelled(
        position, values, kind="linear", units=units, derivation="acceleration", **attrs
    )


def turn(
    direction: xr.DataArray,
    back: xr.DataArray | None = None,
    *,
    median: float = 0.3,
    gaussian: float = 0.2,
    max_gap: float = MAX_GAP_TURN,
    min_speed: float = 0.02,
) -> xr.DataArray:
    r"""Angular velocity of a direction, of two markers, or of a position's heading.

    The change of an angle between two samples is taken the short way around,
    :math:`\Delta_i = \mathrm{wrap}(\theta_{i+1} - \theta_i)`, so nothing jumps at the
    wrap, and the velocity at a sample is

    .. math:: \omega_i = \frac{\Delta_{i-1} + \Delta_i}{t_{i+1} - t_{i-1}}

    then smoothed. Of a position, the position is smoothed instead, as in `heading`.

    Parameters
    ----------
    direction : xarray.DataArray
        Angles, dims (time,); or a position, dims (time, component): that of the
        front marker if `back` is given, else its heading is taken.
    back : xarray.DataArray, dims (time, component), optional
    median, gaussian : float, default 0.3 and 0.2
        Seconds, as in `speed`.
    max_gap : float, default 0.2
        Longest loss in seconds that is bridged, on the way of the smaller turn.
    min_speed : float, default 0.02
        Of a position alone: below this speed (its units per second) it has no heading.

    Returns
    -------
    xarray.DataArray, dims (time,)
        Radians per second, positive counterclockwise; NaN where unknown.

    Raises
    ------
    NWBDecodeError
        If `direction` is neither a direction nor a position, or a setting is negative.
    """
    check_settings("turn", median=median, gaussian=gaussian, max_gap=max_gap, min_speed=min_speed)
    if back is not None:
        direction = head_direction(direction, back)
    if direction.attrs.get("kind") == "circular":
        return _turn_of_angle(direction, median, gaussian, max_gap)
    if direction.ndim != 2:
        raise NWBDecodeError(
            f"{direction.name!r} is neither a direction nor a position of two components; turn "
            "needs one of these, or two markers, front first"
        )
    need_plane(direction, "turn")
    velocity, attrs = velocity_of(direction, "turn", median, gaussian, max_gap, further=1)
    angle = np.arctan2(velocity[:, 1], velocity[:, 0])
    fast = np.sqrt((velocity**2).sum(axis=1))
    time = direction["time"].to_numpy()
    step = typical_step(time)
    values = np.full(len(time), np.nan)
    moving = np.isfinite(fast) & (fast >= min_speed) & (fast > 0)
    for run in runs_of(moving, time, max(max_gap, 1.5 * step)):
        values[run] = _central(wrap(np.diff(angle[run])), np.diff(time[run]))
    return labelled(
        direction, values, kind="linear", units="radians/second", derivation="turn", **attrs
    )


def _turn_of_angle(
    direction: xr.DataArray, median: float, gaussian: float, max_gap: float
) -> xr.DataArray:
    time, angle = direction["time"].to_numpy(), direction.to_numpy().astype(float)
    if len(time) < 2:
        raise NWBDecodeError(f"turn needs two samples or more; found {len(time)}")
    step = typical_step(time)
    window, sigma = odd(median / step), gaussian / step
    values = np.full(len(time), np.nan)
    samples = window // 2 + int(4 * sigma + 0.5) + 1
    reach, bridged = samples * step, 0.0
    for run in tracked_runs(np.isfinite(angle), time, max_gap, step):
        span = slice(run[0], run[-1] + 1)
        bridged = max(bridged, longest_loss(run, time))
        reach = max(reach, longest_span(time[span], samples))
        # Across lost samples the turn is even, the shorter way.
        pace = np.repeat(wrap(np.diff(angle[run])) / np.diff(time[run]), np.diff(run))
        steps = np.diff(time[span])
        values[span] = smooth(_central(pace * steps, steps)[:, None], window, sigma)[:, 0]
    reach += bridged
    own = direction.attrs.get("support", (0.0, 0.0))
    return labelled(
        direction, values, kind="linear", units="radians/second", derivation="turn",
        support=[float(part) + reach for part in own], max_gap=float(max_gap),
    )  # fmt: skip


def _central(turned: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Velocity at each sample from the turns between samples; one-sided at the ends."""
    both = np.append(turned, 0.0) + np.append(0.0, turned)
    return np.asarray(both / (np.append(steps, 0.0) + np.append(0.0, steps)))


def runs_of(good: np.ndarray, time: np.ndarray, longest: float) -> list[slice]:
    """Runs of two or more good samples in a row, with no step in time above `longest`."""
    together = good[:-1] & good[1:] & (np.diff(time) <= longest)
    starts = np.flatnonzero(good & ~np.append(False, together))
    stops = np.flatnonzero(good & ~np.append(together, False)) + 1
    return [slice(int(a), int(b)) for a, b in zip(starts, stops, strict=True) if b - a > 1]
