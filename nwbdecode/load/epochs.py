"""Which times take part: intervals of the file's tables, included or excluded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.load.invalid import INVALID, invalid_spans
from nwbdecode.load.query import matching
from nwbdecode.load.tables import frame_of, times_of

if TYPE_CHECKING:
    from nwbdecode.load.series import Index
    from nwbdecode.load.signal import Signal

Spans = tuple[tuple[float, float], ...]

_CHOICE = re.compile(r"\s*(?P<table>[^\[\]]+?)\s*(?:\[(?P<condition>.*)\]\s*)?", re.DOTALL)
_TRIALS = "intervals/trials"


@dataclass(frozen=True)
class Epochs:
    """Times that a signal keeps, and what they were asked for by.

    Attributes
    ----------
    only : tuple of (start, stop), or None
        Seconds; bins lie inside one of them. None keeps all times.
    excluded : tuple of (start, stop)
        Seconds that nothing may read; sorted, without overlaps.
    asked : mapping
        ``only``, ``exclude`` (lists of text) and ``keep_invalid``: enough to find
        the same times in the same file again; and ``uncut``, whether what is kept are
        trials, which no fold may cut.
    notes : tuple of str
        What was left out, for the user to read.
    """

    only: Spans | None
    excluded: Spans
    asked: dict[str, Any]
    notes: tuple[str, ...] = ()


def epochs_of(
    listed: Index,
    object_id: str,
    *,
    only: str | Iterable[str] | None = None,
    exclude: str | Iterable[str] | None = None,
    keep_invalid: bool = False,
) -> Epochs:
    """Find the times that were asked for.

    Parameters
    ----------
    listed : Index
        Of the file.
    object_id : str
        Of the signal: rows of ``invalid_times`` that name other series alone are not its.
    only, exclude : str or several, optional
        ``TABLE`` or ``TABLE[CONDITION]``, such as ``"trials"`` or
        ``"epochs[label == 'run']"``. Several are joined.
    keep_invalid : bool, default False
        Keep what the file's ``invalid_times`` mark.

    Returns
    -------
    Epochs

    Raises
    ------
    NWBDecodeError
        If a table does not exist, a condition cannot be read, or no row fits.
    """
    wanted, unwanted = _several(only), _several(exclude)
    notes: list[str] = []
    kept = None
    if wanted:
        chosen: list[tuple[float, float]] = []
        for text in wanted:
            spans, open_ended = _rows(text, listed)
            lost = sum(bool(lasting) for lasting in open_ended)
            if lost == len(spans):
                raise NWBDecodeError(
                    f"no row of {text!r} has a stop time after its start, so none can be kept"
                )
            if lost:
                notes.append(f"{lost} of {len(spans)} rows of {text!r} have no stop: left out")
            chosen += [s for s, endless in zip(spans, open_ended, strict=True) if not endless]
        # Trials that follow each other at once stay apart: no window crosses from one to the next.
        kept = _merged(chosen, touching=False)
        notes.append(f"only {_measured(kept)} of {_quoted(wanted)} make bins")
    left_out: list[tuple[float, float]] = []
    for text in unwanted:
        spans, open_ended = _rows(text, listed)
        if any(open_ended):
            notes.append(
                f"{sum(open_ended)} rows of {text!r} have no stop: excluded up to the next row"
            )
        left_out += spans
    if unwanted:
        notes.append(f"{_measured(_merged(left_out))} of {_quoted(unwanted)} are excluded")
    if not keep_invalid and INVALID in listed.tables:
        invalid = invalid_spans(listed.tables[INVALID], object_id)
        if invalid:
            notes.append(f"{_measured(_merged(invalid))} of 'invalid_times' are excluded")
            left_out += invalid
    asked = {
        "only": wanted,
        "exclude": unwanted,
        "keep_invalid": bool(keep_invalid),
        "uncut": any(_named(text, listed) == _TRIALS for text in wanted),
    }
    return Epochs(kept, _merged(left_out), asked, tuple(notes))


def notes_of(signal: Signal) -> list[str]:
    """What of a signal's time was left out, for the user to read."""
    return list(signal.source.get("signal", {}).get("epochs", {}).get("notes", []))


