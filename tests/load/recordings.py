"""NWB files made for the tests of loading: small, with values known in advance."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
from pynwb.behavior import CompassDirection, Position, SpatialSeries
from pynwb.ecephys import LFP, ElectricalSeries
from pynwb.file import Subject

RATE = 1000.0
CHANNELS = 6

#: How near float32 samples of a few millivolts come to their exact values.
CLOSE = {"rtol": 1e-6, "atol": 1e-9}


def session(**fields: Any) -> pynwb.NWBFile:
    """An NWBFile with nothing recorded."""
    return pynwb.NWBFile(
        session_description="open field",
        identifier="mouse-1-day-1",
        session_start_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        subject=Subject(subject_id="mouse-1", species="Mus musculus", sex="M", age="P90D"),
        **fields,
    )


def add_electrodes(nwbfile: pynwb.NWBFile, n: int = CHANNELS, description: str = "tetrode") -> None:
    """Electrodes 100, 101, ...: even ones in CA1 on probe0, odd ones in CA3 on probe1."""
    device = nwbfile.create_device(name="drive", description="microdrive")
    groups = [
        nwbfile.create_electrode_group(
            name=f"probe{k}", description=description, location="HPC", device=device
        )
        for k in range(2)
    ]
    nwbfile.add_electrode_column(name="bad_channel", description="too noisy")
    for i in range(n):
        nwbfile.add_electrode(
            id=100 + i,
            x=float(i),
            y=0.5,
            z=-1.0,
            location=("CA1", "CA3")[i % 2],
            group=groups[i % 2],
            bad_channel=i == 3,
        )


def counts(n: int, channels: int = CHANNELS) -> np.ndarray:
    """Stored samples, each different from its neighbors."""
    return (np.arange(n * channels).reshape(n, channels) * 7 % 3001 - 1500).astype(np.int16)


def electrical(
    nwbfile: pynwb.NWBFile, name: str = "Raw", *, n: int = 5000, **fields: Any
) -> ElectricalSeries:
    """An int16 series in every electrode, with gains, an offset and a rate unless given."""
    channels = len(nwbfile.electrodes)
    clock = {} if "timestamps" in fields else {"rate": RATE, "starting_time": 2.0}
    settings = {
        "data": counts(n, channels),
        "conversion": 1e-6,
        "offset": 5e-4,
        "channel_conversion": np.linspace(1, 2, channels),
        "electrodes": nwbfile.create_electrode_table_region(
            region=list(range(channels)), description="all"
        ),
        **clock,
        **fields,
    }
    return ElectricalSeries(name=name, **settings)


def volts(n: int = 5000, channels: int = CHANNELS) -> np.ndarray:
    """What the samples of `electrical` mean, computed apart from the package."""
    return counts(n, channels) * (1e-6 * np.linspace(1, 2, channels)) + 5e-4


def save(nwbfile: pynwb.NWBFile, folder: Path, name: str = "session.nwb") -> Path:
    path = folder / name
    with pynwb.NWBHDF5IO(path=str(path), mode="w") as io:
        io.write(nwbfile)
    return path


def save_zarr(nwbfile: pynwb.NWBFile, path: Path) -> Path:
    """Write a session as a Zarr folder; the test skips where hdmf-zarr is missing."""
    import pytest

    hdmf_zarr = pytest.importorskip(
        "hdmf_zarr", reason="hdmf-zarr is not installed; .ci/zarr-environment tests with it"
    )
    with hdmf_zarr.NWBZarrIO(path=str(path), mode="w") as io:
        io.write(nwbfile)
    return path


def ephys() -> pynwb.NWBFile:
    """Raw voltage and LFP, a position, a head direction, a stimulus; nothing written yet."""
    nwbfile = session(lab="A lab", experimenter=["Doe, Jane"], keywords=["place cells"])
    add_electrodes(nwbfile)
    nwbfile.add_acquisition(electrical(nwbfile))
    lfp = electrical(nwbfile, "LFP", n=500, rate=250.0, starting_time=0.0)
    nwbfile.create_processing_module(name="ecephys", description="filtered").add(
        LFP(electrical_series=lfp)
    )
    add_behavior(nwbfile)
    return nwbfile


def add_behavior(nwbfile: pynwb.NWBFile) -> None:
    """Two LEDs in centimeters at 50 Hz, a compass in degrees, a tone's name."""
    phase = np.linspace(0, 4 * np.pi, 500)
    front = np.stack([30 * np.cos(phase), 30 * np.sin(phase)], axis=1)
    back = front - 3 * np.stack([np.cos(phase / 2), np.sin(phase / 2)], axis=1)
    front[50:60] = np.nan
    leds = [
        SpatialSeries(
            name=name, data=data, unit="cm", rate=50.0, starting_time=1.0, reference_frame="arena"
        )
        for name, data in (("front", front), ("back", back))
    ]
    compass = SpatialSeries(
        name="hd",
        data=np.rad2deg(phase) % 360,
        unit="degrees",
        rate=50.0,
        starting_time=1.0,
        reference_frame="arena",
    )
    behavior = nwbfile.create_processing_module(name="behavior", description="tracked")
    behavior.add(Position(spatial_series=leds))
    behavior.add(CompassDirection(spatial_series=compass))
    tone = np.array(["off", "low", "off", "high"] * 5)
    nwbfile.add_stimulus(
        pynwb.TimeSeries(name="tone", data=tone, unit="n.a.", timestamps=np.arange(20) * 0.5 + 0.25)
    )
