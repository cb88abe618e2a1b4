"""Random processes that more than one simulated recording is made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def stream(seed: int, *key: int) -> np.random.Generator:
    """Return the random numbers of one part of a simulation, independent of all others.

    Parts drawn from their own streams do not move when another part draws
    more or fewer numbers, and a block of a long recording can be drawn
    without drawing those before it.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


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

    def amplitude(frequency: np.ndarray) -> np.ndarray:
        rolled = np.exp(-0.5 * (frequency / top) ** 4)
        return np.asarray((1 + (frequency / knee) ** 2) ** (-exponent / 4) * rolled)

    return _shaped(n, rate, rng, amplitude)


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
    center, spread = (low + high) / 2, (high - low) / 4

    def amplitude(frequency: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(-0.25 * ((frequency - center) / spread) ** 2))

    return _shaped(n, rate, rng, amplitude)


def _shaped(
    n: int,
    rate: float,
    rng: np.random.Generator,
    amplitude: Callable[[np.ndarray], np.ndarray],
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
