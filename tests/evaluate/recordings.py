"""Short signals that truly know a target, for tests of what is fitted to them."""

from __future__ import annotations

import numpy as np
import xarray as xr

import nwbdecode.features as features

RATE = 200.0
BIN = 0.1


def voltage(
    seconds: float = 120.0, *, channels: int = 2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a 10 Hz rhythm whose amplitude is the target; and the target at 50 Hz."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    slow = np.interp(
        time,
        np.arange(0, seconds + 2, 2.0),
        rng.uniform(0, 1, int(seconds / 2) + 2)[: len(np.arange(0, seconds + 2, 2.0))],
    )
    samples = 0.3 * rng.normal(size=(len(time), channels))
    samples[:, 0] += 2 * slow * np.sin(2 * np.pi * 10 * time)
    return samples.astype(np.float32), slow[::4].astype(np.float64)


def power(samples: np.ndarray, **how: object) -> xr.DataArray:
    """Few bands, quick to compute, with a short support."""
    settings = {"bin": BIN, "lowest": 8.0, "highest": 40.0, "n_bands": 4, "progress": False}
    return features.wavelet_power(samples, rate=RATE, **{**settings, **how})


def target(values: np.ndarray, *, kind: str = "linear", **attrs: object) -> xr.DataArray:
    """A target at 50 Hz."""
    time = np.arange(len(values)) / 50
    return xr.DataArray(
        values, dims="time", coords={"time": time},
        attrs={"kind": kind, "units": "a.u.", "support": [0.0, 0.0], **attrs},
    )  # fmt: skip


def weights_of(decoder: object) -> bytes:
    """Everything a fitted decoder holds, as bytes."""
    return decoder.to_stored().weights  # type: ignore[attr-defined]
