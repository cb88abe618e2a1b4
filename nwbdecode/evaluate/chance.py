"""What chance would score, and how sure a score is."""

from __future__ import annotations

import numpy as np

from nwbdecode.evaluate.metrics import metric_of_sums, metric_values, terms
from nwbdecode.evaluate.shifts import shifted_sums


def shifted_scores(
    kind: str,
    truth: np.ndarray,
    predicted: np.ndarray,
    *,
    least: int,
    n_shifts: int = 1000,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Score predictions against the truth shifted around in time.

    A circular shift keeps both autocorrelations and breaks only what ties the
    two together.

    Parameters
    ----------
    kind, truth, predicted
        As for `metric_values`; bins in order, no NaN.
    least : int
        Shortest shift in bins, beyond which the target has forgotten itself.
    n_shifts : int, default 1000
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to array, shape (n_shifts,)
        NaN where the recording is too short to be shifted.
    """
    size = len(truth)
    least = min(least, size // 4)
    allowed = np.arange(max(1, least), size - max(1, least) + 1)
    if not len(allowed):
        return {name: np.full(n_shifts, np.nan) for name in metric_values(kind, truth, predicted)}
    shifts = rng.choice(allowed, size=n_shifts, replace=len(allowed) < n_shifts)
    return metric_of_sums(kind, shifted_sums(kind, truth, predicted, shifts))


def p_value(score: float, null: np.ndarray, larger: bool) -> float:
    """Share of chance scores at least as good, counting the score itself (never zero).

    References
    ----------
    .. [1] Phipson, B. and Smyth, G. K. (2010). Permutation p-values should never be zero.
       Statistical Applications in Genetics and Molecular Biology 9, 39.

    Examples
    --------
    >>> p_value(0.9, np.zeros(99), larger=True)
    0.01
    """
    null = null[np.isfinite(null)]
    if not len(null) or not np.isfinite(score):
        return float("nan")
    as_good = (null >= score) if larger else (null <= score)
    return float((1 + as_good.sum()) / (1 + len(null)))


def chance_point(null: np.ndarray, larger: bool) -> float:
    """The score that 95 % of chance scores do not beat."""
    null = null[np.isfinite(null)]
    return float(np.quantile(null, 0.95 if larger else 0.05)) if len(null) else float("nan")


def bootstrap_interval(
    kind: str,
    truth: np.ndarray,
    predicted: np.ndarray,
    *,
    block: int,
    n_draws: int = 1000,
    rng: np.random.Generator,
) -> dict[str, tuple[float, float]]:
    """95 % intervals by resampling whole blocks of time.

    Parameters
    ----------
    kind, truth, predicted
        As for `metric_values`.
    block : int
        Bins a block: long enough that blocks hardly know of each other.
    n_draws : int, default 1000
    rng : numpy.random.Generator

    References
    ----------
    .. [1] Kunsch, H. R. (1989). The jackknife and the bootstrap for general stationary
       observations. Annals of Statistics 17, 1217-1241.
    """
    size = len(truth)
    block = int(np.clip(block, 1, max(1, size // 10)))
    per_bin = terms(kind, truth, predicted)
    sums = np.add.reduceat(per_bin, np.arange(0, size, block), axis=0)
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=n_draws)
    scores = metric_of_sums(kind, drawn @ sums)
    return {
        name: (float(np.nanquantile(value, 0.025)), float(np.nanquantile(value, 0.975)))
        for name, value in scores.items()
    }
