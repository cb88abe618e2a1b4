"""Importance as tables whose rows point to the electrodes, channels or bands they speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hdmf.common import DynamicTable, VectorData

from nwbdecode.results.arrays import Entry, stored
from nwbdecode.results.naming import Names
from nwbdecode.results.tables import region, to_table

if TYPE_CHECKING:
    import xarray as xr
    from hdmf.common import DynamicTableRegion
    from pynwb import NWBFile, ProcessingModule

    from nwbdecode.decoding import Decoding

_IMPORTANCE = {
    "target": "Decoded target",
    "value": "Rise of held-out error over the unperturbed error, as a fraction",
    "low": "Lower end of the 95 % interval over repeats and blocks",
    "high": "Upper end of the 95 % interval over repeats and blocks",
    "null": "95 % point of the rise without information",
}


def add_importance(
    module: ProcessingModule, nwbfile: NWBFile, decoding: Decoding, rows: list[int] | None
) -> Entry:
    """Add a table for each axis of importance to a module that has its `channels` table.

    Parameters
    ----------
    rows : list of int or None
        Row of the electrode table for each decoded channel.

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
            if axis == "frequency" and dataset[axis].dtype.kind in "iuf":
                beside = [_bands(module, dataset)]
            elif axis == "channel":
                beside = _channels(module, nwbfile, decoding, rows)
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


def _bands(module: ProcessingModule, dataset: xr.Dataset) -> DynamicTableRegion:
    frequencies = dataset["frequency"].to_numpy()
    bands = DynamicTable(
        name="bands",
        description="Frequency bands of the power that was decoded",
        columns=[
            VectorData(
                name="frequency", description="Center frequency in Hz", data=stored(frequencies)
            ),
            # nwbinspector stumbles over references into a table that has no text.
            VectorData(
                name="label",
                description="Name of the band",
                data=[f"{frequency:g} Hz" for frequency in frequencies],
            ),
        ],
    )
    module.add(bands)
    rows = np.tile(np.arange(len(frequencies)), dataset.sizes["target"])
    return region("band", rows.tolist(), bands, "Row of the table of bands")


def _channels(
    module: ProcessingModule, nwbfile: NWBFile, decoding: Decoding, rows: list[int] | None
) -> list[DynamicTableRegion]:
    dataset = decoding.importance["channel"]
    if "channel" not in decoding.channels.coords or "channels" not in module.data_interfaces:
        return []
    known = {label: i for i, label in enumerate(decoding.channels["channel"].to_numpy().tolist())}
    labels = dataset["channel"].to_numpy().tolist()
    if not all(label in known for label in labels):
        return []
    places = [known[label] for label in labels] * dataset.sizes["target"]
    if rows is None:
        return [region("roi", places, module["channels"], "Row of the table of channels")]
    electrodes = [rows[place] for place in places]
    return [region("electrode", electrodes, nwbfile.electrodes, "Row of the electrode table")]
