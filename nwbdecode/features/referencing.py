"""References: what is subtracted from every channel, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.features.neighbors import neighbors

if TYPE_CHECKING:
    import pandas as pd

Reference = Literal["none", "average", "median", "bipolar"]

#: Asks for one reference of all channels, whatever group they are in.
ALL = "all"
_PLACES = ("x", "y", "z", "rel_x", "rel_y", "rel_z")


@dataclass(frozen=True, eq=False)
class Referencing:
    """A reference worked out for the channels of one signal.

    Attributes
    ----------
    kind : {"none", "average", "median", "bipolar"}
    channels : pandas.DataFrame
        The channels that come out: those that went in or, with "bipolar", the
        pairs, labelled ``"anode-cathode"``.
    groups : tuple of int arrays
        Rows that share an average or median.
    pairs : int array, shape (channel out, 2)
        Rows whose difference each channel is; -1 for a channel left as it is.
    """

    kind: Reference
    channels: pd.DataFrame
    groups: tuple[np.ndarray, ...] = ()
    pairs: np.ndarray = field(default_factory=lambda: np.empty((0, 2), dtype=int))

    def apply(self, samples: np.ndarray) -> np.ndarray:
        """Reference samples of shape (time, channel); they may be changed in place.

        Each instant is referenced by itself, so any cut into blocks gives the same bits.
        """
        if len(self.pairs):
            anode, cathode = self.pairs.T
            out = samples[:, anode]
            paired = cathode >= 0
            out[:, paired] -= samples[:, cathode[paired]]
            return out
        for rows in self.groups:
            held = samples[:, rows]
            if self.kind == "median":
                shared = np.median(held, axis=1)
            else:
                # Summed in float64: hundreds of channels would eat into float32.
                shared = held.mean(axis=1, dtype=np.float64)
            samples[:, rows] -= shared[:, None].astype(samples.dtype)
        return samples

    @property
    def facts(self) -> list[Any]:
        """What tells this reference from another on the same channels, as JSON values."""
        return [self.kind, [rows.tolist() for rows in self.groups], self.pairs.tolist()]


def referencing(
    channels: pd.DataFrame, reference: Reference = "none", by: str | None = None
) -> Referencing:
    """Work out a reference for a signal's channels.

    Parameters
    ----------
    channels : pandas.DataFrame
        The signal's channel table. Channels marked ``bad`` take no part.
    reference : {"none", "average", "median", "bipolar"}
        Subtract from each channel the mean or the median of its group, or make of
        each two neighbors in a group their difference. A channel alone stays as it is.
    by : str, optional
        Column of the table, or several separated by commas: channels that agree in
        all of them are one group. The electrode group by default; "all" puts every
        channel into one.

    Returns
    -------
    Referencing

    Raises
    ------
    NWBDecodeError
        If there is no such reference or column.

    Examples
    --------
    >>> import pandas as pd
    >>> shank = pd.DataFrame({"y": [0.0, 20.0, 40.0]}, index=[5, 6, 7])
    >>> referencing(shank, "bipolar").channels.index.tolist()
    ['5-6', '6-7']
    """
    if reference not in get_args(Reference):
        raise NWBDecodeError(
            f"unknown reference {reference!r}. {suggest(str(reference), get_args(Reference))}"
        )
    rows = [found for found in grouped(channels, by) if len(found) > 1]
    if reference == "none" or not rows:
        return Referencing(reference, channels)
    if reference != "bipolar":
        return Referencing(reference, channels, tuple(rows))
    paired = [pair for found in rows for pair in neighbors(channels, found)]
    alone = set(_good(channels).tolist()) - {row for pair in paired for row in pair}
    pairs = np.array(sorted([*paired, *((row, -1) for row in alone)]))
    return Referencing(reference, _pair_table(channels, pairs), pairs=pairs)


def _good(channels: pd.DataFrame) -> np.ndarray:
    if "bad" not in channels:
        return np.arange(len(channels))
    return np.flatnonzero(~channels["bad"].to_numpy(dtype=bool))


def grouped(channels: pd.DataFrame, by: str | None = None) -> list[np.ndarray]:
    """Rows of the good channels, one array a group.

    Raises
    ------
    NWBDecodeError
        If `by` names a column that the table does not have.
    """
    columns = ["group"] if by is None else [name.strip() for name in by.split(",")]
    if by is None and "group" not in channels:
        columns = [ALL]
    good = _good(channels)
    if columns == [ALL] and ALL not in channels:
        return [good]
    for name in columns:
        if name not in channels:
            names = [*map(str, channels.columns), ALL]
            raise NWBDecodeError(
                f"channels cannot be grouped by {name!r}: their table has no such column. "
                f"{suggest(name, names)}"
            )
    labels = [tuple(map(str, row)) for row in channels[columns].itertuples(index=False)]
    return [
        np.array([row for row in good if labels[row] == label])
        for label in sorted({labels[row] for row in good})
    ]


def _pair_table(channels: pd.DataFrame, pairs: np.ndarray) -> pd.DataFrame:
    """Describe pairs: midpoints of places, and whatever both channels agree in."""
    import pandas as pd

    anode = channels.iloc[pairs[:, 0]]
    # A channel left as it is stands for both of its sides.
    other = np.where(pairs[:, 1] < 0, pairs[:, 0], pairs[:, 1])
    cathode = channels.iloc[other]
    columns: dict[str, Any] = {}
    for name in channels.columns:
        first, second = anode[name].to_numpy(), cathode[name].to_numpy()
        if name in _PLACES:
            columns[name] = (first.astype(float) + second.astype(float)) / 2
        elif name != "bad" and all(a == b for a, b in zip(first, second, strict=True)):
            columns[name] = first
        elif name == "location":
            columns[name] = _joined(first, second)
    labels = [
        str(a) if pair[1] < 0 else f"{a}-{b}"
        for a, b, pair in zip(anode.index, cathode.index, pairs, strict=True)
    ]
    return pd.DataFrame(columns, index=pd.Index(labels, name="channel", dtype=object))


def _joined(first: Sequence[Any], second: Sequence[Any]) -> np.ndarray:
    both = [str(a) if a == b else f"{a}-{b}" for a, b in zip(first, second, strict=True)]
    return np.array(both, dtype=object)
