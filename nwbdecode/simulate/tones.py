"""Tones that are played to an animal, in random order and with random pauses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: What is played, in the order of their codes; code 0 is silence.
TONES = ("4 kHz", "16 kHz")
SILENCE = "silence"
#: Length of a tone, and shortest and longest pause between two, s.
TONE_LENGTH, PAUSE = 2.0, (2.5, 5.0)


@dataclass(frozen=True, eq=False)
class Tones:
    """The tones of a session.

    Attributes
    ----------
    start, stop : numpy.ndarray, shape (tone,)
        Seconds.
    code : numpy.ndarray of int, shape (tone,)
        One more than the place in `TONES`.
    """

    start: np.ndarray
    stop: np.ndarray
    code: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    @property
    def names(self) -> list[str]:
        """What was played, tone by tone."""
        return [TONES[code - 1] for code in self.code]

    def at(self, time: np.ndarray) -> np.ndarray:
        """Give the code that is heard at given times in seconds; 0 in silence."""
        last = np.searchsorted(self.start, time, side="right") - 1
        if not len(self):
            return np.zeros(np.shape(time), dtype=int)
        heard = (last >= 0) & (time < self.stop[last])
        return np.where(heard, self.code[last], 0)


def play_tones(duration: float, rng: np.random.Generator) -> Tones:
    """Draw when which tone is played; each comes equally often, up to one.

    Parameters
    ----------
    duration : float
        Seconds. No tone is cut off by the end.
    rng : numpy.random.Generator

    Returns
    -------
    Tones

    Examples
    --------
    >>> tones = play_tones(60.0, np.random.default_rng(0))
    >>> len(tones), tones.names[:2]
    (10, ['4 kHz', '16 kHz'])
    """
    most = int(duration / (TONE_LENGTH + PAUSE[0])) + 1
    pauses = rng.uniform(*PAUSE, most)
    start = np.cumsum(pauses) + TONE_LENGTH * np.arange(most)
    # Shuffled in rounds, so that no stretch of the session lacks a tone.
    rounds = rng.permuted(np.tile(np.arange(len(TONES)), (most, 1)), axis=1)
    code = rounds.ravel()[:most] + 1
    kept = start + TONE_LENGTH <= duration
    return Tones(start[kept], start[kept] + TONE_LENGTH, code[kept])
