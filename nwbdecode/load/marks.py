"""Columns of a channel table that say which channels are bad, as tools and people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

# Names without case, blanks, underscores and hyphens, the plainest first.
_BAD = (
    "bad", "badchannel", "badchannels", "badelectrode", "badelectrodes", "isbad", "isbadchannel",
    "isbadelectrode", "channelisbad", "noisy", "isnoisy", "noisychannel", "isnoisychannel", "dead",
    "isdead", "deadchannel", "isdeadchannel",
)  # fmt: skip
_GOOD = (
    "good", "goodchannel", "goodchannels", "goodelectrode", "goodelectrodes", "isgood",
    "isgoodchannel", "isgoodelectrode", "channelisgood", "valid", "isvalid", "validdata",
    "validchannel", "usable", "isusable",
)  # fmt: skip
#: Names that can mean nothing else.
_PLAINEST = ("bad", "badchannel", "badchannels", "isbad", "good", "goodchannel", "isgood")
#: Columns of words, of which some mean that a channel is bad.
_STATES = ("status", "channelstatus", "electrodestatus", "quality", "channelquality", "label",
           "channellabel", "badchannellabel")  # fmt: skip
_WORST = r"(bad|noisy|noise|dead|broken)([ _-]?(channel|electrode|contact)s?)?"
_FINE = r"good|ok|okay|fine|valid|usable|normal"
_YES = r"true|t|yes|y|1|1\.0"
# Nothing said is no mark.
_NO = r"false|f|no|n|0|0\.0|-?|nan|none|n/?a|n\.a\.|null"


def bad_channels(columns: Mapping[str, Any]) -> np.ndarray | None:
    """Tell which channels a table marks bad, None where no column of it says.

    Parameters
    ----------
    columns : mapping of name to array
        Columns of the table.

    Raises
    ------
    NWBDecodeError
        If a column that should say yes or no holds other words or numbers.
    """
    named = {_plain(name): name for name in columns}
    for names, inverted in ((_BAD, False), (_GOOD, True)):
        for name in names:
            if name not in named:
                continue
            found = _truth(named[name], columns[named[name]], inverted, strict=name in _PLAINEST)
            if found is not None:
                return found ^ inverted
    for name in _STATES:
        values = columns[named[name]] if name in named else np.empty(0)
        if values.dtype.kind == "O":
            bad = np.array([_is(_WORST, value) for value in values])
            if bad.any():
                return bad
    return None


def marking(names: Iterable[str], *, plainly: bool = False) -> list[str]:
    """Names of columns that say of each channel whether it is good or bad, and nothing more.

    With `plainly`, only those that can mean nothing else.
    """
    known = _PLAINEST if plainly else (*_BAD, *_GOOD)
    return [name for name in names if _plain(name) in known]


def _plain(name: Any) -> str:
    return re.sub(r"[\s_-]+", "", str(name)).lower()


def _is(words: str, value: Any) -> bool:
    return re.fullmatch(words, str(value).strip(), re.IGNORECASE) is not None


def _truth(name: str, values: np.ndarray, good: bool, *, strict: bool) -> np.ndarray | None:
    """Read yes and no; `good` says what a channel is of which the column says yes.

    A column that holds something else may measure what it is named after, such as noise in
    microvolts; a plain mark may not.
    """
    yes, no = (_FINE, _WORST) if good else (_WORST, _FINE)
    if values.dtype.kind != "O":
        numbers = np.nan_to_num(values.astype(float))
        wrong = ~np.isin(numbers, (0, 1))
        found = numbers != 0
    else:
        found = np.array([_is(f"{_YES}|{yes}", value) for value in values], dtype=bool)
        wrong = ~found & ~np.array([_is(f"{_NO}|{no}", value) for value in values], dtype=bool)
    if wrong.any() and not strict:
        return None
    if wrong.any():
        raise NWBDecodeError(
            f"the column {name!r} of the channel table holds {values[wrong][0]!r}, neither yes "
            "nor no; expected true or false, 1 or 0, or words such as 'good' and 'bad'. "
            "Correct the file, or name the column otherwise if it marks no channels"
        )
    return found
