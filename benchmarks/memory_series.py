"""Peak memory of inspecting a large ElectricalSeries and making features of a part of it.

    python -m benchmarks.memory_series [--gigabytes 4] [--memory 512] [--seconds 60] [--notch]

128 channels at 30 kHz, int16, chunked; one chunk in a hundred is written. Each step runs in a
process of its own: its peak is that process's whole resident set, beside what is resident
after importing, and after compiling (or loading) the engine on a tiny signal.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.series_file import resident, write_sparse

CHANNELS, RATE = 128, 30_000.0


def step(name: str, path: str, memory: int, seconds: float, options: list[str]) -> None:
    """One step, in this process; prints its seconds and peaks."""
    import numpy as np
    import zarr  # noqa: F401

    import nwbdecode as nd
    from nwbdecode.features import filterbank  # noqa: F401

    how: dict = {"notch": 50.0} if "notch" in options else {}
    how |= {"reference": "average"} if "average" in options else {}
    with nd.open(path) as source:
        signal = source.signal("Raw", time=(0, seconds))
        imported = resident()
        if name != "inspect":
            # One second of one channel: every kernel is compiled, or found compiled.
            nd.wavelet_power(np.zeros((30_000, 1), "f4"), rate=RATE, lowest=20, progress=False)
        compiled = resident()
        start = time.perf_counter()
        if name == "inspect":
            repr(source)
        elif name == "features":
            nd.wavelet_power(signal, memory=memory, progress=False, **how)
    print(
        f"{name:<9} {time.perf_counter() - start:6.1f} s; imported {imported:4.0f} MB, compiled "
        f"{compiled:4.0f} MB, peak {resident():4.0f} MB: {resident() - imported:4.0f} MB above "
        f"import, {resident() - compiled:4.0f} MB above compilation",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--memory", type=int, default=512, help="of features, in MB")
    parser.add_argument("--seconds", type=float, default=60.0, help="of which features are made")
    parser.add_argument("--notch", action="store_true")
    parser.add_argument("--average", action="store_true", help="common average reference")
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    options = [name for name in ("notch", "average") if getattr(asked, name)]
    if asked.step:
        return step(*asked.step, asked.memory << 20, asked.seconds, options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "series.nwb"
        write_sparse(path, int(asked.gigabytes * 1e9 / (2 * CHANNELS)), CHANNELS, RATE)
        print(f"series of {asked.gigabytes:g} GB ({path.stat().st_size / 1e6:.0f} MB on disk)")
        env = os.environ | {"NWBDECODE_CACHE": str(Path(folder) / "cache")}
        for name in ("nothing", "inspect", "features"):
            command = [sys.executable, "-m", "benchmarks.memory_series", "--step", name, str(path)]
            command += ["--memory", str(asked.memory), "--seconds", str(asked.seconds)]
            subprocess.run([*command, *(f"--{o}" for o in options)], check=True, env=env)
    return None


if __name__ == "__main__":
    main()
