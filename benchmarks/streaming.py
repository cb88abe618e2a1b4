"""Requests and bytes of inspecting and decoding a streamed recording, cache cold and warm.

Makes a recording of about 150 MB, serves it from a loopback DANDI archive with
30 ms before each answer, and counts what is asked of archive and store; then looks into
one of 8.5 GB, of which little is written, in part and with all its clocks read::

    python -m benchmarks.streaming

The same recording as an NWB-Zarr store of the web, in the environment that has hdmf-zarr::

    python -m benchmarks.streaming zarr
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
from hdmf.backends.hdf5 import H5DataIO
from hdmf.data_utils import GenericDataChunkIterator
from pynwb.behavior import Position, SpatialSeries

from nwbdecode import load
from nwbdecode.features import wavelet_power
from tests.load import recordings
from tests.load.dandi_server import DandiServer
from tests.load.remote.sparse import write_sparse

RATE, CHANNELS, SECONDS = 1250.0, 64, 1040
LATENCY = 0.03
ADDRESS = "DANDI:000001/sub-1/sub-1_ecephys.nwb"


class Noise(GenericDataChunkIterator):
    """Voltages that compress as real ones do, made chunk by chunk."""

    def _get_maxshape(self) -> tuple[int, int]:
        return int(RATE * SECONDS), CHANNELS

    def _get_dtype(self) -> np.dtype[Any]:
        return np.dtype("int16")

    def _get_data(self, selection: tuple[slice, ...]) -> np.ndarray:
        rows, columns = selection
        rng = np.random.default_rng([rows.start, columns.start])
        shape = rows.stop - rows.start, columns.stop - columns.start
        return rng.normal(scale=250, size=shape).astype("int16")


def session(data: Any) -> pynwb.NWBFile:
    """A recording of 64 channels, an LFP's rate, chunked in time and channels."""
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile, CHANNELS)
    nwbfile.add_acquisition(recordings.electrical(nwbfile, data=data, rate=RATE))
    time_ = np.arange(0, SECONDS, 0.02)
    place = np.cumsum(np.random.default_rng(0).normal(size=(len(time_), 2)), axis=0)
    led = SpatialSeries(
        name="led", data=place, unit="cm", timestamps=time_, reference_frame="arena"
    )
    behavior = nwbfile.create_processing_module(name="behavior", description="tracked")
    behavior.add(Position(spatial_series=led))
    return nwbfile


def noise() -> Noise:
    return Noise(chunk_shape=(8192, 16), buffer_gb=0.02)


def write(path: Path) -> Path:
    nwbfile = session(H5DataIO(data=noise(), compression="gzip"))
    with pynwb.NWBHDF5IO(path=str(path), mode="w") as io:
        io.write(nwbfile)
    return path


def inspect(address: str = ADDRESS, *, full: bool = False) -> None:
    with load.open(address) as opened:
        opened.catalog(full=full)


def listing() -> None:
    load.assets("DANDI:000001")


def decode(address: str = ADDRESS, **selection: Any) -> None:
    """Read all that a decode reads: signal to features, and a target."""
    with load.open(address) as opened:
        signal = opened.signal("Raw", **selection)
        opened.targets("led:speed")
    with tempfile.TemporaryDirectory() as store:
        wavelet_power(signal, lowest=20.0, n_bands=4, bin=0.1, store=store, progress=False)


Row = Callable[[str, Callable[[], None], str], None]


def rows(server: DandiServer, folder: str) -> Row:
    """Give what runs a step with a cache of that name, and prints what it asked for."""
    print(f"| {'step':34} | API requests | store requests | MB | seconds |")
    print(f"|{'-' * 36}|---|---|---|---|")

    def row(name: str, step: Callable[[], None], cache: str) -> None:
        os.environ["NWBDECODE_CACHE"] = f"{folder}/{cache}"
        server.forget()
        started = time.perf_counter()
        step()
        taken = time.perf_counter() - started
        (api, few), (store, many) = server.count("api"), server.count("store")
        print(f"| {name:34} | {api} | {store} | {(few + many) / 1e6:.2f} | {taken:.1f} |")

    return row


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, DandiServer(latency=LATENCY) as server:
        os.environ["DANDI_INSTANCE"] = server.site
        file = write(Path(folder, "recording.nwb"))
        size = file.stat().st_size / 1e6
        server.add("000001", {"sub-1/sub-1_ecephys.nwb": file})
        os.environ["NWBDECODE_CACHE"] = f"{folder}/warm up"
        inspect()  # importing and compiling are not what is timed
        decode(time=(100, 101))
        print(f"file {size:.1f} MB, {1000 * LATENCY:.0f} ms before each answer\n")
        row = rows(server, folder)
        row("list the dandiset", listing, "a")
        row("inspect, cold", inspect, "a")
        row("inspect, warm", inspect, "a")
        row("decode, cold", decode, "a")
        row("decode, warm", decode, "a")
        row("decode 120 s, cold", lambda: decode(time=(100, 220)), "b")
        row("decode 16 of 64 channels, cold", lambda: decode(channels=range(100, 116)), "c")
        huge = server.serve("huge.nwb", write_sparse(Path(folder)))
        row("inspect 8.5 GB, cold", lambda: inspect(huge), "d")
        row("inspect 8.5 GB, warm", lambda: inspect(huge), "d")
        row("inspect 8.5 GB --full, cold", lambda: inspect(huge, full=True), "e")
        row("inspect 8.5 GB --full, warm", lambda: inspect(huge, full=True), "e")


def main_zarr() -> None:
    from hdmf_zarr import ZarrDataIO

    with tempfile.TemporaryDirectory() as folder, DandiServer(latency=LATENCY) as server:
        path = recordings.save_zarr(
            session(ZarrDataIO(data=noise())), Path(folder, "recording.nwb.zarr")
        )
        files = [file for file in path.rglob("*") if file.is_file()]
        for file in files:
            server.serve(file.relative_to(folder).as_posix(), file)
        address = f"{server.store}/files/{path.name}"
        os.environ["NWBDECODE_CACHE"] = f"{folder}/warm up"
        inspect(address)
        decode(address, time=(100, 101))
        size = sum(file.stat().st_size for file in files) / 1e6
        print(f"{len(files)} files of {size:.1f} MB, {1000 * LATENCY:.0f} ms before each answer\n")
        row = rows(server, folder)
        row("fetch whole", lambda: load.open(address, download=True).close(), "w")
        row("inspect, cold", lambda: inspect(address), "a")
        row("inspect, warm", lambda: inspect(address), "a")
        row("decode, cold", lambda: decode(address), "a")
        row("decode, warm", lambda: decode(address), "a")
        row("decode 120 s, cold", lambda: decode(address, time=(100, 220)), "b")
        some = range(100, 116)
        row("decode 16 of 64 channels, cold", lambda: decode(address, channels=some), "c")


if __name__ == "__main__":
    main_zarr() if sys.argv[1:] == ["zarr"] else main()
