"""Decoding with the decoders of an earlier result: which of them may predict what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nwbdecode.decoding import Decoding, same_session
from nwbdecode.errors import NWBDecodeError
from nwbdecode.matching import Match
from nwbdecode.other_recording import new_features, truth_of
from nwbdecode.trained import kept_invalid, trained_features

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.cluster import Cluster
    from nwbdecode.load.source import Source


@dataclass(frozen=True)
class Choice:
    """What the user chose of the recording to predict; None leaves it to the result."""

    signal: str | None = None
    channels: Any = None
    time: tuple[float | None, float | None] | None = None
    only: Sequence[str] = ()
    exclude: Sequence[str] = ()
    keep_invalid: bool | None = None
    match: Match = "id"
    modality: Literal["ephys", "ecog"] | None = None

    @property
    def epochs(self) -> dict[str, Any]:
        """As `Source.signal` takes them."""
        return {
            "only": self.only or None,
            "exclude": self.exclude or None,
            "keep_invalid": bool(self.keep_invalid),
        }

    @property
    def of_anything(self) -> bool:
        """Whether it is not just the signal that was trained on, as it was."""
        chosen = self.signal is not None or self.channels is not None
        return chosen or self.of_time or self.keep_invalid is not None

    @property
    def of_time(self) -> bool:
        """Whether part of the recording's time was chosen."""
        return self.time is not None or bool(self.only or self.exclude)


def decode(
    result: Decoding,
    source: Source,
    choice: Choice,
    *,
    use: str,
    client: Cluster | None = None,
    progress: bool,
) -> Decoding:
    """Predict a recording; `nwbdecode.predict` describes what by.

    Parameters
    ----------
    result : Decoding
        With its decoders.
    source : Source
    choice : Choice
    use : {"auto", "final", "ensemble"}
    client : distributed.Client, optional
        Makes the features.
    progress : bool

    Returns
    -------
    Decoding
    """
    _check_recipe(result)
    how: dict[str, Any] = {"client": client, "progress": progress}
    of_anything = choice.of_anything
    if choice.keep_invalid is None:
        choice = replace(choice, keep_invalid=kept_invalid(result))
    kept = bool(choice.keep_invalid)
    seen = same_session(result.source, source.facts)
    if seen and _meets_training(result, source, choice):
        if use == "auto":
            return _out_of_fold(result, source, choice, how)
        if of_anything:
            power, about = new_features(result, source, choice, **how)
            truth, _ = truth_of(result, source, power, keep_invalid=kept)
        else:
            power, about = trained_features(result, source, **how), {}
            truth = result.truth
        return _by(result, power, truth, use, in_sample=True, unscored={}, about=about)
    learned = _was_begun_from(result, source.facts)
    if learned and use == "auto":
        raise NWBDecodeError(
            f"the decoders began from one that was trained on this session "
            f"({source.facts['identifier']!r}): none has not seen it. use='final' predicts it, "
            "in-sample and without a score"
        )
    power, about = new_features(result, source, choice, **how)
    truth, unscored = truth_of(result, source, power, keep_invalid=kept)
    if source.is_signal:
        reason = "a signal in memory has no targets beside it"
        unscored = dict.fromkeys(result.targets, reason)
    if not result.source.get("object_id"):
        reason = "the result does not say which session its decoders were trained on"
        unscored = dict.fromkeys(result.targets, reason)
    return _by(result, power, truth, use, in_sample=learned, unscored=unscored, about=about)


