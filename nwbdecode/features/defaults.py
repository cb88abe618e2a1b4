"""What is done to each kind of recording unless it is asked for otherwise: all in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nwbdecode.features.morlet import LOWEST
from nwbdecode.features.referencing import Reference
from nwbdecode.load.signal import Modality, Signal

#: Under this rate any signal is too slow for bands.
SLOWEST_FOR_WAVELETS = 60.0


@dataclass(frozen=True)
class Defaults:
    """Settings of `wavelet_power` that the modality decides where the user does not.

    Attributes
    ----------
    reference : {"none", "average", "median", "bipolar"}
    lowest, highest : float
        Hz; the sampling rate may lower the highest.
    remainder : bool
        Whether the signed signal below the bands is kept.
    wavelets : bool
        Whether the signal is cut into bands at all.
    """

    reference: Reference = "none"
    lowest: float = LOWEST
    highest: float = 15_000.0
    remainder: bool = False
    wavelets: bool = True


BY_MODALITY: Mapping[Modality, Defaults] = {
    # Probes and tetrodes are referenced when recorded, and a tetrode's average is its neuron.
    "ephys": Defaults(),
    # Cortical grids share their reference's noise. Their information lies in high gamma, 70 to
    # 200 Hz, which 26 bands up to 200 Hz cover without a hole, and in slow potentials.
    "ecog": Defaults(reference="average", highest=200.0, remainder=True),
    # Fluorescence and firing rates: the decoder's window supplies the lags.
    "imaging": Defaults(),
    "spikes": Defaults(wavelets=False),
    # Power that others computed is taken as it is.
    "bands": Defaults(wavelets=False),
}


def defaults_of(signal: Signal) -> Defaults:
    """Settings that a signal's modality decides; one channel has nothing to be referenced to."""
    usual = BY_MODALITY[signal.modality]
    if signal.n_channels > 1:
        return usual
    return Defaults(
        lowest=usual.lowest,
        highest=usual.highest,
        remainder=usual.remainder,
        wavelets=usual.wavelets,
    )
