"""Fluorescence without its neuropil, and relative to its own rolling baseline."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.load.imaging.options import ImagingOptions

if TYPE_CHECKING:
    from nwbdecode.load.signal import Reader, Segment, Signal

#: Samples of a block of relative values, at least.
_FEWEST = 4096
#: Timestamps looked at together.
_CHUNK = 1 << 20
#: Standard deviations of white noise in the median of its steps' sizes.
_NOISE = 1.4826 / np.sqrt(2)


@dataclass(frozen=True)
class Run:
    """A gapless run of samples ``[start, stop)``, and its baseline's reach in samples."""

    start: int
    stop: int
    before: int
    after: int


def baseline_runs(segments: Sequence[Segment], options: ImagingOptions) -> tuple[Run, ...]:
    """Give every segment a window of `baseline_window` seconds, at its own rate."""
    runs = []
    for segment in segments:
        samples = max(1, round(options.baseline_window * segment.rate))
        before, after = (samples, 0) if options.dff == "trailing" else (samples // 2, samples // 2)
        runs.append(Run(segment.start, segment.stop, before, after))
    return tuple(runs)


def delta_over_baseline(
    fluorescence: np.ndarray, before: int, after: int, percentile: float
) -> np.ndarray:
    """Compute ``(F - F0) / max(F0, noise)`` of one run of samples.

    F0 is the percentile over the samples from `before` to `after` each one;
    beyond the ends the run is mirrored or, if nothing after is read, its first
    sample stands. The noise is that of a white signal with the same median
    step between samples of the window: it keeps a baseline near or below zero
    from dividing. Where both are zero the result is zero.

    Parameters
    ----------
    fluorescence : float array, shape (time,)
        Missing samples are NaN: they stay missing, and count as the brightest
        of their window.
    before, after : int
        Samples.
    percentile : float

    Returns
    -------
    float array, shape (time,)

    Examples
    --------
    >>> trace = np.array([2.0, 2.0, 2.0, 6.0, 2.0, 2.0, 2.0])
    >>> delta_over_baseline(trace, 3, 3, 8.0).tolist()
    [0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]
    """
    from scipy.ndimage import percentile_filter

    size = before + after + 1
    how = {
        "size": size,
        "origin": before - size // 2,
        "mode": "reflect" if after else "nearest",
    }
    step = np.abs(np.diff(fluorescence, prepend=fluorescence[:1]))
    ranked = [np.where(np.isnan(each), np.inf, each) for each in (fluorescence, step)]
    baseline = percentile_filter(ranked[0], percentile, **how)
    noise = percentile_filter(ranked[1], 50.0, **how) * fluorescence.dtype.type(_NOISE)
    divisor = np.maximum(baseline, noise)
    out = np.zeros_like(fluorescence)
    with np.errstate(invalid="ignore"):
        np.divide(fluorescence - baseline, divisor, out=out, where=divisor > 0)
    out[np.isnan(fluorescence)] = np.nan
    return out


@dataclass(frozen=True, eq=False)
class Fluorescence:
    """Traces in physical units, corrected as asked; shape (time, region), float32.

    Parameters
    ----------
    traces : Reader
        Stored traces of the regions and, beside them where `neuropil` is
        given, those of their rings.
    conversion : float array, shape (region,)
    offset : float
        From stored to physical units.
    neuropil : float, optional
        Share of the ring's trace that is subtracted.
    runs : tuple of Run
        Of the baseline; without any there is no division by one.
    percentile : float
    """

    traces: Reader
    conversion: np.ndarray
    offset: float
    neuropil: float | None = None
    runs: tuple[Run, ...] = ()
    percentile: float = 8.0
    _held: dict[Any, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        return self.traces.shape[0], len(self.conversion)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    @property
    def sample_bytes(self) -> int:
        held = getattr(self.traces, "sample_bytes", None)
        return int(held or self.traces.dtype.itemsize * self.traces.shape[1])

    @property
    def digest(self) -> str:
        """Hash of what the values depend on beside the file."""
        held = getattr(self.traces, "digest", "")
        facts = (held, self.neuropil, self.runs, self.percentile, self.offset)
        digest = hashlib.blake2b(repr(facts).encode(), digest_size=16)
        digest.update(self.conversion.astype("<f8").tobytes())
        return digest.hexdigest()

    def read(self, start: int, stop: int, columns: np.ndarray | None = None) -> np.ndarray:
        """Values of samples ``[start, stop)``."""
        picked = np.arange(self.shape[1]) if columns is None else np.asarray(columns)
        if not self.runs:
            return self._corrected(start, stop, picked)
        # A window is longer than what features read at once: whole blocks, kept for the next.
        block = max(_FEWEST, 4 * max(run.before + run.after for run in self.runs))
        parts = [np.empty((0, len(picked)), dtype=np.float32)]
        for index in range(start // block, -(-stop // block)):
            low = index * block
            values = self._block(index, block, picked)
            parts.append(values[max(start - low, 0) : stop - low])
        return np.concatenate(parts)

    def _block(self, index: int, block: int, picked: np.ndarray) -> np.ndarray:
        key = index, picked.tobytes()
        if key not in self._held:
            low, high = index * block, min((index + 1) * block, self.shape[0])
            values = self._relative(low, high, picked)
            # Features walk forward, and a read may straddle two blocks.
            while len(self._held) > 1:
                self._held.pop(next(iter(self._held)), None)
            self._held[key] = values
            return values
        return self._held[key]

    def _relative(self, start: int, stop: int, picked: np.ndarray) -> np.ndarray:
        out = np.full((stop - start, len(picked)), np.nan, dtype=np.float32)
        for run in self.runs:
            low, high = max(start, run.start), min(stop, run.stop)
            if low >= high:
                continue
            # One more before: the noise looks at steps between samples.
            begin, end = max(low - run.before - 1, run.start), min(high + run.after, run.stop)
            traces = self._corrected(begin, end, picked)
            for column, trace in enumerate(np.ascontiguousarray(traces.T)):
                values = delta_over_baseline(trace, run.before, run.after, self.percentile)
                out[low - start : high - start, column] = values[low - begin : high - begin]
        return out

    def _corrected(self, start: int, stop: int, picked: np.ndarray) -> np.ndarray:
        """Physical values, less the neuropil's share."""
        if self.neuropil is None:
            stored = self.traces.read(start, stop, picked)
            values = stored.astype(np.float64) * self.conversion[picked] + self.offset
            return values.astype(np.float32)
        both = self.traces.read(start, stop, np.concatenate([picked, picked + self.shape[1]]))
        values = both.astype(np.float64) * np.tile(self.conversion[picked], 2) + self.offset
        region, ring = values[:, : len(picked)], values[:, len(picked) :]
        return np.asarray(region - self.neuropil * ring, dtype=np.float32)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def reach(signal: Signal, runs: Sequence[Run]) -> tuple[float, float]:
    """Seconds before and after a sample that its baseline reads, at most."""
    longest = [0.0, 0.0]
    for run in runs:
        if signal.timestamps is None:
            rate = next(s.rate for s in signal.segments if s.start == run.start)
            sides = [(run.before + 1) / rate, run.after / rate]
        else:
            # Frames come unevenly: the same number of them may span more time.
            sides = [_span(signal.timestamps, run, run.before + 1)]
            sides += [_span(signal.timestamps, run, run.after)]
        longest = [max(a, b) for a, b in zip(longest, sides, strict=True)]
    return longest[0], longest[1]


def _span(stamps: Reader, run: Run, samples: int) -> float:
    """Longest time between samples of a run that are so many apart."""
    longest = 0.0
    samples = min(samples, run.stop - run.start - 1)
    for start in range(run.start, run.stop - samples, _CHUNK):
        time = stamps.read(start, min(start + _CHUNK + samples, run.stop))[:, 0]
        steps = time[samples:].astype(np.float64) - time[: len(time) - samples]
        longest = max(longest, float(steps.max()))
    return longest