def _check_recipe(result: Decoding) -> None:
    """Refuse a recipe that is not that of the decoders: what it asks for would be computed."""
    recipe, told = result.recipe.get("features"), result.source.get("signal", {})
    if not isinstance(recipe, Mapping) or not isinstance(told, Mapping):
        raise NWBDecodeError(
            "the result does not say how its features were made and of which signal; give the "
            "file that `fit` wrote"
        )
    bands = recipe.get("frequencies")
    rows = len(bands) + bool(recipe.get("remainder")) if isinstance(bands, list) else 0
    for name, decoder in result.decoders.items():
        expected = len(decoder.config.get("frequencies") or ())
        if rows != expected:
            raise NWBDecodeError(
                f"the result's recipe makes {rows} bands, decoder {name!r} reads {expected}: the "
                "file was changed by another program; get it anew or fit again"
            )
    for name in ("w0", "truncate"):
        value = recipe.get(name, 1.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:
            raise NWBDecodeError(
                f"the result's recipe has {name}={value!r}; expected a number up to 100"
            )


def _was_begun_from(result: Decoding, facts: Mapping[str, Any]) -> bool:
    """Whether a session taught the decoders that these began from."""
    begun = result.recipe.get("init") or {}
    told = list(begun.get("sessions", []))
    for decoder in result.decoders.values():
        told += decoder.config.get("sessions", [])
    # The result's own session is known by its source: times far from training are new.
    past = [session for session in told if not same_session(session, result.source)]
    return any(same_session(session, facts) for session in past)


def _meets_training(result: Decoding, source: Source, choice: Choice) -> bool:
    """Whether the times chosen come near enough to training to share a sample with it."""
    if not choice.of_time:
        return True
    from nwbdecode.features.bins import make_bins

    path = choice.signal or result.source["signal"]["path"]
    signal = source.signal(path, time=choice.time, **choice.epochs)
    width = float(result.recipe["features"]["bin"])
    center, trained = make_bins(signal, width).center, result.time
    after = np.searchsorted(trained, center).clip(max=len(trained) - 1)
    beside = np.stack([trained[np.maximum(after - 1, 0)], trained[after]])
    nearest = float(np.abs(beside - center).min())
    return nearest - width < float(result.folds["gap"].max()) - 1e-9


def _out_of_fold(result: Decoding, source: Source, choice: Choice, how: dict[str, Any]) -> Decoding:
    from nwbdecode.evaluate import predict_out_of_fold

    place = result.source["signal"]
    if choice.of_time or choice.channels is not None:
        gap = float(result.folds["gap"].max())
        # Half a sample before zero shall not read as minus zero.
        span = " to ".join(f"{round(place[end], 1) + 0.0:g}" for end in ("start", "stop")) + " s"
        raise NWBDecodeError(
            f"the decoders were trained on {span} of this recording. Leave out `time`, `only`, "
            "`exclude` and `channels` for its out-of-fold "
            f"predictions, or choose times at least {gap:.1f} s away from it"
        )
    if choice.signal is not None:
        asked = source.signal(choice.signal).path
        if asked != place["path"]:
            raise NWBDecodeError(
                f"the decoders were trained on {place['path']!r} of this session and cannot be "
                f"tested on {asked!r} of the same; use='final' predicts it, without a score"
            )
    power = trained_features(result, source, **how)
    predictions = predict_out_of_fold(result, power)
    prediction = {
        "use": "out-of-fold",
        "in_sample": False,
        "unscored": {},
        "largest_difference": _difference(predictions, result.predictions),
        "decoders": {name: held.sha256 for name, held in result.decoders.items()},
        "trained_on": dict(result.source),
    }
    return result.replace(
        predictions=predictions, decoders={}, recipe={**result.recipe, "prediction": prediction}
    )


def _difference(one: xr.Dataset, other: xr.Dataset) -> float:
    """Largest difference between two predictions; infinite where only one has a value."""
    largest = 0.0
    for name in one.data_vars:
        a, b = one[name].to_numpy(), other[name].to_numpy()
        if not np.array_equal(np.isnan(a), np.isnan(b)):
            return float("inf")
        step = a.astype(np.float64) - b
        if one[name].attrs["kind"] == "circular":
            step = np.angle(np.exp(1j * step))
        largest = max(largest, float(np.nanmax(np.abs(step), initial=0.0)))
    return largest


def _by(
    result: Decoding,
    power: xr.DataArray,
    truth: xr.Dataset,
    use: str,
    *,
    in_sample: bool,
    unscored: dict[str, str],
    about: dict[str, Any],
) -> Decoding:
    """Predict with the refitted decoder or the ensemble, and score what may be scored."""
    import xarray as xr

    from nwbdecode.evaluate import predict_new, score

    if use == "final" and "final" not in result.decoders:
        raise NWBDecodeError(
            "the result holds no refitted decoder; ask for use='ensemble', or fit with refit on"
        )
    used = "final" if use != "ensemble" and "final" in result.decoders else "ensemble"
    predictions = predict_new(result, power, use=used)
    fold = predictions["fold"].to_numpy()
    truth = truth.drop_vars("fold", errors="ignore").assign_coords(fold=("time", fold))
    scores = xr.Dataset()
    if in_sample:
        predictions.attrs["in_sample"] = True
    elif set(unscored) < set(result.targets):
        known = truth[[name for name in result.targets if name not in unscored]]
        scores = score({"cnn": predictions}, known, fold, float(result.folds["gap"].max()))
        scores = scores.drop_vars("fold_value")
    names = [name for name in result.decoders if (name == "final") == (used == "final")]
    prediction = {
        "use": used,
        "in_sample": in_sample,
        "unscored": unscored,
        **about,
        "decoders": {name: result.decoders[name].sha256 for name in names},
        "trained_on": dict(result.source),
    }
    return Decoding(
        predictions=predictions,
        truth=truth,
        scores=scores,
        folds=xr.Dataset(),
        history=xr.Dataset(),
        decoders={},
        channels=_channels(power),
        recipe={**result.recipe, "prediction": prediction},
        source=dict(power.attrs["source"]),
    )


def _channels(power: xr.DataArray) -> xr.Dataset:
    import xarray as xr

    held = {name: c.variable for name, c in power.coords.items() if c.dims == ("channel",)}
    return xr.Dataset(coords=held)
