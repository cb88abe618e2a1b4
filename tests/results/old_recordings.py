"""Make a small recording with whichever pynwb is installed, for files of older core schemas.

``python old_recordings.py FILE`` runs with pynwb 1.3 and later, each in an environment of its
own; it imports nothing of this package. What the file says of its own schema is printed.

A minute of four channels: long enough for a fit of seconds, small enough to be kept.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone

import h5py
import numpy as np
import pynwb
from pynwb.behavior import Position, SpatialSeries
from pynwb.ecephys import ElectricalSeries


def write(path: str) -> None:
    """Four channels of noise, stronger to the right, a position, trials."""
    rng = np.random.default_rng(0)
    across = np.sin(np.arange(600) / 30)
    volume = np.repeat(3 + 2 * across, 10)[:, None]
    nwbfile = pynwb.NWBFile(
        session_description="noise",
        identifier="by pynwb " + pynwb.__version__,
        session_start_time=datetime(2020, 1, 1, tzinfo=timezone.utc),  # noqa: UP017
        subject=pynwb.file.Subject(
            subject_id="m1", species="Mus musculus", sex="M", age="P90D", description="a mouse"
        ),
    )
    device = nwbfile.create_device(name="probe")
    group = nwbfile.create_electrode_group(
        name="shank", description="one", location="CA1", device=device
    )
    for row in range(4):
        nwbfile.add_electrode(
            x=float(row), y=0.0, z=0.0, imp=1.0, location="CA1", filtering="none", group=group
        )
    nwbfile.add_acquisition(
        ElectricalSeries(
            name="ElectricalSeries",
            data=(rng.normal(size=(6000, 4)) * volume).astype(np.int16),
            electrodes=nwbfile.create_electrode_table_region([0, 1, 2, 3], "all"),
            rate=100.0,
            starting_time=0.0,
            conversion=1e-6,
        )
    )
    behavior = nwbfile.create_processing_module(name="behavior", description="where it was")
    place = SpatialSeries(
        name="place",
        data=np.stack([across, np.cos(np.arange(600) / 17)], axis=1),
        reference_frame="box",
        rate=10.0,
        starting_time=0.0,
    )
    behavior.add(Position(name="Position", spatial_series=place))
    for start in range(0, 60, 20):
        nwbfile.add_trial(start_time=float(start), stop_time=start + 20.0)
    with pynwb.NWBHDF5IO(path, "w") as io:
        try:
            io.write(nwbfile, cache_spec=True)
        except TypeError:
            io.write(nwbfile)
    with h5py.File(path, "r") as file:
        print(
            pynwb.__version__, file.attrs["nwb_version"], list(file.get("specifications/core", []))
        )


if __name__ == "__main__":
    write(sys.argv[1])
