"""What identifies and describes a session, as plain JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pynwb import NWBFile

    from nwbdecode.load.location import Location

_SUBJECT = (
    "subject_id",
    "species",
    "strain",
    "genotype",
    "sex",
    "age",
    "age__reference",
    "date_of_birth",
    "weight",
    "description",
)
_OPTIONAL = ("institution", "lab", "session_id")
_LISTS = ("experimenter", "keywords")


def facts(nwbfile: NWBFile, location: Location) -> dict[str, Any]:
    """Collect what a result must say about the session it came from.

    Returns
    -------
    dict
        ``identifier``, ``object_id``, ``file_name``, ``path`` (None in
        memory and on the network), ``nwb_version``, ``session_description``,
        ``session_start_time`` and ``timestamps_reference_time`` (ISO 8601),
        ``subject``, ``devices``, ``electrode_groups``, and whichever of
        institution, lab, session_id, experimenter and keywords are filled.
        Of a remote file also ``url`` (without signature), ``signed`` (the same with
        words for what signed it, if anything did), ``bytes``,
        ``content`` (the same text for the same bytes only), ``etag``, and
        ``dandi``: instance, api, dandiset, version, asset_id, path, sha256.
    """
    found: dict[str, Any] = {
        "identifier": str(nwbfile.identifier),
        "object_id": str(nwbfile.object_id),
        **location.origin(),
        "nwb_version": location.nwb_version(),
        "session_description": str(nwbfile.session_description),
        "session_start_time": nwbfile.session_start_time.isoformat(),
        "timestamps_reference_time": nwbfile.timestamps_reference_time.isoformat(),
        "subject": _subject(nwbfile),
        "devices": [
            {"name": device.name, "description": str(device.description or "")}
            for device in nwbfile.devices.values()
        ],
        "electrode_groups": [
            {
                "name": group.name,
                "description": str(group.description or ""),
                "location": str(group.location or ""),
                "device": group.device.name if group.device is not None else "",
            }
            for group in nwbfile.electrode_groups.values()
        ],
    }
    found |= {name: str(value) for name in _OPTIONAL if (value := getattr(nwbfile, name))}
    for name in _LISTS:
        value = getattr(nwbfile, name)
        if value is not None and len(value):
            found[name] = [_text(item) for item in np.atleast_1d(np.asarray(value[:]))]
    return found


def _subject(nwbfile: NWBFile) -> dict[str, str]:
    subject = nwbfile.subject
    if subject is None:
        return {}
    filled = {name: getattr(subject, name, None) for name in _SUBJECT}
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else _text(value)
        for name, value in filled.items()
        if value not in (None, "")
    }


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
