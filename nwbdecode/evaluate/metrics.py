"""Scores of predictions, by kind of target, from sums over bins.

Every metric is a function of per-bin terms summed over bins, so a whole
bootstrap or a thousand circular shifts cost a few matrix products.
"""

from __future__ import annotations

import numpy as np

from nwbdecode.decoding import METRICS


def metric_values(kind: str, truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Score predictions of the bins given.

    Parameters
    ----------
    kind : {"linear", "circular", "categorical"}
    truth : array, shape (time,) or (time, component)
        Radians of angles, codes of classes. No NaN.
    predicted : array of the same shape, or (time, class) probabilities

    Returns
    -------
    dict of str to float
        linear: ``r`` (Pearson, averaged over components), ``r2`` (share of
        total variance explained), ``error`` (mean distance, the target's units).
        circular: ``error`` (mean absolute angle, radians), ``r`` (circular
        correlation [1]_: that of sines of differences between all pairs of bins. It needs
        no mean direction, which angles all around the circle do not have). categorical:
        ``balanced_accuracy`` (mean recall over the classes present), ``accuracy``.

    References
    ----------
    .. [1] Fisher, N. I. and Lee, A. J. (1983). A correlation coefficient for circular data.
       Biometrika 70, 327-332. https://doi.org/10.1093/biomet/70.2.327

    Examples
    --------
    >>> round(metric_values("circular", np.array([3.1, -3.1]), np.array([-3.1, 3.1]))["error"], 3)
    0.083
    """
    return {
        name: float(value[0])
        for name, value in metric_of_sums(kind, terms(kind, truth, predicted).sum(0)[None]).items()
    }


def terms(kind: str, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Per-bin terms, shape (time, term), whose sums `metric_of_sums` needs."""
    if kind == "linear":
        y, p = truth.reshape(len(truth), -1), predicted.reshape(len(truth), -1)
        y, p = y.astype(np.float64), p.astype(np.float64)
        distance = np.linalg.norm(y - p, axis=1)
        squares = [np.ones(len(y)), distance, ((y - p) ** 2).sum(axis=1)]
        return np.column_stack([*squares, y, p, y * y, p * p, y * p])
    if kind == "circular":
        y, p = truth.astype(np.float64), predicted.astype(np.float64)
        error = np.abs(np.angle(np.exp(1j * (p - y))))
        ca, sa, cb, sb = np.cos(y), np.sin(y), np.cos(p), np.sin(p)
        return np.column_stack(
            [np.ones(len(y)), error, sa * sb, sa * cb, ca * sb, ca * cb,
             sa * sa, ca * sa, ca * ca, sb * sb, cb * sb, cb * cb]
        )  # fmt: skip
    codes = truth.astype(int)
    classes = predicted.shape[1]
    hit = predicted.argmax(axis=1) == codes
    member = np.eye(max(classes, codes.max(initial=0) + 1))[codes]
    return np.column_stack([member, member * hit[:, None]])


def metric_of_sums(kind: str, sums: np.ndarray) -> dict[str, np.ndarray]:
    """Turn summed terms, shape (..., term), into metrics, shape (...)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if kind == "linear":
            return _linear(sums)
        if kind == "circular":
            return _circular(sums)
        classes = sums.shape[-1] // 2
        count, hits = sums[..., :classes], sums[..., classes:]
        recall = np.where(count > 0, hits / count, np.nan)
        return {
            "balanced_accuracy": np.nanmean(recall, axis=-1),
            "accuracy": hits.sum(-1) / count.sum(-1),
        }


def _linear(sums: np.ndarray) -> dict[str, np.ndarray]:
    n, distance, squares = sums[..., 0], sums[..., 1], sums[..., 2]
    y, p, yy, pp, yp = np.split(sums[..., 3:] / n[..., None], 5, axis=-1)
    variance, spread = yy - y * y, pp - p * p
    # A prediction that never varies correlates with nothing.
    still = spread <= 1e-12 * np.maximum(variance, 1e-300)
    r = np.where(still, 0.0, (yp - y * p) / np.sqrt(variance * spread))
    return {
        "r": r.mean(-1),
        "r2": 1 - squares / (n * variance.sum(-1)),
        "error": distance / n,
    }


def _circular(sums: np.ndarray) -> dict[str, np.ndarray]:
    n, error = sums[..., 0], sums[..., 1]
    ss, sc, cs, cc, s2a, csa, c2a, s2b, csb, c2b = np.moveaxis(sums[..., 2:], -1, 0)
    # One less the squared length of the mean at twice the angle, times n squared.
    first = n**2 - (c2a - s2a) ** 2 - 4 * csa**2
    second = n**2 - (c2b - s2b) ** 2 - 4 * csb**2
    flat = second <= 1e-12 * n**2
    r = 4 * (cc * ss - cs * sc) / np.sqrt(first * second)
    return {"error": error / n, "r": np.where(flat, 0.0, r)}


def larger_is_better(kind: str, metric: str) -> bool:
    """Whether more of a metric is better."""
    return METRICS[kind][metric]
