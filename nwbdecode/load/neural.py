"""From a neural series in a file to a lazy signal: units, clock, channels, modality."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.clock import scan, stamps_of
from nwbdecode.load.electrodes import channel_table, choose, kept, space_of
from nwbdecode.load.imaging.movie import is_movie, movie_signal, traces_signal
from nwbdecode.load.imaging.options import ImagingOptions
from nwbdecode.load.links import check_present
from nwbdecode.load.series import shape_of
from nwbdecode.load.signal import Modality, Segment, Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from pynwb import TimeSeries

    from nwbdecode.load.location import Location
    from nwbdecode.load.signal import Reader

# "Grid cells" and the striatum live in deep recordings; grids and strips on the cortex.
_ECOG = re.compile(
    r"ecog|ieeg|electrocorticogra"
    r"|(?<![a-z])(subdural|epidural|grids?(?![ -]cell)|strips?)(?![a-z])",
    re.IGNORECASE,
)


def make_signal(
    series: Any,
    path: str,
    location: Location,
    *,
    channels: Any,
    time: tuple[float | None, float | None] | None,
    facts: Mapping[str, Any],
    imaging: ImagingOptions | None = None,
    cache: str | None = None,
) -> Signal:
    """Make a lazy signal of a series, a movie, or a table of units.

    A sample's value is ``stored * conversion * channel_conversion + offset``.

    Raises
    ------
    NWBDecodeError
        If the series has no samples, no usable clock or no matching channel
        table, or if `channels` or `time` select nothing.
    """
    from nwbdecode.load import bands, units

    options = imaging or ImagingOptions()
    if is_movie(series):
        return movie_signal(
            series, path, location, channels=channels, time=time, facts=facts,
            options=options, cache=cache,
        )  # fmt: skip
    if units.holds_spikes(series):
        signal = units.spike_counts(series, path, location, channels)
    else:
        shape = shape_of(series)
        if 0 in shape:
            check_present(series, path)
        banded = bands.is_decomposition(series)
        check_shape(path, shape, banded=banded)
        table = bands.source_table(series, path, shape) if banded else _table(series, shape)
        rows = choose(table, channels)
        table = table.iloc[rows]
        stamps = stamps_of(series)
        reader = location.reader(series.data)
        frequencies = bands.frequencies_of(series, path) if banded else ()
        check_numbers(path, reader.dtype)
        conversion = conversion_of(series, path, shape)[rows]
        check_scale(path, conversion, float(series.offset or 0.0))
        signal = Signal(
            reader=reader,
            segments=segments_of(series, path, shape, stamps),
            channels=kept(table),
            columns=rows,
            conversion=conversion,
            offset=float(series.offset or 0.0),
            units=str(series.unit),
            modality=modality_of(series, path, table),
            path=path,
            object_id=str(series.object_id),
            timestamps=stamps,
            frequencies=frequencies,
        )
    if signal.modality == "imaging":
        return traces_signal(signal, series, time=time, facts=facts, options=options)
    options.refuse(path, f"a {type(series).__name__}")
    if time is not None:
        signal = signal.select(time=check_span(time))
    return replace(signal, source={**facts, "signal": about(signal, series)})


def about(signal: Signal, series: TimeSeries) -> dict[str, Any]:
    """What a result must say about the signal it was made from, as JSON values."""
    told = {
        "path": signal.path,
        "object_id": signal.object_id,
        "neurodata_type": type(series).__name__,
        "modality": signal.modality,
        "units": signal.units,
        "rate": signal.rate,
        "start": signal.segments[0].start_time,
        "stop": signal.segments[-1].stop_time,
    }
    space = space_of(series) if hasattr(series, "electrodes") and "x" in signal.channels else ""
    return {**told, "space": space} if space else told


def _table(series: TimeSeries, shape: tuple[int, ...]) -> pd.DataFrame:
    return channel_table(series, shape[1] if len(shape) > 1 else 1)


def check_shape(path: str, shape: tuple[int, ...], *, banded: bool = False) -> None:
    """Refuse data that hold no samples, or have other axes than a signal's."""
    axes, expected = ((3,), "(time, channel, band)") if banded else ((1, 2), "(time, channel)")
    if len(shape) not in axes or 0 in shape:
        what = "holds no samples" if 0 in shape else f"has shape {shape}"
        raise NWBDecodeError(f"{path!r} {what}; expected data of shape {expected}")


def check_numbers(path: str, dtype: Any) -> None:
    """Refuse samples that measure nothing: text, or complex values whose half would be lost."""
    if np.dtype(dtype).kind not in "biuf":
        raise NWBDecodeError(
            f"{path!r} holds samples of type {np.dtype(dtype)}; expected real numbers. Store them "
            "as these, such as the modulus of complex ones"
        )


