"""Which channels of another recording are those that decoders were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

#: How channels are found again: by id, by nearest place, or one after the other.
Match: TypeAlias = Literal["id", "position", "order"]

#: Share of the channels trained on that may be missing.
MOST_MISSING = 0.25
_PLACES = (("x", "y", "z"), ("rel_x", "rel_y", "rel_z"))


@dataclass(frozen=True)
class Matched:
    """Channels found again.

    Attributes
    ----------
    trained : list
        Channels trained on, in the order the decoders read them.
    found : list
        For each, the id in the other recording; None where there is none.
    """

    trained: list[Any]
    found: list[Any]

    @property
    def read(self) -> list[Any]:
        """Ids to read from the other recording, in the decoders' order."""
        return [label for label in self.found if label is not None]

    @property
    def missing(self) -> list[Any]:
        """Channels trained on that the other recording lacks."""
        pairs = zip(self.trained, self.found, strict=True)
        return [label for label, other in pairs if other is None]


def check_match(match: str) -> None:
    """Refuse a way to match that there is not.

    Raises
    ------
    NWBDecodeError
    """
    if match not in get_args(Match):
        raise NWBDecodeError(f"unknown match {match!r}. {suggest(str(match), get_args(Match))}")


def match_channels(
    trained: Sequence[Any],
    places: xr.Dataset,
    given: pd.DataFrame,
    *,
    match: Match,
    path: str,
    most_missing: float = MOST_MISSING,
) -> Matched:
    """Find the channels of training among those of another recording.

    Parameters
    ----------
    trained : sequence
        Ids of the channels that were read in training, in order.
    places : xarray.Dataset
        What is known of them, dim ``channel``: `Decoding.channels`.
    given : pandas.DataFrame
        Channel table of the other recording, indexed by id; those marked bad do not count.
    match : {"id", "position", "order"}
        By id; by nearest place, at most half the least distance between two
        channels of training away; or one after the other.
    path : str
        Names the signal in messages.
    most_missing : float, default 0.25
        Share of the channels of training that may be missing.

    Raises
    ------
    NWBDecodeError
        When too many are missing, places are unknown or fit several channels,
        or numbers differ for "order".
    """
    trained = list(trained)
    if "bad" in given:
        given = given[~given["bad"].to_numpy(dtype=bool)]
    if match == "id":
        there = set(given.index)
        found = [label if label in there else None for label in trained]
    elif match == "order":
        if len(given) != len(trained):
            raise NWBDecodeError(
                f"the decoders read {len(trained)} channels in a fixed order, {path!r} gives "
                f"{len(given)} (without those marked bad); choose {len(trained)} with `channels`"
            )
        found = given.index.tolist()
    else:
        found = _nearest(trained, places, given, path)
    matched = Matched(trained, found)
    if len(matched.missing) > most_missing * len(trained):
        raise _too_few(matched, match, path, most_missing)
    return matched


def _too_few(matched: Matched, match: Match, path: str, most: float) -> NWBDecodeError:
    missing = [str(label) for label in matched.missing]
    listed = ", ".join(missing[:8]) + (", ..." if len(missing) > 8 else "")
    others = {"id": "position' or match='order", "position": "id' or match='order"}[match]
    return NWBDecodeError(
        f"the decoders read {len(matched.trained)} channels in a fixed order, {path!r} lacks "
        f"{len(missing)} of them by {match} (without those marked bad): {listed}. At most "
        f"{most:.0%} may be missing; try match='{others}', or choose others with `channels`"
    )


def _nearest(
    trained: Sequence[Any], places: xr.Dataset, given: pd.DataFrame, path: str
) -> list[Any]:
    from scipy.spatial import KDTree
    from scipy.spatial.distance import pdist

    mine, theirs = _coordinates(trained, places, given, path)
    if len(mine) < 2 or not (least := float(pdist(mine).min())) > 0:
        raise NWBDecodeError(
            f"{len(mine)} channels of training cannot be told apart by position: they lie at "
            f"{len(np.unique(mine, axis=0))} places; match them by id or order"
        )
    away, nearest = KDTree(theirs).query(mine)
    found = [int(n) if d <= least / 2 else None for d, n in zip(away, nearest, strict=True)]
    taken = [place for place in found if place is not None]
    if len(set(taken)) < len(taken):
        raise NWBDecodeError(
            f"two channels of training lie nearest to the same one of {path!r}; match them by id "
            "or order"
        )
    labels = given.index.tolist()
    return [None if place is None else labels[place] for place in found]


def _coordinates(
    trained: Sequence[Any], places: xr.Dataset, given: pd.DataFrame, path: str
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates that both recordings know of all their channels, shape (channel, axis)."""
    if places.sizes.get("channel") == len(trained):
        for axes in _PLACES:
            mine = {a: places[a].to_numpy().astype(float) for a in axes if a in places.variables}
            # An axis along which nothing differs need not be known of both.
            mine = {a: held for a, held in mine.items() if np.unique(held).size > 1}
            theirs = {a: given[a].to_numpy(dtype=float) for a in mine if a in given}
            known = [*mine.values(), *theirs.values()]
            if mine and len(theirs) == len(mine) and all(np.isfinite(one).all() for one in known):
                return np.stack(list(mine.values()), 1), np.stack(list(theirs.values()), 1)
    raise NWBDecodeError(
        f"the places of the channels are not known both in training and in {path!r} "
        "(columns x, y, z or rel_x, rel_y, rel_z); match them by id or order"
    )
