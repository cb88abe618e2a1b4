"""Taking an electrical signal for what the user says it is, where the file's words mislead."""

from __future__ import annotations

from dataclasses import replace

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.load.signal import Modality, Signal

#: What electrodes may record: which of them it is, only words in the file tell.
ELECTRICAL: tuple[Modality, ...] = ("ephys", "ecog")


def taken_as(signal: Signal, modality: str | None) -> Signal:
    """Give a signal the modality that the user says it has, and note that it was said.

    Parameters
    ----------
    signal : Signal
    modality : {"ephys", "ecog"} or None
        None leaves what the file tells.

    Raises
    ------
    NWBDecodeError
        If there is no such modality, or the signal was not recorded by electrodes.

    Examples
    --------
    >>> import numpy as np
    >>> from nwbdecode.load import as_signal
    >>> taken_as(as_signal(np.zeros((1000, 4)), rate=250.0), "ecog").modality
    'ecog'
    """
    if modality is None:
        return signal
    chosen = next((name for name in ELECTRICAL if name == modality), None)
    if chosen is None:
        raise NWBDecodeError(f"unknown modality {modality!r}. {suggest(str(modality), ELECTRICAL)}")
    if signal.modality not in ELECTRICAL:
        raise NWBDecodeError(
            f"{signal.path!r} is {signal.modality} by its type; only signals of electrodes can be "
            f"taken as {modality!r}. Leave out modality"
        )
    told = {**signal.source.get("signal", {}), "modality": chosen, "modality_from": "given"}
    return replace(signal, modality=chosen, source={**signal.source, "signal": told})
