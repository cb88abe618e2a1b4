"""Where the electrodes of a simulated recording sit and what each can hear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Channels twisted into one tetrode.
WIRES = 4
#: Distance of neighboring wire tips and of neighboring tetrodes, micrometers.
WIRE_PITCH, TETRODE_PITCH = 25.0, 300.0
#: Spread of the gain at which channels pick up the field potential (a ratio).
GAIN_SPREAD = 0.15
#: One channel in so many hears nothing but its own noise (a broken wire).
CHANNELS_PER_DEAD = 8


@dataclass(frozen=True, eq=False)
class Tetrodes:
    """The electrodes, four to a tetrode (the last may have fewer).

    Attributes
    ----------
    tetrode : numpy.ndarray of int, shape (channel,)
        Which tetrode a channel belongs to.
    position : numpy.ndarray, shape (channel, 3)
        Micrometers.
    informative : numpy.ndarray of bool, shape (channel,)
        False for channels that record only noise of their own.
    gain : numpy.ndarray, shape (channel,)
        Ratio at which a channel picks up theta, gamma, ripples and the shared
        background; 0 where not informative.
    """

    tetrode: np.ndarray
    position: np.ndarray
    informative: np.ndarray
    gain: np.ndarray

    @property
    def n_channels(self) -> int:
        return len(self.tetrode)

    @property
    def n_tetrodes(self) -> int:
        return int(self.tetrode[-1]) + 1


def implant_tetrodes(n_channels: int, rng: np.random.Generator) -> Tetrodes:
    """Place tetrodes in a row and break one wire in eight.

    Parameters
    ----------
    n_channels : int
    rng : numpy.random.Generator

    Returns
    -------
    Tetrodes

    Examples
    --------
    >>> import numpy as np
    >>> tetrodes = implant_tetrodes(16, np.random.default_rng(0))
    >>> tetrodes.n_tetrodes, int((~tetrodes.informative).sum())
    (4, 2)
    """
    channel = np.arange(n_channels)
    tetrode, wire = np.divmod(channel, WIRES)
    tips = np.array([(0, 0), (1, 0), (1, 1), (0, 1)]) * WIRE_PITCH
    # Tetrodes are lowered one by one and end at different depths.
    depth = 1300 + rng.uniform(-40, 40, size=tetrode[-1] + 1)
    position = np.column_stack(
        [tips[wire, 0] + tetrode * TETRODE_PITCH, depth[tetrode], tips[wire, 1]]
    )
    informative = np.ones(n_channels, dtype=bool)
    # Broken wires are spread out: no tetrode loses two before each has lost one.
    n_dead = n_channels // CHANNELS_PER_DEAD
    unlucky = rng.permutation(n_channels // WIRES)[:n_dead]
    informative[unlucky * WIRES + rng.integers(WIRES, size=n_dead)] = False
    gain = np.exp(GAIN_SPREAD * rng.standard_normal(n_channels)) * informative
    return Tetrodes(tetrode, position, informative, gain)
