"""Time bins: the clock that features, targets and predictions share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from nwbdecode.load.signal import Signal

DEFAULT_BIN = 1 / 30


@dataclass(frozen=True)
class Bins:
    """Bins of a signal, never across a gap.

    Attributes
    ----------
    first, stop : int array, shape (bin,)
        First stored sample of a bin and one past its last.
    segment : int array, shape (bin,)
        Index of the gapless segment a bin lies in.
    center, start, end : float array, shape (bin,)
        Seconds. A sample stands for the half intervals around it, so a bin
        reaches from half a sample before its first to half after its last.
    width : float
        Nominal width in seconds.
    run : int array, shape (bin,), optional
        Number of the stretch a bin lies in, which no window may leave: its segment
        or, where the signal keeps `only` some times, its part of one of these.
    """

    first: np.ndarray
    stop: np.ndarray
    segment: np.ndarray
    center: np.ndarray
    start: np.ndarray
    end: np.ndarray
    width: float
    run: np.ndarray | None = None

    @property
    def runs(self) -> np.ndarray:
        return self.segment if self.run is None else self.run

    def __len__(self) -> int:
        return len(self.first)


def make_bins(signal: Signal, width: float | None = None) -> Bins:
    """Cut a signal into bins of equal duration.

    Edges lie at ``round(k * width * rate)`` samples from a segment's start, so
    a rate that is no multiple of the bin rate never drifts. An incomplete bin
    at a segment's end is dropped.

    Parameters
    ----------
    signal : Signal
    width : float, optional
        Seconds; 1/30 s by default, and never under one sample.

    Raises
    ------
    NWBDecodeError
        If a bin would hold less than one sample, or no bin fits.
    """
    shortest = 1 / signal.rate
    if width is None:
        width = max(DEFAULT_BIN, shortest)
    # An even clock is known only to rounding: 1 / rate must pass as one sample.
    if not np.isfinite(width) or width < shortest * (1 - 1e-6):
        raise NWBDecodeError(
            f"a bin of {width:g} s is shorter than one sample of {signal.path!r} "
            f"({shortest:g} s at {signal.rate:g} Hz); ask for a bin of at least {shortest:.4g} s"
        )
    edges, times, segment = [], [], []
    for index, part in enumerate(signal.segments):
        step = max(width * part.rate, 1.0)
        count = int(np.floor((part.stop - part.start) / step + 1e-9))
        if count:
            cut = part.start + np.round(np.arange(count + 1) * step).astype(np.int64)
            edges.append(cut)
            # An outer edge lies half a sample outside the segment, where the signal's own
            # clock may already have jumped the gap.
            inside = np.clip(cut - 0.5, part.start, part.stop - 1)
            times.append(signal.times(inside) + (cut - 0.5 - inside) / part.rate)
            segment.append(np.full(count, index))
    if not edges:
        raise NWBDecodeError(
            f"no bin of {width:g} s fits into {signal.path!r}, whose longest run is "
            f"{max((s.stop - s.start) / s.rate for s in signal.segments):g} s"
        )
    first = np.concatenate([cut[:-1] for cut in edges])
    stop = np.concatenate([cut[1:] for cut in edges])
    start = np.concatenate([time[:-1] for time in times])
    end = np.concatenate([time[1:] for time in times])
    bins = Bins(first, stop, np.concatenate(segment), (start + end) / 2, start, end, float(width))
    return bins if signal.only is None else _inside(bins, signal)


def _inside(bins: Bins, signal: Signal) -> Bins:
    """Keep the bins all of whose samples lie in one of the times that are wanted."""
    assert signal.only is not None
    low, high = (np.array(edge, dtype=np.float64) for edge in zip(*signal.only, strict=True))
    rate = np.array([part.rate for part in signal.segments])[bins.segment]
    # A sample at a time's very start lies inside it, one at its stop does not.
    first, last = bins.start + 0.5 / rate, bins.end - 0.5 / rate
    slack = 1e-6 / rate
    which = np.searchsorted(low, first + slack, side="right") - 1
    kept = np.flatnonzero((which >= 0) & (last < high[which] - slack))
    if not kept.size:
        longest = float((high - low).max())
        raise NWBDecodeError(
            f"no bin of {bins.width:g} s lies inside one of the {len(low)} times to keep, the "
            f"longest of which is {longest:g} s, and inside {signal.path!r}"
        )
    pair = which[kept] * (int(bins.segment.max()) + 1) + bins.segment[kept]
    fresh = np.append(False, np.diff(pair) != 0)
    return Bins(
        first=bins.first[kept],
        stop=bins.stop[kept],
        segment=bins.segment[kept],
        center=bins.center[kept],
        start=bins.start[kept],
        end=bins.end[kept],
        width=bins.width,
        run=np.cumsum(fresh),
    )
