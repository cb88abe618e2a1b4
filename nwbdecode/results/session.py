"""A new NWB file that describes the session its source recorded."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from pynwb import NWBFile
from pynwb.file import Subject

from nwbdecode.errors import NWBDecodeError
from nwbdecode.results.naming import Names
from nwbdecode.results.rois import segmentation_of
from nwbdecode.results.tables import Rows

if TYPE_CHECKING:
    from hdmf.common import DynamicTable
    from pynwb.device import Device
    from pynwb.ecephys import ElectrodeGroup

    from nwbdecode.decoding import Decoding

_COPIED = ("session_id", "experiment_description", "institution", "lab", "experimenter", "keywords")
_SUBJECT = (
    "subject_id", "species", "sex", "age", "age__reference", "description", "genotype", "strain",
    "weight",
)  # fmt: skip
_COORDINATES = ("x", "y", "z", "imp", "rel_x", "rel_y", "rel_z")
#: NWB wants a start of session; a signal made of a bare array has none.
_UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)


def new_file(source: Mapping[str, Any]) -> NWBFile:
    """Make an NWB file in memory that copies what is known about a session.

    Parameters
    ----------
    source : mapping
        `Decoding.source`; every entry is optional.

    Returns
    -------
    pynwb.NWBFile
        With a new identifier, the session's clock and its subject.
    """
    given = {key: source[key] for key in _COPIED if source.get(key)}
    reference = source.get("timestamps_reference_time")
    return NWBFile(
        identifier=str(uuid.uuid4()),
        session_description=source.get("session_description") or "Session of unknown description",
        session_start_time=_moment(source.get("session_start_time")) or _UNKNOWN_START,
        timestamps_reference_time=_moment(reference),
        subject=_subject(source.get("subject") or {}),
        was_generated_by=[["nwbdecode", version("nwbdecode")]],
        **given,
    )


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise NWBDecodeError(
            f"the source's session starts at {text!r}; expected ISO 8601 such as "
            "'2026-01-02T03:04:05+00:00'"
        ) from error
    # pynwb would put the time zone of whichever machine writes the file.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _subject(facts: Mapping[str, Any]) -> Subject | None:
    given = {key: facts[key] for key in _SUBJECT if facts.get(key)}
    if facts.get("date_of_birth"):
        given["date_of_birth"] = _moment(facts["date_of_birth"])
    return Subject(**given) if given else None


def rows_of_channels(nwbfile: NWBFile, decoding: Decoding) -> Rows | None:
    """Row of each decoded channel among the file's electrodes or regions of interest.

    Electrodes are made where the file has none yet.

    Returns
    -------
    Rows or None
        None for sorted units, for a result without channels, and for a file whose
        own electrodes or regions are others.
    """
    modality = (decoding.source.get("signal") or {}).get("modality")
    if modality == "spikes" or not decoding.channels.sizes.get("channel", 0):
        return None
    ids = _ids(decoding)
    if modality == "imaging":
        table = segmentation_of(nwbfile, decoding.source)
        return None if table is None else _rows("roi", table, ids)
    if nwbfile.electrodes is None:
        _add_electrodes(nwbfile, decoding, ids)
    elif ids != decoding.channels["channel"].to_numpy().tolist():
        # Pairs of electrodes are numbered here: the same numbers in the file are others.
        return None
    return _rows("electrode", nwbfile.electrodes, ids)


def _rows(what: str, table: DynamicTable, ids: list[int]) -> Rows | None:
    known = {int(held): row for row, held in enumerate(table.id[:])}
    found = [known[held] for held in ids if held in known]
    return Rows(what, table, found) if len(found) == len(ids) else None


def _ids(decoding: Decoding) -> list[int]:
    count = decoding.channels.sizes["channel"]
    labels = decoding.channels["channel"].to_numpy()
    usable = labels.dtype.kind in "iu" and len(set(labels.tolist())) == count
    return [int(label) for label in labels] if usable else list(range(count))


def _add_electrodes(nwbfile: NWBFile, decoding: Decoding, ids: list[int]) -> None:
    known = {
        str(name): array.to_numpy()
        for name, array in decoding.channels.variables.items()
        if array.dims == ("channel",)
    }
    places = {
        name: known[name].astype(np.float64)
        for name in _COORDINATES
        if name in known and known[name].dtype.kind in "iuf"
    }
    locations = known.get("location", np.full(len(ids), ""))
    names = known.get("group", known.get("group_name", np.full(len(ids), "")))
    groups = _groups(nwbfile, decoding.source, names, locations)
    for row, held in enumerate(ids):
        nwbfile.add_electrode(
            id=held,
            location=str(locations[row]) or "unknown",
            group=groups[str(names[row])],
            **{name: float(values[row]) for name, values in places.items()},
        )


def _groups(
    nwbfile: NWBFile, source: Mapping[str, Any], names: np.ndarray, locations: np.ndarray
) -> dict[str, ElectrodeGroup]:
    """Make the electrode groups that channels name, as the source describes them."""
    told = {str(group.get("name")): group for group in source.get("electrode_groups") or ()}
    devices = {str(held.get("name")): held for held in source.get("devices") or ()}
    groups: dict[str, ElectrodeGroup] = {}
    for name, location in zip(map(str, names), map(str, locations), strict=True):
        if name in groups:
            continue
        facts = told.get(name) or (next(iter(told.values())) if len(told) == 1 else {})
        first = next(iter(devices), "unknown device")
        groups[name] = nwbfile.create_electrode_group(
            name=_object_name(name or str(facts.get("name") or "electrodes"), groups),
            description=facts.get("description") or "Electrodes that were decoded together",
            location=facts.get("location") or location or "unknown",
            device=_device(nwbfile, str(facts.get("device") or first), devices),
        )
    return groups


def _object_name(name: str, groups: Mapping[str, ElectrodeGroup]) -> str:
    plain = name.replace("/", "_").replace(":", "_").replace("\0", "_")
    taken = [group.name for group in groups.values()]
    return plain if plain not in taken and plain.strip(".") else Names(taken).take(plain)


def _device(nwbfile: NWBFile, name: str, told: Mapping[str, Mapping[str, Any]]) -> Device:
    plain = _object_name(name, {})
    if plain in nwbfile.devices:
        return nwbfile.devices[plain]
    return nwbfile.create_device(
        name=plain, description=told.get(name, {}).get("description") or "Recording device"
    )
