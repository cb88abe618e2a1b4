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
    missing: NaN. A missing sample is never filled: a bin that holds nothing else,
    or that would be interpolated from one, is missing.

    A step function (``attrs["steps"]``: each value holds until the next, as labels of
    trials do) gives a bin the mean over the time for which it is known, or the class
    that holds longest; a bin half of which or more has no value is missing.

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
        a bin's center that its value depends on. Where targets have trials, or
        the signal keeps trials alone, the coordinate ``trial`` numbers the stretches that
        no fold may cut, -1 for none.

    Raises
    ------
    NWBDecodeError
        If a target has an unknown kind, a class code without a class, a clock that runs
        backwards, or no value during the recording.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from nwbdecode.features import traces
    >>> power = traces(np.zeros((40, 2)), rate=10.0, bin=0.5)
    >>> seconds = xr.DataArray(np.arange(-1, 5, 0.1), dims="time")
    >>> clock = seconds.assign_coords(time=seconds)
    >>> align({"clock": clock}, power)["clock"].to_numpy()[:3].round(3)
    array([0.2, 0.7, 1.2], dtype=float32)
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
        time = _clock(str(name), target)
        values, reach = _binned(target, kind, time, start, end)
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
        attrs["support"] = [
            float(own) + part
            for own, part in zip(target.attrs.get("support", (0.0, 0.0)), reach, strict=True)
        ]
        attrs.setdefault("units", "")
        attrs.pop("steps", None)
        held[str(name)] = xr.DataArray(
            values.astype(np.float32), dims=dims, coords=coords, attrs=attrs
        )
    shared = {n: power[n].variable for n in ("time", "bin_start", "bin_end", "segment")}
    made = xr.Dataset(held, coords=shared)
    trial = _trials(list(targets.values()), power)
    return made if trial is None else made.assign_coords(trial=("time", trial))


def _trials(targets: list[xr.DataArray], power: xr.DataArray) -> np.ndarray | None:
    """Number the stretches of bins that lie in one trial of any target; None without trials."""
    center, held = power["time"].to_numpy(), []
    chosen = power.attrs.get("source", {}).get("signal", {}).get("epochs", {})
    if chosen.get("uncut"):
        # The signal keeps trials alone: each is a run of bins.
        held.append(power["segment"].to_numpy())
    for target in targets:
        if "trial" in target.coords:
            at = np.searchsorted(target["time"].to_numpy(), center, side="right") - 1
            held.append(np.where(at >= 0, target["trial"].to_numpy()[np.maximum(at, 0)], -1))
    if not held:
        return None
    together = np.zeros(max(len(center) - 1, 0), dtype=bool)
    inside = np.zeros(len(center), dtype=bool)
    for trial in held:
        together |= (trial[1:] == trial[:-1]) & (trial[1:] >= 0)
        inside |= trial >= 0
    number = np.append(0, np.cumsum(~together))
    return np.where(inside, number, -1)


def _clock(name: str, target: xr.DataArray) -> np.ndarray:
    time = target["time"].to_numpy().astype(np.float64)
    if not np.isfinite(time).all() or (np.diff(time) < 0).any():
        raise NWBDecodeError(
            f"the times of target {name!r} run backwards or are missing; give each sample its "
            "time in seconds, in ascending order"
        )
    return time


def _binned(
    target: xr.DataArray, kind: str, time: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, tuple[float, float]]:
    """Values in the bins, and the seconds [before, after] a bin's center they come from."""
    raw = target.transpose("time", ...).to_numpy().astype(np.float64)
    flat = raw.reshape(len(raw), -1)
    columns = _columns(target, kind, flat)
    if target.attrs.get("steps"):
        half = float((end - start).max()) / 2
        mean = _held(time, columns, start, end)
        return _uncoded(mean, kind, raw.ndim, flat.shape[1]), (half, half)
    good = np.isfinite(columns).all(axis=1)
    low, high = np.searchsorted(time[good], start), np.searchsorted(time[good], end)
    # Each bin sums its own samples: a running sum would carry the rounding of one bin's
    # values into every later bin.
    padded = np.vstack([columns[good], np.zeros((1, columns.shape[1]))])
    sums = np.add.reduceat(padded, np.stack([low, high], axis=1).ravel(), axis=0)[::2]
    count = (high - low)[:, None]
    mean = np.where(count > 0, sums / np.maximum(count, 1), np.nan)
    empty = np.searchsorted(time, start) == np.searchsorted(time, end)
    gap = float(target.attrs.get("max_gap", MAX_GAP))
    before, after = _fill_between(mean, empty, time, columns, (start + end) / 2, gap, kind)
    half = float((end - start).max()) / 2
    reach = max(half, before), max(half, after)
    return _uncoded(mean, kind, raw.ndim, flat.shape[1]), reach


