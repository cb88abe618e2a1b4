"""The specification of ``ndx-decoding``, from which its YAML files are made.

Run ``python -m nwbdecode.results.ndx.specification`` after a change.
"""

from __future__ import annotations

from pathlib import Path

from pynwb.spec import (
    NWBAttributeSpec,
    NWBDatasetSpec,
    NWBGroupSpec,
    NWBLinkSpec,
    NWBNamespaceBuilder,
    NWBRefSpec,
    export_spec,
)

NAME = "ndx-decoding"
VERSION = "0.2.0"
FOLDER = Path(__file__).parent / "spec"

_TABLES = {
    "target_table": "A row for each decoded target: kind, units, classes and its series.",
    "bands": "Frequency bands of the features, in the decoders' order.",
    "channels": "Channels of the features, in the decoders' order.",
    "scores": "Scores of each decoder, baselines among them, for each target and metric, with "
    "intervals and null distribution.",
    "folds": "Test block of each fold of the cross-validation.",
    "history": "Losses of each decoder while it was trained.",
}


def _optional(name: str, doc: str, dtype: str = "text") -> NWBAttributeSpec:
    return NWBAttributeSpec(name=name, doc=doc, dtype=dtype, required=False)


def _text(name: str, doc: str) -> NWBDatasetSpec:
    return NWBDatasetSpec(name=name, doc=doc, dtype="text")


def _to(name: str, doc: str, target: str) -> NWBAttributeSpec:
    """A reference, not a link: hdmf takes any link of that type for an optional one that lacks."""
    dtype = NWBRefSpec(target_type=target, reftype="object")
    return NWBAttributeSpec(name=name, doc=doc, dtype=dtype, required=False)


def _table(name: str) -> NWBAttributeSpec:
    return _to(name, _TABLES[name], "DynamicTable")


def _feature(name: str, doc: str) -> NWBDatasetSpec:
    return NWBDatasetSpec(
        name=name,
        doc=doc,
        dtype="float32",
        dims=["num_bands", "num_channels"],
        shape=[None, None],
        quantity="?",
    )


def decoder() -> NWBGroupSpec:
    """Specify one trained decoder: its settings and its weights, nothing that can run."""
    return NWBGroupSpec(
        neurodata_type_def="Decoder",
        neurodata_type_inc="NWBDataInterface",
        doc="A trained decoder as plain data: settings as JSON, weights as raw arrays.",
        attributes=[
            NWBAttributeSpec(
                name="format",
                doc="How the weights are serialized.",
                dtype="text",
                value="safetensors",
            ),
            NWBAttributeSpec(
                name="sha256",
                doc="SHA-256 of the bytes of the weights, in hexadecimal.",
                dtype="text",
            ),
            _optional("model_description", "Kind of decoder, such as the name of its class."),
            _optional("pre_trained_model", "SHA-256 of the weights that training began from."),
            _optional(
                "cv_split",
                "Split of the cross-validation whose bins it never saw, from 0; absent for a "
                "decoder trained on all bins.",
                "int",
            ),
            _optional("software", "Program that trained the decoder, with its version."),
            _optional("normalization", "How features are brought to one scale before they enter."),
            _table("target_table"),
            _table("bands"),
            _to("input", "The signal it was trained on, where this file holds it.", "TimeSeries"),
        ],
        datasets=[
            _text("config", "Everything needed to build the decoder again, as a JSON object."),
            NWBDatasetSpec(
                name="weights",
                doc="The bytes of a safetensors buffer.",
                dtype="uint8",
                dims=["num_bytes"],
                shape=[None],
            ),
            NWBDatasetSpec(
                name="electrodes",
                neurodata_type_inc="DynamicTableRegion",
                doc="Rows of the electrodes, regions or channels that it reads, in its order.",
                quantity="?",
            ),
            _feature("feature_floor", "Added to a feature before its logarithm is taken."),
            _feature("feature_center", "Subtracted from each feature."),
            _feature("feature_scale", "What each feature is divided by."),
        ],
        links=[
            NWBLinkSpec(
                doc="Series that hold the targets it was trained on, where this file holds them.",
                target_type="TimeSeries",
                quantity="*",
            ),
        ],
    )


def decoding_run() -> NWBGroupSpec:
    """Specify one run: how it was made, from what, and where its arrays lie."""
    return NWBGroupSpec(
        neurodata_type_def="DecodingRun",
        neurodata_type_inc="NWBDataInterface",
        doc="Provenance and decoders of one run, and links to its predictions, scores and "
        "importance: series and tables in the same processing module.",
        attributes=[
            NWBAttributeSpec(
                name="schema_version",
                doc="Version 'major.minor' of the layout; a new major version is incompatible.",
                dtype="text",
            ),
            NWBAttributeSpec(
                name="software", doc="Program that wrote the run, with its version.", dtype="text"
            ),
            _optional("n_splits", "Number of splits of the cross-validation.", "int"),
            *(_table(name) for name in _TABLES),
            _to(
                "cv_split",
                "Split of the cross-validation whose decoder predicted each bin, from 0; -1 for "
                "none.",
                "TimeSeries",
            ),
        ],
        datasets=[
            _text("recipe", "How features, targets and decoders were made, as a JSON object."),
            _text("source", "The signal and the session that were decoded, as a JSON object."),
            _text("targets", "Attributes of each target (kind, units, ...), as a JSON object."),
            _text(
                "layout",
                "Which series and table column of the processing module holds which labelled "
                "array, with dimension names and labels, as a JSON object.",
            ),
            NWBDatasetSpec(
                name="time",
                doc="Bin centers in seconds, to the last bit; present where the series state a "
                "starting time and a rate instead of timestamps.",
                dtype="float64",
                dims=["num_bins"],
                shape=[None],
                quantity="?",
            ),
        ],
        groups=[
            NWBGroupSpec(
                neurodata_type_inc="Decoder",
                doc="The decoder of each fold, and the one refitted on all data.",
                quantity="*",
            )
        ],
        links=[
            NWBLinkSpec(
                doc="Tables of importance: how much each band, channel, ... matters.",
                target_type="DynamicTable",
                quantity="*",
            ),
            NWBLinkSpec(
                doc="Predictions of the decoders and of the baselines, and the true values.",
                target_type="TimeSeries",
                quantity="*",
            ),
        ],
    )


def export(folder: Path = FOLDER) -> None:
    """Write the namespace and its types as YAML files into a folder."""
    builder = NWBNamespaceBuilder(
        name=NAME,
        version=VERSION,
        doc="Decoders of neural signals and the provenance of what they predicted",
        author=["nwbdecode developers"],
    )
    builder.include_namespace("core")
    export_spec(builder, [decoder(), decoding_run()], str(folder))


if __name__ == "__main__":
    export()
