"""The field potential of CA1: theta and gamma that follow running, ripples at rest, 1/f noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nwbdecode.simulate.behavior import OpenField
from nwbdecode.simulate.noise import band_noise, power_law_noise, slow_drift, stream
from nwbdecode.simulate.tetrodes import Tetrodes

#: Lowest rate at which the field potential is made, Hz; it holds nothing above half of it.
LFP_RATE = 1250.0
#: Length of the interpolation filter on each side, samples at the LFP's rate.
FILTER_REACH = 8

#: Theta frequency at rest, Hz, and its rise with speed, Hz per m/s.
THETA_FREQUENCY, THETA_FREQUENCY_PER_SPEED = 7.0, 3.0
#: Theta amplitude at rest, V, and the rise of its natural log with speed, per m/s.
THETA_AMPLITUDE, THETA_LOG_AMPLITUDE_PER_SPEED = 60e-6, 2.5
#: What speed does not explain of theta: spread of the frequency, Hz, and of the log
#: amplitude, and how long such a state lasts, s.
THETA_FREQUENCY_JITTER, THETA_LOG_AMPLITUDE_JITTER, THETA_TIMESCALE = 0.3, 0.35, 2.0
#: Second harmonic of theta (its waves are saw-toothed), a ratio.
THETA_HARMONIC = 0.2

#: Band of low gamma, Hz, its amplitude at rest, V (root mean square), and the rise of
#: its natural log with speed, per m/s.
GAMMA_BAND = (25.0, 50.0)
GAMMA_AMPLITUDE, GAMMA_LOG_AMPLITUDE_PER_SPEED = 15e-6, 1.0

#: Band of ripples, Hz, their peak amplitude and that of the sharp wave under them, V.
RIPPLE_BAND = (150.0, 200.0)
RIPPLE_AMPLITUDE, SHARP_WAVE_AMPLITUDE = 80e-6, -100e-6
#: Ripples per second of rest, how long one lasts (standard deviation), s, and the speed
#: under which the animal rests, m/s.
RIPPLE_RATE, RIPPLE_LENGTH, REST_SPEED = 0.7, 0.02, 0.03

#: Background: exponent of the power law, the knee, Hz, and the frequency above which
#: nothing is left, Hz.
BACKGROUND_EXPONENT, BACKGROUND_KNEE, BACKGROUND_TOP = 2.0, 2.0, 350.0
#: Background shared by all channels, by a tetrode, and a channel's own, V (root mean square).
BACKGROUND_SHARED, BACKGROUND_TETRODE, BACKGROUND_PRIVATE = 100e-6, 60e-6, 40e-6


@dataclass(frozen=True, eq=False)
class FieldPotential:
    """The slow part of the recording, at a rate that holds all of it.

    Attributes
    ----------
    rate : float
        Samples per second: the recording's rate divided by `factor`.
    factor : int
        Samples of the recording per sample here.
    volts : numpy.ndarray of float32, shape (n + 2 * FILTER_REACH, channel)
        Sample 0 lies `FILTER_REACH` samples before time 0.
    theta_phase : numpy.ndarray of float32, shape (n + 2 * FILTER_REACH,)
        Radians in [0, 2 pi); 0 at the peak.
    ripples : numpy.ndarray, shape (ripple,)
        Their times in seconds.
    """

    rate: float
    factor: int
    volts: np.ndarray
    theta_phase: np.ndarray
    ripples: np.ndarray

    def upsampled(self, start: int, stop: int) -> np.ndarray:
        """Interpolate to the recording's rate.

        Parameters
        ----------
        start, stop : int
            Range of LFP samples, the first at time 0.

        Returns
        -------
        numpy.ndarray of float32, shape ((stop - start) * factor, channel)
        """
        from scipy.signal import firwin, upfirdn

        window = self.volts[start : stop + 2 * FILTER_REACH]
        if self.factor == 1:
            return window[FILTER_REACH:-FILTER_REACH].copy()
        taps = firwin(2 * FILTER_REACH * self.factor + 1, 1.0 / self.factor) * self.factor
        filled = upfirdn(taps.astype(np.float32), window, up=self.factor, axis=0)
        # Half of the delay is the filter's, half is the halo before `start`.
        first = 2 * FILTER_REACH * self.factor
        return np.asarray(filled[first : first + (stop - start) * self.factor])

    def phase_at(self, time: np.ndarray) -> np.ndarray:
        """Theta phase at given times in seconds, radians."""
        sample = np.rint(time * self.rate).astype(np.int64) + FILTER_REACH
        return np.asarray(self.theta_phase[np.minimum(sample, len(self.theta_phase) - 1)])


def lfp_factor(rate: float) -> int:
    """How many samples of the recording one sample of the field potential spans."""
    return max(1, int(rate // LFP_RATE))


def field_potential(
    behavior: OpenField,
    tetrodes: Tetrodes,
    *,
    rate: float,
    n: int,
    seed: int,
    progress: bool = False,
) -> FieldPotential:
    """Make the field potential of a session.

    Parameters
    ----------
    behavior : OpenField
    tetrodes : Tetrodes
    rate : float
        Rate of the recording in Hz.
    n : int
        Samples of the field potential wanted after time 0, at ``rate / lfp_factor(rate)``.
    seed : int
    progress : bool, default False
        Whether to show a bar.

    Returns
    -------
    FieldPotential
    """
    from tqdm.auto import tqdm

    factor = lfp_factor(rate)
    lfp_rate = rate / factor
    time = (np.arange(n + 2 * FILTER_REACH) - FILTER_REACH) / lfp_rate
    speed = np.interp(time, behavior.time, behavior.speed)
    theta, phase = _theta(behavior, time, speed, stream(seed, 0))
    ripples, times = _ripples(time, speed, lfp_rate, stream(seed, 1))
    common = theta + ripples + _gamma(speed, lfp_rate, stream(seed, 2))
    common += BACKGROUND_SHARED * _background(len(time), lfp_rate, stream(seed, 3))
    volts = np.empty((len(time), tetrodes.n_channels), dtype=np.float32)
    local = np.zeros(0, dtype=np.float32)
    channels = range(tetrodes.n_channels)
    for channel in tqdm(channels, desc="field potential", unit="channel", disable=not progress):
        tetrode = int(tetrodes.tetrode[channel])
        if channel == 0 or tetrode != tetrodes.tetrode[channel - 1]:
            drawn = _background(len(time), lfp_rate, stream(seed, 4, tetrode))
            local = common + BACKGROUND_TETRODE * drawn
        own = BACKGROUND_PRIVATE * _background(len(time), lfp_rate, stream(seed, 5, channel))
        volts[:, channel] = np.float32(tetrodes.gain[channel]) * local + own
    return FieldPotential(lfp_rate, factor, volts, phase, times)


def _background(n: int, rate: float, rng: np.random.Generator) -> np.ndarray:
    return power_law_noise(
        n, rate, rng, exponent=BACKGROUND_EXPONENT, knee=BACKGROUND_KNEE, top=BACKGROUND_TOP
    )


def _theta(
    behavior: OpenField, time: np.ndarray, speed: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Theta in volts and its phase in radians."""
    clock = behavior.time
    drifts = [slow_drift(len(clock), behavior.rate, THETA_TIMESCALE, rng) for _ in range(2)]
    slow, loud = (np.interp(time, clock, drift) for drift in drifts)
    frequency = THETA_FREQUENCY + THETA_FREQUENCY_PER_SPEED * speed + THETA_FREQUENCY_JITTER * slow
    # Whole cycles are dropped in double precision: a float32 phase would lose them in an hour.
    cycles = np.cumsum(frequency) * (time[1] - time[0]) + rng.uniform()
    phase = (2 * np.pi * np.mod(cycles, 1.0)).astype(np.float32)
    log_gain = THETA_LOG_AMPLITUDE_PER_SPEED * speed + THETA_LOG_AMPLITUDE_JITTER * loud
    amplitude = (THETA_AMPLITUDE * np.exp(log_gain)).astype(np.float32)
    wave = np.cos(phase) + THETA_HARMONIC * np.cos(2 * phase + np.float32(np.pi / 2))
    return np.asarray(amplitude * wave), phase


