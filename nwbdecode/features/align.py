"""Targets on the bins: each bin gets the target's value during that bin, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.decoding import KINDS
from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    import xarray as xr

#: Seconds across which a target slower than the bins is interpolated, if it says nothing.
MAX_GAP = 1.0


def align(targets: Mapping[str, xr.DataArray], power: xr.DataArray) -> xr.Dataset:
    """Bring targets from their own clocks to the bins of the features.

    A bin that holds samples gets their mean (circular mean of angles, majority
    of classes). A bin that holds none, because the target's clock is slower,
    is interpolated between its neighbors (unit vectors of angles, the earlier
    one of classes) if these are at most ``max_gap`` apart. Everything else is
    missing: NaN.

    Parameters
    ----------
    targets : mapping of str to DataArray (time[, component])
        ``attrs["kind"]`` is "linear", "circular" (radians) or "categorical"
        (codes into ``attrs["classes"]``); ``attrs["max_gap"]`` in seconds is optional.
    power : DataArray (time, frequency, channel)
        From `wavelet_power` or `traces`.

    Returns
    -------
    xarray.Dataset
        The targets on ``power.time``, float32. ``attrs["missing"]`` is the share
        of bins without a value, ``attrs["support"]`` the seconds [before, after]
        a bin's center that its value depends on.

    Raises
    ------
    NWBDecodeError
        If a target has an unknown kind or no value during the recording.
    """
    import xarray as xr

    if not targets:
        raise NWBDecodeError("no target to decode; give at least one")
    start, end = power["bin_start"].to_numpy(), power["bin_end"].to_numpy()
    held = {}
    for name, target in targets.items():
        kind = target.attrs.get("kind", "linear")
        if kind not in KINDS:
            raise NWBDecodeError(f"target {name!r} has kind {kind!r}. {suggest(kind, KINDS)}")
        time = target["time"].to_numpy().astype(np.float64)
        values = _binned(target, kind, time, start, end)
        present = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if not present.any():
            raise NWBDecodeError(_nothing_in_common(str(name), time, start, end))
        values[~present] = np.nan
        dims: tuple[str, ...] = ("time",)
        coords: dict[str, Any] = {}
        if values.ndim == 2:
            dims = ("time", f"{name}_component")
            other = next(d for d in target.dims if d != "time")
            labels = target[other].to_numpy() if other in target.coords else range(values.shape[1])
            coords[dims[1]] = [str(label) for label in labels]
        attrs = dict(target.attrs, kind=kind, missing=float(1 - present.mean()))
        attrs["support"] = _support(target, time, start, end)
        attrs.setdefault("units", "")
        held[str(name)] = xr.DataArray(
            values.astype(np.float32), dims=dims, coords=coords, attrs=attrs
        )
    shared = {n: power[n].variable for n in ("time", "bin_start", "bin_end", "segment")}
    return xr.Dataset(held, coords=shared)


def _binned(
    target: xr.DataArray, kind: str, time: np.ndarray, start: np.ndarray, end: np.ndarray
) -> np.ndarray:
    raw = target.transpose("time", ...).to_numpy().astype(np.float64)
    flat = raw.reshape(len(raw), -1)
    good = np.isfinite(flat).all(axis=1) & np.isfinite(time)
    time, flat = time[good], flat[good]
    if kind == "categorical":
        columns = _one_hot(flat[:, 0], len(target.attrs.get("classes", [])))
    elif kind == "circular":
        columns = np.concatenate([np.cos(flat), np.sin(flat)], axis=1)
    else:
        columns = flat
    low, high = np.searchsorted(time, start), np.searchsorted(time, end)
    count = high - low
    sums = np.vstack([np.zeros(columns.shape[1]), np.cumsum(columns, axis=0)])
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (sums[high] - sums[low]) / count[:, None]
    gap = float(target.attrs.get("max_gap", MAX_GAP))
    mean = _fill_between(mean, count == 0, time, columns, (start + end) / 2, gap, kind)
    if kind == "categorical":
        return np.where(np.isfinite(mean[:, 0]), mean.argmax(axis=1), np.nan)
    if kind == "circular":
        half = flat.shape[1]
        angle = np.arctan2(mean[:, half:], mean[:, :half])
        return angle[:, 0] if raw.ndim == 1 else angle
    return mean[:, 0] if raw.ndim == 1 else mean


def _one_hot(codes: np.ndarray, classes: int) -> np.ndarray:
    count = max(classes, int(codes.max()) + 1 if codes.size else 1)
    return np.eye(count)[codes.astype(int)]


def _fill_between(
    mean: np.ndarray,
    empty: np.ndarray,
    time: np.ndarray,
    columns: np.ndarray,
    center: np.ndarray,
    gap: float,
    kind: str,
) -> np.ndarray:
    """Interpolate bins without a sample between the samples around them."""
    where = np.flatnonzero(empty)
    if not where.size or len(time) < 2:
        return mean
    after = np.searchsorted(time, center[where])
    inside = (after > 0) & (after < len(time))
    where, after = where[inside], after[inside]
    before = after - 1
    near = time[after] - time[before] <= gap
    where, before, after = where[near], before[near], after[near]
    share = ((center[where] - time[before]) / (time[after] - time[before]))[:, None]
    if kind == "categorical":
        share = np.zeros_like(share)
    mean[where] = (1 - share) * columns[before] + share * columns[after]
    return mean


def _support(
    target: xr.DataArray, time: np.ndarray, start: np.ndarray, end: np.ndarray
) -> list[float]:
    """What the target's own making reads, and half a bin, or the step interpolated across."""
    before, after = target.attrs.get("support", (0.0, 0.0))
    half = float((end - start).max()) / 2
    reach = half
    if len(time) > 1 and np.median(np.diff(time)) > half:
        reach = max(half, float(target.attrs.get("max_gap", MAX_GAP)))
    return [float(before) + reach, float(after) + reach]


def _nothing_in_common(name: str, time: np.ndarray, start: np.ndarray, end: np.ndarray) -> str:
    span = f"{np.nanmin(time):.3f} to {np.nanmax(time):.3f} s" if time.size else "no time at all"
    return (
        f"target {name!r} has no value during the signal: it covers {span}, the signal "
        f"{start[0]:.3f} to {end[-1]:.3f} s. Check that both use the session's clock"
    )
