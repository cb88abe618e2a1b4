"""The run itself: its decoders as typed data, and links to all that belongs to it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from hdmf.common import DynamicTable
from pynwb import TimeSeries

from nwbdecode.decoding import StoredDecoder
from nwbdecode.results.arrays import Entry, stored
from nwbdecode.results.jsontext import to_text
from nwbdecode.results.naming import Names, readable
from nwbdecode.results.ndx import Decoder, DecodingRun
from nwbdecode.results.schema import RUN, SCHEMA_VERSION
from nwbdecode.results.tables import Rows
from nwbdecode.results.weights import check_weights

if TYPE_CHECKING:
    from pynwb import NWBFile, ProcessingModule

    from nwbdecode.decoding import Decoding

#: Tables of a module that the run links to by their own names; `targets` is text in the run.
_LINKED: dict[str, str] = {"target_table": "targets"} | {
    name: name for name in ("bands", "channels", "scores", "folds", "history")
}
_RESERVED = ("recipe", "source", "targets", "layout", "time", "config", "weights", "electrodes")
_SCALING = {"feature_floor": "floor", "feature_center": "center", "feature_scale": "scale"}


def add_run(
    module: ProcessingModule,
    nwbfile: NWBFile,
    decoding: Decoding,
    layout: Entry,
    *,
    exact_time: np.ndarray | None,
    rows: Rows | None,
) -> None:
    """Add the `DecodingRun` to a module that holds everything else of a result.

    Parameters
    ----------
    layout : dict
        Where the arrays lie; the names of the decoders are added to it.
    exact_time : array of float64 or None
        Bin centers, where no series holds them.
    rows : Rows or None
        Of the electrodes, regions or channels that were decoded.
    """
    inside = list(_everything(module))
    names = Names([*_RESERVED, *(item.name for item in inside)])
    entries = {label: names.take(label) for label in decoding.decoders}
    there = module.data_interfaces
    tables = {name: there[held] for name, held in _LINKED.items() if held in there}
    beside: dict[str, Any] = {
        name: tables[name] for name in ("target_table", "bands") if name in tables
    }
    beside |= _in_this_file(nwbfile, decoding)
    decoders = [
        _decoder(decoding, label, entries[label], held, rows, beside)
        for label, held in decoding.decoders.items()
    ]
    series = [held for held in inside if isinstance(held, TimeSeries) and _free(held)]
    importance = [
        held
        for held in inside
        if isinstance(held, DynamicTable) and held.name.startswith("importance_") and _free(held)
    ]
    folds = decoding.folds.sizes.get("fold", 0)
    attrs = {name: decoding.predictions[name].attrs for name in decoding.targets}
    with warnings.catch_warnings():
        # The decoders join the file a moment later than the run that holds them.
        warnings.filterwarnings("ignore", message=".* does not share an ancestor")
        made = DecodingRun(
            name=RUN,
            schema_version=SCHEMA_VERSION,
            software=f"nwbdecode {version('nwbdecode')}",
            recipe=to_text(decoding.recipe, "the recipe"),
            source=to_text(decoding.source, "the source"),
            targets=to_text(attrs, "the attributes of targets"),
            layout=to_text(layout | {"decoders": entries}, "the layout"),
            decoders=decoders,
            time=None if exact_time is None else stored(exact_time),
            n_splits=folds or None,
            cv_split=there.get("fold"),
            time_series=series or None,
            dynamic_tables=importance or None,
            **tables,
        )
        module.add(made)


def _everything(module: ProcessingModule) -> Iterable[Any]:
    """Series and tables of a module, those in containers too."""
    for held in module.data_interfaces.values():
        if isinstance(held, TimeSeries | DynamicTable):
            yield held
        else:
            yield from (item for item in held.children if isinstance(item, TimeSeries))


def _free(held: Any) -> bool:
    """Whether a link of the same name would stand in nobody's way."""
    return held.name not in _RESERVED and not held.name.startswith("feature_")


def _in_this_file(nwbfile: NWBFile, decoding: Decoding) -> dict[str, Any]:
    """Links to the signal and to the targets' series, if they are in the file."""
    told = {decoding.source.get("signal", {}).get("object_id")}
    wanted = {
        name
        for target in decoding.targets
        for name in str(decoding.predictions[target].attrs.get("object_id", "")).split(",")
    }
    found: dict[str, Any] = {}
    series: dict[str, TimeSeries] = {}
    # A hash of all objects is made anew at each look: look once.
    for object_id, held in nwbfile.objects.items() if told | wanted - {None, ""} else ():
        if not isinstance(held, TimeSeries):
            continue
        if object_id in told:
            found["input"] = held
        if object_id in wanted and _free(held):
            series.setdefault(held.name, held)
    return found | ({"time_series": list(series.values())} if series else {})


def _decoder(
    decoding: Decoding,
    label: str,
    name: str,
    decoder: StoredDecoder,
    rows: Rows | None,
    beside: Mapping[str, Any],
) -> Decoder:
    check_weights(decoder.weights, label)
    config = decoder.config
    given = {"model_description": config.get("decoder"), "normalization": config.get("scaling")}
    given["pre_trained_model"] = config.get("pre_trained_model")
    if "nwbdecode" in decoding.recipe:
        given["software"] = f"nwbdecode {decoding.recipe['nwbdecode']}"
    split = re.fullmatch(r"fold(\d{1,9})", label)
    return Decoder(
        name=name,
        sha256=decoder.sha256,
        config=to_text(config, f"the config of decoder {label!r}"),
        weights=stored(np.frombuffer(decoder.weights, dtype=np.uint8)),
        cv_split=int(split[1]) if split else None,
        electrodes=None if rows is None else rows.region("electrodes"),
        **{key: readable(text) for key, text in given.items() if isinstance(text, str)},
        **_normalization(decoder.weights),
        **beside,
    )


def _normalization(weights: bytes) -> dict[str, Any]:
    """Arrays (band, channel) that scale the features, as the weights hold them."""
    from safetensors import deserialize

    arrays: list[tuple[str, dict[str, Any]]] = deserialize(weights)  # type: ignore[no-untyped-call]
    held = {name: array for name, array in arrays if name.startswith("scaling.")}
    found = {}
    for field, name in _SCALING.items():
        array = held.get(f"scaling.{name}")
        if array and array["dtype"] == "F32" and len(array["shape"]) == 2 and all(array["shape"]):
            values = np.frombuffer(array["data"], dtype="<f4").reshape(array["shape"])
            found[field] = stored(values)
    return found
