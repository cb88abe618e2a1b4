"""Recordings made by hand: 1/f noise with theta, and what real electrodes add to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from nwbdecode.load.signal import Segment, Signal, as_signal

#: Samples per second of probes, tetrodes, ECoG and LFP; seconds and the lowest band that a
#: short test recording can carry.
RATES = {
    30_000.0: (0.7, 40.0),
    24_414.0625: (0.7, 40.0),
    10_000.0: (1.5, 15.0),
    1_000.0: (6.0, 3.0),
    250.0: (20.0, 2.0),
}


def field_potential(
    rate: float, seconds: float, *, channels: int = 2, volts: float = 3e-5, seed: int = 0
) -> np.ndarray:
    """1/f noise and an 8 Hz rhythm, float32, shape (time, channel)."""
    rng = np.random.default_rng(seed)
    samples = round(rate * seconds)
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    spectrum = rng.normal(size=(2, channels, frequency.size)) / np.sqrt(np.maximum(frequency, 1))
    noise = np.fft.irfft(spectrum[0] + 1j * spectrum[1], samples).T
    theta = np.sin(2 * np.pi * 8 * np.arange(samples) / rate)[:, None]
    return (volts * (noise / noise.std() + theta)).astype(np.float32)


def with_faults(rate: float, seconds: float, *, seed: int = 0) -> np.ndarray:
    """Five channels: clean, on an offset, with an impulse, silent at the end, dead."""
    samples = field_potential(rate, seconds, channels=5, seed=seed)
    samples[:, 1] += 1e-3
    samples[len(samples) // 3, 2] += 1e-3
    samples[len(samples) // 2 :, 3] = 0
    samples[:, 4] = 0
    return samples


def labelled(samples: np.ndarray, rate: float, **columns: Any) -> xr.DataArray:
    """The same as a DataArray whose channels have a group, a bad mark or the like."""
    return xr.DataArray(
        samples,
        dims=("time", "channel"),
        coords={
            "time": np.arange(len(samples)) / rate,
            "channel": np.arange(samples.shape[1]) + 100,
            **{name: ("channel", np.asarray(values)) for name, values in columns.items()},
        },
    )


def in_segments(samples: np.ndarray, rate: float, *spans: tuple[int, int, float]) -> Signal:
    """A signal with gaps: each span is (first sample, one past the last, start time)."""
    segments = tuple(Segment(start, stop, time, rate) for start, stop, time in spans)
    return replace(as_signal(samples, rate=rate), segments=segments)
