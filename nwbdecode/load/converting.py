"""Compiled conversion of stored samples: one pass, and other threads may run meanwhile."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def convert(
    stored: np.ndarray, rows: np.ndarray, factor: np.ndarray, offset: np.ndarray, out: np.ndarray
) -> None:
    """Put ``stored[rows] * factor + offset`` into `out`, each step rounded to float32."""
    for i in range(rows.size):
        row = rows[i]
        for c in range(out.shape[1]):
            out[i, c] = np.float32(stored[row, c]) * factor[c] + offset[c]
