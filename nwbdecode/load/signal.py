"""The signal: a lazy, picklable view of one recording's samples on its true clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: Bytes of samples that are converted at once where that takes several steps.
_IN_CACHE = 1 << 19

Modality = Literal["ephys", "ecog", "imaging", "spikes", "bands"]


class Reader(Protocol):
    """Where samples come from; it must survive pickling, so it holds no open handle.

    One that also has ``chunk_rows`` is read in slabs of as many rows, or multiples of it,
    where much is read (see `StoredRows`); others are asked for all that is needed at once.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and channels stored."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored samples."""

    def read(self, start: int, stop: int, columns: np.ndarray | None = None) -> np.ndarray:
        """Read samples ``[start, stop)`` as stored, shape (time, channel)."""


@dataclass(frozen=True)
class ArrayReader:
    """Samples that already sit in memory."""

    array: np.ndarray
    #: No row is better read with its neighbors.
    chunk_rows: ClassVar[int] = 1

    @property
    def shape(self) -> tuple[int, int]:
        return self.array.shape[0], self.array.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def read(self, start: int, stop: int, columns: np.ndarray | None = None) -> np.ndarray:
        block = np.asarray(self.array[start:stop])
        if columns is None or np.array_equal(columns, np.arange(block.shape[1])):
            return np.ascontiguousarray(block)
        return block[:, columns]


@dataclass(frozen=True)
class Segment:
    """A run of samples without a gap.

    Attributes
    ----------
    start, stop : int
        First sample and one past the last, counted in the stored recording.
    start_time : float
        Time of the first sample in seconds on the session's clock.
    rate : float
        Samples per second within the segment.
    """

    start: int
    stop: int
    start_time: float
    rate: float

    @property
    def stop_time(self) -> float:
        return self.start_time + (self.stop - self.start) / self.rate


