"""Design of the filter bank: at what rate each band is filtered, and at how many points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal import firwin, kaiser_beta

from nwbdecode.features.morlet import W0, morlet_taps

#: Standard deviations of a band's spectrum that halving the rate must spare.
_SPARED = 4.5
#: Share of the rate after halving that they may fill.
_FILLED = 0.351
#: Decibels by which it suppresses what would fold onto them.
_STOPPED = 100.0
#: Points a period, for w0 = 6: fewest where bins sum samples alone, and where power between
#: them is wanted too.
SPARSEST, _FEWEST_BETWEEN = 1.0, 2.3
#: Grid points a period of bands so slow that they cost little.
_PLENTY = 4.0
#: Grid points a period that keep a slow band from reaching far.
_MOST = 8.0
#: Neighbors that power between grid points is made from.
NEIGHBORS = 8


@dataclass(frozen=True, eq=False)
class Band:
    """How one band is filtered.

    Attributes
    ----------
    level : int
        Times that the rate is halved before.
    even, odd : float32 arrays, shape (tap,)
        The middle tap and those on one side, at that rate.
    step : int
        Grid step at that rate.
    density : float
        Grid points a period.
    reach : int
        Samples beyond a bin's own, at the full rate, that its value depends on.
    by_samples : bool
        Whether bins sum samples alone, with nothing between them.
    """

    level: int
    even: np.ndarray
    odd: np.ndarray
    step: int
    density: float
    reach: int
    by_samples: bool

    @property
    def period(self) -> float:
        """Samples of a period at the full rate."""
        return self.stride * self.density

    @property
    def stride(self) -> int:
        """Samples at the full rate between grid points."""
        return self.step << self.level

    @property
    def rows_after(self) -> int:
        """Rows at its level after the row of a bin's last sample that it reads."""
        return len(self.even) - 1 + (0 if self.by_samples else self.step * NEIGHBORS // 2)

    @property
    def rows_before(self) -> int:
        """Rows before that of a bin's first sample; of a grid point and its neighbors, one less."""
        return self.rows_after - (0 if self.by_samples else 1)


def far(taps: np.ndarray) -> int:
    """Samples on either side of its own that a half-band filter reads."""
    return 2 * (len(taps) - 1) - 1


def choose(shares: np.ndarray, w0: float, truncate: float) -> list[tuple[int, float]]:
    """Choose for each band how often the rate is halved, and how dense its grid is.

    As often and as sparse as the band allows; but a slow band, where that would reach
    farther than the slowest wavelet and one of its periods, gets a denser grid, then a
    higher rate: it costs little.
    """
    slowest = shares.min()
    room = truncate * w0 / (2 * np.pi * slowest) + 1 / slowest
    chosen = []
    for share in shares:
        level = max(0, int(np.floor(np.log2(_FILLED / (share * (1 + _SPARED / w0))))))
        usual = _PLENTY if level >= 6 else _FEWEST_BETWEEN if level else SPARSEST
        chosen.append((level, usual))
    while True:
        levels = [level for level, _ in chosen]
        halvings = halvings_for(shares, levels, w0)
        far = [
            k
            for k, (share, (level, density)) in enumerate(zip(shares, chosen, strict=True))
            if (level or density < _MOST)
            and make_band(share, level, density, halvings, w0, truncate).reach > room
        ]
        if not far:
            return chosen
        for k in far:
            level, density = chosen[k]
            chosen[k] = (level, min(2 * density, _MOST)) if density < _MOST else (level - 1, _MOST)


def halvings_for(shares: np.ndarray, levels: list[int], w0: float) -> list[np.ndarray]:
    """Design the half-band filter before each level: its middle tap and every odd one."""
    filters = []
    for level in range(1, max(levels) + 1):
        fastest = max(s for s, n in zip(shares, levels, strict=True) if n >= level)
        # As a share of the rate before halving.
        spared = fastest * (1 + _SPARED / w0) * 2 ** (level - 1)
        filters.append(_half_band(round(min(spared, 0.24), 6)))
    return filters


@lru_cache(maxsize=256)
def _half_band(spared: float) -> np.ndarray:
    """Kaiser's window over a sinc, whose even taps but the middle are zero."""
    transition = 0.5 - 2 * spared
    needed = (_STOPPED - 7.95) / (2.285 * 2 * np.pi * transition)
    # An odd number of odd distances on either side.
    pairs = int(np.ceil((needed / 2 + 1) / 2))
    half = 2 * pairs - 1
    taps = firwin(2 * half + 1, 0.5, window=("kaiser", kaiser_beta(_STOPPED)))
    one_side = taps[half:]
    odd = one_side[1::2] * 0.25 / one_side[1::2].sum()
    return np.concatenate([[0.5], odd]).astype(np.float32)


def make_band(
    share: float,
    level: int,
    density: float,
    halvings: list[np.ndarray],
    w0: float,
    truncate: float,
) -> Band:
    """Design one band's filter and grid; `share` is its frequency over the full rate."""
    held = share * 2**level
    even, odd = morlet_taps(held, 1.0, w0=w0, truncate=truncate)
    half = len(even) // 2
    # The wider a wavelet's spectrum, the denser the grid.
    step = max(1, int(w0 / W0 / (density * held)))
    by_samples = level == 0 and (step == 1 or density < _FEWEST_BETWEEN)
    reach = (half + (0 if by_samples else step * NEIGHBORS // 2)) << level
    reach += sum(far(taps) << k for k, taps in enumerate(halvings[:level]))
    return Band(
        level,
        even[half:].astype(np.float32),
        odd[half:].astype(np.float32),
        step,
        1 / (held * step),
        reach,
        by_samples,
    )
