"""The specification of ``ndx-decoding``, from which its YAML files are made.

Run ``python -m nwbdecode.results.ndx.specification`` after a change.
"""

from __future__ import annotations

from pathlib import Path

from pynwb.spec import (
    NWBAttributeSpec,
    NWBDatasetSpec,
    NWBGroupSpec,
    NWBNamespaceBuilder,
    export_spec,
)

NAME = "ndx-decoding"
VERSION = "0.1.0"
FOLDER = Path(__file__).parent / "spec"


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
        ],
        datasets=[
            NWBDatasetSpec(
                name="config",
                doc="Everything needed to build the decoder again, as a JSON object.",
                dtype="text",
            ),
            NWBDatasetSpec(
                name="weights",
                doc="The bytes of a safetensors buffer.",
                dtype="uint8",
                dims=["num_bytes"],
                shape=[None],
            ),
        ],
    )


def decoding_run() -> NWBGroupSpec:
    """Specify one run: how it was made, from what, and where its arrays lie."""
    text = [
        ("recipe", "How features, targets and decoders were made, as a JSON object."),
        ("source", "The signal and the session that were decoded, as a JSON object."),
        ("targets", "Attributes of each decoded target (kind, units, ...), as a JSON object."),
        (
            "layout",
            "Which series and table column of the processing module holds which labelled array, "
            "with dimension names and labels, as a JSON object.",
        ),
    ]
    return NWBGroupSpec(
        neurodata_type_def="DecodingRun",
        neurodata_type_inc="NWBDataInterface",
        doc="Provenance and decoders of one run whose predictions, scores and importance are "
        "series and tables in the same processing module.",
        attributes=[
            NWBAttributeSpec(
                name="schema_version",
                doc="Version 'major.minor' of the layout; a new major version is incompatible.",
                dtype="text",
            ),
            NWBAttributeSpec(
                name="software", doc="Program that wrote the run, with its version.", dtype="text"
            ),
        ],
        datasets=[
            *(NWBDatasetSpec(name=name, doc=doc, dtype="text") for name, doc in text),
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
