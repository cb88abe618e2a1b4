"""Why no decoder could learn a target, as far as its values and times tell."""

from __future__ import annotations

import re

import numpy as np

from nwbdecode.load.commands import FOLDS

#: Names of what says when something was, rather than what was.
_TIME = re.compile(r"(^|[_ ])(times?|timestamps?)$", re.IGNORECASE)
_MOMENT = re.compile(
    r"(^|[_ ])(start|stop|end|begin|on|off|in|out|onset|offset)[_ ]?(times?|timestamps?)$",
    re.IGNORECASE,
)
#: Share of a column's values that ascend with its rows where they are times of the session.
_ASCENDING = 0.95


def rows_why_not(name: str, values: np.ndarray, start: np.ndarray, kind: str) -> str:
    """Say why no decoder could learn a column of a table.

    Parameters
    ----------
    name : str
        Of the column.
    values, start : arrays, shape (row,)
        Values, and the rows' starts in seconds.
    kind : str

    Returns
    -------
    str
        Empty where one could.
    """
    if 0 < len(values) < 2 * FOLDS:
        return f"{len(values)} rows are too few for {FOLDS} folds"
    known = present(values)
    different = len(np.unique(values[known]))
    if different < 2:
        return "it never changes"
    if kind == "categorical":
        if 2 * different > known.sum():
            return f"{different} classes in {known.sum()} rows: most are seen once"
        return lone_class(values, start)
    return "it says when, not what" if tells_when(name, values, start) else ""


def lone_class(values: np.ndarray, time: np.ndarray) -> str:
    """Name a class that lies in one block of the folds alone: where it is tested, none is learned.

    Parameters
    ----------
    values, time : arrays, shape (time,)

    Returns
    -------
    str
        Empty where every class lies in several.

    Examples
    --------
    >>> states = np.repeat(["rest", "run", "sleep"], [10, 60, 30])
    >>> lone_class(states, np.arange(100.0))
    "class 'rest' is seen from 0 to 9 s alone: a fold that tests it has none to learn from"
    """
    known = present(values) & np.isfinite(time)
    values, time = values[known], time[known]
    if not len(time) or not (span := np.ptp(time)) > 0:
        return ""
    block = np.minimum((time - time.min()) / span * FOLDS, FOLDS - 1).astype(int)
    labels, codes = np.unique(values, return_inverse=True)
    for code, count in enumerate(np.bincount(np.unique(codes * FOLDS + block) // FOLDS)):
        if count == 1:
            seen = time[codes == code]
            return (
                f"class {str(labels[code])!r} is seen from {seen.min():.4g} to {seen.max():.4g} s "
                "alone: a fold that tests it has none to learn from"
            )
    return ""


def tells_when(name: str, values: np.ndarray, start: np.ndarray) -> bool:
    """Whether a column says when something was: a time of the session, or in its row.

    A reaction time says how long something took, and is none.

    Examples
    --------
    >>> start = np.arange(0.0, 100, 5)
    >>> lasted = np.random.default_rng(0).uniform(0.2, 1, size=20)
    >>> tells_when("choice_time", start + lasted, start), tells_when("reaction_time", lasted, start)
    (True, False)
    """
    if values.dtype.kind not in "iuf" or not _TIME.search(name):
        return False
    if _MOMENT.search(name):
        return True
    known = np.isfinite(values.astype(float)) & np.isfinite(start)
    ordered = values[known][np.argsort(start[known], kind="stable")].astype(float)
    if len(ordered) < 2:
        return False
    ascends = float((np.diff(ordered) >= 0).mean()) >= _ASCENDING
    return bool(ascends and np.ptp(ordered) >= 0.5 * np.ptp(start[known]))


def present(values: np.ndarray) -> np.ndarray:
    """Mark the values that are not missing."""
    if values.dtype.kind == "f":
        return np.isfinite(values)
    # An empty text is no label.
    return values != "" if values.dtype.kind in "OU" else np.ones(len(values), dtype=bool)
