"""Long lists on one screen: the first of each folder, and how many more there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class More:
    """Entries that are not shown.

    Parameters
    ----------
    count : int
    folder : str, default ""
        Where they lie; empty for several places.
    """

    count: int
    folder: str = ""

    def __str__(self) -> str:
        return f"... {self.count} more" + (f" in {self.folder}" if self.folder else "")


def folded(entries: Sequence[Entry], most: int) -> list[Entry | More]:
    """Take entries for at most so many lines, evenly from the folders that they lie in.

    Parameters
    ----------
    entries : sequence of mappings
        Each with its ``path``. Where not all of a folder are shown, those that nothing
        keeps from being decoded (``undecodable``) come first.
    most : int
        Lines.

    Examples
    --------
    >>> columns = [{"path": f"intervals/trials/{name}"} for name in "abcdef"]
    >>> [str(line) for line in folded(columns, 2)]
    ["{'path': 'intervals/trials/a'}", '... 5 more in intervals/trials']
    """
    if len(entries) <= most:
        return list(entries)
    folders: dict[str, list[Entry]] = {}
    for entry in entries:
        folders.setdefault(entry["path"].rpartition("/")[0], []).append(entry)

    def lines(each: int) -> int:
        return sum(min(len(held), each) + (len(held) > each) for held in folders.values())

    each = max((n for n in range(1, most) if lines(n) <= most), default=1)
    out: list[Entry | More] = []
    left = len(entries)
    for folder, held in folders.items():
        part: list[Entry | More] = [*held]
        if len(held) > each:
            first = sorted(held, key=lambda entry: bool(entry.get("undecodable")))
            part = [*first[:each], More(len(held) - each, folder)]
        if len(out) + len(part) > most - (left > len(held)):
            break
        out += part
        left -= len(held)
    return [*out, More(left)] if left else out
