"""Means over bins of the signal itself, as it is or smoothed."""

from __future__ import annotations

import numpy as np

from nwbdecode.features import kernels
from nwbdecode.features.threads import in_parts


def smooth_mean(
    samples: np.ndarray, taps: np.ndarray, first: np.ndarray, stop: np.ndarray
) -> np.ndarray:
    """Mean over each bin of the signal filtered with symmetric taps.

    The mean of filtered samples is one longer filter: `taps` slid over the bin, summed.

    Parameters
    ----------
    samples : float32 array, shape (time, channel), C-ordered
    taps : array, shape (tap,)
    first, stop : int arrays, shape (bin,)
        Rows of each bin.

    Returns
    -------
    float32 array, shape (bin, channel)
    """
    out = np.empty((first.size, samples.shape[1]), dtype=np.float32)
    start = first - taps.size // 2
    for width in np.unique(stop - first):
        where = stop - first == width
        kernel = np.convolve(taps.astype(np.float64), np.full(width, 1 / width))
        rows = np.empty((np.count_nonzero(where), samples.shape[1]), dtype=np.float32)
        in_parts(kernels.weighted_sums, len(rows), samples, kernel, start[where], rows, least=8)
        out[where] = rows
    return out