def check_scale(path: str, factors: Any, offset: float) -> None:
    """Refuse a conversion that would make samples all the same, or no numbers."""
    factors = np.atleast_1d(np.asarray(factors, dtype=np.float64))
    wrong = ~np.isfinite(factors) | (factors == 0)
    if wrong.any():
        which = "" if wrong.all() else f" of {int(wrong.sum())} of {len(wrong)} columns"
        raise NWBDecodeError(
            f"the conversion{which} of {path!r} is {factors[wrong][0]:g}; expected what one stored "
            "count stands for, such as 1. Correct the file's conversion or channel_conversion"
        )
    if not np.isfinite(offset):
        raise NWBDecodeError(
            f"the offset of {path!r} is {offset}; expected a number, such as 0. Correct the file"
        )


def check_span(time: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    """Refuse a time that is no (start, stop) in seconds."""
    try:
        low, high = time
        wrong = low is not None and high is not None and not float(low) < float(high)
    except (TypeError, ValueError):
        wrong = True
    if wrong:
        raise NWBDecodeError(
            f"time is {time!r}; expected (start, stop) in seconds with start before stop, "
            "either of which may be None"
        )
    return time


def segments_of(
    series: TimeSeries, path: str, shape: tuple[int, ...], stamps: Reader | None
) -> tuple[Segment, ...]:
    """Cut a series at the gaps of its clock."""
    n = shape[0]
    if stamps is None:
        rate = stated_rate(series, path)
        return (Segment(0, n, float(series.starting_time or 0.0), rate),)
    check_stamps(path, shape, stamps.shape[0])
    found = scan(stamps, path=path)
    if not found:
        raise NWBDecodeError(f"{path!r} has {n} sample(s), none beside another; it has no rate")
    return found


def stated_rate(series: TimeSeries, path: str) -> float:
    """Rate that a series states, in Hz, refused where it or the start cannot be one."""
    rate = float(series.rate) if series.rate is not None else float("nan")
    if not (np.isfinite(rate) and rate > 0):
        raise NWBDecodeError(f"{path!r} has no timestamps and its rate is {series.rate}")
    start = float(series.starting_time or 0.0)
    if not np.isfinite(start):
        raise NWBDecodeError(
            f"{path!r} has no timestamps and begins at {start} s; expected when it was recorded. "
            "Correct its starting_time"
        )
    return rate


def check_stamps(path: str, shape: tuple[int, ...], n_stamps: int) -> None:
    """Refuse timestamps that are more or fewer than the samples."""
    if n_stamps == shape[0]:
        return
    hint = "; its data are stored transposed" if n_stamps in shape[1:] else ""
    raise NWBDecodeError(
        f"{path!r} has {shape[0]} samples but {n_stamps} timestamps{hint}. Correct the file"
    )


def conversion_of(series: TimeSeries, path: str, shape: tuple[int, ...]) -> np.ndarray:
    """Factor of each stored column, from counts to the series' unit."""
    n = shape[1] if len(shape) > 1 else 1
    factor = float(series.conversion if series.conversion is not None else 1.0)
    each = getattr(series, "channel_conversion", None)
    if each is None:
        return np.full(n, factor)
    each = np.asarray(each[:], dtype=np.float64)
    if each.shape != (n,):
        raise NWBDecodeError(
            f"{path!r} has {n} columns but channel_conversion has shape {each.shape}"
        )
    return factor * each


def modality_of(series: Any, path: str, table: pd.DataFrame | None) -> Modality:
    """Tell kinds of signals apart: by type, and electrodes by what the file says of them."""
    from nwbdecode.load import bands, units

    if units.holds_spikes(series):
        return "spikes"
    if bands.is_decomposition(series):
        return "bands"
    if hasattr(series, "rois") or is_movie(series):
        return "imaging"
    said = [path.replace("_", " "), str(series.description or "")]
    if table is not None:
        for name in ("location", "group"):
            said += map(str, set(table[name])) if name in table else ()
        said += _group_descriptions(series, table)
    return "ecog" if any(_ECOG.search(text.replace("_", " ")) for text in said) else "ephys"


def _group_descriptions(series: TimeSeries, table: pd.DataFrame) -> list[str]:
    nwbfile = series.get_ancestor(neurodata_type="NWBFile")
    if nwbfile is None or "group" not in table:
        return []
    groups = nwbfile.electrode_groups
    return [str(groups[name].description or "") for name in set(table["group"]) if name in groups]
