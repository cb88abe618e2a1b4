"""Power in bands that others computed: a DecompositionSeries as a signal with a frequency axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.electrodes import channel_table, described

if TYPE_CHECKING:
    import pandas as pd
    from pynwb import TimeSeries


def is_decomposition(series: Any) -> bool:
    """Whether a series holds (time, channel, band)."""
    from pynwb.misc import DecompositionSeries

    return isinstance(series, DecompositionSeries)


def frequencies_of(series: TimeSeries, path: str) -> tuple[float, ...]:
    """Center of each band in Hz: the stated mean, or the middle of its limits.

    Raises
    ------
    NWBDecodeError
        If the series holds phases or complex values, which no average in a bin keeps,
        or its bands cannot be told apart.
    """
    metric = str(series.metric or "").lower()
    if "phase" in metric or "complex" in metric or np.dtype(_dtype(series)).kind == "c":
        raise NWBDecodeError(
            f"{path!r} holds {metric or 'complex values'!r} of bands; expected power or amplitude. "
            "Store its squared modulus as power, or decode from the signal it was made of"
        )
    table, count = series.bands, series.data.shape[2]
    centers = np.full(count, np.nan)
    for name in ("band_mean", "band_limits"):
        if table is None or name not in table.colnames:
            continue
        stated = np.asarray(table[name].data[:], dtype=np.float64).reshape(len(table), -1)
        if len(stated) == count:
            centers = np.where(np.isfinite(centers), centers, stated.mean(axis=1))
    if not (np.isfinite(centers) & (centers > 0)).all() or len(set(centers.tolist())) < count:
        raise NWBDecodeError(
            f"the {count} bands of {path!r} have the centers {centers.tolist()} Hz; expected "
            "different positive ones, from band_mean or band_limits of its `bands` table"
        )
    return tuple(centers.tolist())


def _dtype(series: TimeSeries) -> Any:
    from nwbdecode.load.memory import unwrapped

    data = unwrapped(series.data)
    return getattr(data, "dtype", None) or np.asarray(data).dtype


def source_table(series: TimeSeries, path: str, shape: tuple[int, ...]) -> pd.DataFrame:
    """Describe the channels that were decomposed, as far as the file names them.

    Raises
    ------
    NWBDecodeError
        If it names more or fewer than the series holds.
    """
    import pandas as pd

    region = series.source_channels
    if region is not None:
        rows = np.asarray(region.data[:], dtype=int)
        if len(rows) != shape[1]:
            raise NWBDecodeError(
                f"{path!r} stores {shape[1]} channels but names {len(rows)} source channels; "
                "correct the file, or its data are transposed"
            )
        return described(region.table, rows)
    source = getattr(series.source_timeseries, "electrodes", None)
    if source is not None and len(source.data) == shape[1]:
        return channel_table(series.source_timeseries, shape[1])
    return pd.DataFrame(index=pd.Index(np.arange(shape[1]), name="channel"))
