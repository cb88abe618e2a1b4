"""What every simulated recording is: samples that are made, block by block, when they are read."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError


@dataclass(frozen=True, eq=False)
class SimulatedRecording(ABC):
    """A recording whose samples are made when they are read.

    It holds no open handle and can be pickled; the same range of samples is
    the same numbers however it is read. A kind of recording says what its
    shape, type and blocks are, and makes one block from the block's number alone.

    Attributes
    ----------
    rate : float
        Samples (or frames) per second.
    seed : int
        What it was drawn from.
    noise_seed : int
        What the noise that is made with the samples is drawn from, derived from `seed`.
    """

    rate: float
    seed: int
    noise_seed: int

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Samples, and channels or pixels."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """Type of the counts."""

    @property
    @abstractmethod
    def block(self) -> int:
        """Samples made at a time; reads of whole blocks waste nothing."""

    @abstractmethod
    def _make(self, index: int) -> np.ndarray:
        """Make block number `index`; the last may be longer than the recording."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.shape[0] / self.rate

    def read(self, start: int, stop: int) -> np.ndarray:
        """Make the samples of a range.

        Parameters
        ----------
        start, stop : int
            First sample and one past the last.

        Returns
        -------
        numpy.ndarray, shape (time, ...)
            Counts.
        """
        start, stop, _ = slice(start, stop).indices(self.shape[0])
        first, last = start // self.block, -(-stop // self.block)
        if first >= last:
            return np.empty((0, *self.shape[1:]), dtype=self.dtype)
        made = np.concatenate([self._make(index) for index in range(first, last)])
        return made[start - first * self.block : stop - first * self.block]

    def _counts(self, values: np.ndarray) -> np.ndarray:
        """Round to what the converter can say; what is beyond it stays at its limits."""
        limits = np.iinfo(self.dtype)
        counts = np.rint(values)
        return np.clip(counts, limits.min, limits.max, out=counts).astype(self.dtype)


def check_simulation(duration: float, seed: int) -> None:
    """Refuse a length or a seed that no simulation can have.

    Raises
    ------
    NWBDecodeError
    """
    if not (math.isfinite(duration) and duration >= 1):
        raise NWBDecodeError(f"duration is {duration:g} s; a simulation lasts 1 s at least")
    if seed < 0:
        raise NWBDecodeError(f"seed is {seed}; it must be 0 or a positive whole number")
