"""What every decoder shares: scikit-learn's contract on labelled arrays with indices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError

from nwbdecode.decoder.coding import Coding
from nwbdecode.decoder.scaling import Scaling
from nwbdecode.decoder.sound import PASSING
from nwbdecode.decoder.windows import (
    Window,
    as_mask,
    decodable,
    inner_blocks,
    purge_seconds,
    segments_of,
)
from nwbdecode.decoding import IDENTITY
from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.decoding import StoredDecoder


class Decoder(BaseEstimator):
    """Base of the decoders: whole arrays and indices in, labelled predictions out."""

    window: int
    decode_at: Any
    validation: float

    @property
    def window_(self) -> Window:
        return Window.of(self.window, self.decode_at)

    def fit(
        self, power: xr.DataArray, targets: xr.Dataset, train: np.ndarray | None = None
    ) -> Decoder:
        """Learn from the bins of `train`; windows never leave them.

        Parameters
        ----------
        power : DataArray (time, frequency, channel)
        targets : Dataset on the same time
            From `nwbdecode.features.align`. NaN is missing.
        train : int or bool array, optional
            Bins that may be read in training; all by default.

        Returns
        -------
        self

        Raises
        ------
        NWBDecodeError
            If no whole window lies in `train`.
        """
        raise NotImplementedError

    def predict(self, power: xr.DataArray, at: np.ndarray | None = None) -> xr.Dataset:
        """Decode the bins of `at` whose whole window lies in one segment.

        Parameters
        ----------
        power : DataArray (time, frequency, channel)
            With the bands and the channels of the fit. The same channels in
            another order are put in order; other ones must be as many and
            stand for those of the fit one by one. A coordinate ``absent (channel)``
            marks those whose values are not known: they are taken to be as in
            the middle of training.
        at : int or bool array, optional
            Bins to decode; all by default. Their windows may reach beyond them.

        Returns
        -------
        Dataset on all of ``power.time``
            NaN where nothing was decoded.
        """
        import xarray as xr

        self._check_fitted(power)
        power = self._in_order(power)
        wanted = as_mask(at, power.sizes["time"])
        possible = decodable(self._finite(power), segments_of(power), self.window_)
        outputs = self._outputs(power, wanted & possible)
        held = {}
        for coding, out in zip(self.codings_, outputs, strict=True):
            values = coding.decode(out, logits=self._logits)
            held[coding.name] = coding.labelled(values)
        return xr.Dataset(held, coords={"time": power["time"].variable})

    def foresee(
        self, power: xr.DataArray, targets: xr.Dataset, train: np.ndarray | None = None
    ) -> None:
        """Refuse what `fit` would, as far as labels and targets tell without any feature.

        Parameters
        ----------
        power : DataArray (time, frequency, channel)
            From `nwbdecode.features.power_labels`; values are not looked at.
        targets, train
            As for `fit`.

        Raises
        ------
        NWBDecodeError
        """
        clone(self)._foreseen(power, targets, train)

    def _foreseen(
        self, power: xr.DataArray, targets: xr.Dataset, train: np.ndarray | None
    ) -> TrainingBins:
        """Begin as `fit` does; changes the estimator, so only a clone is asked."""
        bins = self._begin(power, targets, train, finite=np.ones(power.sizes["time"], dtype=bool))
        self.codings_ = [Coding.learn(target, bins.kept) for target in targets.values()]
        return bins

    #: Whether class outputs are log odds.
    _logits = True
    codings_: list[Coding]
    scaling_: Scaling
    sessions_: list[dict[str, Any]]

    def _outputs(self, power: xr.DataArray, wanted: np.ndarray) -> list[np.ndarray]:
        raise NotImplementedError

    def to_stored(self) -> StoredDecoder:
        """Give the fitted decoder as plain data: JSON settings and safetensors weights."""
        from safetensors.numpy import save

        from nwbdecode.decoding import StoredDecoder

        arrays = {k: np.ascontiguousarray(v) for k, v in self._arrays().items()}
        config = {
            "decoder": type(self).__name__,
            "settings": self.settings(),
            "frequencies": self.frequencies_,
            "channels": self.channels_,
            "scaling": self.scaling_.kind,
            "targets": [coding.as_json() for coding in self.codings_],
            "sessions": self.sessions_,
        }
        if getattr(self, "transfer_", None):
            config["transfer"] = self.transfer_
        return StoredDecoder(config, save(arrays | self.scaling_.arrays()))

    def settings(self) -> dict[str, Any]:
        """Give the settings that make the decoder what it is, as JSON values."""
        return {k: v for k, v in self.get_params().items() if k not in PASSING}

    def _arrays(self) -> dict[str, np.ndarray]:
        raise NotImplementedError

    def _restore(self, config: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self.frequencies_ = list(config["frequencies"])
        self.channels_ = list(config["channels"])
        self.codings_ = [Coding.from_json(stored) for stored in config["targets"]]
        self.scaling_ = Scaling.from_arrays(config["scaling"], arrays)
        # Those of a decoder stored before they were are not known.
        self.sessions_ = [dict(told) for told in config.get("sessions", [])]

    def _check_fitted(self, power: xr.DataArray) -> None:
        if not hasattr(self, "codings_"):
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet: call fit first")
        found = power.sizes["frequency"], power.sizes["channel"]
        expected = len(self.frequencies_), len(self.channels_)
        if found != expected:
            raise NWBDecodeError(
                f"the decoder was fitted on {expected[0]} bands and {expected[1]} channels, the "
                f"features have {found[0]} and {found[1]}; compute them by the decoder's recipe"
            )
        bands = power["frequency"].to_numpy()
        if not np.allclose(bands, self.frequencies_, rtol=1e-6):
            raise NWBDecodeError(
                "the features' bands are not those of the fit: found "
                f"{bands[:3].round(2).tolist()}... Hz, expected "
                f"{np.round(self.frequencies_[:3], 2).tolist()}... Hz"
            )

    def _in_order(self, power: xr.DataArray) -> xr.DataArray:
        """Bring the channels of the fit into its order; leave other channels as they are."""
        found = power["channel"].to_numpy().tolist()
        place = {label: i for i, label in enumerate(found)}
        if found == self.channels_ or set(place) != set(self.channels_) or len(place) < len(found):
            return power
        return power.isel(channel=[place[label] for label in self.channels_])

    def _begin(
        self,
        power: xr.DataArray,
        targets: xr.Dataset,
        train: np.ndarray | None,
        finite: np.ndarray | None = None,
    ) -> TrainingBins:
        """Check what came in and split off the inner blocks; `finite` bins need no look."""
        if power.dims != ("time", "frequency", "channel"):
            raise NWBDecodeError(
                f"features need dims ('time', 'frequency', 'channel'); found {power.dims}"
            )
        if not np.array_equal(power["time"], targets["time"]):
            raise NWBDecodeError(
                "features and targets lie on different time bins; bring the targets to the bins "
                "with nwbdecode.align(targets, power)"
            )
        if not targets.data_vars:
            raise NWBDecodeError("no target to decode; give at least one")
        allowed = as_mask(train, power.sizes["time"])
        allowed = allowed & (self._finite(power) if finite is None else finite)
        segment = segments_of(power)
        usable = decodable(allowed, segment, self.window_)
        if not usable.any():
            raise NWBDecodeError(
                f"no whole window of {self.window} bins ({self.window * power.attrs['bin']:.3g} s) "
                f"lies in the {int(allowed.sum())} training bins; ask for a shorter window"
            )
        gap = purge_seconds(power, targets, self.window_)
        edges = _edges(power)
        trial = targets["trial"].to_numpy() if "trial" in targets.coords else None
        split = inner_blocks(allowed, usable, *edges, gap, self.validation, trial)
        self.frequencies_ = [float(f) for f in power["frequency"].to_numpy()]
        self.channels_ = power["channel"].to_numpy().tolist()
        self.sessions_ = _sessions(power)
        if split is None:
            return TrainingBins(allowed, allowed, np.zeros_like(allowed), segment)
        return TrainingBins(allowed, split[0], split[1], segment)

    @staticmethod
    def _finite(power: xr.DataArray) -> np.ndarray:
        block, out = 8192, np.empty(power.sizes["time"], dtype=bool)
        for start in range(0, len(out), block):
            rows = slice(start, start + block)
            out[rows] = np.isfinite(power[rows].to_numpy()).all(axis=(1, 2))
        return out


class TrainingBins:
    """Which bins are for what: all of training, those kept, those set aside."""

    def __init__(self, train: np.ndarray, kept: np.ndarray, held: np.ndarray, segment: np.ndarray):
        self.train, self.kept, self.held, self.segment = train, kept, held, segment


def _sessions(power: xr.DataArray) -> list[dict[str, Any]]:
    """Name the session that is trained on, so that it is known whenever the decoder is used.

    A bare array does not say which it is of: it counts as a session all the same.
    """
    told = power.attrs.get("source", {})
    return [{k: told[k] for k in IDENTITY if told.get(k)}]


def _edges(power: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    if "bin_start" in power.coords:
        return power["bin_start"].to_numpy(), power["bin_end"].to_numpy()
    center, half = power["time"].to_numpy(), power.attrs["bin"] / 2
    return center - half, center + half
