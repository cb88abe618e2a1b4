"""Another recording, read as decoders of an earlier result expect it, or refused."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.modality import ELECTRICAL
from nwbdecode.matching import Matched, match_channels
from nwbdecode.trained import signal_options

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.cluster import Cluster
    from nwbdecode.load.signal import Signal
    from nwbdecode.load.source import Source
    from nwbdecode.prediction import Choice

#: What stands in an electrode table where nobody told of a reference.
_UNTOLD = {"", "nan", "None", "none", "n/a", "unknown"}


def new_features(
    result: Decoding,
    source: Source,
    choice: Choice,
    *,
    client: Cluster | None = None,
    progress: bool,
) -> tuple[xr.DataArray, dict[str, Any]]:
    """Compute the features of another recording, and say how its channels were matched."""
    from nwbdecode.features import from_recipe

    recipe, place = dict(result.recipe["features"]), result.source.get("signal", {})
    trained = result.channels["channel"].to_numpy().tolist()
    how = {"time": choice.time, **choice.epochs, **signal_options(result)}
    how |= {"modality": choice.modality} if choice.modality else {}
    # A signal in memory is the only one, whatever it is called.
    path = choice.signal or (None if source.is_signal else place.get("path"))
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
    power = from_recipe(signal, recipe, client=client, progress=progress)
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
        electrical = name == "modality" and {expected, found} == set(ELECTRICAL)
        hint = f", say modality={expected!r} if it is" if electrical else ""
        if expected and found != expected:
            raise NWBDecodeError(
                f"the decoders were trained on a signal of {name} {expected!r}, {signal.path!r} is "
                f"of {found!r}; choose another with `signal`{hint}, or fit on this recording"
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


def truth_of(
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
