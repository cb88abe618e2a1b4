"""Imaged neurons: what drives each, when it fires, and how its indicator glows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nwbdecode.simulate.noise import poisson_times, slow_drift, stream
from nwbdecode.simulate.tones import TONES, Tones

KINDS = ("tone", "speed", "untuned")

#: Rate without a drive, Hz (uniform), and the spread of its natural log by which every
#: cell drifts on its own, and how long such a state lasts, s.
BASE_RATE, DRIFT, DRIFT_TIMESCALE = (0.2, 0.8), 0.5, 5.0
#: Rate that its tone adds at onset, Hz (uniform), the share that is left while the tone
#: lasts, how fast the rest adapts, s, and the time from tone to first spike, s.
TONE_RATE, SUSTAINED, ADAPTATION, LATENCY = (10.0, 20.0), 0.3, 0.3, 0.03
#: Spread of the natural log of the response from tone to tone.
TRIAL_SPREAD = 0.4
#: Rate that running adds, Hz per m/s (uniform).
SPEED_GAIN = (20.0, 40.0)
#: A cell tuned to nothing bursts: rate that its own slow drift adds at most, Hz.
UNTUNED_RATE = 4.0

#: Rise in fluorescence by one spike, a ratio (uniform), and the time constants of its
#: rise and decay, s (uniform): those of a fast indicator such as GCaMP6f (Chen et al. 2013).
DFF_PER_SPIKE, RISE, DECAY = (0.08, 0.15), (0.04, 0.07), (0.4, 0.7)
#: Fluorescence of a cell that does not fire, photons per frame in its brightest pixel (uniform).
BRIGHTNESS = (6.0, 14.0)

#: Rate at which slow drifts are drawn, Hz.
_DRIFT_RATE = 10.0


@dataclass(frozen=True, eq=False)
class ImagedCells:
    """The neurons of a field of view, one row each.

    Attributes
    ----------
    kind : numpy.ndarray of str, shape (cell,)
        ``"tone"``, ``"speed"`` or ``"untuned"``.
    tone : numpy.ndarray of int, shape (cell,)
        Code of the tone that it answers; 0 for other cells.
    base_rate, tone_rate, speed_gain : numpy.ndarray, shape (cell,)
        Hz without a drive; Hz that the onset of its tone adds; Hz per m/s.
        0 where a cell has no such drive.
    dff_per_spike : numpy.ndarray, shape (cell,)
        Size of the indicator's answer to one spike at its peak, a ratio.
    rise, decay : numpy.ndarray, shape (cell,)
        Time constants of the indicator in seconds.
    brightness : numpy.ndarray, shape (cell,)
        Photons per frame in the brightest pixel of a silent cell.
    """

    kind: np.ndarray
    tone: np.ndarray
    base_rate: np.ndarray
    tone_rate: np.ndarray
    speed_gain: np.ndarray
    dff_per_spike: np.ndarray
    rise: np.ndarray
    decay: np.ndarray
    brightness: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)


def draw_imaged_cells(counts: tuple[int, int, int], rng: np.random.Generator) -> ImagedCells:
    """Draw a population in random order.

    Parameters
    ----------
    counts : (int, int, int)
        Cells that answer a tone (each tone in turn), that follow speed, and
        that follow nothing.
    rng : numpy.random.Generator

    Returns
    -------
    ImagedCells
    """
    n = sum(counts)
    order = rng.permutation(n)
    kind = np.repeat(np.array(KINDS), counts)
    tone = np.where(kind == "tone", np.arange(n) % len(TONES) + 1, 0)
    kind, tone = kind[order], tone[order]
    return ImagedCells(
        kind=kind,
        tone=tone,
        base_rate=rng.uniform(*BASE_RATE, n),
        tone_rate=np.where(kind == "tone", rng.uniform(*TONE_RATE, n), 0.0),
        speed_gain=np.where(kind == "speed", rng.uniform(*SPEED_GAIN, n), 0.0),
        dff_per_spike=rng.uniform(*DFF_PER_SPIKE, n),
        rise=rng.uniform(*RISE, n),
        decay=rng.uniform(*DECAY, n),
        brightness=rng.uniform(*BRIGHTNESS, n),
    )


def fire_imaged(
    cells: ImagedCells,
    tones: Tones,
    speed: np.ndarray,
    speed_rate: float,
    *,
    duration: float,
    seed: int,
) -> list[np.ndarray]:
    """Draw when each cell fires.

    Parameters
    ----------
    cells : ImagedCells
    tones : Tones
    speed : numpy.ndarray, shape (time,)
        Meters per second, the first at time 0.
    speed_rate : float
        Its samples per second.
    duration : float
        Seconds.
    seed : int

    Returns
    -------
    list of numpy.ndarray
        Spike times of each cell in seconds, ascending.
    """
    spikes = []
    for i in range(len(cells)):
        rng = stream(seed, i)
        rate, highest = _rate(cells, i, tones, speed, speed_rate, duration, rng)
        spikes.append(poisson_times(rate, highest, duration, rng))
    return spikes


def _rate(
    cells: ImagedCells,
    i: int,
    tones: Tones,
    speed: np.ndarray,
    speed_rate: float,
    duration: float,
    rng: np.random.Generator,
) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
    """Rate of a cell as a function of time, and the highest it can reach, Hz."""
    drift = slow_drift(int(duration * _DRIFT_RATE) + 2, _DRIFT_RATE, DRIFT_TIMESCALE, rng)
    gain = np.exp(DRIFT * drift)
    bursts = UNTUNED_RATE * np.maximum(drift, 0) if cells.kind[i] == "untuned" else 0 * drift
    answer = np.exp(TRIAL_SPREAD * rng.standard_normal(len(tones))) * cells.tone_rate[i]
    answer = np.where(tones.code == cells.tone[i], answer, 0.0)

    def rate(time: np.ndarray) -> np.ndarray:
        running = np.interp(time * speed_rate, np.arange(len(speed)), speed)
        own = np.interp(time * _DRIFT_RATE, np.arange(len(drift)), gain)
        own = own * (cells.base_rate[i] + cells.speed_gain[i] * running)
        own += np.interp(time * _DRIFT_RATE, np.arange(len(drift)), bursts)
        if len(tones):
            last = np.maximum(np.searchsorted(tones.start, time - LATENCY, side="right") - 1, 0)
            since = time - LATENCY - tones.start[last]
            heard = (since >= 0) & (time - LATENCY < tones.stop[last])
            course = SUSTAINED + (1 - SUSTAINED) * np.exp(-np.maximum(since, 0) / ADAPTATION)
            own += np.where(heard, answer[last] * course, 0.0)
        return np.asarray(own)

    driven = cells.base_rate[i] + cells.speed_gain[i] * speed.max(initial=0.0)
    return rate, float(gain.max() * driven + bursts.max() + answer.max(initial=0.0))


def indicator(time: np.ndarray, rise: float, decay: float) -> np.ndarray:
    """Give the course of the indicator's answer to a spike at time 0; its peak is 1.

    Parameters
    ----------
    time : numpy.ndarray
        Seconds.
    rise, decay : float
        Time constants of both exponentials, seconds; the rise is the shorter.

    Examples
    --------
    >>> float(indicator(np.linspace(0, 2, 2001), 0.05, 0.5).max().round(3))
    1.0
    """
    after = np.maximum(time, 0)
    course = np.exp(-after / decay) - np.exp(-after / rise)
    return np.asarray(np.where(time >= 0, course, 0.0) / _peak(rise, decay))


def _peak(rise: float, decay: float) -> float:
    """Height of the difference of the two exponentials."""
    at = np.log(decay / rise) * decay * rise / (decay - rise)
    return float(np.exp(-at / decay) - np.exp(-at / rise))


def fluorescence(
    cells: ImagedCells, spikes: list[np.ndarray], *, n_frames: int, rate: float
) -> np.ndarray:
    """Follow each cell's relative fluorescence, averaged over the exposure of each frame.

    The answers to spikes add up: the indicator does not saturate.

    Parameters
    ----------
    cells : ImagedCells
    spikes : list of numpy.ndarray
        Seconds.
    n_frames : int
    rate : float
        Frames per second. Frame k is centered at ``k / rate``.

    Returns
    -------
    numpy.ndarray of float32, shape (frame, cell)
        Fluorescence over that of the silent cell, less one.
    """
    from scipy.signal import lfilter

    dff = np.empty((n_frames, len(cells)), dtype=np.float32)
    for i, times in enumerate(spikes):
        # The exposure of frame 0 begins half a frame before time 0.
        frame, share = np.divmod(times * rate + 0.5, 1.0)
        frame, left = frame.astype(np.int64), (1 - share) / rate
        frame, left = frame[frame < n_frames], left[frame < n_frames]
        calcium = np.zeros(n_frames)
        for sign, constant in ((1, cells.decay[i]), (-1, cells.rise[i])):
            fresh = np.bincount(frame, np.exp(-left / constant), n_frames)
            at_end = lfilter([1.0], [1.0, -np.exp(-1 / (rate * constant))], fresh)
            # What came in during the exposure and is gone at its end has decayed within it:
            # that loss is the integral over the exposure, divided by the time constant.
            came = np.bincount(frame, minlength=n_frames) + np.concatenate([[0.0], at_end[:-1]])
            calcium += sign * constant * rate * (came - at_end)
        dff[:, i] = calcium * cells.dff_per_spike[i] / _peak(cells.rise[i], cells.decay[i])
    return dff
