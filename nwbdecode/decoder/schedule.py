"""How a network is trained: for how long, at what rate, and on which windows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nwbdecode.decoder.windows import runs
from nwbdecode.errors import NWBDecodeError

#: Outputs decoded from one training window of the compact network.
_STRETCH = 128
#: Share of the windows that shall lie in stretches as long, else shorter ones are taken, of which
#: at most so many make a step.
_MOSTLY, _BATCH = 0.9, 64


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes
    ----------
    optimizer : {"adamw", "amsgrad"}
    learning_rate : float
    batch : int
        Windows (of `length` bins) a step.
    length : int
        Bins of a training window.
    epochs, steps : int
        At most so many epochs of so many steps; validation follows each epoch.
    patience : int
        Epochs without a better validation loss before it stops; 0 never stops.
    average : float
        Decay of the running average of weights that is validated and kept; 0 for none.
    weight_decay : float
    """

    optimizer: str
    learning_rate: float
    batch: int
    length: int
    epochs: int
    steps: int
    patience: int
    average: float = 0.0
    weight_decay: float = 0.0


def published(
    window: int, *, learning_rate: float | None, epochs: int | None, patience: int
) -> Schedule:
    """Give the schedule of Frey et al. (2021): windows one by one, at a constant rate."""
    return Schedule(
        "amsgrad", learning_rate or 7e-4, batch=8, length=window,
        epochs=epochs or 20, steps=250, patience=patience,
    )  # fmt: skip


def default(
    window: int,
    *,
    learning_rate: float | None,
    epochs: int | None,
    patience: int,
    calibrate: bool = False,
) -> Schedule:
    """Give the compact network's schedule: few long stretches a step, at a rate that falls.

    Parameters
    ----------
    window : int
        Bins that an output sees.
    learning_rate, epochs : optional
        In place of the usual ones.
    patience : int
    calibrate : bool, default False
        Whether channels learn alone.
    """
    return Schedule(
        "adamw", learning_rate or 1e-2, batch=4, length=window + _STRETCH - 1,
        epochs=epochs or (12 if calibrate else 24), steps=50, patience=patience, average=0.99,
        # Decay would move embeddings that are to stay.
        weight_decay=0.0 if calibrate else 0.01,
    )  # fmt: skip


def training_windows(
    schedule: Schedule, window: int, kept: np.ndarray, segment: np.ndarray
) -> tuple[Schedule, np.ndarray]:
    """Give the bins that training windows may begin with, and shorten them to what is there.

    Runs between gaps and test blocks may be short, such as trials: as many outputs are
    then made of more and shorter windows.

    Parameters
    ----------
    schedule : Schedule
    window : int
        Bins that an output sees.
    kept, segment : arrays, shape (bin,)
        Which bins may be trained on, and the segment of each.

    Returns
    -------
    schedule : Schedule
    starts : int array

    Raises
    ------
    NWBDecodeError
        If no window fits.
    """
    lengths = [stop - start for start, stop in runs(kept, segment)]
    windows = sum(max(0, length - window + 1) for length in lengths)
    if not windows:
        raise NWBDecodeError(
            f"the inner validation block leaves no window of {window} bins to train on; "
            "ask for a shorter window, a higher lowest frequency, or validation=0"
        )
    stretch = schedule.length - window + 1
    while stretch > 1:
        least = window + stretch - 1
        held = sum(length - window + 1 for length in lengths if length >= least)
        if held >= _MOSTLY * windows:
            break
        stretch //= 2
    schedule = replace(
        schedule,
        length=window + stretch - 1,
        batch=min(_BATCH, schedule.batch * (schedule.length - window + 1) // stretch),
    )
    starts = [np.arange(start, stop - schedule.length + 1) for start, stop in runs(kept, segment)]
    return schedule, np.concatenate(starts)
