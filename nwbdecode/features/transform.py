"""From samples to bins: the transforms that a recipe may ask for, and how far they reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features.bins import Bins
from nwbdecode.features.morlet import reference_power
from nwbdecode.load.signal import Signal


class Maker(Protocol):
    """Makes the bins of one gapless stretch, piece by piece."""

    def push(self, samples: np.ndarray, origin: int, upto: int) -> np.ndarray:
        """Take samples (time, channel) and give the bins up to `upto` not given yet.

        `origin` is the index of the first sample counted from the segment's. What is given
        may lie in memory that the next call uses again.
        """


@dataclass(frozen=True)
class Transform:
    """From padded samples (time, channel) to (bin, frequency, channel).

    Attributes
    ----------
    begin : callable
        Gives a `Maker` of a gapless stretch, of the first and last samples of all its bins
        counted from the segment's first.
    before, after : int
        Samples beyond a bin's own that it depends on.
    near : int, optional
        Samples before the end of a piece that the next piece of a stretch reads again;
        without it, all that its first bin depends on.
    held : callable
        Numbers that are held beside each sample of so many channels.
    carried : int
        Rows of as many numbers that are held from one piece to the next.
    """

    begin: Callable[[np.ndarray, np.ndarray], Maker]
    before: int = 0
    after: int = 0
    near: int | None = None
    held: Callable[[int], int] = lambda channels: channels
    carried: int = 0


class _Apart:
    """Makes each piece for itself, by a function of samples, their origin and the bins."""

    def __init__(
        self,
        make: Callable[[np.ndarray, int, np.ndarray, np.ndarray], np.ndarray],
        first: np.ndarray,
        stop: np.ndarray,
    ):
        self.make, self.first, self.stop = make, first, stop
        self._given = 0

    def push(self, samples: np.ndarray, origin: int, upto: int) -> np.ndarray:
        piece = slice(self._given, upto)
        self._given = upto
        return self.make(samples, origin, self.first[piece], self.stop[piece])


def make_transform(signal: Signal, recipe: dict[str, Any], longest: int) -> Transform:
    """Make the transform that a recipe describes, for a signal's rate and bands.

    `longest` is the number of samples of the longest bin.
    """
    if recipe["step"] == "traces":
        return Transform(partial(_Apart, _means))
    if recipe["step"] == "bands":
        return Transform(partial(_Apart, _ready_made(np.asarray(signal.frequencies))))
    return _wavelets(signal.rate, np.asarray(recipe["frequencies"]), recipe, longest)


def _means(samples: np.ndarray, origin: int, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
    from nwbdecode.features.means import smooth_mean

    one = np.ones(1, dtype=np.float32)
    return smooth_mean(samples, one, first - origin, stop - origin)[:, None, :]


def _ready_made(frequencies: np.ndarray) -> Callable[..., np.ndarray]:
    """Average rows (channel, band) that lie one after the other, bands ascending."""
    ascending = np.argsort(frequencies, kind="stable")

    def make(samples: np.ndarray, origin: int, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
        means = _means(samples, origin, first, stop)[:, 0]
        apart = means.reshape(len(means), -1, len(frequencies))
        return apart[:, :, ascending].transpose(0, 2, 1)

    return make


def _wavelets(rate: float, bands: np.ndarray, recipe: dict[str, Any], longest: int) -> Transform:
    from nwbdecode.features.filterbank import FilterBank
    from nwbdecode.features.levels import Rooms
    from nwbdecode.features.means import smooth_mean
    from nwbdecode.features.stream import Stream, carried_rows, held_beside, near_samples

    bank = FilterBank(bands, rate, w0=recipe["w0"], truncate=recipe["truncate"])
    low_pass = _low_pass(float(bands[0]), rate) if recipe["remainder"] else None
    low_reach = 0 if low_pass is None else len(low_pass) // 2
    reach = max(low_reach, bank.reach)
    causal = recipe["causal"]
    if recipe["engine"] == "filterbank":
        how: dict[str, Any] = {"causal": causal, "low_pass": low_pass}
        return Transform(
            partial(Stream, bank, **how, rooms=Rooms()),
            before=2 * reach if causal else reach,
            after=0 if causal else reach,
            near=near_samples(bank, longest, **how),
            held=partial(held_beside, bank),
            carried=sum(carried_rows(bank, longest, causal=causal)),
        )
    on_device = None
    if recipe["engine"] == "torch":
        from nwbdecode.features.torch_bank import TorchBank

        on_device = TorchBank(bank, causal=causal)
    elif causal:
        raise NWBDecodeError("causal features come from engine='filterbank' or 'torch' alone")

    def make(samples: np.ndarray, origin: int, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
        if on_device is None:
            out = _slow_power(recipe, samples, bands, rate, first - origin, stop - origin)
        else:
            out = on_device.power(samples, origin, first, stop)
        if low_pass is None:
            return out
        at = origin + (low_reach if causal else 0)
        row = smooth_mean(samples, low_pass, first - at, stop - at)
        return np.concatenate([row[:, None, :], out], axis=1)

    before, after = (2 * reach, 0) if causal else (reach, reach)
    return Transform(partial(_Apart, make), before=before, after=after)


def _low_pass(lowest: float, rate: float) -> np.ndarray:
    """Gaussian taps whose gain is one half at half the lowest band."""
    sigma = np.sqrt(2 * np.log(2)) * rate / (np.pi * lowest)
    half = int(np.ceil(4 * sigma))
    taps = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    return (taps / taps.sum()).astype(np.float32)


def _slow_power(
    recipe: dict[str, Any],
    samples: np.ndarray,
    bands: np.ndarray,
    rate: float,
    first: np.ndarray,
    stop: np.ndarray,
) -> np.ndarray:
    if recipe["engine"] == "pywt":
        return _pywt_power(samples, bands, rate, first, stop, recipe["w0"])
    if recipe["engine"] != "reference":
        raise NWBDecodeError(
            f"unknown engine {recipe['engine']!r}; there are 'filterbank', 'torch', 'pywt' "
            "and 'reference'"
        )
    time = np.zeros(len(first))
    bins = Bins(first, stop, time, time, time, time, 0.0)
    out = reference_power(samples, bins, bands, rate, w0=recipe["w0"], truncate=recipe["truncate"])
    return out.astype(np.float32)


def _pywt_power(
    samples: np.ndarray,
    bands: np.ndarray,
    rate: float,
    first: np.ndarray,
    stop: np.ndarray,
    w0: float,
) -> np.ndarray:
    """Wavelet power through PyWavelets' ``cmor`` with the same Gaussian and center."""
    import pywt

    # exp(-t^2 / B) exp(2 pi i C t): B = 2 is a Gaussian of unit deviation.
    wavelet = pywt.ContinuousWavelet(f"cmor2.0-{w0 / (2 * np.pi)!r}")
    scales = w0 * rate / (2 * np.pi * bands)
    out = np.empty((len(first), len(bands), samples.shape[1]), dtype=np.float32)
    edges = np.stack([first, stop], axis=1).ravel()
    for c, row in enumerate(samples.T):
        # Its default precision steps through slow wavelets so coarsely that they lose shape.
        transform, _ = pywt.cwt(row.astype(np.float64), scales, wavelet, method="fft", precision=14)
        # Its gain at the band's own frequency is sqrt(scale) / 2 of the amplitude.
        power = 0.5 * np.abs(transform * 2 / np.sqrt(scales)[:, None]) ** 2
        sums = np.add.reduceat(np.pad(power, ((0, 0), (0, 1))), edges, axis=1)[:, ::2]
        out[:, :, c] = (sums / (stop - first)).T
    return out
