"""Importance as tables whose rows point to the electrodes, channels or bands they speak of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from hdmf.common import DynamicTable, VectorData

from nwbdecode.results.arrays import Entry, stored
from nwbdecode.results.naming import Names
from nwbdecode.results.tables import Rows, region, to_table

if TYPE_CHECKING:
    from hdmf.common import DynamicTableRegion
    from pynwb import ProcessingModule

    from nwbdecode.decoding import Decoding

_IMPORTANCE = {
    "target": "Decoded target",
    "value": "Rise of held-out error over the unperturbed error, as a fraction",
    "low": "Lower end of the 95 % interval over repeats and blocks",
    "high": "Upper end of the 95 % interval over repeats and blocks",
    "null": "95 % point of the rise without information",
}


def add_bands(module: ProcessingModule, decoding: Decoding) -> list[float]:
    """Add the table of frequency bands to a module, if the features had any, and give them."""
    frequencies = _frequencies(decoding)
    if not frequencies:
        return []
    columns = [
        VectorData(
            name="frequency",
            description="Center frequency in Hz; 0 for the signed slow remainder",
            data=stored(np.asarray(frequencies)),
        ),
        # nwbinspector stumbles over references into a table that has no text.
        VectorData(
            name="label",
            description="Name of the band",
            data=[f"{frequency:g} Hz" for frequency in frequencies],
        ),
    ]
    about = "Frequency bands of the power that was decoded"
    module.add(DynamicTable(name="bands", description=about, columns=columns))
    return frequencies


def _frequencies(decoding: Decoding) -> list[float]:
    """Bands in the decoders' order, from whichever part of the result tells them."""
    told = [decoder.config.get("frequencies") for decoder in decoding.decoders.values()]
    measured = decoding.importance.get("frequency")
    if measured is not None and "frequency" in measured.coords:
        told.append(measured["frequency"].to_numpy().tolist())
    features = decoding.recipe.get("features")
    if isinstance(features, Mapping):
        told.append(features.get("frequencies"))
    for found in told:
        if not isinstance(found, list | tuple) or not found:
            continue
        if all(type(value) in (int, float) for value in found):
            return [float(value) for value in found]
    return []


def add_importance(
    module: ProcessingModule, decoding: Decoding, bands: list[float], rows: Rows | None
) -> Entry:
    """Add a table for each axis of importance to a module that has `channels` and `bands`.

    Parameters
    ----------
    bands : list of float
        Frequencies in the table `bands`.
    rows : Rows or None
        Of the decoded channels in another table.

    Returns
    -------
    dict
        Layout entry by axis.
    """
    names = Names()
    entries = {}
    for axis, dataset in decoding.importance.items():
        beside: list[DynamicTableRegion] = []
        if axis in dataset.coords and all(dataset.sizes.get(d) for d in ("target", axis)):
            labels = dataset[axis].to_numpy().tolist() * dataset.sizes["target"]
            if axis == "frequency" and (places := _places(labels, bands)):
                beside = [region("band", places, module["bands"], "Row of the table of bands")]
            elif axis == "channel" and rows is not None and "channel" in decoding.channels.coords:
                known = decoding.channels["channel"].to_numpy().tolist()
                if places := _places(labels, known):
                    beside = [rows.region(channels=places)]
        table, entries[axis] = to_table(
            dataset,
            name=names.take(f"importance_{axis}"),
            rows=("target", axis),
            description=f"How much each {axis} matters to the decoding of each target",
            columns=_IMPORTANCE | {axis: f"The {axis} that was replaced by a shifted copy"},
            beside=beside,
        )
        if table is not None:
            module.add(table)
    return entries


def _places(labels: list[Any], known: list[Any]) -> list[int] | None:
    """Where each label stands among the known ones; None unless all do."""
    place = {label: row for row, label in enumerate(known)}
    return [place[label] for label in labels] if all(label in place for label in labels) else None
