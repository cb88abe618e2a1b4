"""Folds that cannot leak: contiguous test blocks, purged from the training data."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from nwbdecode.decoder.windows import Window, decodable, purge_seconds, runs, segments_of
from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr

#: Share of all bins that every fold's training data must keep.
_LEAST_TRAINING = 0.25
_NO_WINDOW = "No window fits: use fewer folds or narrower bins"


@dataclass(frozen=True)
class Fold:
    """One fold.

    Attributes
    ----------
    train : bool array, shape (time,)
        Bins that training may read.
    test : bool array, shape (time,)
        Bins of the test block.
    start, stop : float
        Edges of the test block in seconds.
    gap : float
        Seconds between the block and the nearest training bin.
    """

    train: np.ndarray
    test: np.ndarray
    start: float
    stop: float
    gap: float


def _folds(start: np.ndarray, end: np.ndarray, edges: np.ndarray, gap: float) -> list[Fold]:
    """Test blocks between edges, and what lies at least the gap away from each."""
    folds = []
    for low, high in itertools.pairwise(edges):
        test = np.zeros(len(start), dtype=bool)
        test[low:high] = True
        # Rounding of bin edges must not count a bin at exactly the gap as too near.
        train = (end <= start[low] - gap + 1e-9) | (start >= end[high - 1] + gap - 1e-9)
        folds.append(Fold(train, test, float(start[low]), float(end[high - 1]), gap))
    return folds


def _trainable(folds: Sequence[Fold], power: xr.DataArray, window: Window) -> bool:
    """Whether every fold leaves enough windows to train on."""
    segment = segments_of(power)
    least = min(decodable(fold.train, segment, window).mean() for fold in folds)
    return bool(least >= _LEAST_TRAINING)


def _in_pieces(pieces: Sequence[int], window: Window, bin_width: float) -> str:
    """Say that there is enough to train on, but in runs too short for the window."""
    ascending = np.sort(pieces)
    # The run that half of all bins lie in, or in shorter ones.
    middle = int(ascending[np.searchsorted(np.cumsum(ascending), ascending.sum() / 2)])
    return (
        f"too little data in one piece: a window takes {window.size * bin_width:.3g} s "
        f"({window.size} bins) without a gap, and of {len(pieces)} gapless runs those of "
        f"{middle * bin_width:.3g} s ({middle} bins) or less hold half of the recording. "
    )


class PurgedKFold:
    """Split time into contiguous blocks with a gap between train and test.

    A test prediction reads its window, and each of the window's bins reads the
    signal on both sides as far as the wavelet's support. With ``gap="auto"``
    whatever a test prediction can read is kept from training: the gap is the
    window, plus the support of the features and of the targets on both sides
    (compare purging in [1]_). The windows of test bins may reach into the gap,
    which no training window enters; so every bin gets a prediction but those
    whose window would leave the recording.

    Parameters
    ----------
    n_splits : int, default 5
    gap : "auto" or float
        Seconds. Less than "auto" is refused: it would leak.
    trials : sequence of int, optional
        Trial of each bin, -1 for none; no boundary then cuts a trial. By default the
        coordinate ``trial`` of the targets, which those read from trials,
        intervals and events have.

    References
    ----------
    .. [1] Lopez de Prado, M. (2018). Advances in Financial Machine Learning,
       chapter 7. Wiley.

    Examples
    --------
    >>> PurgedKFold(n_splits=4)
    PurgedKFold(n_splits=4, gap='auto')
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        gap: float | Literal["auto"] = "auto",
        trials: Sequence[int] | None = None,
    ):
        if n_splits < 2:
            raise NWBDecodeError(f"cross-validation needs at least 2 folds; found {n_splits}")
        self.n_splits = n_splits
        self.gap = gap
        self.trials = trials

    def __repr__(self) -> str:
        return f"PurgedKFold(n_splits={self.n_splits}, gap={self.gap!r})"

    def get_n_splits(self) -> int:
        """Give the number of folds."""
        return self.n_splits

    def split(self, power: xr.DataArray, targets: xr.Dataset, window: Window) -> Iterator[Fold]:
        """Yield the folds.

        Parameters
        ----------
        power : DataArray (time, frequency, channel)
        targets : Dataset on the same time
        window : Window
            Of the decoder that will be fitted.

        Raises
        ------
        NWBDecodeError
            If the gaps leave too little to train on; the message gives the
            lowest frequency that would fit.
        """
        start, end = power["bin_start"].to_numpy(), power["bin_end"].to_numpy()
        gap = self._gap(power, targets, window)
        trials: Sequence[int] | np.ndarray | None = self.trials
        if trials is None and "trial" in targets.coords:
            trials = targets["trial"].to_numpy()
        edges = self._edges(len(start), trials)
        folds = _folds(start, end, edges, gap)
        if not _trainable(folds, power, window):
            raise NWBDecodeError(self._too_short(power, targets, window, gap, edges))
        yield from folds

    @staticmethod
    def check_classes(
        folds: Sequence[Fold], power: xr.DataArray, targets: xr.Dataset, window: Window
    ) -> None:
        """Refuse folds that would train without a class that they are tested on.

        Raises
        ------
        NWBDecodeError
            Naming the target, the class and the fold.
        """
        segment = segments_of(power)
        for name, target in targets.data_vars.items():
            if target.attrs.get("kind") != "categorical":
                continue
            codes = target.to_numpy()
            known = np.isfinite(codes)
            names = target.attrs.get("classes") or []
            for k, fold in enumerate(folds):
                usable = decodable(fold.train, segment, window) & known
                lost = np.setdiff1d(codes[known], codes[usable]).astype(int)
                if not lost.size:
                    continue
                label = names[lost[0]] if lost[0] < len(names) else str(lost[0])
                raise NWBDecodeError(
                    f"class {label!r} of target {str(name)!r} is missing from the training data of "
                    f"fold {k} (tested on {fold.start:.1f} to {fold.stop:.1f} s): all its bins lie "
                    "in the test block and the gaps beside it. Use fewer folds, a shorter gap "
                    "(window, lowest frequency), or leave the class out with only or exclude"
                )

    def _longest_window(
        self, power: xr.DataArray, targets: xr.Dataset, window: Window, edges: np.ndarray
    ) -> int:
        """Bins of the longest shorter window that leaves enough to train on; 0 if none does."""
        start, end = power["bin_start"].to_numpy(), power["bin_end"].to_numpy()

        def lacks(size: int) -> bool:
            shorter = Window.of(size, "center" if window.after else "end")
            folds = _folds(start, end, edges, self._gap(power, targets, shorter))
            return not _trainable(folds, power, shorter)

        return bisect_left(range(1, window.size), True, key=lacks)

    def _gap(self, power: xr.DataArray, targets: xr.Dataset, window: Window) -> float:
        needed = purge_seconds(power, targets, window)
        if self.gap == "auto":
            return needed
        if float(self.gap) < needed:
            raise NWBDecodeError(
                f"a gap of {float(self.gap):g} s would leak: window, features and targets reach "
                f"across {needed:.3g} s. Use gap='auto' or at least {needed:.3g}"
            )
        return float(self.gap)

    def _edges(self, size: int, trials: Sequence[int] | np.ndarray | None) -> np.ndarray:
        if size < 2 * self.n_splits:
            raise NWBDecodeError(f"{size} bins do not fill {self.n_splits} folds; use fewer folds")
        edges = np.round(np.linspace(0, size, self.n_splits + 1)).astype(int)
        if trials is None:
            return edges
        trials = np.asarray(trials)
        if len(trials) != size:
            raise NWBDecodeError(f"`trials` names {len(trials)} bins; the features have {size}")
        inside = (trials[1:] == trials[:-1]) & (trials[1:] >= 0)
        allowed = np.flatnonzero(~inside) + 1
        if len(allowed) < self.n_splits - 1:
            raise NWBDecodeError(
                f"{len(allowed) + 1} trial(s) do not fill {self.n_splits} folds, as no fold cuts a "
                "trial or an interval with one label; use fewer folds"
            )
        moved = [allowed[np.abs(allowed - edge).argmin()] for edge in edges[1:-1]]
        edges = np.concatenate([[0], moved, [size]])
        if (np.diff(edges) <= 0).any():
            raise NWBDecodeError(
                f"trials are too long for {self.n_splits} folds: two boundaries fall into one "
                "trial; use fewer folds"
            )
        return edges

    def _too_short(
        self,
        power: xr.DataArray,
        targets: xr.Dataset,
        window: Window,
        gap: float,
        edges: np.ndarray,
    ) -> str:
        """Say how much there is, how much is needed, and what would fit."""
        bin_width = float(power.attrs["bin"])
        present = power.sizes["time"] * bin_width
        seconds = window.size * bin_width
        support = sum(power.attrs.get("support", (0.0, 0.0)))
        # A fold in the middle loses its block, two gaps, and the windows at four ends.
        share = 1 - 1 / self.n_splits - _LEAST_TRAINING
        needed = (2 * gap + 2 * seconds) / share
        budget = (share * present - 2 * seconds) / 2 - (gap - support)
        bands = power["frequency"].to_numpy()
        bands = bands[bands > 0]
        segment = segments_of(power)
        pieces = [b - a for a, b in runs(np.ones(len(segment), dtype=bool), segment)]
        fitting = self._longest_window(power, targets, window, edges)
        longest = f"The longest window that fits is {fitting} bins (--window {fitting})"
        if present >= needed and len(pieces) > 1:
            return _in_pieces(pieces, window, bin_width) + (longest if fitting else _NO_WINDOW)
        text = (
            f"too little data: {self.n_splits} folds with gaps of {gap:.3g} s (window "
            f"{seconds:.3g} s, wavelets {support:.3g} s) need about {needed:.0f} s of recording; "
            f"{present:.1f} s are there. "
        )
        if budget > 0 and bands.size:
            fit = float(bands.min()) * support / budget
            return text + (
                f"The lowest frequency that would fit is {fit:.2g} Hz (now {bands.min():.2g} Hz); "
                "a shorter window or a longer recording help too"
                + (f". {longest}" if fitting else "")
            )
        if fitting:
            return text + longest
        shorter = max(1, int(present * share / 6 / bin_width))
        return text + (
            f"No lowest frequency fits with this window: first shorten it to {shorter} bins "
            f"({shorter * bin_width:.2g} s) or less"
        )
