"""Signals of what is in memory already: numpy arrays and labelled ones."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.load.signal import ArrayReader, Modality, Segment, Signal


def signal_of(data: Any, *, rate: float | None, units: str, modality: Modality) -> Signal:
    """Make a signal of an array; `nwbdecode.load.as_signal` describes how.

    Raises
    ------
    NWBDecodeError
        If its shape, clock or modality is none of a signal's.
    """
    import pandas as pd
    import xarray as xr

    start_time, ids = 0.0, None
    columns: dict[str, Any] = {}
    if isinstance(data, xr.DataArray):
        if "time" not in data.dims or data.ndim > 2:
            raise NWBDecodeError(
                f"a DataArray signal needs dims ('time', 'channel'); found {data.dims}"
            )
        units = data.attrs.get("units", units)
        modality = data.attrs.get("modality", modality)
        if data.ndim == 2:
            other = next(d for d in data.dims if d != "time")
            data = data.transpose("time", other)
            ids = data[other].to_numpy() if other in data.coords else None
            columns = {
                str(name): coord.to_numpy()
                for name, coord in data.coords.items()
                if coord.dims == (other,) and name != other
            }
        if "time" in data.coords:
            start_time, rate = _clock(data["time"].to_numpy().astype(np.float64), rate)
        data = data.to_numpy()
    array = np.asarray(data)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[0] == 0:
        raise NWBDecodeError(
            f"a signal needs shape (time, channel) and samples; found {array.shape}"
        )
    if rate is None or not rate > 0:
        raise NWBDecodeError(f"a positive `rate` in Hz is needed for a bare array; found {rate}")
    check_modality(modality)
    index = pd.Index(np.arange(array.shape[1]) if ids is None else ids, name="channel")
    return Signal(
        reader=ArrayReader(array),
        segments=(Segment(0, array.shape[0], start_time, float(rate)),),
        channels=pd.DataFrame(columns, index=index),
        columns=np.arange(array.shape[1]),
        conversion=np.ones(array.shape[1]),
        units=units,
        modality=modality,
    )


def check_modality(modality: str) -> None:
    """Refuse a modality that no array can have."""
    known = [name for name in get_args(Modality) if name != "bands"]
    if modality not in known:
        raise NWBDecodeError(f"unknown modality {modality!r}. {suggest(str(modality), known)}")


def _clock(time: np.ndarray, rate: float | None) -> tuple[float, float | None]:
    if rate is None and len(time) > 1:
        step = np.diff(time)
        rate = float((len(time) - 1) / (time[-1] - time[0]))
        if np.abs(step * rate - 1).max() > 0.5:
            raise NWBDecodeError(
                "the DataArray's time steps vary from "
                f"{step.min():g} to {step.max():g} s; expected an even clock. "
                "Split it at its gaps"
            )
    return float(time[0]), rate
