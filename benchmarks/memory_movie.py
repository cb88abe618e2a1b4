"""Peak memory of inspecting a large movie and making features of it.

    python benchmarks/memory_movie.py [--gigabytes 4] [--memory 256] [--dff] [--grid]

The movie is a chunked HDF5 dataset of which one chunk in a hundred is written; the others
are read as the fill value, which costs HDF5 what stored chunks cost after decompression.
Each step runs in a process of its own, and the peak is that process's whole resident set.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

SIDE, CHUNK, RATE = 512, 16, 30.0


def write(path: Path, gigabytes: float) -> None:
    import h5py
    import numpy as np
    import pynwb
    from hdmf.backends.hdf5 import H5DataIO
    from pynwb.ophys import ImageSegmentation, TwoPhotonSeries
    from pynwb.testing.mock.ophys import mock_ImagingPlane

    frames = int(gigabytes * 1e9 / (2 * SIDE * SIDE))
    nwbfile = pynwb.NWBFile(
        session_description="sparse movie",
        identifier="memory",
        session_start_time=datetime(2026, 1, 1, tzinfo=UTC),
    )
    plane = mock_ImagingPlane(nwbfile=nwbfile)
    first = np.full((1, SIDE, SIDE), 9, dtype="u2")
    data = H5DataIO(first, maxshape=(None, SIDE, SIDE), chunks=(CHUNK, SIDE, SIDE), fillvalue=9)
    nwbfile.add_acquisition(
        TwoPhotonSeries(name="Movie", data=data, imaging_plane=plane, unit="n.a.", rate=RATE)
    )
    module = nwbfile.create_processing_module(name="ophys", description="masks")
    segmentation = ImageSegmentation()
    module.add(segmentation)
    cells = segmentation.create_plane_segmentation(description="cells", imaging_plane=plane)
    rng = np.random.default_rng(0)
    for x, y in rng.integers(0, SIDE - 10, size=(300, 2)):
        cells.add_roi(pixel_mask=[(x + i, y + j, 1.0) for i in range(10) for j in range(10)])
    with pynwb.NWBHDF5IO(path=str(path), mode="w") as io:
        io.write(nwbfile)
    with h5py.File(path, "r+") as file:
        movie = file["acquisition/Movie/data"]
        movie.resize(frames, axis=0)
        for start in range(0, frames, 100 * CHUNK):
            stop = min(start + CHUNK, frames)
            movie[start:stop] = rng.integers(0, 4000, (stop - start, SIDE, SIDE), dtype="u2")


def step(name: str, path: str, memory: int, options: list[str]) -> None:
    """One step, in this process; prints its seconds and peak."""
    import nwbdecode as nd

    start, busy = time.perf_counter(), time.process_time()
    with nd.open(path) as source:
        if name == "inspect":
            repr(source)
        elif name in ("features", "again"):
            how: dict = {"regions": "grid"} if "grid" in options else {"neuropil": 0.7}
            signal = source.signal(**how, dff="dff" in options)
            nd.wavelet_power(signal, memory=memory, progress=False).to_numpy()
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:<10} {seconds:7.1f} s ({busy:.1f} s CPU) {peak:6.0f} MB peak resident", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--memory", type=int, default=256, help="of features, in MB")
    parser.add_argument("--dff", action="store_true")
    parser.add_argument("--grid", action="store_true")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    options = [name for name in ("dff", "grid") if getattr(asked, name)]
    if asked.step:
        return step(*asked.step, asked.memory << 20, options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "movie.nwb"
        write(path, asked.gigabytes)
        print(f"movie of {asked.gigabytes:g} GB ({path.stat().st_size / 1e6:.0f} MB on disk)")
        env = os.environ | {"NWBDECODE_CACHE": str(Path(folder) / "cache")}
        for name in ("nothing", "inspect", "features", "again"):
            command = [sys.executable, __file__, "--step", name, str(path)]
            command += ["--memory", str(asked.memory), *(f"--{option}" for option in options)]
            subprocess.run(command, check=True, env=env)
    return None


if __name__ == "__main__":
    main()
