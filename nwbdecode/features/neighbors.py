"""Which electrodes of a group lie beside each other."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

#: Places within the probe or grid are finer than those in the brain, where both are known.
_COORDINATES = (("rel_x", "rel_y", "rel_z"), ("x", "y", "z"))
#: How many times the distance to its nearest neighbor another one may lie. On a square grid
#: the diagonal, at 1.41, is none.
REACH = 1.2


def neighbors(channels: pd.DataFrame, rows: np.ndarray) -> list[tuple[int, int]]:
    """Pair the channels of one group with their neighbors.

    Two channels are neighbors if their distance is at most 1.2 times the distance
    from one of them to its nearest: rows and columns of a grid, contacts in
    succession on a shank or strip. A pair never bridges a missing contact, unless a
    channel has no nearer one. Where places are unknown or tell none apart, the order
    of the table stands for them.

    Parameters
    ----------
    channels : pandas.DataFrame
        With some of ``rel_x, rel_y, rel_z`` or ``x, y, z``.
    rows : int array
        Rows of the group, at least two.

    Returns
    -------
    list of (int, int)
        Rows, the one that comes first in the table first.

    Examples
    --------
    >>> import pandas as pd
    >>> strip = pd.DataFrame({"x": [0.0, 20.0, 10.0, 50.0]})
    >>> neighbors(strip, np.array([0, 1, 2, 3]))
    [(0, 2), (1, 2), (1, 3)]
    """
    places = _places(channels, rows)
    if places is None:
        return list(pairwise(rows.tolist()))
    distance = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = distance.min(axis=1)
    limit = REACH * np.maximum(nearest[:, None], nearest[None, :])
    first, second = np.nonzero(np.triu(distance <= limit, k=1))
    return [(int(rows[a]), int(rows[b])) for a, b in zip(first, second, strict=True)]


def _places(channels: pd.DataFrame, rows: np.ndarray) -> np.ndarray | None:
    """Coordinates of a group, None where they do not tell its channels apart."""
    for names in _COORDINATES:
        known = [name for name in names if name in channels]
        if not known:
            continue
        places = channels[known].to_numpy(dtype=float)[rows]
        places = places[:, np.isfinite(places).any(axis=0)]
        apart = len(np.unique(places, axis=0)) == len(rows)
        if places.size and np.isfinite(places).all() and apart:
            return places
    return None
