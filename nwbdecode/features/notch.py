"""The line-noise notch: mains hum and its harmonics, estimated over a second and subtracted.

The hum is what repeats with the line's period. It is estimated as a weighted mean of
the signal at whole periods before and after each sample, under a Hann window of
`SECONDS`, and subtracted. The weights are finite and symmetric, so the filter turns no
phase and reads nothing outside its reach; each output is one sum in a fixed order, so
no cut into blocks changes a bit of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features.threads import in_parts

#: Length of the Hann window that the hum is estimated in: half the amplitude is passed at 1 Hz
#: beside each harmonic, and from 2 Hz on all of it, to 3 % (1 % from 3 Hz).
SECONDS = 1.0
#: Samples on either side that a period which is no whole number of samples is interpolated from.
_REACH = 24
#: Samples that are filtered at a time: they stay in the processor's cache.
_TILE = 1024


@dataclass(frozen=True)
class Notch:
    """Two sparse filters: what lies above the drift of one period, and its hum.

    Attributes
    ----------
    frequency : float
        The line's, in Hz.
    lags, weights : int and float64 arrays, shape (tap,)
        Of the hum: how many samples ago, and how much of them.
    box : float64 array, shape (tap,)
        Mean over one period, beginning `box_lag` samples ago; empty where the hum's
        own weights sum to zero.
    box_lag : int
    before, after : int
        Samples that an output depends on besides its own.
    """

    frequency: float
    lags: np.ndarray
    weights: np.ndarray
    box: np.ndarray
    box_lag: int
    before: int
    after: int

    def apply(self, samples: np.ndarray) -> np.ndarray:
        """Filter samples.

        Parameters
        ----------
        samples : float32 array, shape (channel, time), C-ordered

        Returns
        -------
        float32 array, shape (channel, time - before - after)
        """
        channels, size = samples.shape
        out = np.empty((channels, size - self.before - self.after), dtype=np.float32)
        how = (self.lags, self.weights, self.box, self.box_lag, self.before)
        in_parts(_filter, channels, samples, *how, out)
        return out


def make_notch(frequency: float, rate: float, *, causal: bool = False) -> Notch:
    """Make the notch of a line and all its harmonics for one sampling rate.

    Parameters
    ----------
    frequency : float
        Of the line in Hz, such as 50 or 60.
    rate : float
        Samples per second.
    causal : bool, default False
        Estimate the hum from the second before each sample alone. The line is removed
        as well; within 2 Hz of it the gain reaches 1.5 and phases turn.

    Raises
    ------
    NWBDecodeError
        If the frequency is none that the window tells apart from drift, or lies beyond
        the Nyquist frequency.
    """
    lowest, highest = 8 / SECONDS, rate / 2 - 2 / SECONDS
    if not lowest <= frequency <= highest:
        raise NWBDecodeError(
            f"a notch at {frequency:g} Hz does not fit a signal of {rate:g} samples per second; "
            f"expected 50 or 60, or any frequency from {lowest:g} to {highest:g} Hz. Leave `notch` "
            "out if the line's frequency is above the recording's"
        )
    period, half = rate / frequency, round(SECONDS * rate / 2)
    window = np.hanning(2 * half + 3)[1:-1]
    lags = np.arange(2 * half + 1) - (0 if causal else half)
    if period <= 2 * _REACH:
        harmonics = np.arange(1, int(highest / frequency) + 1)
        comb = 2 * np.cos(2 * np.pi * lags[:, None] / period * harmonics).sum(axis=1)
        weights, box, box_lag = comb * window / window.sum(), np.empty(0), 0
    else:
        comb = _pulses(lags, period)
        weights = comb * window
        # The gain at the line is one whatever the interpolation left of it.
        weights /= (weights * np.cos(2 * np.pi * lags / period)).sum()
        box = _box(period)
        box_lag = 0 if causal else -(len(box) // 2)
    kept = np.abs(weights) > 1e-12
    lags, weights = lags[kept], weights[kept]
    last = box_lag + max(len(box) - 1, 0)
    return Notch(
        float(frequency), lags, weights, box, box_lag,
        before=int(lags.max()) + max(last, 0), after=max(0, -int(lags.min())) + max(0, -box_lag),
    )  # fmt: skip


def _pulses(lags: np.ndarray, period: float) -> np.ndarray:
    """One pulse a period, interpolated (sinc under a Kaiser window) where it falls between samples.

    Summed over a signal it is the mean of whole periods: the line, its harmonics up to
    0.45 of the rate, and the constant that `_box` takes away.
    """
    position = lags - period * np.round(lags / period)
    share = np.clip(1 - (position / _REACH) ** 2, 0, None)
    near = np.abs(position) < _REACH
    return np.where(near, np.sinc(position) * np.i0(6 * np.sqrt(share)) / np.i0(6), 0)


def _box(period: float) -> np.ndarray:
    """Mean over one period: symmetric, its two outermost samples counted in part."""
    half = int(np.ceil((period - 1) / 2))
    box = np.ones(2 * half + 1)
    box[[0, -1]] = (period - (2 * half - 1)) / 2
    return box / period


@numba.njit(cache=True, nogil=True)
def _filter(
    begin: int,
    end: int,
    samples: np.ndarray,
    lags: np.ndarray,
    weights: np.ndarray,
    box: np.ndarray,
    box_lag: int,
    before: int,
    out: np.ndarray,
) -> None:
    count = out.shape[1]
    # The hum is summed over samples freed of drift, from the longest lag to the shortest.
    longest, shortest = lags.max(), lags.min()
    for c in range(begin, end):
        x = samples[c].astype(np.float64)
        above = x[before - longest : before - shortest + count].copy()
        for start in range(0, above.size, _TILE):
            tile = above[start : start + _TILE]
            # Samples side by side, taps one after the other: quick, and in one order anywhere.
            for k in range(box.size):
                at, weight = before - longest + start - box_lag - k, box[k]
                for i in range(tile.size):
                    tile[i] -= weight * x[at + i]
        hum = np.empty(_TILE)
        for start in range(0, count, _TILE):
            width = min(_TILE, count - start)
            hum[:] = 0.0
            for k in range(lags.size):
                at, weight = start + longest - lags[k], weights[k]
                for i in range(width):
                    hum[i] += weight * above[at + i]
            for i in range(width):
                out[c, start + i] = np.float32(x[before + start + i] - hum[i])
