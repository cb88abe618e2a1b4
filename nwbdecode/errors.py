"""The one error class that users meet, and how its messages are made."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nwbdecode.decoding import Decoding


class NWBDecodeError(ValueError):
    """What the user gave cannot be used; the message says what to do.

    Every message names what was found, what was expected and what to try
    next. It is a `ValueError`, so code that never imports this package's
    errors can still catch it.

    Attributes
    ----------
    decoding : Decoding or None
        A result that was made and could be stored nowhere: `nwbdecode.write` may
        store it once the cause is mended.
    """

    decoding: Decoding | None = None


class UnreachableError(NWBDecodeError):
    """What failed is the way to a recording: nothing is known to be wrong with it."""


def suggest(wrong: str, valid: Iterable[str], *, most: int = 12) -> str:
    """End a message about a wrong name: the nearest right ones, then what there is.

    Parameters
    ----------
    wrong : str
        The name that was not found.
    valid : iterable of str
        The names that exist.
    most : int, default 12
        How many of them to list.

    Returns
    -------
    str
        Such as ``"Did you mean 'LFP'? There are: 'ECoG', 'LFP'."``

    Examples
    --------
    >>> suggest("LPF", ["LFP", "ECoG"])
    "Did you mean 'LFP'? There are: 'ECoG', 'LFP'."
    """
    names = sorted(set(valid))
    if not names:
        return "There are none."
    # Paths are long: compare the whole and, failing that, the last part.
    near = get_close_matches(wrong, names, n=1, cutoff=0.6)
    if not near:
        tails = {name.rsplit("/", 1)[-1].lower(): name for name in names}
        tail = wrong.rsplit("/", 1)[-1].lower()
        near = [tails[t] for t in get_close_matches(tail, tails, n=1, cutoff=0.6)]
    listed = ", ".join(repr(name) for name in names[:most])
    more = f", and {len(names) - most} more" if len(names) > most else ""
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return f"{hint}There are: {listed}{more}."
