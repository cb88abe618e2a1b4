"""What a decoded file is called by, and which versions of it are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from nwbdecode.decoding import IDENTITY
from nwbdecode.errors import NWBDecodeError

#: Processing module of the run that was given no name; others live in ``decoding_NAME``.
MODULE = "decoding"
#: Name of that run, and of the `DecodingRun` in every run's module.
RUN = "run"
#: Of the layout. A reader takes any minor version of its own major version.
SCHEMA_VERSION = "1.1"

Version: TypeAlias = tuple[int, int]
Step: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


def check_version(version: str, label: str, software: str) -> None:
    """Refuse a layout that this program cannot read.

    Parameters
    ----------
    version : str
        ``"major.minor"`` that the file states.
    label, software : str
        The file and the program that wrote it, for the message.

    Raises
    ------
    NWBDecodeError
        When the file is newer than this program, or states no version.
    """
    major, dot, minor = version.partition(".")
    if not (major.isdecimal() and dot and minor.isdecimal()) or len(version) > 16:
        raise NWBDecodeError(
            f"the decoding in {label!r} states schema version {version[:40]!r}, expected "
            "'major.minor': the file is damaged; get it anew or fit again"
        )
    if int(major) > _major(SCHEMA_VERSION):
        raise NWBDecodeError(
            f"the decoding in {label!r} has schema version {version}, written by "
            f"{software}; this version reads up to {SCHEMA_VERSION}. Upgrade with "
            "`pip install --upgrade nwbdecode`"
        )


def migrated(parts: dict[str, Any], version: str) -> dict[str, Any]:
    """Bring the parts of a run to the version that this program reads, step by step.

    Parameters
    ----------
    parts : dict
        ``layout``, ``recipe`` and ``source``, as stored; and ``sessions``, of its
        decoders where their own settings do not tell.
    version : str
        Of the layout, checked by `check_version`.
    """
    major, minor = map(int, version.split("."))
    for since, step in _STEPS.items():
        if (major, minor) < since:
            parts = step(parts)
    return parts


def _with_sessions(parts: dict[str, Any]) -> dict[str, Any]:
    """Before 1.1 no decoder told which session it had seen: it was the run's own."""
    source = parts["source"]
    told = {name: source[name] for name in IDENTITY if source.get(name)}
    return {**parts, "sessions": [told] if told else None}


#: By the version that brought it, what older files need; in the order of versions.
_STEPS: dict[Version, Step] = {(1, 1): _with_sessions}


def _major(version: str) -> int:
    return int(version.split(".")[0])
