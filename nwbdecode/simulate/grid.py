"""A grid of electrodes on the cortex, and what each of them hears of the fingers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nwbdecode.simulate.fingers import FINGERS

#: Distance of neighboring electrodes, mm (a high-density grid), and the radius of the
#: brain under it, mm.
ELECTRODE_PITCH, BRAIN_RADIUS = 4.0, 70.0
#: Where the middle of the grid lies in MNI space, mm: the left hand knob.
HAND_KNOB = (-40.0, -22.0, 56.0)
#: Fingers lie along a line on the grid, the thumb most lateral (Penfield & Rasmussen
#: 1950): its ends as shares of the grid's rows and columns.
FINGER_LINE = ((0.7, 0.3), (0.25, 0.62))
#: Spread of a finger's patch, and of the area that beta and its desynchronization fill, in
#: electrodes.
PATCH_SPREAD, HAND_SPREAD = 0.7, 2.0
#: Gain under which a finger is not planted in an electrode at all.
LEAST_GAIN = 0.05
#: Gain from which an electrode counts as informative.
INFORMATIVE = 0.3
#: Spread of the natural log of the gain at which electrodes pick up the brain.
GAIN_SPREAD = 0.15
#: Electrodes that touch nothing: one in so many.
ELECTRODES_PER_BAD = 32
#: Spread of the background that neighbors share, in electrodes, and its share of the power.
SHARED_SPREAD, SHARED = 1.5, 0.6


@dataclass(frozen=True, eq=False)
class Grid:
    """The electrodes, row by row.

    Attributes
    ----------
    size : (int, int)
        Rows and columns.
    position : numpy.ndarray, shape (electrode, 3)
        MNI space, millimeters: right, front, up.
    bad : numpy.ndarray of bool, shape (electrode,)
        Electrodes that touch nothing.
    gain : numpy.ndarray, shape (electrode,)
        Ratio at which an electrode picks up the brain; 0 where bad.
    finger_gain : numpy.ndarray, shape (electrode, finger)
        How strongly a finger is planted in an electrode, 0 to 1.
    hand_gain : numpy.ndarray, shape (electrode,)
        How strongly beta of the hand area is, 0 to 1.
    mixing : numpy.ndarray, shape (electrode, electrode)
        How independent noises make up a background that neighbors share.
    """

    size: tuple[int, int]
    position: np.ndarray
    bad: np.ndarray
    gain: np.ndarray
    finger_gain: np.ndarray
    hand_gain: np.ndarray
    mixing: np.ndarray

    @property
    def n_channels(self) -> int:
        return len(self.bad)

    @property
    def informative(self) -> np.ndarray:
        """Electrodes in which a finger is planted, shape (electrode,)."""
        return np.asarray((self.finger_gain.max(axis=1) >= INFORMATIVE) & ~self.bad)


def place_grid(size: tuple[int, int], rng: np.random.Generator) -> Grid:
    """Lay a grid over the hand area of motor cortex.

    Parameters
    ----------
    size : (int, int)
        Rows (from lateral to medial) and columns (from back to front).
    rng : numpy.random.Generator

    Returns
    -------
    Grid

    Examples
    --------
    >>> grid = place_grid((8, 8), np.random.default_rng(0))
    >>> grid.n_channels, int(grid.bad.sum())
    (64, 2)
    """
    rows, columns = size
    at = np.stack(np.divmod(np.arange(rows * columns), columns), axis=1).astype(float)
    ends = np.array(FINGER_LINE) * (np.array(size) - 1)
    share = np.linspace(0, 1, len(FINGERS))[:, None]
    centers = (1 - share) * ends[0] + share * ends[1]
    near = _bump(at[:, None] - centers, PATCH_SPREAD)
    hand = _bump(at - centers.mean(axis=0), HAND_SPREAD)
    gain = np.exp(GAIN_SPREAD * rng.standard_normal(len(at)))
    bad = np.zeros(len(at), dtype=bool)
    # An electrode that hears fingers best is worth more to a demonstration alive.
    spare = np.flatnonzero(near.max(axis=1) < INFORMATIVE)
    count = min(len(at) // ELECTRODES_PER_BAD, len(spare))
    bad[rng.choice(spare, count, replace=False)] = True
    mixing = _bump(at[:, None] - at, SHARED_SPREAD)
    mixing /= np.linalg.norm(mixing, axis=1, keepdims=True)
    mixing = np.sqrt(SHARED) * mixing + np.sqrt(1 - SHARED) * np.eye(len(at))
    mixing /= np.linalg.norm(mixing, axis=1, keepdims=True)
    return Grid(
        size=size,
        position=_on_brain(at, size),
        bad=bad,
        gain=gain * ~bad,
        finger_gain=np.where(near >= LEAST_GAIN, near, 0.0) * ~bad[:, None],
        hand_gain=hand * ~bad,
        mixing=mixing,
    )


def _bump(offset: np.ndarray, spread: float) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * (offset**2).sum(axis=-1) / spread**2))


def _on_brain(at: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bend the grid over a sphere around the brain's middle."""
    up = np.array(HAND_KNOB) / np.linalg.norm(HAND_KNOB)
    front = np.array([0.0, 1.0, 0.0]) - up[1] * up
    front /= np.linalg.norm(front)
    medial = np.cross(front, up)
    medial *= np.sign(medial[0])  # the left hemisphere's midline lies to the right
    step = (at - (np.array(size) - 1) / 2) * ELECTRODE_PITCH
    flat = step[:, :1] * medial + step[:, 1:] * front
    toward = np.linalg.norm(HAND_KNOB) * up + flat
    return np.asarray(BRAIN_RADIUS * toward / np.linalg.norm(toward, axis=1, keepdims=True))
