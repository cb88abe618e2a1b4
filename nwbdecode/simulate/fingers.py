"""A hand whose fingers flex one after another on a cue, as a data glove sees it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FINGERS = ("thumb", "index", "middle", "ring", "little")
REST = "rest"
#: Rate of the data glove, Hz.
GLOVE_RATE = 50.0
#: Length of a movement, and shortest and longest rest between two, s: those of the finger
#: task of BCI Competition IV, data set 4 (Miller & Schalk 2008).
MOVEMENT, PAUSE = 2.0, (1.5, 2.5)
#: Time of one flexion and extension, s (uniform in each movement), and the spread of the
#: natural log of how far a finger bends.
CYCLE, BEND_SPREAD = (0.45, 0.75), 0.2
#: Share of a finger's bend that its neighbors make with it, and that the ring and the
#: little finger make with each other.
ENSLAVED, RING_AND_LITTLE = 0.1, 0.3
#: Spread of the glove's noise, a share of a full bend.
GLOVE_NOISE = 0.01


@dataclass(frozen=True, eq=False)
class Hand:
    """What the hand did.

    Attributes
    ----------
    rate : float
        Samples per second; the first sample is at time 0.
    flexion : numpy.ndarray, shape (time, finger)
        Bend of each finger that the glove shows, in full bends: its own and what
        the others force on it.
    intended : numpy.ndarray, shape (time, finger)
        Bend of the finger that was told to move, 0 of the others.
    start, stop : numpy.ndarray, shape (movement,)
        Seconds.
    finger : numpy.ndarray of int, shape (movement,)
        Place in `FINGERS`.
    """

    rate: float
    flexion: np.ndarray
    intended: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    finger: np.ndarray

    @property
    def time(self) -> np.ndarray:
        """Seconds, shape (time,)."""
        return np.arange(len(self.flexion)) / self.rate

    def moving(self, time: np.ndarray) -> np.ndarray:
        """Tell which finger moves at given times in seconds: its place plus one, or 0."""
        if not len(self.start):
            return np.zeros(np.shape(time), dtype=int)
        last = np.searchsorted(self.start, time, side="right") - 1
        now = (last >= 0) & (time < self.stop[last])
        return np.where(now, self.finger[last] + 1, 0)


def flex_fingers(duration: float, rng: np.random.Generator, *, rate: float = GLOVE_RATE) -> Hand:
    """Let one finger after another bend three or four times and rest.

    Parameters
    ----------
    duration : float
        Seconds. No movement is cut off by the end.
    rng : numpy.random.Generator
    rate : float, default 50
        Samples per second of the glove.

    Returns
    -------
    Hand

    Examples
    --------
    >>> hand = flex_fingers(60.0, np.random.default_rng(0))
    >>> hand.flexion.shape
    (3000, 5)
    """
    n = math.ceil(duration * rate)
    most = int(duration / (MOVEMENT + PAUSE[0])) + 1
    start = np.cumsum(rng.uniform(*PAUSE, most)) + MOVEMENT * np.arange(most)
    # Shuffled in rounds, so that no stretch of the session lacks a finger.
    rounds = rng.permuted(np.tile(np.arange(len(FINGERS)), (most, 1)), axis=1)
    kept = start + MOVEMENT <= duration
    start, finger = start[kept], rounds.ravel()[:most][kept]
    cycles = rng.uniform(*CYCLE, len(start))
    bends = np.exp(BEND_SPREAD * rng.standard_normal((len(start), int(MOVEMENT / CYCLE[0]))))
    time = np.arange(n) / rate
    intended = np.zeros((n, len(FINGERS)))
    for begin, which, cycle, bend in zip(start, finger, cycles, bends, strict=True):
        part = slice(*np.searchsorted(time, [begin, begin + int(MOVEMENT / cycle) * cycle]))
        turn = (time[part] - begin) / cycle
        intended[part, which] = bend[turn.astype(int)] * np.sin(np.pi * turn) ** 2
    flexion = intended @ enslaving() + GLOVE_NOISE * rng.standard_normal(intended.shape)
    return Hand(rate, flexion, intended, start, start + MOVEMENT, finger)


def enslaving() -> np.ndarray:
    """How far each finger (column) bends with the one that is told to (row)."""
    bend = np.eye(len(FINGERS))
    for finger in range(len(FINGERS) - 1):
        bend[finger, finger + 1] = bend[finger + 1, finger] = ENSLAVED
    bend[3, 4] = bend[4, 3] = RING_AND_LITTLE
    return bend
