"""The CPU engine: Morlet filters evaluated where they are needed, and nowhere else.

A band's complex envelope varies slowly, so its filter is evaluated on a grid of
four points a period, and the power inside a bin is integrated by Gauss-Legendre
quadrature over the envelope interpolated from that grid. Everything is a finite sum
over a fixed neighborhood in a fixed order: a bin depends on no sample outside its
stated support, not even by rounding, and the result does not depend on how the
recording was cut into chunks or how many threads ran.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from nwbdecode.features.morlet import TRUNCATE, W0, morlet_taps

#: Grid points a period of the band.
_PER_PERIOD = 4
#: Neighbors in the interpolation of the envelope (Lagrange).
_NEIGHBORS = 8
#: Bins whose weights are held at once.
_BINS_AT_ONCE = 32
#: Bins of up to so many samples are averaged sample by sample.
_FEW_SAMPLES = 32


@dataclass(frozen=True)
class Band:
    """One band's filter and sampling grid.

    Attributes
    ----------
    even, odd : float32 arrays, shape (tap,)
    step : int
        Samples between grid points.
    omega : float
        Radians a sample, 0 for the low-pass remainder.
    """

    even: np.ndarray
    odd: np.ndarray
    step: int
    omega: float

    @property
    def half(self) -> int:
        return len(self.even) // 2

    @property
    def reach(self) -> int:
        """Samples beyond a bin's own that its value may depend on."""
        return self.half + (0 if self.step == 1 else self.step * _NEIGHBORS // 2)


def make_band(frequency: float, rate: float, *, w0: float = W0, truncate: float = TRUNCATE) -> Band:
    """Sample a Morlet wavelet for the engine."""
    even, odd = morlet_taps(frequency, rate, w0=w0, truncate=truncate)
    step = max(1, int(rate / (_PER_PERIOD * frequency)))
    omega = 2 * np.pi * frequency / rate
    return Band(even.astype(np.float32), odd.astype(np.float32), step, omega)


def band_power(
    samples: np.ndarray, origin: int, band: Band, first: np.ndarray, stop: np.ndarray
) -> np.ndarray:
    """Mean power of one band in each bin.

    Parameters
    ----------
    samples : float32 array, shape (channel, time), C-ordered
        It must reach `band.reach` samples beyond the bins on both sides.
    origin : int
        Index of ``samples[:, 0]`` counted from the segment's first sample; may be
        negative where the segment was padded.
    band : Band
    first, stop : int arrays, shape (bin,)
        Samples of each bin, counted from the segment's first.

    Returns
    -------
    float32 array, shape (bin, channel)
    """
    if band.step == 1:
        return _direct(samples, band.even, band.odd, first - origin, stop - origin)
    # A bin begins half a sample before its first: that may be one grid point earlier.
    low = (int(first[0]) - 1) // band.step - _NEIGHBORS // 2 + 1
    high = (int(stop[-1]) - 1) // band.step + _NEIGHBORS // 2 + 1
    envelope = _on_grid(
        samples, band.even, band.odd, low * band.step - origin, band.step, high - low
    )
    out = np.empty((len(first), len(samples)), dtype=np.float32)
    # Width by width: how a bin is summed must not depend on the bins computed beside it.
    for width in np.unique(stop - first):
        where = np.flatnonzero(stop - first == width)
        # A fast band's weights are many a bin: a few bins at a time keep them small.
        for at in range(0, len(where), _BINS_AT_ONCE):
            some = where[at : at + _BINS_AT_ONCE]
            base, weights, quadrature = _nodes(band, first[some], int(width))
            out[some] = _integrate(envelope, base - low, weights, quadrature)
    return out


def _nodes(band: Band, first: np.ndarray, width: int) -> tuple[np.ndarray, ...]:
    """Where in each bin of so many samples to evaluate power, and how to get there from the grid.

    Returns the first grid point, the complex weights of its neighbors and the
    quadrature weight of each node; shapes (bin, node), (bin, node, neighbor), (node,).
    """
    periods = width * band.omega / (2 * np.pi)
    count = int(np.ceil(1.5 * periods)) + 5
    position: np.ndarray
    if count >= width - 1 or width <= _FEW_SAMPLES:
        # Take every sample: the mean of a few is not yet the integral that the quadrature gives.
        position = first[:, None] + np.arange(width)
        share = np.full(width, 1 / width)
    else:
        nodes, gauss = np.polynomial.legendre.leggauss(count)
        position = first[:, None] - 0.5 + width * (nodes + 1) / 2
        share = gauss / 2
    base = np.floor(position / band.step).astype(np.int64)
    offset = np.arange(_NEIGHBORS) - (_NEIGHBORS // 2 - 1)
    fraction = position / band.step - base
    lagrange = np.ones((*position.shape, _NEIGHBORS))
    for j, at in enumerate(offset):
        for other in offset:
            if other != at:
                lagrange[..., j] *= (fraction - other) / (at - other)
    # The filter's output turns with the band's frequency; turned back, it is smooth.
    turn = (offset - fraction[..., None]) * (band.step * band.omega)
    weights = (lagrange * np.exp(-1j * turn)).astype(np.complex64)
    return base + offset[0], weights, share.astype(np.float32)


# Reassociation lets the compiler vectorize the sum over taps. Its order is then fixed
# by the compiled loop and the number of taps alone, never by the chunk.
_FAST: Any = {"reassoc", "contract"}


@numba.njit(cache=True, fastmath=_FAST, nogil=True, inline="always")
def _dot(x: np.ndarray, at: int, even: np.ndarray, odd: np.ndarray) -> tuple[Any, Any]:
    real = np.float32(0)
    imag = np.float32(0)
    for k in range(even.size):
        value = x[at + k]
        real += value * even[k]
        imag += value * odd[k]
    return real, imag


@numba.njit(cache=True, fastmath=_FAST, nogil=True, parallel=True)
def _direct(
    samples: np.ndarray, even: np.ndarray, odd: np.ndarray, first: np.ndarray, stop: np.ndarray
) -> np.ndarray:
    half = even.size // 2
    out = np.empty((first.size, samples.shape[0]), dtype=np.float32)
    for c in numba.prange(samples.shape[0]):
        x = samples[c]
        for i in range(first.size):
            total = np.float32(0)
            for n in range(first[i], stop[i]):
                real, imag = _dot(x, n - half, even, odd)
                total += real * real + imag * imag
            out[i, c] = np.float32(0.5) * total / np.float32(stop[i] - first[i])
    return out


@numba.njit(cache=True, fastmath=_FAST, nogil=True, parallel=True)
def _on_grid(
    samples: np.ndarray, even: np.ndarray, odd: np.ndarray, start: int, step: int, count: int
) -> np.ndarray:
    half = even.size // 2
    out = np.empty((samples.shape[0], count), dtype=np.complex64)
    for c in numba.prange(samples.shape[0]):
        x = samples[c]
        for j in range(count):
            real, imag = _dot(x, start + j * step - half, even, odd)
            # Correlating with the wavelet: the sine enters with a minus.
            out[c, j] = np.complex64(complex(real, -imag))
    return out


@numba.njit(cache=True, nogil=True, parallel=True)
def _integrate(
    envelope: np.ndarray, base: np.ndarray, weights: np.ndarray, quadrature: np.ndarray
) -> np.ndarray:
    bins, nodes = base.shape
    out = np.empty((bins, envelope.shape[0]), dtype=np.float32)
    for c in numba.prange(envelope.shape[0]):
        for i in range(bins):
            total = np.float32(0)
            for q in range(nodes):
                value = np.complex64(0)
                for j in range(weights.shape[2]):
                    value += weights[i, q, j] * envelope[c, base[i, q] + j]
                total += quadrature[q] * (value.real * value.real + value.imag * value.imag)
            out[i, c] = np.float32(0.5) * total
    return out


def smooth_mean(
    samples: np.ndarray, taps: np.ndarray, first: np.ndarray, stop: np.ndarray
) -> np.ndarray:
    """Mean over each bin of the signal filtered with symmetric taps.

    The mean of filtered samples is one longer filter: `taps` slid over the bin, summed.
    """
    out = np.empty((first.size, samples.shape[0]), dtype=np.float32)
    start = first - taps.size // 2
    for width in np.unique(stop - first):
        where = stop - first == width
        kernel = np.convolve(taps.astype(np.float64), np.full(width, 1 / width))
        out[where] = _weighted_sums(samples, kernel, start[where])
    return out


@numba.njit(cache=True, fastmath=_FAST, nogil=True, parallel=True)
def _weighted_sums(samples: np.ndarray, kernel: np.ndarray, start: np.ndarray) -> np.ndarray:
    out = np.empty((start.size, samples.shape[0]), dtype=np.float32)
    for c in numba.prange(samples.shape[0]):
        x = samples[c]
        for i in range(start.size):
            total = 0.0
            for k in range(kernel.size):
                total += x[start[i] + k] * kernel[k]
            out[i, c] = np.float32(total)
    return out