def _uncoded(mean: np.ndarray, kind: str, ndim: int, width: int) -> np.ndarray:
    """Values that averaged columns mean."""
    if kind == "categorical":
        return np.where(np.isfinite(mean[:, 0]), mean.argmax(axis=1), np.nan)
    if kind == "circular":
        mean = np.arctan2(mean[:, width:], mean[:, :width])
    return mean[:, 0] if ndim == 1 else mean


def _held(time: np.ndarray, columns: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Mean of a step function over the known part of each bin; NaN if that is under a half."""
    cuts = np.unique(np.concatenate([time, start, end]))
    middle = (cuts[:-1] + cuts[1:]) / 2
    step = np.searchsorted(time, middle, side="right") - 1
    bin_of = np.searchsorted(start, middle, side="right") - 1
    inside = (bin_of >= 0) & (middle < end[np.maximum(bin_of, 0)]) & (step >= 0)
    inside &= np.isfinite(columns[np.maximum(step, 0)]).all(axis=1)
    which, lasting = bin_of[inside], np.diff(cuts)[inside]
    known = np.bincount(which, lasting, minlength=len(start))
    weighted = columns[step[inside]] * lasting[:, None]
    sums = [np.bincount(which, column, minlength=len(start)) for column in weighted.T]
    mean = np.stack(sums, axis=1) / np.where(known > 0, known, 1.0)[:, None]
    # Rounding of edges must not decide over a bin that is known to exactly a half.
    mean[known <= 0.5 * (end - start) * (1 + 1e-9)] = np.nan
    return np.asarray(mean)


def _columns(target: xr.DataArray, kind: str, flat: np.ndarray) -> np.ndarray:
    """What can be averaged: values, unit vectors, or one column a class; NaN where missing."""
    flat = np.where(np.isfinite(flat).all(axis=1, keepdims=True), flat, np.nan)
    if kind == "linear":
        return flat
    if kind == "circular":
        return np.concatenate([np.cos(flat), np.sin(flat)], axis=1)
    codes = flat[:, 0]
    known = codes[np.isfinite(codes)]
    count = len(target.attrs.get("classes", [])) or int(known.max(initial=0)) + 1
    wrong = np.unique(known[(known < 0) | (known >= count) | (known % 1 != 0)])
    if wrong.size:
        raise NWBDecodeError(
            f"a categorical target holds the codes {wrong[:5].tolist()}; expected whole numbers "
            f"from 0 to {count - 1}, and NaN where it has no class"
        )
    columns = np.eye(count)[np.nan_to_num(codes).astype(int)]
    columns[np.isnan(codes)] = np.nan
    return columns


def _fill_between(
    mean: np.ndarray,
    empty: np.ndarray,
    time: np.ndarray,
    columns: np.ndarray,
    center: np.ndarray,
    gap: float,
    kind: str,
) -> tuple[float, float]:
    """Interpolate bins without a sample, in place; return the longest reach back and ahead."""
    where = np.flatnonzero(empty)
    after = np.searchsorted(time, center[where])
    inside = (after > 0) & (after < len(time))
    where, after = where[inside], after[inside]
    before = after - 1
    near = time[after] - time[before] <= gap
    where, before, after = where[near], before[near], after[near]
    if not where.size:
        return 0.0, 0.0
    behind, ahead = center[where] - time[before], time[after] - center[where]
    if kind == "categorical":
        mean[where] = columns[before]
    else:
        share = (behind / (behind + ahead))[:, None]
        mean[where] = (1 - share) * columns[before] + share * columns[after]
    return float(behind.max()), float(ahead.max())


def _nothing_in_common(name: str, time: np.ndarray, start: np.ndarray, end: np.ndarray) -> str:
    span = f"{time.min():.3f} to {time.max():.3f} s" if time.size else "no time at all"
    return (
        f"target {name!r} has no value during the signal: it covers {span}, the signal "
        f"{start[0]:.3f} to {end[-1]:.3f} s. Check that both use the session's clock, and that "
        "not all values are missing"
    )
