"""JSON text for what has no array to live in: settings, attributes, labels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

# JSON has no NaN and no infinity, and readers in other languages stop at Python's spelling.
_TAG = "$number"
#: Levels of lists and objects within each other.
DEEPEST = 64
_TOO_DEEP = f"JSON nested deeper than {DEEPEST} levels"
_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_text(value: Any, what: str) -> str:
    """Write a value as JSON text that every JSON reader takes.

    Tuples and arrays become lists, NumPy scalars Python numbers, keys text;
    NaN and infinities become ``{"$number": "NaN"}`` and the like.

    Parameters
    ----------
    value : JSON value, NumPy scalar or array, or mappings and sequences of them
    what : str
        Names the value in the error message.

    Raises
    ------
    NWBDecodeError
        When something inside cannot be written as JSON.

    Examples
    --------
    >>> to_text({"bands": (4.0, float("inf"))}, "recipe")
    '{"bands": [4.0, {"$number": "Infinity"}]}'
    """
    plain = _plain(value, what)
    text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # undecodable bytes of a file name live on as lone surrogates
        text = json.dumps(plain, allow_nan=False)
    return text


def from_text(text: str) -> Any:
    """Read what `to_text` wrote.

    Raises
    ------
    ValueError
        When it is no standard JSON, names a key twice, or nests deeper than
        `DEEPEST`: whoever walks it next would run out of stack.

    Examples
    --------
    >>> from_text('{"bands": [4.0, {"$number": "Infinity"}]}')
    {'bands': [4.0, inf]}
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refused)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for held in level
            if isinstance(held, list | dict)
            for inner in (held.values() if isinstance(held, dict) else held)
        ]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)


def _object(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key of a JSON object occurs twice")
    number = found.get(_TAG)
    if len(found) == 1 and isinstance(number, str) and number in _NUMBERS:
        return _NUMBERS[number]
    return found


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _plain(value: Any, what: str, depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise NWBDecodeError(f"{what[:200]} is nested deeper than {DEEPEST} levels")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {
            str(key): _plain(held, f"{what}[{key!r}]", depth + 1) for key, held in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(held, f"{what}[{i}]", depth + 1) for i, held in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        return {_TAG: "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise NWBDecodeError(
        f"{what} holds a {type(value).__name__}, which cannot be written as JSON; "
        "give text, numbers, lists and dicts of them"
    )
