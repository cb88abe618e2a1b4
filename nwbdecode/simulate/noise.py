"""Random processes that more than one simulated recording is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np

#: From frequencies in Hz to the amplitude there; a partial, which unlike a closure pickles.
Spectrum: TypeAlias = Callable[[np.ndarray], np.ndarray]


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return the random numbers of one part of a simulation, independent of all others.

    Parts drawn from their own streams do not move when another part draws
    more or fewer numbers, and a block of a long recording can be drawn
    without drawing those before it.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def poisson_times(
    rate: Callable[[np.ndarray], np.ndarray],
    highest: float,
    duration: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the events of a Poisson process whose rate varies in time.

    Events are drawn at the highest possible rate and thinned to the momentary
    one (Lewis & Shedler 1979, Naval Research Logistics 26:403).

    Parameters
    ----------
    rate : callable
        From times in seconds to events per second, never above `highest`.
    highest : float
        Events per second.
    duration : float
        Seconds.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray, shape (event,)
        Seconds, ascending.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> late = poisson_times(lambda time: 20.0 * (time > 50), 20.0, 100.0, rng)
    >>> bool(late.min() > 50), round(len(late) / 50)
    (True, 20)
    """
    time = np.sort(rng.uniform(0, duration, rng.poisson(highest * duration)))
    momentary = rate(time)
    return np.asarray(time[rng.uniform(size=len(time)) * highest < momentary])


def slow_drift(n: int, rate: float, timescale: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a stationary Ornstein-Uhlenbeck process of unit variance.

    Parameters
    ----------
    n : int
        Number of samples.
    rate : float
        Samples per second.
    timescale : float
        Seconds over which the autocorrelation falls to 1/e.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
    """
    from scipy.signal import lfilter

    decay = np.exp(-1.0 / (rate * timescale))
    kicks = rng.standard_normal(n) * np.sqrt(1 - decay**2)
    # Starting from the stationary law spares a burn-in.
    start = rng.standard_normal()
    drift, _ = lfilter([1.0], [1.0, -decay], kicks, zi=[decay * start])
    return np.asarray(drift)


def power_law_noise(
    n: int,
    rate: float,
    rng: np.random.Generator,
    *,
    exponent: float,
    knee: float,
    top: float,
) -> np.ndarray:
    """Draw noise of unit variance whose power falls as a power of frequency.

    Parameters
    ----------
    n : int
        Number of samples.
    rate : float
        Samples per second.
    rng : numpy.random.Generator
    exponent : float
        Power falls as ``1 / frequency ** exponent`` above the knee.
    knee : float
        Frequency in Hz below which power is flat.
    top : float
        Frequency in Hz at which power has been rolled off to 1/e.

    Returns
    -------
    numpy.ndarray of float32, shape (n,)

    Notes
    -----
    White noise is shaped in the frequency domain, as by Timmer & Koenig 1995,
    *On generating power law noise*, Astronomy and Astrophysics 300:707.
    """
    return _shaped(n, rate, rng, power_law(exponent, knee, top))


def band_noise(
    n: int, rate: float, rng: np.random.Generator, *, low: float, high: float
) -> np.ndarray:
    """Draw noise of unit variance confined to a band.

    Parameters
    ----------
    n : int
        Number of samples.
    rate : float
        Samples per second.
    rng : numpy.random.Generator
    low, high : float
        Frequencies in Hz between which nearly all of the power lies (the
        center of a Gaussian, plus and minus two standard deviations).

    Returns
    -------
    numpy.ndarray of float32, shape (n,)
    """
    return _shaped(n, rate, rng, band(low, high))


def power_law(exponent: float, knee: float, top: float) -> Spectrum:
    """Give the amplitude spectrum of `power_law_noise`, up to a factor."""
    return partial(_power_law, exponent=exponent, knee=knee, top=top)


def _power_law(frequency: np.ndarray, exponent: float, knee: float, top: float) -> np.ndarray:
    rolled = np.exp(-0.5 * (frequency / top) ** 4)
    return np.asarray((1 + (frequency / knee) ** 2) ** (-exponent / 4) * rolled)


def band(low: float, high: float) -> Spectrum:
    """Give the amplitude spectrum of `band_noise`, up to a factor."""
    return partial(_band, center=(low + high) / 2, spread=(high - low) / 4)


def _band(frequency: np.ndarray, center: float, spread: float) -> np.ndarray:
    return np.asarray(np.exp(-0.25 * ((frequency - center) / spread) ** 2))


def _shaped(
    n: int,
    rate: float,
    rng: np.random.Generator,
    amplitude: Spectrum,
) -> np.ndarray:
    from scipy import fft

    # A prime length would make the transform many times slower.
    length = fft.next_fast_len(n, real=True)
    spectrum = fft.rfft(rng.standard_normal(length, dtype=np.float32))
    gain = amplitude(fft.rfftfreq(length, 1 / rate))
    # Scaled by the expected, not the drawn, variance: a short draw of a slow
    # process is then as small or as large as chance makes it.
    gain /= np.sqrt(np.mean(gain**2))
    shaped = fft.irfft(spectrum * gain.astype(np.float32), length)
    return np.asarray(shaped[:n], dtype=np.float32)


@dataclass(frozen=True)
class EndlessNoise:
    """Noise of unit variance in several columns, made block by block in any order.

    White noise, drawn anew for each block, goes through a causal filter no
    longer than a block, so that a block needs no more than the one before it:
    any stretch of a recording of any length costs the same.

    Attributes
    ----------
    spectrum : callable
        Amplitude by frequency, up to a factor.
    rate : float
        Samples per second.
    block : int
        Samples in a block.
    columns : int
        Processes, independent of one another.
    seed : int
    key : tuple of int
        Tells this noise from others of the same seed.

    Examples
    --------
    >>> noise = EndlessNoise(band(8.0, 12.0), 250.0, 1000, 2, seed=0)
    >>> noise.make(7).shape
    (1000, 2)
    """

    spectrum: Spectrum
    rate: float
    block: int
    columns: int
    seed: int
    key: tuple[int, ...] = ()

    @cached_property
    def taps(self) -> np.ndarray:
        """The filter, shape (block,)."""
        from scipy import fft
        from scipy.signal.windows import hann

        length = self.block
        response = fft.irfft(self.spectrum(fft.rfftfreq(length, 1 / self.rate)), length)
        taps = np.roll(response, length // 2) * hann(length, sym=False)
        return np.asarray(taps / np.linalg.norm(taps), dtype=np.float32)

    def make(self, index: int) -> np.ndarray:
        """Make a block.

        Parameters
        ----------
        index : int
            Which one, from 0.

        Returns
        -------
        numpy.ndarray of float32, shape (block, columns)
        """
        from scipy import fft

        # The white noise of block k is the draw k + 1, that before the first is draw 0.
        white = np.concatenate([self._white(index), self._white(index + 1)], axis=1)
        length = fft.next_fast_len(2 * self.block, real=True)
        spectrum = fft.rfft(white, length) * fft.rfft(self.taps, length)
        return np.asarray(fft.irfft(spectrum, length)[:, self.block : 2 * self.block].T)

    def _white(self, draw: int) -> np.ndarray:
        rng = stream(self.seed, *self.key, draw)
        return rng.standard_normal((self.columns, self.block), dtype=np.float32)
