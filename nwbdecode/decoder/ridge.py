"""The linear baseline on the same windows: ridge on lagged log power."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.decoder.base import Decoder
from nwbdecode.decoder.coding import Coding
from nwbdecode.decoder.scaling import Scaling, scaled
from nwbdecode.decoder.windows import DecodeAt, decodable

if TYPE_CHECKING:
    import xarray as xr

#: Penalties tried, relative to the mean variance of the features' sums.
_ALPHAS = np.logspace(-4, 3, 15)
#: Training rows times columns times the smaller of both, at most.
_MOST_WORK = 2e11


class RidgeDecoder(Decoder):
    """Decode with ridge regression on log power averaged over lags of the window.

    Angles are regressed as unit vectors, classes as indicators. The penalty is
    chosen on inner blocks purged from the rest: leave-one-out would
    under-regularize bins that resemble their neighbors.

    Parameters
    ----------
    window : int, default 64
        Bins read to decode one.
    decode_at : {"center", "end"}, default "center"
    lags : int, default 8
        Parts of the window whose mean is a feature.
    validation : float, default 0.15
        Share of the training bins that the penalty is chosen on.

    Attributes
    ----------
    weights_ : array, shape (lag * frequency * channel + 1, outputs)
        The last row is the intercept.
    alpha_ : float
    """

    _logits = False

    def __init__(
        self,
        *,
        window: int = 64,
        decode_at: DecodeAt = "center",
        lags: int = 8,
        validation: float = 0.15,
    ):
        self.window = window
        self.decode_at = decode_at
        self.lags = lags
        self.validation = validation

    def fit(
        self, power: xr.DataArray, targets: xr.Dataset, train: np.ndarray | None = None
    ) -> RidgeDecoder:
        bins = self._begin(power, targets, train)
        frequency = power["frequency"].to_numpy()
        self.scaling_ = Scaling.learn(power.to_numpy(), frequency, bins.kept, "log")
        self.codings_ = [Coding.learn(target, bins.kept) for target in targets.values()]
        encoded = np.concatenate(
            [coding.encode(targets[coding.name]) for coding in self.codings_], axis=1
        ).astype(np.float64)
        sums = _running_sums(scaled(power, self.scaling_))
        kept = np.flatnonzero(decodable(bins.kept, bins.segment, self.window_))
        held = np.flatnonzero(bins.held)
        # A test of an inner block may not read past the training bins.
        held = held[(held >= self.window_.before) & (held < len(encoded) - self.window_.after)]
        everything = np.flatnonzero(decodable(bins.train, bins.segment, self.window_))
        self.weights_, self.alpha_ = self._choose(sums, encoded, kept, held, everything)
        return self

    def _choose(
        self,
        sums: np.ndarray,
        encoded: np.ndarray,
        kept: np.ndarray,
        held: np.ndarray,
        everything: np.ndarray,
    ) -> tuple[np.ndarray, float]:
        """Choose the penalty of each target on the inner blocks, then fit on all of training."""
        columns, at = [], 0
        best = 1.0
        for coding in self.codings_:
            span = slice(at, at + coding.width)
            at += coding.width
            best = 1.0
            if len(held):
                path = _Path(self._lagged(sums, kept, encoded[:, span]), encoded[:, span])
                test = path.test(self._lagged(sums, held, encoded[:, span]), encoded[:, span])
                best = float(_ALPHAS[int(np.argmin(test))])
            full = _Path(self._lagged(sums, everything, encoded[:, span]), encoded[:, span])
            columns.append(full.weights(best))
        return np.concatenate(columns, axis=1), best

    def _lagged(
        self, sums: np.ndarray, at: np.ndarray, encoded: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lag means of the bins `at` whose target is present, thinned if they are too many."""
        at = at[np.isfinite(encoded[at]).all(axis=1)]
        width = self.lags * sums.shape[1]
        work = len(at) * width * min(len(at), width)
        at = at[:: max(1, int(np.ceil(np.sqrt(work / _MOST_WORK))))]
        return self._means(sums, at), at

    def _means(self, sums: np.ndarray, at: np.ndarray) -> np.ndarray:
        window = self.window_
        cuts = np.round(np.linspace(0, window.size, min(self.lags, window.size) + 1)).astype(int)
        parts = []
        for low, high in zip(cuts[:-1], cuts[1:], strict=True):
            first = at - window.before
            parts.append((sums[first + high] - sums[first + low]) / (high - low))
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _outputs(self, power: xr.DataArray, wanted: np.ndarray) -> list[np.ndarray]:
        sums = _running_sums(scaled(power, self.scaling_))
        out = np.full((len(wanted), self.weights_.shape[1]), np.nan)
        for at in np.array_split(np.flatnonzero(wanted), max(1, int(wanted.sum()) // 4096)):
            out[at] = self._means(sums, at) @ self.weights_[:-1] + self.weights_[-1]
        cuts = np.cumsum([coding.width for coding in self.codings_])[:-1]
        return np.split(out, cuts, axis=1)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"ridge.weights": self.weights_}

    def _restore(self, config: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> None:
        super()._restore(config, arrays)
        self.weights_ = arrays["ridge.weights"]


class _Path:
    """Ridge for all penalties at once, by one eigendecomposition."""

    def __init__(self, rows: tuple[np.ndarray, np.ndarray], encoded: np.ndarray):
        x, at = rows
        y = encoded[at]
        self.x_mean, self.y_mean = x.mean(axis=0), y.mean(axis=0)
        x, y = x - self.x_mean, (y - self.y_mean).astype(np.float32)
        self.dual = len(x) < x.shape[1]
        gram = x @ x.T if self.dual else x.T @ x
        self.unit = float(np.trace(gram)) / x.shape[1]
        self.values, self.vectors = np.linalg.eigh(gram.astype(np.float64))
        self.x = x if self.dual else None
        self.right = self.vectors.T @ (y if self.dual else x.T @ y)

    def weights(self, alpha: float) -> np.ndarray:
        """Coefficients and, last, the intercept."""
        inner = self.vectors @ (self.right / (self.values + alpha * self.unit)[:, None])
        coefficients = inner if self.x is None else self.x.T @ inner
        return np.vstack([coefficients, self.y_mean - self.x_mean @ coefficients])

    def test(self, rows: tuple[np.ndarray, np.ndarray], encoded: np.ndarray) -> np.ndarray:
        """Mean squared error of each penalty on other rows."""
        x, at = rows
        errors = []
        for alpha in _ALPHAS:
            weights = self.weights(alpha)
            errors.append(np.mean((x @ weights[:-1] + weights[-1] - encoded[at]) ** 2))
        return np.array(errors)


def _running_sums(features: np.ndarray) -> np.ndarray:
    """Cumulative sums over time, shape (time + 1, frequency * channel)."""
    flat = features.reshape(len(features), -1)
    out = np.zeros((len(flat) + 1, flat.shape[1]))
    np.cumsum(np.nan_to_num(flat), axis=0, out=out[1:], dtype=np.float64)
    return out
