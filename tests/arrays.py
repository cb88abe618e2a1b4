"""Short recordings in memory with several channels, whose size follows a behavior."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from pynwb import NWBFile, TimeSeries
from pynwb.ecephys import ElectricalSeries

#: Enough to walk every step on few channels, too little to decode well.
CONFIG = {
    "features": {"bin": 0.1, "lowest": 10.0, "highest": 80.0, "n_bands": 3},
    "decoder": {"window": 8, "hidden": 4, "epochs": 1},
    "evaluation": {"folds": 2, "shifts": 20, "importance": []},
}
SIGNAL = "acquisition/ElectricalSeries"


def recording(
    identifier: str,
    *,
    ids: Sequence[int] = (0, 1, 2, 3, 4),
    places: Sequence[float] | None = None,
    bad: Sequence[int] = (),
    rate: float = 250.0,
    location: str = "CA1",
    seconds: int = 60,
    like: int = 0,
    target: str = "effort",
) -> NWBFile:
    """Make a session of which channel k follows the target the more the larger k is.

    Parameters
    ----------
    ids : ids of the electrodes; what each records depends on its place in `places`
    places : x of each electrode in micrometers, by default 20 times its id
    bad : ids that the table marks so
    like : seed of signal and behavior: two of one seed record the same
    """
    rng = np.random.default_rng(like)
    n = int(seconds * rate)
    effort = np.repeat(rng.uniform(0.2, 1, size=seconds), int(rate))
    places = [20.0 * held for held in ids] if places is None else places
    noise = {k: np.random.default_rng([like, k]).normal(size=n) for k in range(12)}
    nwbfile = NWBFile(
        session_description="noise whose size follows an effort",
        identifier=identifier,
        session_start_time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    device = nwbfile.create_device(name="probe")
    group = nwbfile.create_electrode_group(
        name="shank", description="one", location=location, device=device
    )
    nwbfile.add_electrode_column(name="bad", description="whether it is broken")
    for held, x in zip(ids, places, strict=True):
        nwbfile.add_electrode(
            id=held, x=float(x), y=0.0, z=0.0, location=location, group=group, bad=held in bad
        )
    kinds = [round(x / 20) % 12 if np.isfinite(x) else 0 for x in places]
    samples = np.stack([noise[k] * (1 + (1 + k) * effort) for k in kinds], axis=1)
    region = nwbfile.create_electrode_table_region(region=list(range(len(ids))), description="all")
    nwbfile.add_acquisition(
        ElectricalSeries(
            name="ElectricalSeries", data=samples.astype(np.float32), electrodes=region,
            rate=rate, starting_time=0.0,
        )
    )  # fmt: skip
    module = nwbfile.create_processing_module(name="behavior", description="what it did")
    module.add(
        TimeSeries(name=target, data=effort[:: int(rate // 10)], unit="N", rate=10.0,
                   starting_time=0.05)
    )  # fmt: skip
    return nwbfile
