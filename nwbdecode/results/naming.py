"""Names that HDF5, NWB and its readers accept, from names that users chose."""

from __future__ import annotations

import re
from collections.abc import Iterable


class Names:
    """Hands out object names that are valid and not yet taken.

    Slashes, colons and the like mean something to HDF5 and NWB; they, and
    whatever else is neither letter, digit, ``_`` nor ``-``, become ``_``.

    Parameters
    ----------
    taken : iterable of str
        Names that are in use already.

    Examples
    --------
    >>> names = Names()
    >>> names.take("arm/x"), names.take("arm x"), names.take("größe")
    ('arm_x', 'arm_x_2', 'größe')
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def take(self, wanted: str) -> str:
        """Return the valid free name nearest to the one wanted."""
        base = re.sub(r"[^\w-]", "_", wanted) or "unnamed"
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name


def readable(text: object) -> str:
    r"""Return text that HDF5 can hold, for columns and descriptions that people read.

    Examples
    --------
    >>> readable("tone\0"), readable(3)
    ('tone', '3')
    """
    return str(text).replace("\0", "").encode("utf-8", "replace").decode("utf-8")
