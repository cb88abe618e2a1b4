"""Small results made by hand, for tests of what stores and shows them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from safetensors.numpy import save

from nwbdecode.decoding import METRICS, Decoding, StoredDecoder

BANDS = np.array([4.0, 8.0, 16.0, 32.0])


def decoding(*, bins: int = 300, folds: int = 3, channels: int = 4, seed: int = 0) -> Decoding:
    """A result with a position, an angle, a speed and a class, all fields filled."""
    rng = np.random.default_rng(seed)
    time = 10.0 + (np.arange(bins) + 0.5) / 30
    fold = np.minimum(np.arange(bins) * folds // bins, folds - 1).astype(np.int16)
    fold[:5] = fold[-5:] = -1
    phase = np.linspace(0, 6 * np.pi, bins)
    attrs = {
        "position": {
            "kind": "linear",
            "units": "meters",
            "path": "processing/behavior/Position/pos",
        },
        "direction": {"kind": "circular", "units": "radians", "path": "processing/behavior/hd"},
        "speed": {"kind": "linear", "units": "meters/second", "derivation": "speed"},
        "tone": {"kind": "categorical", "units": "", "classes": ["off", "low", "high"]},
    }
    values = {
        "position": np.stack([np.cos(phase), np.sin(phase)], axis=1),
        "direction": np.angle(np.exp(1j * phase)),
        "speed": np.abs(np.sin(phase / 2)),
        "tone": (np.arange(bins) // 20 % 3).astype(float),
    }
    values["speed"][40:50] = np.nan

    def dataset(noise: float | None) -> xr.Dataset:
        held = {}
        for name, value in values.items():
            dims: tuple[str, ...] = ("time",)
            coords = {}
            shown = value
            if name == "position":
                dims, coords = ("time", "position_component"), {"position_component": ["x", "y"]}
            if noise is not None:
                if name == "tone":
                    shown = rng.dirichlet(np.ones(3), size=bins)
                    dims, coords = ("time", "tone_class"), {"tone_class": ["off", "low", "high"]}
                elif name == "direction":
                    shown = np.angle(np.exp(1j * (value + noise * rng.normal(size=bins))))
                else:
                    shown = value + noise * rng.normal(size=value.shape)
                shown = np.where((fold < 0).reshape(-1, *[1] * (shown.ndim - 1)), np.nan, shown)
            held[name] = xr.DataArray(
                shown.astype(np.float32), dims=dims, coords=coords, attrs=attrs[name]
            )
        return xr.Dataset(held, coords={"time": time, "fold": ("time", fold)})

    predictions = dataset(0.1)
    names = list(values)
    metrics = list(dict.fromkeys(m for kind in METRICS.values() for m in kind))
    applies = np.array([[m in METRICS[attrs[n]["kind"]] for m in metrics] for n in names])

    def table(*extra: int) -> np.ndarray:
        drawn = rng.uniform(size=(2, len(names), len(metrics), *extra))
        return np.where(applies.reshape(1, *applies.shape, *[1] * len(extra)), drawn, np.nan)

    dims = ("decoder", "target", "metric")
    scores = xr.Dataset(
        {name: (dims, table()) for name in ("value", "low", "high", "chance", "p_value")}
        | {
            "fold_value": ((*dims, "fold"), table(folds)),
            "null": ((*dims, "shift"), table(20)),
            "bins": ("target", np.array([290, 290, 280, 290])),
        },
        coords={"decoder": ["cnn", "ridge"], "target": names, "metric": metrics},
    )
    starts = time[0] + np.arange(folds) * bins / folds / 30
    decoders = [f"fold{k}" for k in range(folds)] + ["final"]
    loss = np.linspace(1, 0.2, 6) + rng.uniform(size=(len(decoders), 6)) / 10
    loss[:, 4:] = np.nan

    def importance(axis: str, labels: np.ndarray) -> xr.Dataset:
        value = rng.uniform(0, 0.5, size=(len(names), len(labels)))
        return xr.Dataset(
            {
                "value": (("target", axis), value),
                "low": (("target", axis), value - 0.05),
                "high": (("target", axis), value + 0.05),
                "null": (("target", axis), np.full_like(value, 0.04)),
            },
            coords={"target": names, axis: labels},
        )

    ids = np.arange(channels) + 100
    return Decoding(
        predictions=predictions,
        truth=dataset(None),
        baselines={"ridge": dataset(0.3)},
        scores=scores,
        folds=xr.Dataset(
            {
                "start": ("fold", starts),
                "stop": ("fold", starts + bins / folds / 30),
                "gap": ("fold", np.full(folds, 1.5)),
                "train_bins": ("fold", np.full(folds, 180)),
                "test_bins": ("fold", np.full(folds, 100)),
            },
            coords={"fold": np.arange(folds)},
        ),
        history=xr.Dataset(
            {
                "train_loss": (("decoder", "epoch"), loss),
                "validation_loss": (("decoder", "epoch"), loss + 0.1),
            },
            coords={"decoder": decoders, "epoch": np.arange(6)},
        ),
        decoders={
            name: StoredDecoder(
                config={"decoder": "CNNDecoder", "settings": {"window": 64, "seed": k}},
                weights=save({"layer.weight": rng.normal(size=(4, 3)).astype(np.float32)}),
            )
            for k, name in enumerate(decoders)
        },
        channels=xr.Dataset(
            coords={
                "channel": ids,
                "x": ("channel", rng.normal(size=channels)),
                "y": ("channel", rng.normal(size=channels)),
                "z": ("channel", rng.normal(size=channels)),
                "location": ("channel", np.array(["CA1"] * channels, dtype=object)),
                "group": ("channel", np.array(["tetrode0"] * channels, dtype=object)),
            }
        ),
        importance={
            "frequency": importance("frequency", BANDS),
            "channel": importance("channel", ids),
        },
        recipe={
            "nwbdecode": "0.1.0",
            "features": {"step": "wavelet_power", "frequencies": BANDS.tolist(), "bin": 1 / 30},
            "targets": {name: {"path": a.get("path", "")} for name, a in attrs.items()},
            "decoder": {"decoder": "CNNDecoder", "settings": {"window": 64}},
        },
        source=source(channels),
    )


def source(channels: int = 4) -> dict[str, object]:
    """Facts about a session, as `load` collects them."""
    return {
        "identifier": "mouse-1-day-1",
        "object_id": "4e1ab4f9-3a0d-4f0c-9a6e-2f3a2f0f8f4f",
        "file_name": "session.nwb",
        "nwb_version": "2.11.0",
        "session_description": "open field",
        "session_start_time": "2026-01-02T03:04:05+00:00",
        "timestamps_reference_time": "2026-01-02T03:04:05+00:00",
        "subject": {"subject_id": "mouse-1", "species": "Mus musculus", "sex": "M", "age": "P90D"},
        "devices": [{"name": "probe", "description": "tetrodes"}],
        "electrode_groups": [
            {"name": "tetrode0", "description": "t", "location": "CA1", "device": "probe"}
        ],
        "signal": {
            "path": "acquisition/ElectricalSeries",
            "object_id": "a8b1f0b6-6a4a-4b28-9b0b-0a0a5d6a1f11",
            "neurodata_type": "ElectricalSeries",
            "modality": "ephys",
            "units": "volts",
            "rate": 10000.0,
            "start": 0.0,
            "stop": 20.0,
        },
    }