def _gamma(speed: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Low gamma in volts."""
    amplitude = GAMMA_AMPLITUDE * np.exp(GAMMA_LOG_AMPLITUDE_PER_SPEED * speed)
    noise = band_noise(len(speed), rate, rng, low=GAMMA_BAND[0], high=GAMMA_BAND[1])
    return amplitude.astype(np.float32) * noise


def _ripples(
    time: np.ndarray, speed: np.ndarray, rate: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Sharp waves with ripples in volts, and their times in seconds."""
    out = np.zeros(len(time), dtype=np.float32)
    candidates = np.sort(rng.uniform(0, time[-1], rng.poisson(RIPPLE_RATE * time[-1])))
    frequencies = rng.uniform(*RIPPLE_BAND, size=len(candidates))
    resting = np.interp(candidates, time, speed) < REST_SPEED
    times, frequencies = candidates[resting], frequencies[resting]
    reach = int(4 * RIPPLE_LENGTH * rate)
    for at, frequency in zip(times.tolist(), frequencies.tolist(), strict=True):
        center = round(at * rate) + FILTER_REACH
        part = slice(max(center - reach, 0), min(center + reach, len(out)))
        lag = time[part] - at
        bump = np.exp(-0.5 * (lag / RIPPLE_LENGTH) ** 2)
        wave = RIPPLE_AMPLITUDE * np.cos(2 * np.pi * frequency * lag) + SHARP_WAVE_AMPLITUDE
        out[part] += (bump * wave).astype(np.float32)
    return out, times
