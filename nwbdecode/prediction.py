"""Decoding with the decoders of an earlier result: which of them may predict what."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.decoding import Decoding, same_session
from nwbdecode.errors import NWBDecodeError
from nwbdecode.matching import Match, Matched, match_channels

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.cluster import Cluster
    from nwbdecode.load.signal import Signal
    from nwbdecode.load.source import Source

#: What stands in an electrode table where nobody told of a reference.
_UNTOLD = {"", "nan", "None", "none", "n/a", "unknown"}


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
    result: Decoding, source: Source, choice: Choice, *, use: str, progress: bool
) -> Decoding:
    """Predict a recording; `nwbdecode.predict` describes what by.

    Parameters
    ----------
    result : Decoding
        With its decoders.
    source : Source
    choice : Choice
    use : {"auto", "final", "ensemble"}
    progress : bool

    Returns
    -------
    Decoding
    """
    _check_recipe(result)
    of_anything = choice.of_anything
    if choice.keep_invalid is None:
        choice = replace(choice, keep_invalid=_kept_invalid(result))
    kept = bool(choice.keep_invalid)
    seen = same_session(result.source, source.facts)
    if seen and _meets_training(result, source, choice):
        if use == "auto":
            return _out_of_fold(result, source, choice, progress=progress)
        if of_anything:
            power, about = _new_features(result, source, choice, progress=progress)
            truth, _ = _truth(result, source, power, keep_invalid=kept)
        else:
            power, about = trained_features(result, source, progress=progress), {}
            truth = result.truth
        return _by(result, power, truth, use, in_sample=True, unscored={}, about=about)
    learned = _was_begun_from(result, source.facts)
    if learned and use == "auto":
        raise NWBDecodeError(
            f"the decoders began from one that was trained on this session "
            f"({source.facts['identifier']!r}): none has not seen it. use='final' predicts it, "
            "in-sample and without a score"
        )
    power, about = _new_features(result, source, choice, progress=progress)
    truth, unscored = _truth(result, source, power, keep_invalid=kept)
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


def _kept_invalid(result: Decoding) -> bool:
    """Whether training kept what its file marks as invalid."""
    told = result.source.get("signal", {}).get("epochs", {})
    return bool(told.get("keep_invalid", False))


def trained_source(result: Decoding, source: Any = None) -> Source:
    """Open the recording that a result was made from.

    Raises
    ------
    NWBDecodeError
        If it is not where the result says, on disk or on the network, or
        `source` is another one.
    """
    import os

    from nwbdecode.load import open as open_source

    if source is None:
        source, url = result.source.get("path"), result.source.get("url")
        if not source or not os.path.exists(source):
            told = f"at {source!r}, where the result says it was" if source else "in any file"
            source = url
        if not source:
            raise NWBDecodeError(
                f"the decoded recording is not {told}; name it with `source` (--source)"
            )
    opened = open_source(source)
    if not same_session(result.source, opened.facts):
        raise NWBDecodeError(
            f"the result was made from session {result.source.get('identifier')!r}, the source "
            f"given is session {opened.facts['identifier']!r}; give the recording that was decoded"
        )
    return opened


def trained_features(
    result: Decoding, source: Source, *, client: Cluster | None = None, progress: bool
) -> xr.DataArray:
    """Compute the features that a result was made from again, by its recipe."""
    from nwbdecode.features import from_recipe

    place = result.source["signal"]
    told = place.get("epochs", {})
    epochs: dict[str, Any] = {name: told.get(name) or None for name in ("only", "exclude")}
    signal = source.signal(
        place["path"],
        channels=place.get("channels"),
        keep_invalid=_kept_invalid(result),
        **epochs,
        **_signal_options(result),
    )
    signal = signal.select(time=_trained_time(result, signal))
    recipe = dict(result.recipe["features"])
    return from_recipe(signal, recipe, client=client, progress=progress)


def _signal_options(result: Decoding) -> dict[str, Any]:
    """How the signal was taken out of its recording, beside path, channels and time."""
    told = result.recipe.get("signal", {})
    # A result made step by step has no such record; its source has the same.
    return dict(told.get("imaging") or result.source.get("signal", {}).get("imaging") or {})


def _trained_time(result: Decoding, signal: Signal) -> tuple[float | None, float | None] | None:
    """Time selected from the source in training, to the sample."""
    told = result.recipe.get("signal", {}).get("time") or result.source["signal"].get("time")
    if told:
        return told[0], told[1]
    # Bins end up to one bin before the signal does: only a wider distance was a selection.
    place, width = result.source["signal"], float(result.recipe["features"]["bin"])
    first, last = signal.segments[0].start_time, signal.segments[-1].stop_time
    return (
        None if place["start"] - first < width else float(place["start"]),
        None if last - place["stop"] < width else float(place["stop"]),
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


def _out_of_fold(result: Decoding, source: Source, choice: Choice, *, progress: bool) -> Decoding:
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
    power = trained_features(result, source, progress=progress)
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


def _new_features(
    result: Decoding, source: Source, choice: Choice, *, progress: bool
) -> tuple[xr.DataArray, dict[str, Any]]:
    """Compute the features of another recording, and say how its channels were matched."""
    from nwbdecode.features import from_recipe

    recipe, place = dict(result.recipe["features"]), result.source.get("signal", {})
    trained = result.channels["channel"].to_numpy().tolist()
    how = {"time": choice.time, **choice.epochs, **_signal_options(result)}
    path = choice.signal or place.get("path")
    signal = source.signal(path, channels=choice.channels, **how)
    _check_alike(place, signal, recipe)
    # Of bipolar pairs, those that were read are the electrodes.
    read = place.get("channels", trained)
    matched = match_channels(
        read, result.channels, signal.channels, match=choice.match, path=signal.path
    )
    if matched.missing and len(read) != len(trained):
        raise NWBDecodeError(
            f"{signal.path!r} lacks channel {matched.missing[0]}, and the decoders read "
            "differences of neighbors, which are others without it; choose others with `channels`"
        )
    if matched.read != signal.channels.index.tolist():
        signal = source.signal(path, channels=matched.read, **how)
    power = from_recipe(signal, recipe, progress=progress)
    told = {"match": choice.match, "missing_channels": matched.missing}
    told |= _other_reference(result.channels, signal, recipe)
    if matched.read != matched.trained:
        told["channels"] = matched.found
    if choice.match != "id" and not matched.missing and len(read) == len(trained):
        # Under ids of its own, a decoder would put the same ids back into its order.
        power = power.assign_coords(channel=("channel", matched.trained))
    return _in_order(power, matched) if matched.missing else power, told


def _check_alike(place: Mapping[str, Any], signal: Signal, recipe: Mapping[str, Any]) -> None:
    """Refuse a signal of another kind or in other units than training's."""
    for name, found in (("modality", signal.modality), ("units", signal.units)):
        expected = place.get(name)
        if expected and found != expected:
            raise NWBDecodeError(
                f"the decoders were trained on a signal of {name} {expected!r}, {signal.path!r} is "
                f"of {found!r}; choose another with `signal`, or fit on this recording"
            )
    here, there = signal.source.get("signal", {}).get("space"), place.get("space")
    if here and there and here != there:
        raise NWBDecodeError(
            f"electrodes of {signal.path!r} are placed in {here!r}, those of training in {there!r}"
        )
    highest = max(recipe.get("frequencies") or [0.0])
    # Power that others computed tells of bands far above the rate it is stored at.
    if not signal.frequencies and highest > signal.rate / 2:
        raise NWBDecodeError(
            f"the decoders read bands up to {highest:g} Hz, {signal.path!r} has {signal.rate:g} "
            f"samples per second, which hold none above {signal.rate / 2:g} Hz; fit anew with "
            "lower bands (--highest-frequency)"
        )


