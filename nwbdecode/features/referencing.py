"""References: what is subtracted from every channel, sample by sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    import pandas as pd

Reference = Literal["none", "average"]


def reference_groups(channels: pd.DataFrame, reference: Reference) -> list[np.ndarray]:
    """Rows of the channels that share a common average.

    Parameters
    ----------
    channels : pandas.DataFrame
        The signal's channel table. Channels marked ``bad`` take no part.
    reference : {"none", "average"}
        With "average", one reference for each electrode group.

    Returns
    -------
    list of int arrays
        Groups of at least two good channels; one channel alone is its own
        average, and subtracting it would leave nothing.

    Raises
    ------
    NWBDecodeError
        If there is no such reference.
    """
    if reference not in get_args(Reference):
        raise NWBDecodeError(
            f"unknown reference {reference!r}. {suggest(str(reference), get_args(Reference))}"
        )
    if reference == "none":
        return []
    good = np.ones(len(channels), dtype=bool)
    if "bad" in channels:
        good = ~channels["bad"].to_numpy(dtype=bool)
    group = np.zeros(len(channels), dtype=object)
    if "group" in channels:
        group = channels["group"].astype(str).to_numpy()
    rows = [np.flatnonzero(good & (group == name)) for name in np.unique(group)]
    return [found for found in rows if len(found) > 1]


def subtract_average(samples: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Subtract each group's mean from its channels, in place.

    Parameters
    ----------
    samples : float array, shape (time, channel)
    groups : list of int arrays
        From `reference_groups`.
    """
    for rows in groups:
        # Summed in float64: hundreds of channels would eat into float32.
        mean = samples[:, rows].mean(axis=1, dtype=np.float64)
        samples[:, rows] -= mean[:, None].astype(samples.dtype)
    return samples
