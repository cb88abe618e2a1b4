"""Sorted units as a signal: spikes counted on a fine grid, read from their files as needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.electrodes import choose, described, kept
from nwbdecode.load.signal import Segment, Signal

if TYPE_CHECKING:
    import pandas as pd
    from pynwb.misc import Units

    from nwbdecode.load.location import Location
    from nwbdecode.load.signal import Reader

#: Samples per second of the grid that spikes are counted on.
RATE = 1000.0
#: Spikes a block: their earliest and latest time are known, so that a read leaves others out.
_BLOCK = 4096
#: Spike times up to so many bytes are held once they were read; more are read piece by piece.
_HELD = 64 << 20


def holds_spikes(table: Any) -> bool:
    """Whether something is a table of units with spike times."""
    from pynwb.misc import Units

    return isinstance(table, Units) and "spike_times" in table.colnames and len(table) > 0


@dataclass(eq=False)
class SpikeReader:
    """Spike counts of units on a grid, shape (time, unit); spikes may lie in any order.

    Parameters
    ----------
    times : Reader, shape (spike, 1)
        Spike times in seconds, unit after unit.
    edges : int array, shape (unit + 1,)
        First spike of each unit, and one past the last.
    spans : float array, shape (run, 2)
        Start in seconds and number of samples of each gapless run of the grid.
    low, high : float arrays, shape (block,)
        Earliest and latest spike in each block of `_BLOCK` spikes.
    """

    times: Reader
    edges: np.ndarray
    spans: np.ndarray
    low: np.ndarray
    high: np.ndarray
    _held: np.ndarray | None = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.spans[:, 1].sum()), len(self.edges) - 1

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint16)

    def read(self, start: int, stop: int, columns: np.ndarray | None = None) -> np.ndarray:
        """Count spikes in samples ``[start, stop)``, shape (time, unit)."""
        units = np.arange(self.shape[1]) if columns is None else np.asarray(columns)
        out = np.zeros((stop - start, len(units)), dtype=np.uint16)
        first = 0
        for begin, size in self.spans:
            low, high = max(start, first), min(stop, first + int(size))
            if low < high:
                at = begin + np.arange(low - first, high - first + 1) / RATE
                for column, unit in enumerate(units):
                    out[low - start : high - start, column] = self._counts(int(unit), at)
            first += int(size)
        return out

    def _counts(self, unit: int, at: np.ndarray) -> np.ndarray:
        """Spikes of one unit in each step of a grid."""
        total = np.zeros(len(at) - 1, dtype=np.int64)
        first, last = self.edges[unit], self.edges[unit + 1]
        blocks = np.arange(first // _BLOCK, -(-last // _BLOCK))
        near = blocks[(self.high[blocks] >= at[0]) & (self.low[blocks] < at[-1])]
        # Blocks in succession are read at once, but never so many that memory fills.
        for run in np.split(near, np.flatnonzero(np.diff(near) != 1) + 1):
            for some in np.array_split(run, -(-len(run) // 64)) if len(run) else ():
                begin = max(first, some[0] * _BLOCK)
                spikes = self._spikes(int(begin), int(min(last, (some[-1] + 1) * _BLOCK)))
                step = np.searchsorted(at, spikes, side="right") - 1
                inside = (step >= 0) & (step < len(total)) & np.isfinite(spikes)
                total += np.bincount(step[inside], minlength=len(total))
        return total

    def _spikes(self, begin: int, end: int) -> np.ndarray:
        count = self.times.shape[0]
        if count * self.times.dtype.itemsize > _HELD:
            return self.times.read(begin, end)[:, 0]
        if self._held is None:
            self._held = self.times.read(0, count)[:, 0]
        return self._held[begin:end]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": None}


def spike_counts(table: Units, path: str, location: Location, channels: Any) -> Signal:
    """Make a lazy signal of units: spikes per second, 1000 samples a second.

    It covers the time in which all chosen units were observed (``obs_intervals``) or,
    where the file does not say, from the first spike of any unit to the last.

    Raises
    ------
    NWBDecodeError
        If there are no spikes, `channels` fits no unit, or the chosen units were never
        observed together.
    """
    edges = _edges(table, "spike_times")
    times = location.reader(table["spike_times"].target.data)
    if not edges[-1]:
        raise NWBDecodeError(f"{path!r} holds {len(table)} units and no spike")
    low, high = _extremes(times, path)
    known = unit_table(table)
    rows = choose(known, channels)
    spans = _spans(table, known, rows, path)
    if spans is None:
        begin = np.floor(low.min() * RATE) / RATE
        spans = np.array([[begin, np.floor((high.max() - begin) * RATE) + 1]])
    first = np.concatenate([[0], np.cumsum(spans[:, 1])]).astype(int)
    segments = tuple(
        # A sample stands for the half intervals around it: its step's middle.
        Segment(int(a), int(b), float(begin + 0.5 / RATE), RATE)
        for a, b, begin in zip(first[:-1], first[1:], spans[:, 0], strict=True)
    )
    return Signal(
        reader=SpikeReader(times, edges, spans, low, high),
        segments=segments,
        channels=kept(known.iloc[rows]),
        columns=rows,
        conversion=np.full(len(rows), RATE),
        units="spikes/second",
        modality="spikes",
        path=path,
        object_id=str(table.object_id),
    )


def _edges(table: Units, column: str) -> np.ndarray:
    """First entry of each unit in a ragged column, and one past the last.

    Raises
    ------
    NWBDecodeError
        If the index runs beyond what the column holds, or goes back.
    """
    index = table[column]
    edges = np.concatenate([[0], np.asarray(index.data[:], dtype=np.int64)])
    held = len(index.target.data)
    if (np.diff(edges) < 0).any() or edges[-1] > held:
        raise NWBDecodeError(
            f"'{column}_index' of {table.name!r} goes from {edges[1:].tolist()[:3]} to "
            f"{edges[-1]} and {column!r} holds {held} entries; expected where each unit's end, "
            "ascending. Correct the file"
        )
    return edges


def _extremes(times: Reader, path: str) -> tuple[np.ndarray, np.ndarray]:
    """Earliest and latest time of each block of spikes, from one pass over all."""
    from tqdm.auto import tqdm

    count, at_once = times.shape[0], 256 * _BLOCK
    low, high = [], []
    starts = range(0, count, at_once)
    for start in tqdm(starts, desc=f"spikes of {path}", disable=len(starts) < 16):
        spikes = times.read(start, min(start + at_once, count))[:, 0].astype(np.float64)
        blocks = np.arange(0, len(spikes), _BLOCK)
        lost = ~np.isfinite(spikes)
        low.append(np.minimum.reduceat(np.where(lost, np.inf, spikes), blocks))
        high.append(np.maximum.reduceat(np.where(lost, -np.inf, spikes), blocks))
    earliest, latest = np.concatenate(low), np.concatenate(high)
    if not np.isfinite(earliest).any():
        raise NWBDecodeError(f"no spike time of {path!r} is a number")
    return earliest, latest


def observed(table: Units) -> list[np.ndarray] | None:
    """When each unit was observed: intervals in s, shape (interval, 2); None if not said."""
    if "obs_intervals" not in table.colnames:
        return None
    edges = _edges(table, "obs_intervals")
    every = np.asarray(table["obs_intervals"].target.data[:], dtype=np.float64).reshape(-1, 2)
    return np.split(every[: edges[-1]], edges[1:-1])


def _spans(table: Units, known: pd.DataFrame, rows: np.ndarray, path: str) -> np.ndarray | None:
    """Runs of the grid in which all chosen units were observed; None if the file does not say."""
    intervals = observed(table)
    stated = [] if intervals is None else [intervals[row] for row in rows if len(intervals[row])]
    if not stated:
        return None
    common = stated[0]
    for other in stated[1:]:
        if not np.array_equal(common, other):
            common = _overlap(common, other)
    size = np.floor((common[:, 1] - common[:, 0]) * RATE + 1e-6)
    spans = np.stack([common[:, 0], size], axis=1)[size > 0]
    spans = spans[np.argsort(spans[:, 0])]
    if not len(spans):
        raise NWBDecodeError(
            f"the {len(rows)} units chosen of {path!r} were never observed at one time; choose "
            f"fewer by `channels`, such as {known.index[rows[0]]} alone"
        )
    return spans


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    low = np.maximum(one[:, None, 0], other[None, :, 0]).ravel()
    high = np.minimum(one[:, None, 1], other[None, :, 1]).ravel()
    return np.stack([low, high], axis=1)[high > low]


def extent(table: Units, *, full: bool) -> tuple[float, float, int, bool]:
    """Start and stop in seconds, gaps, and whether all was looked at to tell.

    Where the file does not say when units were observed, the first and last spikes of
    all units are looked at, or of 32 spread over the table.
    """
    intervals = observed(table)
    stated = np.concatenate(intervals) if intervals else np.empty((0, 2))
    if len(stated):
        runs = np.unique(stated, axis=0)
        gaps = int((runs[1:, 0] > np.maximum.accumulate(runs[:-1, 1])).sum())
        return float(runs[:, 0].min()), float(runs[:, 1].max()), gaps, True
    index = table["spike_times"]
    edges = _edges(table, "spike_times")
    filled = np.flatnonzero(np.diff(edges))
    if not len(filled):
        return float("nan"), float("nan"), 0, True
    some = filled if full else filled[np.linspace(0, len(filled) - 1, 32).astype(int)]
    ends = np.unique([edges[some], edges[some + 1] - 1])
    times = np.array([float(index.target.data[int(at)]) for at in ends])
    stated_at = times[~np.isnan(times)]
    first, last = (stated_at.min(), stated_at.max()) if len(stated_at) else (np.nan, np.nan)
    return float(first), float(last), 0, len(set(some)) == len(filled)


def unit_table(table: Units) -> pd.DataFrame:
    """Describe every unit: the table's plain columns, and its electrodes' places."""
    known = described(table, np.arange(len(table)))
    if "electrodes" not in table.colnames or not hasattr(table["electrodes"], "target"):
        return known
    index = table["electrodes"]
    region = index.target
    rows = np.asarray(region.data[:], dtype=int)
    of_units = np.split(np.arange(len(rows)), _edges(table, "electrodes")[1:-1])
    electrodes = described(region.table, rows)
    for name in ("x", "y", "z", "rel_x", "rel_y", "rel_z"):
        if name in electrodes and name not in known:
            values = electrodes[name].to_numpy(dtype=float)
            known[name] = [values[at].mean() if len(at) else np.nan for at in of_units]
    for name in ("location", "group"):
        if name in electrodes and name not in known:
            values = electrodes[name].to_numpy()
            known[name] = [_most_common(values[at]) for at in of_units]
    return known


def _most_common(values: np.ndarray) -> str:
    names, counts = np.unique(values.astype(str), return_counts=True)
    return str(names[counts.argmax()]) if len(names) else ""
