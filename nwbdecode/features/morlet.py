"""The complex Morlet wavelet: its bands, its filters, and the plain reference transform.

A band at frequency f is a complex sinusoid under a Gaussian of standard
deviation ``w0 / (2 pi f)`` seconds [1]_. Scaled to unit gain, its output for a
sinusoid of amplitude A at f has modulus A, and half its squared modulus is the
sinusoid's mean square, A**2 / 2: power in the signal's units squared.

References
----------
.. [1] Torrence, C. and Compo, G. P. (1998). A practical guide to wavelet
   analysis. Bulletin of the American Meteorological Society 79, 61-78.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from nwbdecode.features.bins import Bins

#: Highest band as a share of the sampling rate: above it the wavelet's own
#: bandwidth (f / w0) folds at the Nyquist frequency.
HIGHEST_SHARE = 0.4
LOWEST = 2.0
N_BANDS = 26
W0 = 6.0
#: Standard deviations kept on either side; beyond them the Gaussian is below 4e-6.
TRUNCATE = 5.0


def band_frequencies(
    rate: float,
    *,
    lowest: float = LOWEST,
    highest: float | None = None,
    n_bands: int = N_BANDS,
) -> np.ndarray:
    """Choose log-spaced band frequencies that a sampling rate can carry.

    Parameters
    ----------
    rate : float
        Samples per second.
    lowest : float, default 2
        Hz.
    highest : float, optional
        Hz; by default 40 % of `rate`, at most 15 kHz.
    n_bands : int, default 26

    Returns
    -------
    array of float64, shape (n_bands,)
        Hz, ascending.

    Examples
    --------
    >>> band_frequencies(250.0, n_bands=3).round(1)
    array([  2. ,  14.1, 100. ])
    """
    top = min(HIGHEST_SHARE * rate, 15_000.0) if highest is None else float(highest)
    check_frequencies(np.array([lowest, top]), rate)
    if n_bands < 1 or lowest > top or (n_bands > 1 and lowest == top):
        raise NWBDecodeError(
            f"{n_bands} bands do not fit between {lowest:g} and {top:g} Hz; "
            "give a lowest frequency below the highest and at least one band"
        )
    return np.geomspace(lowest, top, n_bands) if n_bands > 1 else np.array([float(lowest)])


def check_frequencies(frequencies: np.ndarray, rate: float) -> None:
    """Refuse bands that are not positive or that the sampling rate cannot carry."""
    bad = frequencies[~(np.isfinite(frequencies) & (frequencies > 0))]
    if bad.size:
        raise NWBDecodeError(f"band frequencies must be positive; found {bad.tolist()} Hz")
    top = HIGHEST_SHARE * rate
    if frequencies.max() > top * (1 + 1e-9):
        raise NWBDecodeError(
            f"a band at {frequencies.max():g} Hz needs more than {rate:g} samples per second: its "
            f"bandwidth would fold at the Nyquist frequency; ask for at most {top:g} Hz"
        )


def morlet_taps(
    frequency: float, rate: float, *, w0: float = W0, truncate: float = TRUNCATE
) -> tuple[np.ndarray, np.ndarray]:
    """Sample the wavelet as a filter: even cosine and odd sine taps.

    Parameters
    ----------
    frequency, rate : float
        Hz.
    w0 : float, default 6
        Radians of the sinusoid per standard deviation of the Gaussian.
    truncate : float, default 5
        Standard deviations kept on either side.

    Returns
    -------
    even, odd : arrays of float64, shape (2 * half + 1,)
        Scaled so that a unit sinusoid at `frequency` gives modulus 1. The even
        taps sum to zero, so a constant offset gives no power.
    """
    sigma = w0 * rate / (2 * np.pi * frequency)
    half = int(np.ceil(truncate * sigma))
    k = np.arange(-half, half + 1)
    gauss = np.exp(-0.5 * (k / sigma) ** 2)
    phase = 2 * np.pi * frequency / rate * k
    even = gauss * np.cos(phase)
    even -= gauss * (even.sum() / gauss.sum())
    scale = 2 / gauss.sum()
    return even * scale, gauss * np.sin(phase) * scale


def reference_power(
    samples: np.ndarray,
    bins: Bins,
    frequencies: np.ndarray,
    rate: float,
    *,
    w0: float = W0,
    truncate: float = TRUNCATE,
) -> np.ndarray:
    """Compute wavelet power the plain way: every sample, every tap, float64.

    Slow and obvious; the engines are tested against it.

    Parameters
    ----------
    samples : array, shape (time, channel)
        One gapless segment, beginning with its first stored sample.
    bins : Bins
        Bins of that segment, counted from its first sample.
    frequencies : array, shape (frequency,)
    rate : float

    Returns
    -------
    array of float64, shape (bin, frequency, channel)
    """
    from scipy.signal import fftconvolve

    samples = np.asarray(samples, dtype=np.float64)
    out = np.empty((len(bins), len(frequencies), samples.shape[1]))
    for j, frequency in enumerate(frequencies):
        even, odd = morlet_taps(frequency, rate, w0=w0, truncate=truncate)
        half = len(even) // 2
        padded = samples[reflected(np.arange(-half, len(samples) + half), len(samples))]
        wavelet = (even + 1j * odd)[:, None]
        power = 0.5 * np.abs(fftconvolve(padded, wavelet, mode="valid", axes=0)) ** 2
        for i, (first, stop) in enumerate(zip(bins.first, bins.stop, strict=True)):
            out[i, j] = power[first:stop].mean(axis=0)
    return out


def reflected(index: np.ndarray, size: int) -> np.ndarray:
    """Fold sample indices beyond either end back inside, mirrored about the end samples.

    Examples
    --------
    >>> reflected(np.array([-2, -1, 0, 3, 4]), 4)
    array([2, 1, 0, 3, 2])
    """
    if size == 1:
        return np.zeros_like(index)
    folded = np.mod(index, 2 * (size - 1))
    return np.where(folded < size, folded, 2 * (size - 1) - folded)