def _measured(spans: Spans) -> str:
    seconds = sum(b - a for a, b in spans)
    lasting = f" ({seconds:.6g} s)" if np.isfinite(seconds) else ""
    return f"{len(spans)} interval{'s' if len(spans) != 1 else ''}{lasting}"


def _quoted(texts: Sequence[str]) -> str:
    return " and ".join(map(repr, texts))


def _several(texts: str | Iterable[str] | None) -> list[str]:
    if texts is None:
        return []
    listed: list[Any] = [texts]
    if isinstance(texts, Iterable) and not isinstance(texts, str):
        listed = list(texts)
    for text in listed:
        if not isinstance(text, str):
            raise NWBDecodeError(
                f"epochs are chosen by text such as 'trials' or \"epochs[label == 'run']\"; "
                f"found {type(text).__name__}"
            )
    return listed


def _rows(text: str, listed: Index) -> tuple[list[tuple[float, float]], list[bool]]:
    """Start and stop of the rows that fit, and whether the stop is another row's start."""
    path, condition = _named(text, listed), _parts(text)[1]
    start, stop, _ = times_of(listed.tables[path])
    if not len(start):
        raise NWBDecodeError(f"the table {path!r} has no rows")
    rows = np.arange(len(start))
    if condition is not None:
        rows = matching(condition, frame_of(listed.tables[path]), what="row")
    rows = rows[np.isfinite(start[rows])]
    following = np.sort(start[np.isfinite(start)])
    following = np.append(following, np.inf)
    spans, open_ended = [], []
    for row in rows:
        endless = not np.isfinite(stop[row])
        after = following[np.searchsorted(following, start[row], side="right")]
        end = float(after if endless else stop[row])
        if end > start[row]:
            spans.append((float(start[row]), end))
            open_ended.append(endless)
    if not spans:
        raise NWBDecodeError(f"no row of {text!r} has a stop time after its start")
    return spans, open_ended


def _parts(text: str) -> tuple[str, str | None]:
    """Table and condition of a choice."""
    found = _CHOICE.fullmatch(text)
    if found is None:
        raise NWBDecodeError(
            f"cannot read the epochs {text!r}; expected TABLE or TABLE[CONDITION], such as "
            "\"epochs[label == 'run']\""
        )
    return found["table"], found["condition"]


def _named(text: str, listed: Index) -> str:
    """Path of the table that a choice names."""
    return _table(_parts(text)[0], listed)


def _table(name: str, listed: Index) -> str:
    wanted = name.strip().strip("/")
    if wanted in listed.tables:
        return wanted
    fits = [path for path in listed.tables if path.endswith("/" + wanted)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise NWBDecodeError(
            f"{name!r} fits {len(fits)} tables: {', '.join(map(repr, fits))}. Give more of the path"
        )
    raise NWBDecodeError(
        f"there is no table of intervals {name!r} in the file. {suggest(wanted, listed.tables)}"
    )


def _merged(spans: Sequence[tuple[float, float]], *, touching: bool = True) -> Spans:
    """Spans in order, joined where they overlap and, unless told otherwise, where they touch.

    Examples
    --------
    >>> _merged([(5.0, 6.0), (0.0, 2.0), (2.0, 3.0)])
    ((0.0, 3.0), (5.0, 6.0))
    """
    joined: list[tuple[float, float]] = []
    for low, high in sorted(spans):
        last = joined[-1][1] if joined else -np.inf
        if joined and (low < last or (touching and low == last)):
            joined[-1] = joined[-1][0], max(last, high)
        else:
            joined.append((low, high))
    return tuple(joined)