@dataclass(frozen=True, eq=False)
class Signal:
    """A recorded signal, read piece by piece.

    Parameters
    ----------
    reader : Reader
        Gives stored samples by range.
    segments : sequence of Segment
        The gapless runs of the recording, in order; with `select` they shrink.
    channels : pandas.DataFrame
        One row a channel, indexed by channel id (named ``"channel"``), with
        what the source knows of each: ``x, y, z, location, group, bad`` and more.
    columns : array of int
        The stored column behind each row of `channels`.
    conversion : array of float, shape (channel,)
        Multiplier from stored counts to `units`, channel by channel.
    offset : float, or array of float, shape (channel,)
        Added after the multiplication, in `units`.
    units : str
        What a converted sample is measured in (``"volts"`` for voltage).
    modality : {"ephys", "ecog", "imaging", "spikes", "bands"}
        Decides the defaults of later stages.
    path, object_id : str
        Where the signal lives in its source.
    source : mapping
        What identifies and describes the source, ready to be written as JSON.
    timestamps : Reader, optional
        Stored time of every sample, shape (time, 1), where the source has
        them; then `times` is exact and `segments` is their summary.
    only : tuple of (start, stop), optional
        Seconds: bins are made inside one of these times alone. All samples of
        the segments may still be read for them.
    frequencies : tuple of float
        Centers in Hz of the bands that a channel was cut into before it was stored;
        reads then have a third axis. Empty for everything else.
    support : (float, float), default (0, 0)
        Seconds before and after a sample, beyond itself, that its value
        depends on, such as those of a rolling baseline.
    """

    reader: Reader
    segments: tuple[Segment, ...]
    channels: pd.DataFrame
    columns: np.ndarray
    conversion: np.ndarray
    offset: float | np.ndarray = 0.0
    units: str = "volts"
    modality: Modality = "ephys"
    path: str = ""
    object_id: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)
    timestamps: Reader | None = None
    only: tuple[tuple[float, float], ...] | None = None
    frequencies: tuple[float, ...] = ()
    support: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if not self.segments:
            raise NWBDecodeError(f"signal {self.path!r} has no samples in the time asked for")
        if not len(self.channels) == len(self.columns) == len(self.conversion):
            raise NWBDecodeError(
                "one row, column and conversion a channel are needed; found "
                f"{len(self.channels)}, {len(self.columns)} and {len(self.conversion)}"
            )

    @property
    def rate(self) -> float:
        """Samples per second: the median over segments."""
        return float(np.median([segment.rate for segment in self.segments]))

    @property
    def n_channels(self) -> int:
        return len(self.columns)

    @property
    def n_samples(self) -> int:
        return sum(segment.stop - segment.start for segment in self.segments)

    @property
    def duration(self) -> float:
        """Seconds of signal, gaps left out."""
        return sum((s.stop - s.start) / s.rate for s in self.segments)

    @property
    def nbytes(self) -> int:
        """Bytes that a full read takes from the source, before compression."""
        each = self.n_channels * max(len(self.frequencies), 1) * self.reader.dtype.itemsize
        # Traces are small; what they are taken out of may be a movie.
        return int(self.n_samples * getattr(self.reader, "sample_bytes", each))

    def read(
        self,
        start: int,
        stop: int,
        *,
        channels: Sequence[Any] | None = None,
        units: Literal["physical", "counts"] = "physical",
    ) -> xr.DataArray:
        """Read samples ``[start, stop)`` of the stored recording.

        Parameters
        ----------
        start, stop : int
            Sample range; it may not leave the stored recording.
        channels : sequence of channel ids, optional
            Fewer channels than the signal has.
        units : {"physical", "counts"}, default "physical"
            Converted to `self.units` (float32, or float64 when the stored
            samples are float64) or as stored.

        Returns
        -------
        xarray.DataArray, shape (time, channel) or (time, channel, frequency)
            With the true time of each sample in seconds.
        """
        import xarray as xr

        picked = slice(None) if channels is None else self.channels.index.get_indexer(channels)
        if channels is not None and (np.asarray(picked) < 0).any():
            held = list(self.channels.index)
            missing = [c for c in channels if c not in held]
            raise NWBDecodeError(f"signal {self.path!r} has no channels {missing}; it has {held}")
        block = self.read_array(start, stop, picked=picked, units=units)
        if block.base is not None:
            block = block.copy()  # whoever reads may write to it
        bands = {"frequency": list(self.frequencies)} if self.frequencies else {}
        return xr.DataArray(
            block,
            dims=("time", "channel", *bands),
            coords={
                "time": self.times(np.arange(start, stop)),
                "channel": self.channels.index.to_numpy()[picked],
                **bands,
            },
            attrs={"units": self.units if units == "physical" else "counts"},
        )

    def read_array(
        self,
        start: int,
        stop: int,
        *,
        picked: slice | np.ndarray = slice(None),
        units: Literal["physical", "counts"] = "physical",
    ) -> np.ndarray:
        """Read as `read` does, without labels: what inner loops call.

        Counts may lie where the source holds them, and are not to be written to.
        """
        if not 0 <= start <= stop <= self.reader.shape[0]:
            raise NWBDecodeError(
                f"samples [{start}, {stop}) leave the recording, which has {self.reader.shape[0]}"
            )
        stored = self.reader.read(start, stop, self.columns[picked])
        return stored if units == "counts" else self.converted(stored, picked)

    def converted(self, stored: np.ndarray, picked: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Samples in `units`, of samples as stored."""
        dtype = np.float64 if stored.dtype.itemsize > 4 else np.float32
        # Bands of a channel share its factor.
        each = (slice(None),) + (None,) * (stored.ndim - 2)
        factor = self.conversion[picked].astype(dtype)[each]
        scaled: Any = np.multiply(stored, factor, dtype=dtype, casting="unsafe")
        if np.any(self.offset):
            scaled += self._offsets[picked].astype(dtype)[each]
        return scaled

    def convert_rows(self, stored: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
        """Put some rows of samples as stored, in `units`, where they are worked on.

        Parameters
        ----------
        stored : array, shape (time, channel) or (time, channel, band)
        rows : int array, shape (row,)
        out : float32 array, shape (row, channel) or (row, channel * band)
        """
        kind = stored.dtype
        if kind.itemsize > 4 or kind.kind not in "iuf" or kind == np.float16 or not kind.isnative:
            # A few at a time: what lies between is as large again.
            few = max(1, _IN_CACHE // max(out[:1].nbytes, 1))
            for at in range(0, len(rows), few):
                some = rows[at : at + few]
                low, high = int(some.min()), int(some.max()) + 1
                samples = self.converted(stored[low:high]).reshape(high - low, -1)
                out[at : at + few] = samples[some - low]
            return
        from nwbdecode.load.converting import convert

        # Bands of picked channels are copied to lie side by side, so no more than are wanted.
        low, high = int(rows.min()), int(rows.max()) + 1
        flat = stored[low:high].reshape(high - low, -1)
        bands = flat.shape[1] // len(self.columns)
        factor, offset = (
            np.repeat(each.astype(np.float32), bands) for each in (self.conversion, self._offsets)
        )
        convert(flat, rows - low, factor, offset, out)

    @property
    def _offsets(self) -> np.ndarray:
        return np.broadcast_to(self.offset, len(self.columns))

    def times(self, samples: np.ndarray) -> np.ndarray:
        """Time in seconds of stored sample indices, which may be fractional.

        Indices between the last sample of one segment and the first of the
        next belong to the earlier segment.
        """
        samples = np.asarray(samples, dtype=np.float64)
        if self.timestamps is not None and samples.size:
            return self._stamped_times(samples)
        starts = np.array([s.start for s in self.segments], dtype=np.float64)
        which = np.clip(np.searchsorted(starts, samples, side="right") - 1, 0, None)
        first = np.array([s.start_time for s in self.segments])
        rates = np.array([s.rate for s in self.segments])
        return first[which] + (samples - starts[which]) / rates[which]

    def _stamped_times(self, samples: np.ndarray) -> np.ndarray:
        assert self.timestamps is not None
        low = max(int(np.floor(samples.min())), 0)
        high = min(int(np.ceil(samples.max())) + 1, self.reader.shape[0])
        if high - low < 2:
            low = max(low - 1, 0)
            high = min(low + 2, self.reader.shape[0])
        stamps = self.timestamps.read(low, high)[:, 0].astype(np.float64)
        index = np.arange(low, high, dtype=np.float64)
        out = np.interp(samples, index, stamps)
        step = 1.0 / self.rate
        # Half a sample beyond an end is where a bin's outer edge lies.
        out = np.where(samples > index[-1], stamps[-1] + (samples - index[-1]) * step, out)
        return np.where(samples < index[0], stamps[0] + (samples - index[0]) * step, out)

    def select(
        self,
        *,
        channels: Sequence[Any] | None = None,
        time: tuple[float | None, float | None] | None = None,
    ) -> Signal:
        """Return the same signal with fewer channels or less time.

        Parameters
        ----------
        channels : sequence of channel ids, optional
        time : (start, stop) in seconds on the session's clock, optional
            Either end may be None.
        """
        signal = self
        if channels is not None:
            rows = self.channels.index.get_indexer(list(channels))
            if (rows < 0).any():
                missing = [c for c, row in zip(channels, rows, strict=True) if row < 0]
                raise NWBDecodeError(
                    f"signal {self.path!r} has no channels {missing}; "
                    f"it has {list(self.channels.index)}"
                )
            signal = replace(
                signal,
                channels=self.channels.iloc[rows],
                columns=self.columns[rows],
                conversion=self.conversion[rows],
                offset=self.offset[rows] if isinstance(self.offset, np.ndarray) else self.offset,
            )
        if time is not None:
            low = -np.inf if time[0] is None else time[0]
            high = np.inf if time[1] is None else time[1]
            kept = tuple(_cut(signal.segments, low, high))
            if not kept:
                ends = signal.segments[0].start_time, signal.segments[-1].stop_time
                raise NWBDecodeError(
                    f"no sample of {self.path!r} lies between {low:g} and {high:g} s; "
                    f"it runs from {ends[0]:.3f} to {ends[1]:.3f} s"
                )
            signal = replace(signal, segments=kept)
        return signal

    def __repr__(self) -> str:
        first, last = self.segments[0], self.segments[-1]
        gaps = len(self.segments) - 1
        bands = f" x {len(self.frequencies)} bands" if self.frequencies else ""
        lines = [
            f"<nwbdecode.Signal {self.path or '(in memory)'}>",
            f"  {self.modality}, {self.n_channels} channels{bands} at {self.rate:.10g} Hz, "
            f"{self.reader.dtype} -> {self.units}",
            f"  {first.start_time:.3f} to {last.stop_time:.3f} s ({self.duration:.1f} s of signal, "
            f"{gaps} gap{'s' if gaps != 1 else ''})",
        ]
        if "location" in self.channels:
            places = sorted({str(place) for place in self.channels["location"]})
            lines.append(f"  location: {', '.join(places[:6])}")
        space = self.source.get("signal", {}).get("space")
        lines += [f"  coordinates: {space}"] if space else []
        if "bad" in self.channels and self.channels["bad"].any():
            bad = [str(label) for label in self.channels.index[self.channels["bad"].astype(bool)]]
            more = ", ..." if len(bad) > 12 else ""
            lines.append(
                f"  bad, left out of features: {', '.join(bad[:12])}{more} "
                f"({len(bad)} of {self.n_channels})"
            )
        told = self.source.get("signal", {})
        notes = [*told.get("notes", ()), *told.get("epochs", {}).get("notes", ())]
        lines += [f"  {note}" for note in notes]
        return "\n".join(lines)


def _cut(segments: Sequence[Segment], low: float, high: float) -> Iterator[Segment]:
    for segment in segments:
        # The tolerance keeps a cut at k / rate from losing a sample to rounding.
        start = segment.start + max(
            0,
            int(np.ceil((low - segment.start_time) * segment.rate - 1e-6))
            if np.isfinite(low)
            else 0,
        )
        stop = min(
            segment.stop,
            segment.start + int(np.ceil((high - segment.start_time) * segment.rate - 1e-6))
            if np.isfinite(high)
            else segment.stop,
        )
        if stop > start:
            shift = (start - segment.start) / segment.rate
            yield Segment(start, stop, segment.start_time + shift, segment.rate)


def as_signal(
    data: Any, *, rate: float | None = None, units: str = "volts", modality: Modality = "ephys"
) -> Signal:
    """Take a signal as it is, or make one of an array or a SpikeInterface recording.

    Parameters
    ----------
    data : Signal, DataArray (time, channel), array (time[, channel]) or SpikeInterface recording
        A DataArray with a regular ``time`` coordinate gives its own rate; so does a
        recording, whose gains, offsets, places, groups and segments are its own as well.
    rate : float, optional
        Samples per second; needed for a numpy array.
    units : str, default "volts"
        Of an array. A recording with gains is in volts, one without in counts.
    modality : {"ephys", "ecog", "imaging", "spikes"}, default "ephys"

    Raises
    ------
    NWBDecodeError
        If shape or clock are none of a signal's.

    Examples
    --------
    >>> import numpy as np
    >>> as_signal(np.zeros((1000, 4), dtype="float32"), rate=250.0).duration
    4.0
    """
    if isinstance(data, Signal):
        return data
    from nwbdecode.load import arrays, spikeinterface

    if spikeinterface.is_recording(data):
        return spikeinterface.recorded(data, modality=modality)
    return arrays.signal_of(data, rate=rate, units=units, modality=modality)
