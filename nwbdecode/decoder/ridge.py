"""The linear baseline on the same windows: ridge on lagged log power."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.decoder.base import Decoder
from nwbdecode.decoder.coding import Coding
from nwbdecode.decoder.scaling import Scaling, scaled
from nwbdecode.decoder.windows import DecodeAt, decodable, lag_edges
from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr

#: Penalties tried, relative to the mean sum of squares of the features.
_ALPHAS = np.logspace(-3, 3, 7)
#: Training rows times columns times the smaller of both, at most.
_MOST_WORK = 5e10


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
    lags : int, default 6
        Parts of the window whose mean is a feature.
    validation : float, default 0.15
        Share of the training bins that the penalty is chosen on.

    Attributes
    ----------
    weights_ : array, shape (lag * frequency * channel + 1, outputs)
        The last row is the intercept.
    alphas_ : list of float
        Penalty of each target, relative to the mean sum of squares of the features.
    inner_weights_ : array of the shape of `weights_`
        The same, fitted without the inner blocks; zero where there are none.
    """

    _logits = False

    def __init__(
        self,
        *,
        window: int = 64,
        decode_at: DecodeAt = "center",
        lags: int = 6,
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
        flat = self._flat(power)
        kept = np.flatnonzero(decodable(bins.kept, bins.segment, self.window_))
        held = np.flatnonzero(bins.held)
        # A test of an inner block may not read past the training bins.
        held = held[(held >= self.window_.before) & (held < len(encoded) - self.window_.after)]
        everything = np.flatnonzero(decodable(bins.train, bins.segment, self.window_))
        self.weights_, self.inner_weights_, self.alphas_ = self._choose(
            flat, encoded, kept, held, everything
        )
        return self

    def _choose(
        self,
        flat: np.ndarray,
        encoded: np.ndarray,
        kept: np.ndarray,
        held: np.ndarray,
        everything: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, list[float]]:
        """Choose each target's penalty on the inner blocks, then fit on all of training."""
        weights = np.zeros((self._width(flat) + 1, encoded.shape[1]))
        inside = np.zeros_like(weights)
        spans, at = [], 0
        for coding in self.codings_:
            spans.append(slice(at, at + coding.width))
            at += coding.width
        alphas = [1.0] * len(spans)
        # Targets that miss the same bins share the costly sums of products.
        for group in _alike(np.isfinite(encoded), spans):
            columns = np.concatenate([np.arange(encoded.shape[1])[spans[i]] for i in group])
            present = np.isfinite(encoded[:, columns]).all(axis=1)
            if len(held) and present[held].any() and present[kept].any():
                inner = _Normal(*self._rows(flat, encoded[:, columns], kept, present))
                x, y = self._rows(flat, encoded[:, columns], held, present)
                tried = [inner.weights(alpha) for alpha in _ALPHAS]
                errors = np.stack([np.mean((x @ w[:-1] + w[-1] - y) ** 2, axis=0) for w in tried])
                for i in group:
                    own = np.isin(columns, np.arange(encoded.shape[1])[spans[i]])
                    best = int(errors[:, own].mean(axis=1).argmin())
                    alphas[i] = float(_ALPHAS[best])
                    inside[:, spans[i]] = tried[best][:, own]
            full = _Normal(*self._rows(flat, encoded[:, columns], everything, present))
            for alpha in {alphas[i] for i in group}:
                solved = full.weights(alpha)
                for i in group:
                    if alphas[i] == alpha:
                        own = np.isin(columns, np.arange(encoded.shape[1])[spans[i]])
                        weights[:, spans[i]] = solved[:, own]
        return weights, inside, alphas

    def _width(self, flat: np.ndarray) -> int:
        return min(self.lags, self.window) * flat.shape[1]

    def _rows(
        self, flat: np.ndarray, encoded: np.ndarray, at: np.ndarray, present: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lag means and values of the bins `at` with a target, thinned if they are too many."""
        at = at[present[at]]
        width = self._width(flat)
        work = len(at) * width * min(len(at), width)
        at = at[:: max(1, int(np.ceil(np.sqrt(work / _MOST_WORK))))]
        return self._means(flat, at), encoded[at]

    def _means(self, flat: np.ndarray, at: np.ndarray) -> np.ndarray:
        window = self.window_
        parts = []
        for low, high in itertools.pairwise(lag_edges(window.size, self.lags)):
            # Added bin by bin: a running sum would carry rounding from test into training.
            total = np.zeros((len(at), flat.shape[1]), dtype=np.float32)
            for step in range(low, high):
                total += flat[at - window.before + step]
            parts.append(total / np.float32(high - low))
        return np.concatenate(parts, axis=1)

    def _flat(self, power: xr.DataArray) -> np.ndarray:
        """Scaled features with bands and channels in one row."""
        return scaled(power, self.scaling_).reshape(power.sizes["time"], -1)

    def _outputs(self, power: xr.DataArray, wanted: np.ndarray) -> list[np.ndarray]:
        flat = self._flat(power)
        out = np.full((len(wanted), self.weights_.shape[1]), np.nan, dtype=np.float64)
        for at in np.array_split(np.flatnonzero(wanted), max(1, int(wanted.sum()) // 4096)):
            out[at] = self._means(flat, at) @ self.weights_[:-1] + self.weights_[-1]
        cuts = np.cumsum([coding.width for coding in self.codings_])[:-1]
        return np.split(out, cuts, axis=1)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {"ridge.weights": self.weights_}

    def _restore(self, config: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> None:
        super()._restore(config, arrays)
        features = min(self.lags, self.window) * len(self.frequencies_) * len(self.channels_)
        expected = features + 1, sum(coding.width for coding in self.codings_)
        if arrays["ridge.weights"].shape != expected:
            raise NWBDecodeError(
                f"stored weights do not fit the stored settings: found shape "
                f"{arrays['ridge.weights'].shape}, expected {expected}"
            )
        self.weights_ = arrays["ridge.weights"]


class _Normal:
    """The normal equations of one set of rows, solved for any penalty."""

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.x_mean, self.y_mean = x.mean(axis=0), y.mean(axis=0)
        self.x = x - self.x_mean
        self.dual = len(x) < x.shape[1]
        # With fewer rows than columns the same solution comes from the rows' products.
        self.gram = (self.x @ self.x.T if self.dual else self.x.T @ self.x).astype(np.float64)
        self.unit = float(np.trace(self.gram)) / x.shape[1]
        self.right = y - self.y_mean if self.dual else self.x.T @ (y - self.y_mean)

    def weights(self, alpha: float) -> np.ndarray:
        """Coefficients and, last, the intercept."""
        from scipy.linalg import cho_factor, cho_solve

        # Columns first, as LAPACK has them; `solve` would estimate a condition number too.
        system = self.gram.copy(order="F")
        system[np.diag_indices_from(system)] += alpha * self.unit
        factor = cho_factor(system, overwrite_a=True, check_finite=False)
        inner = cho_solve(factor, self.right, check_finite=False)
        coefficients = self.x.T @ inner if self.dual else inner
        return np.vstack([coefficients, self.y_mean - self.x_mean @ coefficients])


def _alike(present: np.ndarray, spans: list[slice]) -> list[list[int]]:
    """Group targets whose values are missing in the same bins."""
    groups: dict[bytes, list[int]] = {}
    for i, span in enumerate(spans):
        groups.setdefault(np.packbits(present[:, span].all(axis=1)).tobytes(), []).append(i)
    return list(groups.values())
