"""Bringing features to one scale, by statistics of the training bins alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

ScalingKind = Literal["log", "linear"]

#: Floor under power before the logarithm, as a share of the band's training median.
_FLOOR = 1e-3
#: Standard deviations beyond which a scaled feature is clipped.
_CLIP = 5.0
#: Training bins that the statistics are taken from, evenly spaced.
_MOST_BINS = 20_000


@dataclass(frozen=True)
class Scaling:
    """Scaling of each (frequency, channel), fitted on training bins.

    "log" takes log power over a floor, then subtracts the mean and divides by
    the standard deviation; the row at frequency 0, and any that was negative in
    training, skips the logarithm.
    "linear" subtracts the median and divides by the median absolute deviation,
    as Frey et al. (2021) do.

    Attributes
    ----------
    kind : {"log", "linear"}
    floor, center, scale : float32 arrays, shape (frequency, channel)
    signed : bool array, shape (frequency,)
    """

    kind: ScalingKind
    floor: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    signed: np.ndarray

    @classmethod
    def learn(
        cls, values: np.ndarray, frequency: np.ndarray, train: np.ndarray, kind: ScalingKind
    ) -> Scaling:
        """Fit on ``values[train]``, shape (time, frequency, channel)."""
        where = np.flatnonzero(train)
        where = where[:: max(1, len(where) // _MOST_BINS)]
        sample = np.asarray(values[where], dtype=np.float64)
        # Powers of volts lie near 1e-12: bands are compared with their own median alone.
        median = np.median(sample, axis=0)
        # Power that others computed may be in decibels or z scores: no logarithm of those.
        signed = (frequency <= 0) | (sample < 0).any(axis=(0, 2))
        floor = np.where(median > 0, _FLOOR * median, 1.0)
        if kind == "linear":
            center = median
            spread = np.median(np.abs(sample - center), axis=0)
        else:
            logs = np.where(signed[:, None], sample, np.log(np.abs(sample) + floor))
            center, spread = logs.mean(axis=0), logs.std(axis=0)
            # A sparse trace has almost no spread: its rare events must not explode.
            low = np.where(
                signed[:, None], 0.1 * np.median(spread[signed]) if signed.any() else 0, 1e-3
            )
            spread = np.maximum(spread, low)
        flat = ~(spread > 0)
        spread[flat] = 1.0
        return cls(
            kind, floor.astype(np.float32), center.astype(np.float32),
            np.where(flat, np.inf, spread).astype(np.float32), signed,
        )  # fmt: skip

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Scale values (..., frequency, channel) to float32."""
        values = np.asarray(values, dtype=np.float32)
        if self.kind == "linear":
            return (values - self.center) / self.scale
        logs = np.where(self.signed[:, None], values, np.log(np.abs(values) + self.floor))
        return np.clip((logs - self.center) / self.scale, -_CLIP, _CLIP)

    def arrays(self) -> dict[str, np.ndarray]:
        """The fitted arrays, to be stored beside a decoder's weights."""
        return {
            "scaling.floor": self.floor,
            "scaling.center": self.center,
            "scaling.scale": self.scale,
            "scaling.signed": self.signed.astype(np.uint8),
        }

    @classmethod
    def from_arrays(cls, kind: ScalingKind, arrays: dict[str, np.ndarray]) -> Scaling:
        return cls(
            kind, arrays["scaling.floor"], arrays["scaling.center"], arrays["scaling.scale"],
            arrays["scaling.signed"].astype(bool),
        )  # fmt: skip


def scaled(power: xr.DataArray, scaling: Scaling, *, block: int = 4096) -> np.ndarray:
    """Read and scale all features into one array, block by block.

    Channels that the coordinate ``absent`` marks are zero: the middle of training.
    """
    out = np.empty(power.shape, dtype=np.float32)
    absent = power.coords["absent"].to_numpy() if "absent" in power.coords else None
    for start in range(0, len(out), block):
        rows = slice(start, start + block)
        out[rows] = scaling.apply(power[rows].to_numpy())
        if absent is not None:
            out[rows, :, absent] = 0.0
    return out
