"""The CPU engine: a multirate bank of Morlet filters, evaluated where they are needed.

The signal is halved in rate again and again, and each band is filtered at a rate that
just carries it, at as few points as its power can be averaged from. Every value is a
finite sum over a fixed neighborhood in a fixed order: a bin depends on no sample outside
its stated support, not even by rounding, and the result does not depend on how the
recording was cut into chunks or how many threads ran.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nwbdecode.features import kernels, layout
from nwbdecode.features.design import choose, halvings_for, make_band
from nwbdecode.features.morlet import TRUNCATE, W0


class FilterBank:
    """Wavelet power of some bands at some rate.

    Parameters
    ----------
    frequencies : sequence of float
        Hz.
    rate : float
        Samples per second.
    w0, truncate : float
        Of the wavelet, as for `morlet_taps`.

    Attributes
    ----------
    bands : list of Band
    reach : int
        Samples beyond a bin's own that any band depends on.
    """

    def __init__(
        self,
        frequencies: Sequence[float] | np.ndarray,
        rate: float,
        *,
        w0: float = W0,
        truncate: float = TRUNCATE,
    ):
        self.w0 = w0
        shares = np.asarray(frequencies, dtype=np.float64) / rate
        chosen = choose(shares, w0, truncate)
        self.halvings = halvings_for(shares, [level for level, _ in chosen], w0)
        self.bands = [
            make_band(share, *how, self.halvings, w0, truncate)
            for share, how in zip(shares, chosen, strict=True)
        ]
        self.reach = max(band.reach for band in self.bands)
        self._rooms: dict[int, np.ndarray] = {}

    def power(
        self,
        samples: np.ndarray,
        origin: int,
        first: np.ndarray,
        stop: np.ndarray,
        *,
        causal: bool = False,
    ) -> np.ndarray:
        """Mean power of each band in each bin.

        Parameters
        ----------
        samples : float32 array, shape (time, channel), C-ordered
            It must reach `reach` samples beyond the bins on both sides, or twice as many
            before them if `causal`.
        origin : int
            Index of ``samples[0]`` counted from the segment's first sample; may be
            negative where the segment was padded.
        first, stop : int arrays, shape (bin,)
            Samples of each bin, counted from the segment's first.
        causal : bool, default False
            Delay each band by its reach.

        Returns
        -------
        float32 array, shape (bin, frequency, channel)
        """
        channels = samples.shape[1]
        out = np.empty((len(first), len(self.bands), channels), dtype=np.float32)
        held = samples
        for level in range(len(self.halvings) + 1):
            here = [k for k, band in enumerate(self.bands) if band.level == level]
            lag = {k: self.bands[k].reach if causal else 0 for k in here}
            taps, low, halved = self._half(level, held, origin)
            sparse = [k for k in here if self.bands[k].by_samples]
            if sparse:
                rows = [
                    layout.points(self.bands[k], first - lag[k], stop - lag[k], self.w0)
                    for k in sparse
                ]
                power = np.empty((len(first), len(sparse), channels), dtype=np.float32)
                plan = layout.together([self.bands[k] for k in sparse], rows, origin)
                tile = np.clip(-(-np.append(first, stop[-1]) // 2) - low, 0, len(halved))
                tile = np.concatenate([[0], tile, [len(halved)]])
                kernels.sum_points(held, *plan, power, 2 * low - origin, taps, halved, tile)
                out[:, sparse] = power
            else:
                kernels.halve(held, 2 * low - origin, taps, halved)
            for k in set(here) - set(sparse):
                band = self.bands[k]
                grid = layout.grid(band, first - lag[k], stop - lag[k], self.w0)
                power = np.empty((len(first), channels), dtype=np.float32)
                kernels.sum_grid(held, -origin, band.step, band.even, band.odd, *grid, power)
                out[:, k] = power
            held, origin = halved, low
        return out

    def _half(
        self, level: int, held: np.ndarray, origin: int
    ) -> tuple[np.ndarray, int, np.ndarray]:
        """Give the filter that halves the rate, the first sample after it, and room for all.

        The room is kept from one block to the next: memory that was never touched is
        several times as slow as the arithmetic.
        """
        if level == len(self.halvings):
            return np.ones(1, dtype=np.float32), 0, held[:0]
        taps = self.halvings[level]
        far = 2 * (len(taps) - 1) - 1
        # Samples stay on even ones of the segment.
        low = -(-(origin + far) // 2)
        count = max(0, (origin + len(held) - far - 1) // 2 + 1 - low)
        room = self._rooms.get(level)
        if room is None or len(room) < count or room.shape[1] != held.shape[1]:
            room = self._rooms[level] = np.empty((count, held.shape[1]), dtype=np.float32)
        return taps, low, room[:count]
