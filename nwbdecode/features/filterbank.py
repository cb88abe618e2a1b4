"""The default engine: a multirate bank of Morlet filters, evaluated where they are needed.

The signal is halved in rate again and again, and each band is filtered at a rate that
just carries it, at as few points as its power can be averaged from. Every value is a
finite sum over a fixed neighborhood in a fixed order: a bin depends on no sample outside
its stated support, not even by rounding, and the result does not depend on how the
recording was cut into chunks or how many threads ran.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
