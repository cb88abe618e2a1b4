"""Short sessions and settings for tests that walk the whole corridor."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.ecephys import ElectricalSeries

from nwbdecode.simulate import write_ca1

SIGNAL = "acquisition/ElectricalSeries"
SPEED = "speed=processing/behavior/Position/position:speed"
POSITION = "position=processing/behavior/Position/position"
DIRECTION = "processing/behavior/CompassDirection/head_direction"

#: Enough to walk every step, too little to decode well.
QUICK: dict[str, Any] = {
    "features": {"bin": 0.1, "lowest": 10.0, "n_bands": 4},
    "decoder": {"window": 8, "hidden": 4, "epochs": 1},
    "evaluation": {"folds": 2, "shifts": 50, "repeats": 1, "importance": []},
}


def simulated(path: Path, *, seed: int = 0, duration: float = 60.0) -> Path:
    """A short simulated recording of four channels."""
    return write_ca1(path, duration=duration, rate=1000.0, n_channels=4, seed=seed, progress=False)


def _with_electrode(identifier: str) -> NWBFile:
    nwbfile = NWBFile(
        session_description="noise",
        identifier=identifier,
        session_start_time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    device = nwbfile.create_device(name="probe")
    group = nwbfile.create_electrode_group(
        name="shank", description="one", location="CA1", device=device
    )
    nwbfile.add_electrode(location="CA1", group=group)
    return nwbfile


def _record(nwbfile: NWBFile, samples: np.ndarray) -> None:
    nwbfile.add_acquisition(
        ElectricalSeries(
            name="ElectricalSeries",
            data=samples.astype(np.float32)[:, None],
            electrodes=nwbfile.create_electrode_table_region(region=[0], description="all"),
            rate=250.0,
            starting_time=0.0,
        )
    )


def with_trials(path: Path, *, artifact: float = 0.0, seconds: int = 150) -> Path:
    """A file: noise whose size follows the choice of a trial, trials of 2 s every 3 s.

    From 60 to 75 s there is stimulation, which can leave an artifact.
    """
    rng = np.random.default_rng(1)
    nwbfile = _with_electrode("trials")
    samples = rng.normal(size=seconds * 250)
    nwbfile.add_trial_column(name="choice", description="side")
    nwbfile.add_trial_column(name="effort", description="from 0 to 1")
    for start in range(0, seconds - 2, 3):
        right = bool(rng.integers(2))
        if right:
            samples[start * 250 : (start + 2) * 250] *= 6
        nwbfile.add_trial(
            start_time=float(start), stop_time=start + 2.0, effort=rng.uniform(),
            choice="right" if right else "left",
        )  # fmt: skip
    nwbfile.add_epoch_column(name="label", description="what")
    nwbfile.add_epoch(start_time=0.0, stop_time=60.0, label="task")
    nwbfile.add_epoch(start_time=60.0, stop_time=75.0, label="stimulation")
    nwbfile.add_epoch(start_time=75.0, stop_time=float(seconds), label="task")
    samples[60 * 250 : 75 * 250] += artifact
    _record(nwbfile, samples)
    with NWBHDF5IO(path=str(path), mode="w") as io:
        io.write(nwbfile)
    return path


def with_tone(identifier: str, labels: list[str], *, tone: bool = True) -> NWBFile:
    """A session in memory: noise whose size follows a tone, and the tone's labels."""
    rng = np.random.default_rng(len(labels))
    nwbfile = _with_electrode(identifier)
    played = np.arange(600) // 10 % len(labels)
    samples = rng.normal(size=15_000) * np.repeat(1 + 3.0 * played, 25)
    _record(nwbfile, samples)
    if tone:
        nwbfile.add_stimulus(
            TimeSeries(
                name="tone",
                data=[labels[code] for code in played],
                unit="n/a",
                timestamps=np.arange(600) * 0.1 + 0.05,
            )
        )
    return nwbfile
