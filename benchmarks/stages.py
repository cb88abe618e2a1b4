"""Where the processors' time goes between a compressed NWB file and the feature store.

    python -m benchmarks.stages [--rounds 3] [--seconds 60] [--files gzip shuffled plain]

The files and the features are those of ``benchmarks.end_to_end``. Every function that does one
stage's work counts the CPU seconds of the thread it runs on; what the whole process used beside
them is the last row. Where the sum comes near to cores times wall time, only less work would be
faster; where it does not, somebody waits.
"""

from __future__ import annotations

from benchmarks.machine import THREADS, use_threads

use_threads()

import argparse  # noqa: E402
import json  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections import defaultdict  # noqa: E402
from pathlib import Path  # noqa: E402
from threading import Lock  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.end_to_end import (  # noqa: E402
    CHUNKS,
    FILES,
    RATE,
    features,
    parser,
    recording,
    warm_up,
)
from benchmarks.machine import facts  # noqa: E402
from benchmarks.series_file import write_series  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "stages.jsonl"
#: What the walk does, by stage: module or class, and function.
STAGES = {
    "read raw chunks": [("nwbdecode.features.rows.Rows", "read")],
    "decompress": [("nwbdecode.load.deflated._Codec", "decode")],
    "convert to volts, reference": [("nwbdecode.features.walk", "_reference")],
    "filter at the full rate, first halving": [("nwbdecode.features.kernels", "share_points")],
    "other halvings": [
        ("nwbdecode.features.kernels", "share_levels"),
        ("nwbdecode.features.kernels", "halve"),
    ],
    "filter at lower rates": [("nwbdecode.features.kernels", "share_grids")],
    "lay out sums": [
        ("nwbdecode.features.layout", "points"),
        ("nwbdecode.features.grids.OnGrids", "lay_out"),
    ],
    "write": [("nwbdecode.features.store.FeatureStore", "write")],
}


class Clock:
    """CPU seconds of each stage, whatever thread it runs on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = Lock()
        for stage, functions in STAGES.items():
            for owner, name in functions:
                self._watch(stage, _found(owner), name)

    def _watch(self, stage: str, owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def watched(*given: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*given, **named)
            finally:
                with self._lock:
                    self.seconds[stage] += time.thread_time() - began

        setattr(owner, name, watched)


def _found(path: str) -> Any:
    from pydoc import locate

    found = locate(path)
    if found is None:
        raise SystemExit(f"there is no {path} any more")
    return found


def main() -> None:
    asked = parser(__doc__).parse_args()
    line = facts("nwbdecode", "numpy", "numba", "h5py", "deflate")
    line |= {"rounds": asked.rounds, "seconds": asked.seconds, "files": {}}
    samples = recording(asked.seconds)
    warm_up()
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.files:
            path = Path(folder, f"{name}.nwb")
            write_series(path, samples, RATE, chunks=CHUNKS, **FILES[name])
            line["files"][name] = [measured(path, clock, asked) for _ in range(asked.rounds)]
            path.unlink()
    print(told(line))
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")


def measured(path: Path, clock: Clock, asked: argparse.Namespace) -> dict[str, float]:
    """CPU seconds of one run by stage, with those of the process and those on the wall."""
    import nwbdecode as nd

    with nd.open(path) as source, tempfile.TemporaryDirectory() as folder:
        signal = source.signal("Raw")
        clock.seconds.clear()
        wall, all_of_it = time.perf_counter(), time.process_time()
        features(signal, asked, store=folder)
        wall, all_of_it = time.perf_counter() - wall, time.process_time() - all_of_it
    found = {stage: clock.seconds[stage] for stage in STAGES}
    found["anything else"] = all_of_it - sum(found.values())
    found |= {"all": all_of_it, "wall": wall}
    return {stage: round(seconds, 3) for stage, seconds in found.items()}


def told(line: dict[str, Any]) -> str:
    files = list(line["files"])
    rows = [
        f"{line['cpu']}, {line['cores']} cores, load {line['load_before']} before; {THREADS} "
        f"threads; {line['seconds']:g} s; CPU ms a second of recording, medians of "
        f"{line['rounds']} rounds",
        "",
        f"| stage | {' | '.join(files)} |",
        "|---|" + "---|" * len(files),
    ]
    for stage in (*STAGES, "anything else", "all", "wall"):
        values = [np.median([run[stage] for run in line["files"][name]]) for name in files]
        cells = [f"{1e3 * value / line['seconds']:.1f}" for value in values]
        rows.append(f"| {stage} | {' | '.join(cells)} |")
    busy = [np.median([run["all"] / run["wall"] for run in line["files"][name]]) for name in files]
    rows.append(f"| processors busy | {' | '.join(f'{value:.2f}' for value in busy)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
