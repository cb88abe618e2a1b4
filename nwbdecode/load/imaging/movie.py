"""Movies of an NWB file: which series are one, and the signal that is taken out of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.imaging.frames import Frames, stored_frames
from nwbdecode.load.imaging.options import ImagingOptions

if TYPE_CHECKING:
    from pynwb import TimeSeries

    from nwbdecode.load.imaging.regions import Regions
    from nwbdecode.load.location import Location
    from nwbdecode.load.series import Index
    from nwbdecode.load.signal import Segment, Signal

#: Asks for the movie that decoding should start from, rather than for a path.
BEST = "best"


def is_movie(series: TimeSeries) -> bool:
    """Whether a series is a movie of an imaging plane, raw or motion-corrected."""
    from pynwb.image import ImageSeries
    from pynwb.ophys import OnePhotonSeries, TwoPhotonSeries

    if isinstance(series, OnePhotonSeries | TwoPhotonSeries):
        return True
    # The corrected stack may be of the plain type, which has no imaging plane.
    return isinstance(series, ImageSeries) and _stack(series) is not None


def _stack(series: TimeSeries) -> Any:
    """The CorrectedImageStack whose corrected movie a series is."""
    from pynwb.ophys import CorrectedImageStack

    stack = series.parent
    held = isinstance(stack, CorrectedImageStack) and stack.corrected is series
    return stack if held else None


def plane_of(series: TimeSeries) -> Any:
    """Imaging plane of a movie; a corrected one has that of its original."""
    plane = getattr(series, "imaging_plane", None)
    stack = _stack(series)
    if plane is None and stack is not None:
        plane = getattr(stack.original, "imaging_plane", None)
    return plane


def superseded(listed: Index) -> list[str]:
    """Paths of the movies that the file also has corrected for motion."""
    movies = {path: series for path, series in listed.signals.items() if is_movie(series)}
    raw = {stack.original.object_id for s in movies.values() if (stack := _stack(s)) is not None}
    return [path for path, series in movies.items() if series.object_id in raw]


def best_movie(listed: Index) -> str:
    """Path of the one movie to decode from: motion-corrected where that exists.

    Raises
    ------
    NWBDecodeError
        If the file has no movie, or several recordings.
    """
    movies = {path for path, series in listed.signals.items() if is_movie(series)}
    best = sorted(movies - set(superseded(listed)))
    if len(best) == 1:
        return best[0]
    if not best:
        names = ", ".join(map(repr, sorted(listed.signals))) or "none"
        raise NWBDecodeError(
            f"{BEST!r} chooses among movies and the file has none; its signals: {names}"
        )
    raise NWBDecodeError(
        f"{BEST!r} could be any of {len(best)} movies; name one: {', '.join(map(repr, best))}"
    )


def frames_of(
    series: TimeSeries, path: str, location: Location, facts: Mapping[str, Any]
) -> Frames:
    """Frames of a movie, in the NWB file or beside it.

    Raises
    ------
    NWBDecodeError
        If there are none, or they are no gray images or volumes.
    """
    from nwbdecode.load.imaging.external import external_frames, is_external

    if is_external(series):
        frames: Frames = external_frames(series, path, location.path)
    else:
        frames = stored_frames(series.data, location, facts)
    check_frames(path, frames.shape)
    return frames


def check_frames(path: str, shape: tuple[int, ...]) -> None:
    """Refuse a movie without frames, or with colors."""
    if 0 in shape:
        raise NWBDecodeError(
            f"{path!r} holds no frames; expected them in its data or in external_file"
        )
    if len(shape) not in (3, 4):
        raise NWBDecodeError(
            f"{path!r} has shape {shape}; expected a movie of shape (time, x, y) or (time, x, y, z)"
        )


def movie_shape(series: TimeSeries, path: str) -> tuple[int, ...]:
    """Shape of a movie, read from its external files where it has them."""
    from nwbdecode.load.imaging.external import external_frames, is_external
    from nwbdecode.load.series import shape_of

    shape = shape_of(series)
    if is_external(series):
        shape = external_frames(series, path, series.container_source).shape
    check_frames(path, shape)
    return shape


def movie_signal(
    series: TimeSeries,
    path: str,
    location: Location,
    *,
    channels: Any,
    time: tuple[float | None, float | None] | None,
    facts: Mapping[str, Any],
    options: ImagingOptions,
    cache: str | None,
) -> Signal:
    """Make a lazy signal of a movie: one channel a region.

    Raises
    ------
    NWBDecodeError
        If the movie cannot be read, has no usable clock or no fitting regions,
        or if `channels` or `time` select nothing.
    """
    from nwbdecode.load.clock import stamps_of
    from nwbdecode.load.electrodes import choose, kept
    from nwbdecode.load.imaging.regions import find_regions
    from nwbdecode.load.neural import check_numbers, check_scale, segments_of
    from nwbdecode.load.signal import Signal

    frames = frames_of(series, path, location, facts)
    check_numbers(path, frames.dtype)
    check_scale(path, _factor(series), float(series.offset or 0.0))
    stamps = stamps_of(series)
    segments = segments_of(series, path, frames.shape, stamps)
    plane = plane_of(series)
    regions = find_regions(series, plane, frames.shape[1:], path, options)
    rows = choose(regions.table, channels)
    n = len(regions.table)
    signal = Signal(
        reader=_reader(frames, regions, series, segments, options, cache),
        segments=segments,
        channels=kept(regions.table.iloc[rows]),
        columns=rows,
        conversion=np.ones(n)[rows],
        units=str(series.unit),
        modality="imaging",
        path=path,
        object_id=str(series.object_id),
        timestamps=stamps,
    )
    told = options.told(regions=regions.name)
    notes = [*_chosen(series), regions.note]
    return finished(
        signal, series, plane, time=time, facts=facts, options=options, told=told, notes=notes
    )


def _reader(
    frames: Frames,
    regions: Regions,
    series: TimeSeries,
    segments: tuple[Segment, ...],
    options: ImagingOptions,
    cache: str | None,
) -> Any:
    from scipy.sparse import vstack

    from nwbdecode.load.imaging.baseline import Fluorescence, baseline_runs
    from nwbdecode.load.imaging.extraction import TraceReader
    from nwbdecode.load.imaging.neuropil import ring_weights

    weights = regions.weights
    if options.neuropil is not None:
        ring = ring_weights(weights, frames.shape[1:], options.neuropil_ring)
        weights = vstack([weights, ring], format="csr")
    return Fluorescence(
        TraceReader(frames, weights, cache),
        conversion=np.full(len(regions.table), _factor(series)),
        offset=float(series.offset or 0.0),
        neuropil=options.neuropil,
        runs=baseline_runs(segments, options) if options.dff else (),
        percentile=options.baseline_percentile,
    )


def _factor(series: TimeSeries) -> float:
    return float(series.conversion if series.conversion is not None else 1.0)


def _chosen(series: TimeSeries) -> list[str]:
    """Say whether a movie is corrected for motion, or which one is."""
    from pynwb.ophys import CorrectedImageStack

    if _stack(series) is not None:
        return ["movie: corrected for motion"]
    nwbfile = series.get_ancestor(neurodata_type="NWBFile")
    for item in () if nwbfile is None else nwbfile.objects.values():
        if isinstance(item, CorrectedImageStack) and item.original is series:
            return [f"movie: as recorded; {BEST!r} takes the one corrected for motion"]
    return []


def traces_signal(
    signal: Signal,
    series: TimeSeries,
    *,
    time: tuple[float | None, float | None] | None,
    facts: Mapping[str, Any],
    options: ImagingOptions,
) -> Signal:
    """Finish the signal of a RoiResponseSeries, relative to its baseline if asked.

    Raises
    ------
    NWBDecodeError
        If an option needs pixels, or the traces are relative already.
    """
    from pynwb.ophys import DfOverF

    from nwbdecode.load.imaging.baseline import Fluorescence, baseline_runs

    baseline = ("dff", "baseline_percentile", "baseline_window")
    options.refuse(signal.path, "whose traces others took out of the movie", but=baseline)
    told: dict[str, Any] = {}
    if options.dff:
        if isinstance(series.parent, DfOverF):
            raise NWBDecodeError(f"{signal.path!r} is ΔF/F already; leave out `dff`")
        told = {name: getattr(options, name) for name in baseline}
        reader = Fluorescence(
            signal.reader,
            conversion=_everywhere(signal),
            offset=float(series.offset or 0.0),
            runs=baseline_runs(signal.segments, options),
            percentile=options.baseline_percentile,
        )
        signal = replace(signal, reader=reader, conversion=np.ones(signal.n_channels), offset=0.0)
    plane = getattr(series.rois.table, "imaging_plane", None)
    return finished(
        signal, series, plane, time=time, facts=facts, options=options, told=told, notes=[]
    )


def _everywhere(signal: Signal) -> np.ndarray:
    """Conversion of every stored column, the chosen ones included."""
    every = np.ones(signal.reader.shape[1])
    every[signal.columns] = signal.conversion
    return every


def finished(
    signal: Signal,
    series: TimeSeries,
    plane: Any,
    *,
    time: tuple[float | None, float | None] | None,
    facts: Mapping[str, Any],
    options: ImagingOptions,
    told: Mapping[str, Any],
    notes: list[str],
) -> Signal:
    """Cut an imaging signal to the time asked for, and write down how it was made."""
    from nwbdecode.load.imaging.baseline import reach
    from nwbdecode.load.neural import about, check_span
    from nwbdecode.load.rois import spacing

    if options.neuropil is not None:
        notes.append(f"neuropil: {options.neuropil:g} of the ring around each region subtracted")
    if options.dff:
        support = reach(signal, signal.reader.runs)  # type: ignore[attr-defined]
        signal = replace(signal, support=support, units="dF/F")
        notes.append(
            f"dF/F: {options.dff} baseline, percentile {options.baseline_percentile:g} "
            f"over {options.baseline_window:g} s"
        )
    bad = int(signal.channels["bad"].sum()) if "bad" in signal.channels else 0
    if bad:
        notes.append(f"{bad} of {signal.n_channels} regions are no cells, and left out of features")
    if time is not None:
        signal = signal.select(time=check_span(time))
    wide = sum(axis in signal.channels for axis in "xyz")
    told = {
        **about(signal, series),
        "imaging": dict(told),
        "coordinates": spacing(plane, wide)[1],
        "notes": notes,
    }
    return replace(signal, source={**facts, "signal": told})


def region_counts(series: TimeSeries) -> dict[str, int]:
    """Plane segmentations that could be meant for a movie, and their numbers of ROIs."""
    from nwbdecode.load.imaging.regions import candidates

    found = candidates(series, plane_of(series))
    return {path: len(table.id) for path, table in found.items()}
