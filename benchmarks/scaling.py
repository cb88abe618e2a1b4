"""How time and memory of features grow with a recording's length and its number of channels.

    python -m benchmarks.scaling [--minutes 5 20 60] [--channels 16 64 256] [--rate 10000]

Each line is a process of its own, on two threads: an int16 file, chunks of one second of all
channels of which one in ten is stored, to the feature store; 26 bands from 2 Hz, bins of 1/30 s,
`memory` of 1 GiB. Length grows at the fewest channels, channels at the shortest length. Peak
memory is above what importing and compiling take.

Each run is a line of ``benchmarks/results/scaling.jsonl``.
"""

from __future__ import annotations

from benchmarks.machine import THREADS, use_threads

use_threads()

import argparse  # noqa: E402
import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from benchmarks.machine import facts  # noqa: E402
from benchmarks.series_file import resident, write_sparse  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "scaling.jsonl"


def main() -> None:
    asked = _arguments()
    if asked.file:
        print(json.dumps(measured(asked.file)))
        return
    shortest, fewest = min(asked.minutes), min(asked.channels)
    sizes = [(minutes, fewest) for minutes in asked.minutes]
    sizes += [(shortest, channels) for channels in asked.channels if channels != fewest]
    line = facts("nwbdecode", "numpy", "numba", "h5py") | {"rate": asked.rate, "sizes": []}
    for minutes, channels in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "recording.nwb"
            write_sparse(path, round(minutes * 60 * asked.rate), channels, asked.rate, written=10)
            command = [sys.executable, "-m", "benchmarks.scaling", "--file", str(path)]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(ran.stdout.splitlines()[-1])
        line["sizes"].append({"minutes": minutes, "channels": channels, **found})
    print(told(line))
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")


def measured(file: str) -> dict[str, Any]:
    """Make features of a file, and say what that took."""
    import numpy as np

    import nwbdecode as nd

    with nd.open(file) as source, tempfile.TemporaryDirectory() as folder:
        signal = source.signal("Raw")
        nd.wavelet_power(np.zeros((30_000, 2), "i2"), rate=30_000.0, lowest=20.0, progress=False)
        before, began = resident(), time.perf_counter()
        power = nd.wavelet_power(signal, store=folder, progress=False)
        seconds = time.perf_counter() - began
        return {
            "seconds": round(seconds, 2),
            "RT": round(signal.n_samples / signal.rate / seconds, 1),
            "peak_MiB": resident() - before,
            "store_MB": round(power.nbytes / 1e6, 1),
        }


def told(line: dict[str, Any]) -> str:
    rows = [
        f"{line['cpu']}, {line['cores']} cores, load {line['load_before']} before; {THREADS} "
        f"threads; {line['rate']:g} Hz",
        "",
        "| minutes | channels | s | RT | peak above compiled, MiB | store, MB |",
        "|---|---|---|---|---|---|",
    ]
    keys = ("minutes", "channels", "seconds", "RT", "peak_MiB", "store_MB")
    rows += ["| " + " | ".join(f"{size[key]:g}" for key in keys) + " |" for size in line["sizes"]]
    return "\n".join(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[5, 20, 60])
    parser.add_argument("--channels", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--rate", type=float, default=10_000.0)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
