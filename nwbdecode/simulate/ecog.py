"""A simulated ECoG grid over the hand area of a person whose fingers move."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.simulate.fingers import FINGERS, Hand, flex_fingers
from nwbdecode.simulate.grid import Grid, place_grid
from nwbdecode.simulate.noise import EndlessNoise, band, power_law, slow_drift, stream
from nwbdecode.simulate.recording import SimulatedRecording, check_simulation

#: Volts per count.
CONVERSION = 0.1e-6
#: Time by which the cortex leads the hand, s.
LEAD = 0.1
#: High gamma: band, Hz, amplitude at rest, V (root mean square), and the rise of its
#: natural log with a full bend of an electrode's own finger and while that finger moves.
HIGH_GAMMA, HIGH_GAMMA_AMPLITUDE = (70.0, 150.0), 4e-6
HIGH_GAMMA_PER_BEND, HIGH_GAMMA_WHILE_MOVING = 0.8, 0.3
#: What the hand does not explain of it: spread of the natural log, and how long it lasts, s.
HIGH_GAMMA_DRIFT, HIGH_GAMMA_TIMESCALE = 0.25, 1.0
#: Beta: band, Hz, amplitude at rest, V, the fall of its natural log while any finger moves,
#: and how gradually it falls and returns (standard deviation), s, and how much earlier.
BETA, BETA_AMPLITUDE, BETA_FALL = (14.0, 30.0), 15e-6, 1.0
BETA_SMOOTHING, BETA_LEAD = 0.3, 0.3
#: Slow potential while an electrode's own finger moves, V, and how gradually it comes, s.
SLOW_POTENTIAL, SLOW_SMOOTHING, SLOW_TOP = -60e-6, 0.2, 2.0
#: Background: exponent of the power law, the knee, Hz, and its size, V (root mean square).
BACKGROUND_EXPONENT, BACKGROUND_KNEE, BACKGROUND = 3.0, 1.5, 50e-6
#: Density of the white noise of amplifier and electrode, V per square root of Hz.
WHITE_NOISE = 1e-6 / math.sqrt(500.0)
#: The reference electrode hears slow waves and muscles, V; muscles in these frequencies, Hz,
#: and in bursts: spread of the natural log of their amplitude, and how long they last, s.
REFERENCE_SLOW, REFERENCE_MUSCLE, MUSCLE = 40e-6, 8e-6, (20.0, 200.0)
MUSCLE_SPREAD, MUSCLE_TIMESCALE = 0.7, 3.0
#: Mains: frequency, Hz, how far it wanders, Hz, and how fast, s; amplitude, V, its spread
#: over electrodes (natural log), and the ratios of its harmonics.
MAINS, MAINS_WANDER, MAINS_PERIOD = 60.0, 0.02, 97.0
LINE, LINE_SPREAD, HARMONICS = 15e-6, 0.5, (1.0, 0.4, 0.25, 0.1)
#: An electrode that touches nothing hears this much noise, V, and mains, times the others'.
LOOSE_NOISE, LOOSE_LINE = 300e-6, 20.0
#: Seconds made at a time; the longest memory of any noise.
BLOCK = 4.0
#: The lowest rate that holds high gamma and the mains' harmonics, Hz.
LOWEST_RATE = 500.0

#: Frequencies in Hz where each variable can be read, and from what.
BANDS: dict[str, list[tuple[float, float, str]]] = {
    "flexion": [
        (*HIGH_GAMMA, "high gamma of the finger's own electrodes"),
        (0.0, SLOW_TOP, "signed slow potential of the finger's own electrodes"),
    ],
    "finger": [
        (*HIGH_GAMMA, "high gamma of the finger's own electrodes"),
        (0.0, SLOW_TOP, "signed slow potential of the finger's own electrodes"),
        (*BETA, "desynchronization over the hand area, movement against rest alone"),
    ],
}


@dataclass(frozen=True, eq=False)
class ECoGRecording(SimulatedRecording):
    """A recording whose samples are made when they are read.

    It holds no open handle and can be pickled; the same range of samples is
    the same numbers however it is read, and its length costs no memory but for
    the hand's 50 samples per second.

    Attributes
    ----------
    rate : float
        Samples per second.
    n : int
        Samples in the recording.
    seed : int
        What it was drawn from.
    noise_seed : int
        What all noise is drawn from, derived from `seed`.
    hand : Hand
        How the fingers moved.
    grid : Grid
        Where electrodes are and what they hear.
    line_amplitude, line_phase : numpy.ndarray, shape (electrode,)
        Of the mains; volts and radians.
    drift : numpy.ndarray, shape (time, finger)
        What the hand does not explain of high gamma, natural log, at the glove's rate.
    muscle : numpy.ndarray, shape (time,)
        Amplitude of the muscles at the reference, volts, at the glove's rate.
    """

    n: int
    hand: Hand
    grid: Grid
    line_amplitude: np.ndarray
    line_phase: np.ndarray
    drift: np.ndarray = field(repr=False)
    muscle: np.ndarray = field(repr=False)

    @property
    def bands(self) -> dict[str, list[tuple[float, float, str]]]:
        return BANDS

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and electrodes."""
        return self.n, self.grid.n_channels

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int16)

    @property
    def conversion(self) -> float:
        """Volts per count."""
        return CONVERSION

    @property
    def block(self) -> int:
        """Samples made at a time; reads of whole blocks waste nothing."""
        return round(BLOCK * self.rate)

    def _make(self, index: int) -> np.ndarray:
        """Make one block: brain, reference, mains, white noise, in that order."""
        time = (index * self.block + np.arange(self.block)) / self.rate
        volts = self._brain(index, time) * self.grid.gain.astype(np.float32)
        bad = np.flatnonzero(self.grid.bad)
        volts[:, bad] += np.float32(LOOSE_NOISE) * self._noises["loose"].make(index)
        volts -= self._reference(index, time)[:, None]
        volts += self._mains(time)
        white = np.float32(WHITE_NOISE * math.sqrt(self.rate / 2))
        volts += white * stream(self.noise_seed, 9, index).standard_normal(
            volts.shape, dtype=np.float32
        )
        return self._counts(volts / np.float32(CONVERSION))

    def _brain(self, index: int, time: np.ndarray) -> np.ndarray:
        """Potential under each electrode in volts, before the electrode's own gain."""
        grid, driven = self.grid, self._at(time, self._drives)
        high, slow, beta = driven[:, :5], driven[:, 5:10], driven[:, 10:]
        mixing = grid.mixing.T.astype(np.float32)
        own = grid.finger_gain.T.astype(np.float32)
        out = np.float32(BACKGROUND) * (self._noises["background"].make(index) @ mixing)
        gamma = np.float32(HIGH_GAMMA_AMPLITUDE) * np.exp(high @ own)
        out += gamma * self._noises["high_gamma"].make(index)
        hand = grid.hand_gain.astype(np.float32)
        waves = np.float32(BETA_AMPLITUDE) * np.exp(-beta * hand) * hand
        out += waves * (self._noises["beta"].make(index) @ mixing)
        out += np.float32(SLOW_POTENTIAL) * (slow @ own)
        return np.asarray(out)

    def _reference(self, index: int, time: np.ndarray) -> np.ndarray:
        """What the reference electrode hears, and so every channel with opposite sign."""
        slow = np.float32(REFERENCE_SLOW) * self._noises["reference"].make(index)[:, 0]
        loud = self._at(time, self.muscle[:, None])[:, 0]
        return slow + loud * self._noises["muscle"].make(index)[:, 0]

    def _mains(self, time: np.ndarray) -> np.ndarray:
        wander = MAINS_WANDER * MAINS_PERIOD * np.sin(2 * np.pi * time / MAINS_PERIOD)
        cycles = np.mod(MAINS * time + wander / (2 * np.pi), 1.0)
        out = np.zeros((len(time), len(self.line_phase)), dtype=np.float32)
        for order, ratio in enumerate(HARMONICS, start=1):
            # Nothing may fold back from above the Nyquist frequency.
            if order * (MAINS + MAINS_WANDER) < self.rate / 2:
                turn = (2 * np.pi * order * cycles).astype(np.float32)[:, None]
                wave = np.cos(turn + (order * self.line_phase).astype(np.float32))
                out += (ratio * self.line_amplitude).astype(np.float32) * wave
        return out

    def _at(self, time: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Interpolate columns from the glove's clock, float32."""
        place = np.clip(time * self.hand.rate, 0, len(values) - 1)
        low = np.minimum(place.astype(np.int64), max(len(values) - 2, 0))
        share = (place - low)[:, None]
        high = np.minimum(low + 1, len(values) - 1)
        return ((1 - share) * values[low] + share * values[high]).astype(np.float32)

    @property
    def high_gamma_drive(self) -> np.ndarray:
        """Rise of log amplitude that each finger plants where its gain is 1, (time, finger)."""
        own = HIGH_GAMMA_PER_BEND * self.hand.intended + HIGH_GAMMA_WHILE_MOVING * self._moving
        return _earlier(own, LEAD * self.hand.rate) * np.exp(self.drift)

    @property
    def _moving(self) -> np.ndarray:
        return np.eye(len(FINGERS) + 1)[self.hand.moving(self.hand.time)][:, 1:]

    @cached_property
    def _drives(self) -> np.ndarray:
        """High gamma and slow potential of each finger, then beta, at the glove's rate."""
        from scipy.ndimage import gaussian_filter1d

        rate = self.hand.rate
        slow = gaussian_filter1d(self._moving, SLOW_SMOOTHING * rate, axis=0)
        any_finger = self._moving.sum(axis=1, keepdims=True)
        beta = BETA_FALL * gaussian_filter1d(any_finger, BETA_SMOOTHING * rate, axis=0)
        parts = [
            self.high_gamma_drive,
            _earlier(slow, LEAD * rate),
            _earlier(beta, BETA_LEAD * rate),
        ]
        return np.concatenate(parts, axis=1)

    @cached_property
    def _noises(self) -> dict[str, EndlessNoise]:
        columns, loose = self.grid.n_channels, max(1, int(self.grid.bad.sum()))
        one_over_f = power_law(BACKGROUND_EXPONENT, BACKGROUND_KNEE, 400.0)
        kinds = {
            "background": (one_over_f, columns),
            "high_gamma": (band(*HIGH_GAMMA), columns),
            "beta": (band(*BETA), columns),
            "reference": (one_over_f, 1),
            "muscle": (band(*MUSCLE), 1),
            "loose": (one_over_f, loose),
        }
        return {
            name: EndlessNoise(spectrum, self.rate, self.block, width, self.noise_seed, (key,))
            for key, (name, (spectrum, width)) in enumerate(kinds.items())
        }


def simulate_ecog(
    *,
    duration: float = 420.0,
    rate: float = 1000.0,
    size: tuple[int, int] = (8, 8),
    seed: int = 0,
) -> ECoGRecording:
    """Simulate a grid of electrodes on the hand area of a person whose fingers move.

    Each finger has its electrodes, in whose high gamma and slow potential it can
    be read; beta tells movement from rest over the whole hand area. Everything is
    heard against a noisy reference and through the mains' hum; one electrode in 32
    touches nothing. The sizes of all effects are constants at the top of the modules
    of `nwbdecode.simulate`, with their units.

    Parameters
    ----------
    duration : float, default 420
        Seconds.
    rate : float, default 1000
        Samples per second, 500 at least.
    size : (int, int), default (8, 8)
        Rows and columns of the grid.
    seed : int, default 0
        Same options and seed, same recording.

    Returns
    -------
    ECoGRecording

    Raises
    ------
    NWBDecodeError
        If an option is out of range.

    Examples
    --------
    >>> recording = simulate_ecog(duration=6.0, rate=500.0, size=(4, 4))
    >>> recording.read(100, 200).shape
    (100, 16)
    """
    rows, columns = _check(duration, rate, size, seed)
    n = round(duration * rate)
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(6, np.uint64)]
    hand = flex_fingers(n / rate, stream(seeds[0]))
    grid = place_grid((rows, columns), stream(seeds[1]))
    line = stream(seeds[2])
    loud = LINE * np.exp(LINE_SPREAD * line.standard_normal(grid.n_channels))
    clock = (len(hand.flexion), hand.rate)
    drifts = [
        slow_drift(*clock, HIGH_GAMMA_TIMESCALE, stream(seeds[3], finger))
        for finger in range(len(FINGERS))
    ]
    bursts = slow_drift(*clock, MUSCLE_TIMESCALE, stream(seeds[4]))
    return ECoGRecording(
        rate=rate,
        n=n,
        seed=seed,
        noise_seed=seeds[5],
        hand=hand,
        grid=grid,
        line_amplitude=loud * np.where(grid.bad, LOOSE_LINE, 1.0),
        line_phase=line.uniform(0, 2 * np.pi, grid.n_channels),
        drift=HIGH_GAMMA_DRIFT * np.stack(drifts, axis=1),
        muscle=REFERENCE_MUSCLE * np.exp(MUSCLE_SPREAD * bursts - MUSCLE_SPREAD**2),
    )


def _earlier(values: np.ndarray, samples: float) -> np.ndarray:
    """Move columns to earlier times by whole samples; the last value stays."""
    lead = round(samples)
    return np.concatenate([values[lead:], np.repeat(values[-1:], min(lead, len(values)), axis=0)])


def _check(duration: float, rate: float, size: tuple[int, int], seed: int) -> tuple[int, int]:
    check_simulation(duration, seed)
    if not (math.isfinite(rate) and rate >= LOWEST_RATE):
        raise NWBDecodeError(f"rate is {rate:g} Hz; high gamma needs {LOWEST_RATE:g} Hz at least")
    try:
        rows, columns = (int(count) for count in size)
    except (TypeError, ValueError):
        rows = columns = 0
    if min(rows, columns) < 2:
        raise NWBDecodeError(f"size is {size!r}; expected two numbers of electrodes, 2 at least")
    return rows, columns
