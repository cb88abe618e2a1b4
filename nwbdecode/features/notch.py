"""The line-noise notch: mains hum and its harmonics, estimated over a second and subtracted.

The hum is what repeats with the line's period. It is estimated as a weighted mean of
the signal at whole periods before and after each sample, under a Hann window of
`SECONDS`, and subtracted. The weights are finite and symmetric, so the filter turns no
phase and reads nothing outside its reach; each output is one sum in a fixed order, so
no cut into blocks changes a bit of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import notch_kernels
from nwbdecode.features.threads import in_parts

#: Raised whenever the same notch comes to give other values.
REVISION = 2
#: Length of the Hann window that the hum is estimated in: half the amplitude is passed at 1 Hz
#: beside each harmonic, and from 2 Hz on all of it, to 3 % (1 % from 3 Hz).
SECONDS = 1.0
#: Samples on either side that a period which is no whole number of samples is interpolated from.
_REACH = 24
#: What sums of sums leave out of the taps that they stand for, at most, as a share of all taps: so
#: much may what passes differ at any frequency, -100 dB.
_EXACT = 5e-6
#: Samples that are filtered at a time, and times what the filter reaches, if that is more.
_STRETCH, _TIMES = 1 << 14, 4


@dataclass(frozen=True, eq=False)
class Sums:
    """Taps as sums of sums, which are fewer: near ones, of which each is taken at far places.

    Tap ``near_at[j] + far_at[q]`` is the sum of ``near[r, j] * far[r, q]`` over `r`; those at
    `rest_at` are `rest` besides. All are offsets from the earliest sample that is summed.
    """

    near_at: np.ndarray
    near: np.ndarray
    far_at: np.ndarray
    far: np.ndarray
    rest_at: np.ndarray
    rest: np.ndarray

    @property
    def cost(self) -> int:
        """Multiplications a sample."""
        return self.near.size * (len(self.near_at) > 1) + self.far.size + self.rest.size


@dataclass(frozen=True, eq=False)
class Notch:
    """Two filters: what lies above the drift of one period, and its hum.

    Attributes
    ----------
    frequency : float
        The line's, in Hz.
    sums : Sums
        Of the hum.
    spread : int
        Samples free of drift that the hum depends on, less one.
    box : int
        Whole samples of the period that drift is the mean of; 0 where the hum's own
        weights sum to zero.
    edge : float
        The part that counts of one sample on either side of them.
    middle : int
        Samples before the one that drift is taken from which that mean reaches.
    before, after : int
        Samples that an output depends on besides its own.
    """

    frequency: float
    sums: Sums
    spread: int
    box: int
    edge: float
    middle: int
    before: int
    after: int

    def apply(self, samples: np.ndarray) -> np.ndarray:
        """Filter samples where they lie.

        Parameters
        ----------
        samples : float32 array, shape (time, channel), C-ordered
            Holds nothing of use afterwards but what is given.

        Returns
        -------
        float32 array, shape (time - before - after, channel)
            The first rows of the same memory. What begins there is the sample
            `before` rows later, without its hum.
        """
        count, around = len(samples) - self.before - self.after, self.before + self.after
        if count < 1:
            raise RuntimeError(f"{len(samples)} samples are no more than the {around} around one")
        stretch = min(count, max(_STRETCH, _TIMES * around))
        sums, groups = self.sums, -(-samples.shape[1] // notch_kernels.CHANNELS)
        how = (
            self.before, self.spread, self.box, self.edge, self.middle, sums.near_at, sums.near,
            sums.far_at, sums.far, sums.rest_at, sums.rest,
        )  # fmt: skip
        in_parts(notch_kernels.subtract_hum, groups, samples, count, stretch, *how)
        return samples[:count]


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
    return _make(float(frequency), float(rate), bool(causal))


@lru_cache(maxsize=16)
def _make(frequency: float, rate: float, causal: bool) -> Notch:
    period, half = rate / frequency, round(SECONDS * rate / 2)
    # The window's middle, in samples ago.
    ago = half if causal else 0
    if period <= 2 * _REACH:
        lags = ago + np.arange(-half, half + 1)
        harmonics = np.arange(1, int((rate / 2 - 2 / SECONDS) / frequency) + 1)
        comb = 2 * np.cos(2 * np.pi * lags[:, None] / period * harmonics).sum(axis=1)
        window = _hann(lags - ago, half)
        sums = _of_all((comb * window / window.sum())[::-1], period)
        box, edge, later = 0, 0.0, 0
    else:
        lags, sums = _of_pulses(period, half, ago)
        box = 2 * int(np.ceil((period - 1) / 2)) - 1
        edge, later = (period - box) / 2, box // 2 + 1
    longest, shortest = int(lags.max()), int(lags.min())
    middle = 2 * later if causal else later
    return Notch(
        frequency, sums, longest - shortest, box, edge, middle,
        before=longest + middle, after=0 if causal else later - shortest,
    )  # fmt: skip


def _hann(lag: np.ndarray, half: int) -> np.ndarray:
    return np.cos(np.pi / 2 * lag / (half + 1)) ** 2


def _of_all(taps: np.ndarray, period: float) -> Sums:
    """Write taps as sums of sums over whole periods, or a few of them, where those are fewer."""
    none, nowhere = np.empty((0, 1)), np.zeros(1, dtype=np.int64)
    best = Sums(nowhere, none, nowhere, none, np.arange(len(taps)), taps)
    for together in range(1, int(len(taps) / period)):
        width = round(together * period)
        rows = len(taps) // width
        whole = rows * width
        far, near = _factored(taps[:whole].reshape(rows, width))
        at, row_at = np.arange(width), width * np.arange(rows)
        tried = Sums(at, near, row_at, far, np.arange(whole, len(taps)), taps[whole:])
        best = min(best, tried, key=lambda sums: sums.cost)
    return best


def _of_pulses(period: float, half: int, ago: int) -> tuple[np.ndarray, Sums]:
    """One pulse a period, interpolated (sinc under a Kaiser window) where it falls between samples.

    Summed over a signal it is the mean of whole periods: the line, its harmonics up to
    0.45 of the rate, and the constant that the mean over a period takes away. Gives the
    lags as well.
    """
    reach = _REACH if period % 1 else 0
    pulse = np.arange(-int(2 * half / period), int(2 * half / period) + 1)
    pulse = pulse[np.abs(np.rint(pulse * period) - ago) + reach <= half]
    center, at = np.rint(pulse * period).astype(np.int64), np.arange(-reach, reach + 1)
    position = center[:, None] + at - pulse[:, None] * period
    share = np.clip(1 - (position / _REACH) ** 2, 0, None)
    taps = np.where(share > 0, np.sinc(position) * np.i0(6 * np.sqrt(share)) / np.i0(6), 0)
    weight = _hann(pulse * period - ago, half)
    # The gain at the line is one whatever the interpolation left of it.
    lags = center[:, None] + at
    weight /= (weight[:, None] * taps * np.cos(2 * np.pi * lags / period)).sum()
    far, near = _factored(taps)
    longest = int(lags.max())
    # Offsets count from the longest lag on: what is latest comes last.
    sums = Sums(
        (reach - at)[::-1].copy(), near[:, ::-1].copy(), (longest - center - reach)[::-1].copy(),
        (far * weight)[:, ::-1].copy(), np.empty(0, dtype=np.int64), np.empty(0),
    )  # fmt: skip
    return lags, sums


def _factored(taps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write taps (far, near) as the sum of a few products (product, far), (product, near).

    Each product takes away the row and the column of the largest that is left (Gaussian
    elimination, complete pivoting): plain arithmetic, that gives the same on any machine.
    """
    left, fars, nears = taps.copy(), [], []
    while np.abs(left).sum() > _EXACT * np.abs(taps).sum():
        far, near = np.unravel_index(np.argmax(np.abs(left)), left.shape)
        fars.append(left[:, near].copy())
        nears.append(left[far] / left[far, near])
        left -= np.outer(fars[-1], nears[-1])
    return np.stack(fars), np.stack(nears)
