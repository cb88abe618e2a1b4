"""The recording that a result was made from, found again and read as it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nwbdecode.decoding import Decoding, same_session
from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.cluster import Cluster
    from nwbdecode.load.signal import Signal
    from nwbdecode.load.source import Source


def kept_invalid(result: Decoding) -> bool:
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
    if opened.is_signal:
        raise NWBDecodeError(
            "whether a signal in memory is the one that was decoded cannot be told; give its "
            "features as `power`"
        )
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
        keep_invalid=kept_invalid(result),
        **epochs,
        **signal_options(result),
    )
    signal = signal.select(time=_trained_time(result, signal))
    recipe = dict(result.recipe["features"])
    return from_recipe(signal, recipe, client=client, progress=progress)


def signal_options(result: Decoding) -> dict[str, Any]:
    """How the signal was taken out of its recording, beside path, channels and time."""
    told = result.recipe.get("signal", {})
    place = result.source.get("signal", {})
    # A result made step by step has no such record; its source has the same.
    options = dict(told.get("imaging") or place.get("imaging") or {})
    if place.get("modality_from") == "given":
        options["modality"] = place["modality"]
    return options


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
