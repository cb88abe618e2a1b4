"""What every reader of stored rows shares, whichever format holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class StoredRows:
    """Where the rows of one dataset lie, without an open handle.

    Parameters
    ----------
    path : str
        Absolute path of the file or folder.
    dataset : str
        Path of the dataset inside it; one- or two-dimensional.
    stored_shape : tuple of int
    stored_dtype : str
        As numpy writes it, such as ``"<i2"``.
    chunk_rows : int, default 0
        Rows that lie in the same chunks and are best read together; 1 where any are as
        good, 0 where a range is better asked for whole.
    """

    path: str
    dataset: str
    stored_shape: tuple[int, ...]
    stored_dtype: str
    chunk_rows: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        return self.stored_shape[0], self.stored_shape[1] if len(self.stored_shape) > 1 else 1

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.stored_dtype)


def read_rows(data: Any, start: int, stop: int, columns: np.ndarray | None) -> np.ndarray:
    """Read rows of a one- or two-dimensional dataset, shape (time, channel)."""
    if data.ndim == 1:
        block = np.asarray(data[start:stop])[:, None]
        return block if columns is None else block[:, columns]
    if columns is None or len(columns) == 0:
        block = np.asarray(data[start:stop])
        return block if columns is None else block[:, :0]
    low, high = int(np.min(columns)), int(np.max(columns)) + 1
    # HDF5's own point selection is far slower than reading the span and picking in memory.
    block = np.asarray(data[start:stop, low:high])
    picked = np.asarray(columns) - low
    whole = len(picked) == high - low and np.array_equal(picked, np.arange(high - low))
    return block if whole else block[:, picked]
