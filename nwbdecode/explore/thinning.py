"""Fewer points for the eye: windows, extremes, and lines that break where data do."""

from __future__ import annotations

import numpy as np


def span(time: np.ndarray, window: tuple[float, float] | None) -> slice:
    """Bins whose centers lie in a window of seconds, both ends included; all for None."""
    if window is None:
        return slice(0, len(time))
    start, stop = (
        np.searchsorted(time, window[0], "left"),
        np.searchsorted(time, window[1], "right"),
    )
    return slice(int(start), int(max(start, stop)))


def bin_width(time: np.ndarray) -> float:
    """Usual step between bins in seconds; 1 where there is but one bin."""
    # A long recording's first bins tell its step as well as all of them.
    steps = np.diff(time[:10_000])
    return float(np.median(steps)) if len(steps) else 1.0


def extremes(values: np.ndarray, most: int) -> np.ndarray:
    """Indices of the smallest and largest value of each stretch, at most `most` of them.

    Unlike every n-th point, this keeps each peak visible at any zoom.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        May hold NaN; a stretch of nothing else gives one index.
    most : int
        Most indices wanted; with ``n <= most`` all are kept.

    Examples
    --------
    >>> import numpy as np
    >>> extremes(np.array([0.0, 9.0, 1.0, 2.0, 3.0, -5.0]), 4)
    array([0, 1, 4, 5])
    """
    n = len(values)
    if n <= most:
        return np.arange(n)
    size = -(-n // max(most // 2, 1))
    stretches = -(-n // size)
    padded = np.full(stretches * size, np.nan)
    padded[:n] = values
    table = padded.reshape(stretches, size)
    missing = np.isnan(table)
    first = np.arange(stretches) * size
    low = first + np.where(missing, np.inf, table).argmin(axis=1)
    high = first + np.where(missing, -np.inf, table).argmax(axis=1)
    return np.unique(np.concatenate([low, high]))


def strided(n: int, most: int) -> np.ndarray:
    """Evenly spaced indices, at most `most` of `n`."""
    return np.arange(0, n, max(1, -(-n // most)))


def averaged(time: np.ndarray, values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean over stretches of bins, leaving NaN out; unchanged when short enough.

    Parameters
    ----------
    time : numpy.ndarray, shape (n,)
    values : numpy.ndarray, shape (n, k)
    most : int

    Returns
    -------
    tuple of numpy.ndarray, shapes (m,) and (m, k), m <= most
    """
    n = len(time)
    if n <= most:
        return time, values
    size = -(-n // most)
    edges = np.arange(0, n, size)
    finite = np.isfinite(values)
    count = np.add.reduceat(finite, edges, axis=0, dtype=np.int64)
    total = np.add.reduceat(np.where(finite, values, 0.0), edges, axis=0, dtype=np.float64)
    lengths = np.diff(np.append(edges, n))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = total / count
    return np.add.reduceat(time, edges) / lengths, means


def broken(
    time: np.ndarray, values: np.ndarray, *, longest: float, wraps: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Put NaN between neighbors that no line may join.

    Parameters
    ----------
    time : numpy.ndarray, shape (n,)
    values : numpy.ndarray, shape (n,) or (n, k)
    longest : float
        Longest step in seconds that a line may bridge.
    wraps : bool, default False
        Whether values are angles in radians: a jump of more than half a turn
        is the short way round, not a line across the whole axis.

    Returns
    -------
    tuple of numpy.ndarray
        Time and values, longer by one point for each break.

    Examples
    --------
    >>> import numpy as np
    >>> broken(np.array([0.0, 1.0, 9.0]), np.array([5.0, 6.0, 7.0]), longest=1.5)[1]
    array([ 5.,  6., nan,  7.])
    """
    cut = np.diff(time) > longest
    if wraps:
        cut |= np.abs(np.diff(values)) > np.pi
    after = np.flatnonzero(cut) + 1
    if not len(after):
        return time, values
    middle = (time[after - 1] + time[after]) / 2
    return np.insert(time, after, middle), np.insert(values, after, np.nan, axis=0)
