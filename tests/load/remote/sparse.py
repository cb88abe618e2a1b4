"""A recording of 8.5 GB of which little is written: voltage, two positions, three clocks."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from pynwb.behavior import Position, SpatialSeries

from tests.load import recordings

HOURS = 2.4
ROWS = int(HOURS * 3600 * 1250)


def write_sparse(folder: Path) -> Path:
    """A file of 10 GB that takes a few on disk: what is never written is a hole."""
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile, 384)
    nwbfile.add_acquisition(recordings.electrical(nwbfile, n=10, timestamps=np.arange(10.0)))
    leds = [
        SpatialSeries(
            name=name, data=np.zeros((10, 2)), timestamps=np.arange(10.0), unit="cm",
            reference_frame="arena",
        )
        for name in ("front", "back")
    ]  # fmt: skip
    behavior = nwbfile.create_processing_module(name="behavior", description="tracked")
    behavior.add(Position(spatial_series=leds))
    path = recordings.save(nwbfile, folder)
    with h5py.File(path, "r+") as file:
        _grow(file["acquisition/Raw"], "data", (ROWS, 384), "<i2")
        _grow(file["acquisition/Raw"], "timestamps", (ROWS,), "<f8")
        for name in ("front", "back"):
            _grow(file[f"processing/behavior/Position/{name}"], "data", (ROWS // 5, 2), "<f8")
            _grow(file[f"processing/behavior/Position/{name}"], "timestamps", (ROWS // 5,), "<f8")
            _count(file[f"processing/behavior/Position/{name}/timestamps"], 250.0)
        _count(file["acquisition/Raw/timestamps"], 1250.0)
    return path


def _grow(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: str) -> None:
    """Replace a dataset by a longer one that is set aside and never filled."""
    attributes = dict(group[name].attrs)
    del group[name]
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(np.dtype(dtype)), space, plan)
    group[name].attrs.update(attributes)


def _count(stamps: h5py.Dataset, rate: float) -> None:
    for start in range(0, len(stamps), 1 << 20):
        stop = min(start + (1 << 20), len(stamps))
        stamps[start:stop] = np.arange(start, stop) / rate
