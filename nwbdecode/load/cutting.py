"""Cutting a signal: times that nothing may read, and times that bins must lie in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.signal import Segment, Signal

if TYPE_CHECKING:
    from nwbdecode.load.epochs import Epochs

#: Part of a sample by which rounded times may miss an edge.
_ROUNDING = 1e-6


def within(signal: Signal, epochs: Epochs) -> Signal:
    """Leave excluded times out of a signal, and note which times its bins must lie in.

    What is excluded becomes a gap like any other: no filter reads across it, and
    no feature depends on a sample in it. What lies outside of ``only`` makes no bins,
    but the filters of the bins inside read it, as it is a true part of the recording.

    Raises
    ------
    NWBDecodeError
        If nothing is left.
    """
    if not epochs.notes and not epochs.asked["keep_invalid"]:
        return signal
    about: dict[str, Any] = {**epochs.asked, "notes": list(epochs.notes)}
    source = dict(signal.source)
    source["signal"] = {**source.get("signal", {}), "epochs": about}
    cut = without(signal, epochs.excluded) if epochs.excluded else signal
    return replace(cut, only=epochs.only, source=source)


def without(signal: Signal, spans: Sequence[tuple[float, float]]) -> Signal:
    """Cut the samples out whose time lies in ``[start, stop)`` of a span.

    Parameters
    ----------
    signal : Signal
    spans : sequence of (start, stop)
        Seconds; in order, without overlaps.

    Examples
    --------
    >>> import numpy as np
    >>> from nwbdecode.load.signal import as_signal
    >>> cut = without(as_signal(np.zeros((1000, 1)), rate=100.0), [(2.0, 3.0), (9.5, np.inf)])
    >>> [(part.start, part.stop, part.start_time) for part in cut.segments]
    [(0, 200, 0.0), (300, 950, 3.0)]
    """
    kept: list[Segment] = []
    for segment in signal.segments:
        at = segment.start
        # Half a sample more than the summary says: true times may lie a little beside it.
        low, high = segment.start_time - 1 / segment.rate, segment.stop_time + 1 / segment.rate
        for start, stop in spans:
            if stop <= low or start >= high:
                continue
            edge = _first_at(signal, segment, start)
            if edge > at:
                kept.append(_part(signal, segment, at, edge))
            at = max(at, _first_at(signal, segment, stop))
        if at < segment.stop:
            kept.append(_part(signal, segment, at, segment.stop))
    if not kept:
        raise NWBDecodeError(
            f"all of {signal.path!r} lies in excluded times; nothing is left to decode"
        )
    return replace(signal, segments=tuple(kept))


def _part(signal: Signal, segment: Segment, start: int, stop: int) -> Segment:
    if start == segment.start:
        return replace(segment, stop=stop)
    first = float(signal.times(np.array([start]))[0])
    return Segment(start, stop, first, segment.rate)


def _first_at(signal: Signal, segment: Segment, time: float) -> int:
    """Index of a segment's first sample at or after a time; its stop where none is."""
    if np.isinf(time):
        return segment.stop if time > 0 else segment.start
    rounded = time - _ROUNDING / segment.rate
    guess = segment.start + int(np.ceil((rounded - segment.start_time) * segment.rate))
    guess = int(np.clip(guess, segment.start, segment.stop))
    if signal.timestamps is None:
        return guess
    reach = 64
    while True:
        low, high = max(segment.start, guess - reach), min(segment.stop, guess + reach)
        times = signal.times(np.arange(low, high))
        before = low == segment.start or times[0] < rounded
        if before and (high == segment.stop or times[-1] >= rounded):
            return low + int(np.searchsorted(times, rounded))
        reach *= 8
