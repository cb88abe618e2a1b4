"""A SpikeInterface recording as a signal: its own gains, places, segments and clock, lazily."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.arrays import check_modality
from nwbdecode.load.clock import scan
from nwbdecode.load.signal import Modality, Segment, Signal

if TYPE_CHECKING:
    import pandas as pd

_MICRO = 1e-6
#: What a recording may call the place of a channel.
_LOCATION = ("brain_area", "brain_region", "location")


def is_recording(data: Any) -> bool:
    """Whether something is a SpikeInterface recording, without importing SpikeInterface."""
    needed = ("get_traces", "get_num_segments", "get_sampling_frequency", "get_channel_ids")
    return all(callable(getattr(data, name, None)) for name in needed)


@dataclass(frozen=True, eq=False)
class RecordingReader:
    """Samples of all segments of a recording, one after the other.

    It travels to another process as the recording's own description of itself.

    Parameters
    ----------
    recording : spikeinterface BaseRecording
    clock : bool, default False
        Read each sample's time instead, shape (time, 1).
    """

    recording: Any
    clock: bool = False

    @property
    def edges(self) -> np.ndarray:
        """First sample of each segment, and one past the last."""
        counts = [
            self.recording.get_num_samples(segment_index=k)
            for k in range(self.recording.get_num_segments())
        ]
        return np.concatenate([[0], np.cumsum(counts)]).astype(int)

    @property
    def shape(self) -> tuple[int, int]:
        columns = 1 if self.clock else int(self.recording.get_num_channels())
        return int(self.edges[-1]), columns

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64) if self.clock else np.dtype(self.recording.get_dtype())

    def read(self, start: int, stop: int, columns: np.ndarray | None = None) -> np.ndarray:
        """Read samples ``[start, stop)`` as stored, shape (time, channel)."""
        edges = self.edges
        parts = []
        for k, (low, high) in enumerate(pairwise(edges.tolist())):
            first, last = max(start, low) - low, min(stop, high) - low
            if first < last:
                parts.append(self._part(k, first, last, columns))
        if not parts:
            width = self.shape[1] if columns is None else len(columns)
            return np.empty((0, width), dtype=self.dtype)
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _part(self, k: int, first: int, last: int, columns: np.ndarray | None) -> np.ndarray:
        if self.clock:
            return _times(self.recording, k, first, last)[:, None]
        ids = None if columns is None else self.recording.get_channel_ids()[columns]
        traces = self.recording.get_traces(
            segment_index=k, start_frame=first, end_frame=last, channel_ids=ids
        )
        return np.asarray(traces)

    def __reduce__(self) -> Any:
        if not self.recording.check_serializability("json"):
            raise NWBDecodeError(
                f"the recording ({type(self.recording).__name__}) lives in memory and cannot "
                "travel to another process; keep it in a folder with recording.save(folder=...) "
                "and give what that returns"
            )
        told = self.recording.to_dict(include_annotations=True, include_properties=True)
        return _again, (told, self.clock)


def _again(told: dict[str, Any], clock: bool) -> RecordingReader:
    from spikeinterface.core.base import BaseExtractor

    return RecordingReader(BaseExtractor.from_dict(told), clock)


def _times(recording: Any, k: int, first: int, last: int) -> np.ndarray:
    """Times in seconds of samples [first, last) of a segment."""
    told = recording.get_time_info(segment_index=k)
    if told["time_vector"] is not None:
        return np.asarray(told["time_vector"][first:last], dtype=np.float64)
    return (told["t_start"] or 0.0) + np.arange(first, last) / float(told["sampling_frequency"])


def recorded(recording: Any, *, modality: Modality) -> Signal:
    """Make a lazy signal of a recording.

    A sample's value is ``(stored * gain + offset)`` in volts, channel by channel, where the
    recording knows gains; SpikeInterface states them in microvolts.

    Raises
    ------
    NWBDecodeError
        If its segments overlap in time, or it is empty.
    """
    check_modality(modality)
    reader = RecordingReader(recording)
    samples, count = reader.shape
    if not samples * count:
        raise NWBDecodeError(f"the recording has {samples} samples of {count} channels")
    stamped = any(recording.has_time_vector(segment_index=k) for k in _segments_of(recording))
    clock = RecordingReader(recording, clock=True) if stamped else None
    segments = _stamped(recording, reader) if stamped else _even(recording, reader)
    for one, after in pairwise(segments):
        # Half a sample of rounding is no overlap.
        if after.start_time < one.stop_time - 0.5 / one.rate:
            raise NWBDecodeError(
                f"segments of the recording overlap in time: one ends at {one.stop_time:g} s, the "
                f"next begins at {after.start_time:g} s. Give them their times, as with "
                "recording.set_times, or take one: recording.select_segments([0])"
            )
    gains, offsets = recording.get_channel_gains(), recording.get_channel_offsets()
    known = gains is not None and offsets is not None
    return Signal(
        reader=reader,
        segments=segments,
        channels=_table(recording),
        columns=np.arange(count),
        conversion=np.asarray(gains, dtype=float) * _MICRO if known else np.ones(count),
        offset=np.asarray(offsets, dtype=float) * _MICRO if known else 0.0,
        units="volts" if known else "counts",
        modality=modality,
        path=str(recording.get_annotation("name") or type(recording).__name__),
        timestamps=clock,
    )


def _segments_of(recording: Any) -> range:
    return range(recording.get_num_segments())


def _even(recording: Any, reader: RecordingReader) -> tuple[Segment, ...]:
    rate = float(recording.get_sampling_frequency())
    return tuple(
        Segment(low, high, float(_times(recording, k, 0, 1)[0]), rate)
        for k, (low, high) in enumerate(pairwise(reader.edges.tolist()))
        if high > low
    )


def _stamped(recording: Any, reader: RecordingReader) -> tuple[Segment, ...]:
    """Cut each segment at the gaps of its clock."""
    found: list[Segment] = []
    for k, low in enumerate(reader.edges[:-1].tolist()):
        one = recording.select_segments([k]) if recording.get_num_segments() > 1 else recording
        name = f"segment {k} of the recording"
        for part in scan(RecordingReader(one, clock=True), path=name):
            start, stop = part.start + low, part.stop + low
            found.append(Segment(start, stop, part.start_time, part.rate))
    return tuple(found)


def _table(recording: Any) -> pd.DataFrame:
    """Describe the channels by their properties, in this package's names."""
    import pandas as pd

    keys = set(recording.get_property_keys())
    columns: dict[str, Any] = {}
    if recording.has_channel_location():
        places = np.asarray(recording.get_channel_locations(), dtype=float)
        columns |= dict(zip("xyz", places.T, strict=False))
    if "group" in keys:
        columns["group"] = np.asarray(recording.get_channel_groups()).astype(str).astype(object)
    for name in _LOCATION:
        values = np.asarray(recording.get_property(name)) if name in keys else np.empty((0, 0))
        if values.ndim == 1 and "location" not in columns:
            columns["location"] = values.astype(str).astype(object)
    ids = recording.get_channel_ids()
    return pd.DataFrame(columns, index=pd.Index(np.asarray(ids), name="channel"))
