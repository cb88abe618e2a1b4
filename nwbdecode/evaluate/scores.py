"""Scores of predictions, with intervals and the chance that they stand against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nwbdecode.decoding import METRICS
from nwbdecode.errors import NWBDecodeError
from nwbdecode.evaluate.chance import bootstrap_interval, chance_point, p_value, shifted_scores
from nwbdecode.evaluate.metrics import larger_is_better, metric_values

if TYPE_CHECKING:
    import xarray as xr

_N_BOOTSTRAP = 1000


def score(
    predictions: Mapping[str, xr.Dataset],
    truth: xr.Dataset,
    fold_of: np.ndarray,
    gap: float,
    *,
    n_shifts: int = 1000,
    random_state: int = 0,
) -> xr.Dataset:
    """Score decoders on all bins that have a prediction and a true value.

    Parameters
    ----------
    predictions : mapping of decoder to Dataset
    truth : Dataset
    fold_of : int array, shape (time,)
        Fold of each bin, -1 for none.
    gap : float
        Seconds: the shortest circular shift, and the length of bootstrap blocks.
    n_shifts, random_state
        As for `cross_validate`.

    Returns
    -------
    Dataset
        As `Decoding.scores` describes.
    """
    import xarray as xr

    check_shifts(n_shifts)
    names, decoders = [str(n) for n in truth.data_vars], list(predictions)
    metrics = list(dict.fromkeys(m for n in names for m in METRICS[truth[n].attrs["kind"]]))
    n_folds = int(fold_of.max()) + 1 if len(fold_of) else 0
    shape = (len(decoders), len(names), len(metrics))
    tables = {
        part: np.full(shape, np.nan) for part in ("value", "low", "high", "chance", "p_value")
    }
    tables["fold_value"] = np.full((*shape, n_folds), np.nan)
    tables["null"] = np.full((*shape, n_shifts), np.nan)
    bins = np.zeros(len(names), dtype=np.int64)
    step = float(np.median(np.diff(truth["time"]))) if truth.sizes["time"] > 1 else 1.0
    block = max(1, int(np.ceil(gap / step)))
    for i, decoder in enumerate(decoders):
        for j, name in enumerate(names):
            kind = str(truth[name].attrs["kind"])
            y, p, where = _paired(truth[name], predictions[decoder][name])
            bins[j] = len(y)
            if len(y) < 2:
                continue
            # Every decoder meets the same shifts and the same resampled blocks.
            rng = np.random.default_rng([random_state, j])
            null = shifted_scores(kind, y, p, least=block, n_shifts=n_shifts, rng=rng)
            interval = bootstrap_interval(kind, y, p, block=block, n_draws=_N_BOOTSTRAP, rng=rng)
            for metric, value in metric_values(kind, y, p).items():
                larger, at = larger_is_better(kind, metric), (i, j, metrics.index(metric))
                tables["value"][at] = value
                tables["low"][at], tables["high"][at] = interval[metric]
                tables["null"][at] = null[metric]
                tables["chance"][at] = chance_point(null[metric], larger)
                tables["p_value"][at] = p_value(value, null[metric], larger)
                for fold in range(n_folds):
                    inside = fold_of[where] == fold
                    if inside.sum() > 1:
                        own = metric_values(kind, y[inside], p[inside])[metric]
                        tables["fold_value"][(*at, fold)] = own
    dims = ("decoder", "target", "metric")
    extra = {"fold_value": ("fold",), "null": ("shift",)}
    return xr.Dataset(
        {part: ((*dims, *extra.get(part, ())), values) for part, values in tables.items()}
        | {"bins": ("target", bins)},
        coords={"decoder": decoders, "target": names, "metric": metrics},
    )


def check_shifts(n_shifts: int) -> None:
    """Refuse to score without chance."""
    if isinstance(n_shifts, bool) or not isinstance(n_shifts, int | np.integer) or n_shifts < 1:
        raise NWBDecodeError(
            f"n_shifts is {n_shifts!r}; expected a whole number of one or more: no score is given "
            "without the chance it stands against"
        )


def _paired(truth: xr.DataArray, predicted: xr.DataArray) -> tuple[np.ndarray, ...]:
    """Values of the bins where both are known, and which bins these are."""
    y, p = truth.to_numpy(), predicted.to_numpy()
    present = np.isfinite(y.reshape(len(y), -1)).all(1) & np.isfinite(p.reshape(len(p), -1)).all(1)
    where = np.flatnonzero(present)
    return y[where], p[where], where
