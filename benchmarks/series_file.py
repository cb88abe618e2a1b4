"""An NWB file of one ElectricalSeries for benchmarks, and how large a process has been."""

from __future__ import annotations

import resource
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

#: Where the samples lie in the file.
DATA = "acquisition/Raw/data"


def write_series(path: Path, samples: np.ndarray, rate: float, **how: Any) -> Path:
    """Write samples (time, channel) as counts of a microvolt; `how` is for HDF5."""
    import pynwb
    from hdmf.backends.hdf5 import H5DataIO
    from pynwb.ecephys import ElectricalSeries

    nwbfile = pynwb.NWBFile(
        session_description="voltage",
        identifier="benchmark",
        session_start_time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    device = nwbfile.create_device(name="probe")
    group = nwbfile.create_electrode_group(
        name="shank", description="one", location="CA1", device=device
    )
    channels = samples.shape[1]
    for _ in range(channels):
        nwbfile.add_electrode(location="CA1", group=group)
    region = nwbfile.create_electrode_table_region(region=list(range(channels)), description="all")
    data = H5DataIO(data=samples, **how)
    nwbfile.add_acquisition(
        ElectricalSeries(name="Raw", data=data, electrodes=region, rate=rate, conversion=1e-6)
    )
    with pynwb.NWBHDF5IO(path=str(path), mode="w") as io:
        io.write(nwbfile)
    return path


def write_sparse(path: Path, samples: int, channels: int, rate: float, written: int = 100) -> Path:
    """Write a long file of which one chunk of a second in `written` lies on the disk.

    The others are read as the fill value, which costs HDF5 what stored chunks cost after
    decompression.
    """
    import h5py

    chunk = round(rate)
    first = np.full((1, channels), 9, dtype="i2")
    how: dict[str, Any] = {"maxshape": (None, channels), "chunks": (chunk, channels)}
    write_series(path, first, rate, fillvalue=9, **how)
    rng = np.random.default_rng(0)
    with h5py.File(path, "r+") as file:
        raw = file[DATA]
        raw.resize(samples, axis=0)
        for start in range(0, samples, written * chunk):
            stop = min(start + chunk, samples)
            raw[start:stop] = rng.normal(scale=200, size=(stop - start, channels)).astype("i2")
    return path


def resident() -> int:
    """Largest resident set of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage says begins with the largest of the process that started this one.
        return int(status.read_text().split("VmHWM:")[1].split()[0]) >> 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
