"""Means over a bin from few points: where to look at a smooth power, and with what weight.

Power that a wavelet gives is smooth: it need not be known at every sample. Inside a long
bin it is summed on a regular grid under a window that rises softly from nothing, which
for a band-limited function is as good as summing every sample; what the soft edges leave
is summed by Gauss quadrature. All weights are positive, so that a mean of powers never
is negative, and zero only where all that it looks at is silent.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.special import ndtr

#: Amplitude to which what a grid folds onto a bin's mean is suppressed, as an exponent of e.
_FOLDED = 7.5
#: Standard deviations of the soft edge on either side of its middle.
_EDGE = 3.6


def edge_width(density: float, w0: float) -> float:
    """Length, in periods of the band, of the soft edges that a grid of some density needs.

    Power has a spectrum of ``exp(-(w0 v)**2 / 4)`` at `v` times the band's frequency, the
    edge one of ``exp(-(2 pi s v)**2 / 2)``. The grid folds their product at `density`.

    Parameters
    ----------
    density : float
        Grid points a period.
    w0 : float
    """
    power = w0**2 / 4
    if density**2 * power <= _FOLDED:
        raise ValueError(f"{density:g} points a period are too few")
    needed = _FOLDED / density**2
    edge = needed * power / (power - needed)
    return float(2 * _EDGE * np.sqrt(2 * edge) / (2 * np.pi))


def soft(position: np.ndarray, length: float) -> np.ndarray:
    """Rise from 0 to 1 along an edge; shape of `position`, in the units of `length`."""
    rise = ndtr((position / length - 0.5) * 2 * _EDGE)
    return np.where(position <= 0, 0.0, np.where(position >= length, 1.0, rise))


@lru_cache(maxsize=4096)
def edge_nodes(length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Quadrature over the samples that a soft edge leaves out, for a bin that begins at 0.

    Parameters
    ----------
    length : int
        Samples of the edge.
    count : int
        Nodes.

    Returns
    -------
    nodes, weights : arrays of float64, shape (node,)
        Nodes lie between the first sample, 0, and the last, ``length - 1``.
    """
    sample = np.arange(length)
    return _gauss(sample, 1 - soft(sample + 0.5, float(length)), count)


@lru_cache(maxsize=4096)
def bin_nodes(width: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Quadrature over all samples of a bin that begins at 0; weights sum to `width`."""
    return _gauss(np.arange(width), np.ones(width), count)


def _gauss(position: np.ndarray, weight: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss quadrature of a sum over points: exact for polynomials of degree ``2 count - 1``.

    The recurrence of the orthogonal polynomials (Stieltjes) gives a tridiagonal matrix,
    whose eigenvalues are the nodes (Golub and Welsch 1969, Mathematics of Computation 23).
    """
    kept = weight > 0
    position, weight = position[kept].astype(np.float64), weight[kept]
    if len(position) <= count:
        return position, weight
    middle, half = position.mean(), max(np.ptp(position) / 2, 1.0)
    x = (position - middle) / half
    total = weight.sum()
    current = np.full(len(x), 1 / np.sqrt(total))
    before = np.zeros(len(x))
    diagonal, beside = np.empty(count), np.empty(count)
    last = 0.0
    for k in range(count):
        diagonal[k] = weight @ (x * current**2)
        following = (x - diagonal[k]) * current - last * before
        last = beside[k] = np.sqrt(weight @ following**2)
        before, current = current, following / last
    nodes, vectors = eigh_tridiagonal(diagonal, beside[:-1])
    return middle + half * nodes, total * vectors[0] ** 2


def interpolation(fraction: np.ndarray, density: float, neighbors: int, w0: float) -> np.ndarray:
    """Weights that give a band's output between grid points, least in mean square error.

    The output of white noise has a known covariance; among all sums over so many
    neighbors the one that errs least solves a small linear system (kriging).

    Parameters
    ----------
    fraction : array
        Place between the middle neighbors, 0 to 1 grid steps.
    density : float
        Grid points a period.
    neighbors : int
        Even.
    w0 : float

    Returns
    -------
    array of complex128, shape (*fraction, neighbor)
    """
    offset = np.arange(neighbors) - (neighbors // 2 - 1)
    apart = offset[:, None] - offset
    covariance = _covariance(apart / density, w0) + 1e-10 * np.eye(neighbors)
    distance = offset - fraction[..., None]
    beside = _covariance(distance / density, w0)
    # Summed one by one: a place's weights do not depend on those that are asked for with it.
    inverse, weights = np.linalg.inv(covariance), np.zeros(beside.shape)
    for place in range(neighbors):
        weights += beside[..., place, None] * inverse[place]
    # The output turns with the band's frequency; turned back, it is smooth.
    return weights * np.exp(-2j * np.pi * distance / density)


def _covariance(periods: np.ndarray, w0: float) -> np.ndarray:
    deviation = w0 / (2 * np.pi)
    return np.exp(-((periods / deviation) ** 2) / 4)