def _other_reference(
    channels: xr.Dataset, signal: Signal, recipe: Mapping[str, Any]
) -> dict[str, Any]:
    """Warn where the files tell of different references, unless the recipe takes its own."""
    if "reference" not in channels or "reference" not in signal.channels:
        return {}
    there, here = (
        sorted({name for value in held.to_numpy() if (name := str(value).strip()) not in _UNTOLD})
        for held in (channels["reference"], signal.channels["reference"])
    )
    if recipe.get("reference", "none") != "none" or not (there and here) or there == here:
        return {}
    warnings.warn(
        f"{signal.path!r} was recorded against {', '.join(here)!r}, the signal of training against "
        f"{', '.join(there)!r}, as their electrode tables have it: predictions may be off. Fit "
        "with a reference of the features' own (--reference average), which takes either out",
        stacklevel=2,
    )
    return {"hardware_reference": {"trained": there, "here": here}}


def _in_order(power: xr.DataArray, matched: Matched) -> xr.DataArray:
    """Put channels where the decoders expect them, and mark those that are not there."""
    at, places = 0, []
    for label in matched.found:
        # Something must stand where nothing is known; no decoder looks at it.
        places.append(0 if label is None else at)
        at += label is not None
    absent = np.array([label is None for label in matched.found])
    ordered = power.isel(channel=places)
    return ordered.assign_coords(channel=matched.trained, absent=("channel", absent))


def _truth(
    result: Decoding, source: Source, power: xr.DataArray, *, keep_invalid: bool
) -> tuple[xr.Dataset, dict[str, str]]:
    """Read the targets that the source holds; tell why others are missing."""
    import xarray as xr

    from nwbdecode.features import align

    held, missing = {}, {}
    time = power["time"].to_numpy()
    for name in result.targets:
        like = result.truth[name]
        told = result.recipe["targets"].get(name, {})
        try:
            if not told.get("spec"):
                raise NWBDecodeError("the result does not say where it was read")
            read = source.targets(
                {name: told["spec"]}, kinds={name: told["kind"]}, keep_invalid=keep_invalid
            )
            values = _as_trained(align(read, power)[name], like)
        except NWBDecodeError as error:
            missing[name] = str(error)
            values = np.full((len(time), *like.shape[1:]), np.nan, dtype=np.float32)
        held[name] = xr.DataArray(
            values,
            dims=like.dims,
            coords={d: like[d].to_numpy() for d in like.dims[1:]},
            attrs=like.attrs,
        )
    return xr.Dataset(held, coords={"time": power["time"].variable}), missing


def _as_trained(read: xr.DataArray, like: xr.DataArray) -> np.ndarray:
    """Values in the shape and the classes of training."""
    values = read.to_numpy()
    if values.shape[1:] != like.shape[1:]:
        raise NWBDecodeError(
            f"it has {values.shape[1:] or 'one'} components where training had "
            f"{like.shape[1:] or 'one'}"
        )
    if like.attrs["kind"] != "categorical":
        return values
    known = {label: code for code, label in enumerate(like.attrs["classes"])}
    codes = np.array([known.get(label, np.nan) for label in read.attrs["classes"]])
    present = np.isfinite(values)
    out = np.full_like(values, np.nan)
    out[present] = codes[values[present].astype(int)]
    return out


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
