"""Which bins can be decoded: those whose whole window lies in one allowed run."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr

DecodeAt = Literal["center", "end"]


@dataclass(frozen=True)
class Window:
    """Bins read to decode one.

    Attributes
    ----------
    before, after : int
        Bins read before and after the decoded one.
    """

    before: int
    after: int

    @classmethod
    def of(cls, size: int, decode_at: DecodeAt) -> Window:
        """Make a window of `size` bins that decodes its center or its last bin."""
        if size < 1:
            raise NWBDecodeError(f"a window holds at least one bin; found {size}")
        if decode_at == "center":
            return cls(size // 2, size - 1 - size // 2)
        if decode_at == "end":
            return cls(size - 1, 0)
        raise NWBDecodeError(f"decode_at is 'center' or 'end'; found {decode_at!r}")

    @property
    def size(self) -> int:
        return self.before + self.after + 1


def runs(allowed: np.ndarray, segment: np.ndarray) -> list[tuple[int, int]]:
    """Contiguous runs ``[start, stop)`` of allowed bins that cross no recording gap.

    Examples
    --------
    >>> runs(np.array([True, True, False, True, True]), np.array([0, 0, 0, 0, 1]))
    [(0, 2), (3, 4), (4, 5)]
    """
    label = np.where(allowed, segment, -1)
    cuts = np.flatnonzero(np.diff(label)) + 1
    edges = np.concatenate([[0], cuts, [len(label)]])
    return [(int(a), int(b)) for a, b in itertools.pairwise(edges) if b > a and label[a] >= 0]


def decodable(allowed: np.ndarray, segment: np.ndarray, window: Window) -> np.ndarray:
    """Mark the bins whose whole window lies in one run of allowed bins.

    Parameters
    ----------
    allowed : bool array, shape (time,)
    segment : int array, shape (time,)
    window : Window

    Returns
    -------
    bool array, shape (time,)
    """
    out = np.zeros(len(allowed), dtype=bool)
    for start, stop in runs(allowed, segment):
        out[start + window.before : max(start + window.before, stop - window.after)] = True
    return out


def lag_edges(window: int, lags: int) -> list[int]:
    """Edges of the parts, as even as can be, that a window is averaged in.

    Examples
    --------
    >>> lag_edges(9, 2)
    [0, 4, 9]
    """
    return [int(e) for e in np.round(np.linspace(0, window, min(lags, window) + 1))]


def segments_of(power: xr.DataArray) -> np.ndarray:
    """Segment index of every bin; one segment where the array has no such coordinate."""
    if "segment" in power.coords:
        return power["segment"].to_numpy()
    return np.zeros(power.sizes["time"], dtype=int)


def as_mask(index: np.ndarray | None, size: int) -> np.ndarray:
    """Turn indices (or a mask, or None for all) into a mask of bins."""
    if index is None:
        return np.ones(size, dtype=bool)
    index = np.asarray(index)
    if index.dtype == bool:
        if len(index) != size:
            raise NWBDecodeError(f"a mask of {len(index)} bins does not fit {size} bins")
        return index
    mask = np.zeros(size, dtype=bool)
    mask[index] = True
    return mask


def purge_seconds(power: xr.DataArray, targets: xr.Dataset, window: Window) -> float:
    """Seconds that must lie between train and test so that they share no sample.

    The window, the support of the features on both its sides, and the support
    of the slowest target on both its sides.
    """
    support = sum(power.attrs.get("support", (0.0, 0.0)))
    of_targets = max(sum(t.attrs.get("support", (0.0, 0.0))) for t in targets.values())
    return float(window.size * power.attrs["bin"] + support + of_targets)


def inner_blocks(
    train: np.ndarray,
    usable: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    gap: float,
    share: float,
    trial: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Set part of the training bins aside for model selection, purged alike.

    Two blocks lie in the middle of the two halves of the training data (one
    block where two would purge too much), each `gap` seconds from what is kept.

    Parameters
    ----------
    train, usable : bool arrays, shape (time,)
        Bins of the training region, and those that can be decoded in it.
    start, end : float arrays, shape (time,)
        Bin edges in seconds.
    gap : float
        Seconds between what is kept and what is set aside.
    share : float
        Part of the usable bins to set aside.
    trial : int array, shape (time,), optional
        Trial of each bin, -1 for none: what is kept shares none with what is set aside.

    Returns
    -------
    (kept, held) : bool arrays, or None
        None where the gaps leave less than half of the training bins.
    """
    where = np.flatnonzero(usable)
    if not where.size or share <= 0:
        return None
    for count in (2, 1):
        held = np.zeros_like(train)
        kept = train.copy()
        size = max(1, int(share * len(where) / count))
        for part in np.array_split(where, count):
            low = part[(len(part) - size) // 2]
            high = part[(len(part) - size) // 2 + size - 1]
            held[low : high + 1] = True
            kept &= (end <= start[low] - gap) | (start >= end[high] + gap)
            if trial is not None:
                kept &= (trial < 0) | ~np.isin(trial, trial[low : high + 1])
        held &= usable
        if kept.sum() >= 0.5 * train.sum():
            return kept, held
    return None
