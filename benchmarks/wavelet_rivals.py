"""The same wavelet power by other libraries, one channel and one thread at a time.

Each function takes one channel (float32), its rate, the bands, the wavelet's w0 and the
samples a bin, and gives mean power (bin, band), scaled as nwbdecode's: a sinusoid of
amplitude A has A**2 / 2. Each is called as its own documentation does, in float32 where it can.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

Power = Callable[[np.ndarray, float, np.ndarray, float, int], np.ndarray]


def pywavelets(x: np.ndarray, rate: float, bands: np.ndarray, w0: float, per: int) -> np.ndarray:
    import pywt

    # exp(-t^2 / B) exp(2 pi i C t): B = 2 is a Gaussian of unit deviation.
    wavelet = pywt.ContinuousWavelet(f"cmor2.0-{w0 / (2 * np.pi)!r}")
    scales = w0 * rate / (2 * np.pi * bands)
    # Its default precision steps through slow wavelets so coarsely that they lose shape.
    made, _ = pywt.cwt(x, scales, wavelet, method="fft", precision=14)
    gains = np.sqrt(scales) / 2
    return np.stack([binned(row, gain, per) for row, gain in zip(made, gains, strict=True)], 1)


def scipy(x: np.ndarray, rate: float, bands: np.ndarray, w0: float, per: int) -> np.ndarray:
    from scipy import fft

    # The mirror images at both ends are cut off again.
    reach = int(np.ceil(6 * w0 * rate / (2 * np.pi * bands[0])))
    padded = np.pad(x, reach, mode="reflect")
    size = fft.next_fast_len(len(padded))
    spectrum = fft.fft(padded, size)
    frequency = fft.fftfreq(size, 1 / rate).astype(np.float32)
    out = []
    for band in bands:
        away = np.float32(w0) * (frequency / np.float32(band) - np.float32(1))
        window = np.where(frequency > 0, np.exp(np.float32(-0.5) * away * away), np.float32(0))
        out.append(binned(fft.ifft(spectrum * window)[reach : reach + len(x)], 0.5, per))
    return np.stack(out, 1)


def ssqueezepy(x: np.ndarray, rate: float, bands: np.ndarray, w0: float, per: int) -> np.ndarray:
    os.environ["SSQ_PARALLEL"] = "0"
    from ssqueezepy import Wavelet, cwt

    wavelet = Wavelet(("morlet", {"mu": w0}), dtype="float32")
    peak = abs(float(np.ravel(wavelet.fn(np.array([w0], dtype=np.float32)))[0]))
    # A band's frequency is where the scaled wavelet's spectrum peaks; scales must ascend.
    scales = (w0 * rate / (2 * np.pi * bands[::-1])).astype(np.float32)
    made = cwt(x, wavelet, scales=scales, fs=rate, l1_norm=True, astensor=False)[0]
    return np.stack([binned(row, peak / 2, per) for row in made[::-1]], 1)


def fcwt(x: np.ndarray, rate: float, bands: np.ndarray, w0: float, per: int) -> np.ndarray:
    from fcwt import FCWT, FCWT_LOGSCALES, Morlet, Scales

    wavelet = Morlet(float(w0 / (2 * np.pi)))
    scales = Scales(
        wavelet, FCWT_LOGSCALES, int(rate), float(bands[0]), float(bands[-1]), len(bands)
    )
    made = np.zeros((len(bands), len(x)), dtype=np.complex64)
    FCWT(wavelet, 1, False, True).cwt(x, scales, made)
    # Its spectrum's peak is the root of 2 pi over the fourth root of pi; fastest band first.
    gain = np.sqrt(2 * np.pi) * np.pi**-0.25 / 2
    return np.stack([binned(row, gain, per) for row in made[::-1]], 1)


def binned(analytic: np.ndarray, gain: float, per: int) -> np.ndarray:
    """Mean power of whole bins, of a band whose modulus is `gain` for a unit sinusoid."""
    whole = analytic[: len(analytic) // per * per].reshape(-1, per)
    squared = np.square(whole.real) + np.square(whole.imag)
    return np.asarray(0.5 / gain**2 * squared.mean(axis=1))


#: By what a package is called where it is installed from.
RIVALS: dict[str, Power] = {
    "PyWavelets": pywavelets,
    "scipy": scipy,
    "ssqueezepy": ssqueezepy,
    "fCWT": fcwt,
}


def run(name: str, *given: Any) -> np.ndarray | str:
    """Power by one of them, or why it is not to be had; called in a process of its own."""
    try:
        return RIVALS[name](*given)
    except ImportError as error:
        return f"not available: {error}"
