"""The processing module `decoding`: a result laid out as NWB series, tables and a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hdmf.common import DynamicTable, VectorData
from pynwb.epoch import TimeIntervals

from nwbdecode.results.arrays import Entry
from nwbdecode.results.importance import add_bands, add_importance
from nwbdecode.results.naming import readable
from nwbdecode.results.ndx import DecodingRun
from nwbdecode.results.provenance import add_run
from nwbdecode.results.runs import (
    Exists,
    check_exists,
    check_run,
    module_name,
    not_ours,
    settle,
)
from nwbdecode.results.series import SeriesShelf
from nwbdecode.results.session import rows_of_channels
from nwbdecode.results.tables import Rows, to_table

if TYPE_CHECKING:
    from pynwb import NWBFile, ProcessingModule

    from nwbdecode.decoding import Decoding

_SCORES = {
    "decoder": "Decoder that was scored: 'cnn' is the network, others are baselines",
    "target": "Decoded target",
    "metric": "What was measured",
    "value": "Score pooled over all out-of-fold bins",
    "low": "Lower end of the 95 % block bootstrap interval",
    "high": "Upper end of the 95 % block bootstrap interval",
    "chance": "95 % point of the scores after circular shifts of the target",
    "p_value": "Share of circular shifts that score as well, finite-sample corrected",
    "fold_value": "Score within each fold",
    "null": "Score after each circular shift of the target",
    "bins": "Number of bins scored",
}
_FOLDS = {
    "fold": "Number of the fold",
    "start": "Start of the test block in seconds",
    "stop": "End of the test block in seconds",
    "gap": "Seconds left out between training and test",
    "train_bins": "Number of bins trained on",
    "test_bins": "Number of bins tested on",
}
_HISTORY = {
    "decoder": "Decoder that was trained",
    "epoch": "Number of the epoch",
    "train_loss": "Mean loss over training bins; NaN after training stopped",
    "validation_loss": "Loss on the inner validation block; NaN after training stopped",
}
_CHANNELS = {
    "channel": "Identifier of the channel in the source",
    "location": "Anatomical location",
    "group": "Electrode group or imaging plane",
    "bad": "Whether the channel was marked bad",
}


def add_decoding(
    nwbfile: NWBFile, decoding: Decoding, *, run: str | None = None, exists: Exists = "error"
) -> ProcessingModule:
    """Add a result to an NWB file in memory, as a processing module of its own.

    For programs that build or open the `NWBFile` and write it themselves.

    Parameters
    ----------
    nwbfile : pynwb.NWBFile
        Electrodes are added where it has none and the signal is no imaging.
    decoding : Decoding
    run : str, optional
        Name of the run, if the file shall hold several: it lives in the module
        ``decoding_NAME``, the run without a name in ``decoding``.
    exists : {"error", "replace", "new"}, default "error"
        If the file has that run: refuse, replace it, or take the next free name
        (``NAME_2``). A run that lies on disk can be replaced only by exporting
        `nwbfile` to another file: HDF5 does not take it out.

    Returns
    -------
    pynwb.ProcessingModule

    Raises
    ------
    NWBDecodeError
        When the file has that run already, or something in the result cannot be
        stored.

    Examples
    --------
    >>> import nwbdecode as nd
    >>> nd.add_decoding(nwbfile, result, run="theta")  # doctest: +SKIP
    """
    check_exists(exists)
    name = module_name(settle(check_run(run), exists, nwbfile.processing))
    if name in nwbfile.processing:
        there = nwbfile.processing[name].data_interfaces.values()
        if not any(isinstance(held, DecodingRun) for held in there):
            raise not_ours(name)
        nwbfile.processing.pop(name)
    module = nwbfile.create_processing_module(
        name=name, description="Behavior decoded from a neural signal, and the decoders"
    )
    rows = rows_of_channels(nwbfile, decoding)
    shelf = SeriesShelf(decoding.time)
    layout = _add_series(shelf, decoding)
    shelf.fill(module)
    if decoding.targets:
        module.add(_targets(decoding, layout))
    layout |= _add_tables(module, decoding)
    layout["channels"] = _add_channels(module, decoding, rows)
    if rows is None and "channels" in module.data_interfaces:
        rows = Rows("roi", module["channels"], list(range(decoding.channels.sizes["channel"])))
    bands = add_bands(module, decoding)
    layout["importance"] = add_importance(module, decoding, bands, rows)
    layout["clock"] = shelf.clock
    add_run(module, nwbfile, decoding, layout, exact_time=shelf.exact_time, rows=rows)
    return module


def _add_series(shelf: SeriesShelf, decoding: Decoding) -> Entry:
    kinds = {name: decoding.kind(name) for name in decoding.targets}
    predictions = shelf.add_dataset(
        decoding.predictions,
        prefix="predicted",
        kinds=kinds,
        about="Out-of-fold prediction, in each bin, of",
    )
    truth = shelf.add_dataset(
        decoding.truth, prefix="true", kinds=kinds, about="Measured value, in each bin, of"
    )
    baselines = {
        name: shelf.add_dataset(
            dataset, prefix=name, kinds=kinds, about=f"Out-of-fold prediction by {name} of"
        )
        for name, dataset in decoding.baselines.items()
    }
    return {"predictions": predictions, "truth": truth, "baselines": baselines}


def _targets(decoding: Decoding, layout: Entry) -> DynamicTable:
    """List the targets for people and programs that know no layout."""
    names = decoding.targets
    attrs = [decoding.predictions[name].attrs for name in names]
    columns = {
        "target": ("Name of the target", names),
        "kind": ("linear, circular or categorical", [str(held["kind"]) for held in attrs]),
        "units": ("Units of the target", [str(held.get("units", "")) for held in attrs]),
        "classes": (
            "Classes in the order of codes and of probability columns, separated by ' | '",
            [" | ".join(map(str, held.get("classes") or ())) for held in attrs],
        ),
    }
    for column, part in (("prediction", "predictions"), ("truth", "truth")):
        places = [layout[part]["variables"][name].get("at", "") for name in names]
        columns[column] = (f"Series of the {column} within this module", places)
    return DynamicTable(
        name="targets",
        description="What was decoded",
        columns=[
            VectorData(name=name, description=about, data=[readable(text) for text in data])
            for name, (about, data) in columns.items()
        ],
    )


def _add_tables(module: ProcessingModule, decoding: Decoding) -> Entry:
    scores, in_scores = to_table(
        decoding.scores,
        name="scores",
        rows=("decoder", "target", "metric"),
        description="Scores of each decoder, target and metric, with intervals and chance",
        columns=_SCORES,
    )
    timed = {"start", "stop"} <= set(decoding.folds.data_vars) and not (
        {"start_time", "stop_time"} & set(decoding.folds.variables)
    )
    timed = timed and all(decoding.folds[end].dims == ("fold",) for end in ("start", "stop"))
    folds, in_folds = to_table(
        decoding.folds,
        name="folds",
        rows=("fold",),
        description="Test block of each fold of the cross-validation",
        columns=_FOLDS,
        renamed={"start": "start_time", "stop": "stop_time"} if timed else None,
        table_type=TimeIntervals if timed else DynamicTable,
    )
    history, in_history = to_table(
        decoding.history,
        name="history",
        rows=("decoder", "epoch"),
        description="Loss of each decoder after each epoch of training",
        columns=_HISTORY,
    )
    for table in (scores, folds, history):
        if table is not None:
            module.add(table)
    return {"scores": in_scores, "folds": in_folds, "history": in_history}


def _add_channels(module: ProcessingModule, decoding: Decoding, rows: Rows | None) -> Entry:
    if rows is not None:
        beside: VectorData = rows.region()
    else:
        # nwbinspector stumbles over references into a table that has no text.
        labels = [readable(label) for label in _labels(decoding)]
        beside = VectorData(name="label", description="Identifier as text", data=labels)
    table, entry = to_table(
        decoding.channels,
        name="channels",
        rows=("channel",),
        description="Channels that were decoded, in the order the decoders take them",
        columns=_CHANNELS,
        beside=[beside],
    )
    if table is not None:
        module.add(table)
    return entry


def _labels(decoding: Decoding) -> list[object]:
    if "channel" in decoding.channels.coords:
        return list(decoding.channels["channel"].to_numpy().tolist())
    return list(range(decoding.channels.sizes.get("channel", 0)))
