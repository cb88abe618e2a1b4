"""Clocks: gapless segments from timestamps, and quick looks at long ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.signal import Segment

if TYPE_CHECKING:
    from pynwb import TimeSeries

    from nwbdecode.load.signal import Reader

#: A step longer than this many median steps is a gap.
GAP = 1.5
_CHUNK = 1 << 22
_PROBE = 4096
_PROBES = 16


@dataclass(frozen=True)
class Probe:
    """What a look at a clock shows.

    Attributes
    ----------
    rate : float
        Steps looked at that are no gaps, over the time that they take, in Hz; NaN
        with fewer than two samples.
    start, stop : float
        First time, and the last plus one over the rate, in seconds.
    gaps : int
        Steps longer than `GAP` median steps among those looked at.
    whole : bool
        Whether every timestamp was looked at.
    seen : int
        Timestamps that were looked at.
    problems : tuple of str
        What makes the clock unusable.
    """

    rate: float
    start: float
    stop: float
    gaps: int = 0
    whole: bool = True
    seen: int = 0
    problems: tuple[str, ...] = field(default=())


def _blocks(n: int, *, whole: bool) -> Iterator[tuple[int, int]]:
    if whole or n <= _PROBE * (_PROBES + 2):
        for start in range(0, n, _CHUNK):
            # One sample of overlap, so that no step is missed between blocks.
            yield start, min(start + _CHUNK + 1, n)
        return
    for start in np.linspace(0, n - _PROBE, _PROBES + 2).astype(int):
        yield int(start), int(start) + _PROBE


def _times(stamps: Reader, start: int, stop: int) -> np.ndarray:
    return stamps.read(start, stop)[:, 0].astype(np.float64)


def fault(times: np.ndarray, first: int, *, repeats: bool = False) -> str:
    """Name the first timestamp that is missing or does not come after the one before.

    Parameters
    ----------
    times : array of float, shape (time,)
        Seconds.
    first : int
        Index of ``times[0]`` in the whole clock.
    repeats : bool, default False
        Whether equal neighbors are allowed.

    Returns
    -------
    str
        Empty where there is no fault.

    Examples
    --------
    >>> import numpy as np
    >>> fault(np.array([0.0, 0.1, 0.05]), 10)
    'timestamp 12 (0.05 s) does not come after timestamp 11 (0.1 s)'
    """
    lost = np.flatnonzero(~np.isfinite(times))
    if lost.size:
        return f"timestamp {first + lost[0]} is {times[lost[0]]}"
    step = np.diff(times)
    back = np.flatnonzero(step < 0 if repeats else step <= 0)
    if not back.size:
        return ""
    at = int(back[0])
    return (
        f"timestamp {first + at + 1} ({times[at + 1]:.12g} s) does not come after "
        f"timestamp {first + at} ({times[at]:.12g} s)"
    )


def median_step(stamps: Reader) -> float:
    """Median step of a clock in seconds, from blocks spread over it."""
    n = stamps.shape[0]
    steps = [np.diff(_times(stamps, a, b)) for a, b in _blocks(n, whole=False)]
    every = np.concatenate(steps) if steps else np.empty(0)
    every = every[np.isfinite(every) & (every > 0)]
    return float(np.median(every)) if every.size else float("nan")


def probe(stamps: Reader, *, whole: bool = False, repeats: bool = False) -> Probe:
    """Look at a clock: all of a short one, the ends and spread blocks of a long one.

    Parameters
    ----------
    stamps : Reader, shape (time, 1)
        Seconds.
    whole : bool, default False
        Look at all of a long one too.
    repeats : bool, default False
        Whether equal neighbors are allowed, as targets have them.
    """
    n = stamps.shape[0]
    step = median_step(stamps)
    problems: list[str] = []
    gaps, seen, even, taken = 0, 0, 0, 0.0
    for start, stop in _blocks(n, whole=whole):
        times = _times(stamps, start, stop)
        seen += stop - start
        wrong = fault(times, start, repeats=repeats)
        if wrong and not problems:
            problems.append(wrong)
        steps = np.diff(times)
        gaps += int((steps > GAP * step).sum())
        # The median says nothing of a clock that ticks unevenly, such as a camera's.
        whole_steps = steps[(steps > 0) & (steps <= GAP * step)]
        even, taken = even + len(whole_steps), taken + float(whole_steps.sum())
    first = float(_times(stamps, 0, 1)[0]) if n else float("nan")
    last = float(_times(stamps, n - 1, n)[0]) if n else float("nan")
    rate = even / taken if taken > 0 else float("nan")
    stop_time = last + (1 / rate if taken > 0 else 0.0)
    return Probe(rate, first, stop_time, gaps, seen >= n, seen, tuple(problems))


def scan(stamps: Reader, *, path: str) -> tuple[Segment, ...]:
    """Read all timestamps and cut the recording at its gaps.

    A gap is a step longer than 1.5 median steps. The rate of a segment of n
    samples is ``(n - 1) / (last time - first time)``. A sample alone between
    two gaps is left out: it has no rate.

    Parameters
    ----------
    stamps : Reader, shape (time, 1)
        Seconds.
    path : str
        The series' path, for messages.

    Returns
    -------
    tuple of Segment

    Raises
    ------
    NWBDecodeError
        If a timestamp is NaN or infinite, or does not come after the one
        before; the message gives index and values.
    """
    from tqdm.auto import tqdm

    n = stamps.shape[0]
    limit = GAP * median_step(stamps)
    ends: list[tuple[int, float, float]] = []
    blocks = list(_blocks(n, whole=True))
    for start, stop in tqdm(blocks, desc=f"timestamps of {path}", disable=len(blocks) < 8):
        times = _times(stamps, start, stop)
        wrong = fault(times, start)
        if wrong:
            raise NWBDecodeError(
                f"the clock of {path!r} cannot be used: {wrong}. Correct the file's timestamps"
            )
        cuts = np.flatnonzero(np.diff(times) > limit)
        ends += [(start + c, times[c], times[c + 1]) for c in cuts.tolist()]
    first = float(_times(stamps, 0, 1)[0])
    last = float(_times(stamps, n - 1, n)[0])
    edges = [0, *(c + 1 for c, _, _ in ends), n]
    starts = [first, *(after for _, _, after in ends)]
    stops = [*(before for _, before, _ in ends), last]
    return tuple(
        Segment(a, b, float(t0), (b - a - 1) / (t1 - t0))
        for a, b, t0, t1 in zip(edges[:-1], edges[1:], starts, stops, strict=True)
        if b - a > 1
    )


def stamps_of(series: TimeSeries) -> Reader | None:
    """Reader of a series' timestamps, None where it states a rate.

    Raises
    ------
    NWBDecodeError
        If they are no numbers.
    """
    from nwbdecode.load.memory import reader_of

    if series.rate is not None or series.timestamps is None:
        return None
    stamps = reader_of(series.timestamps)
    if stamps.dtype.kind not in "iuf":
        raise NWBDecodeError(
            f"the timestamps of {series.name!r} are of type {stamps.dtype}; expected seconds as "
            "numbers. Correct the file"
        )
    return stamps
