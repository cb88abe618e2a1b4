"""From a compressed NWB file to the feature store: how much of reading hides behind computing.

    python -m benchmarks.end_to_end [--rounds 3] [--seconds 60] [--files gzip shuffled plain]

128 channels of int16 at 30 kHz in chunks of 8192 x 32, compressed by gzip 4 without and with
shuffled bytes, and not at all; 26 bands from 2 Hz, bins of 1000 samples, two threads. RT is
seconds of recording per second. In each round, one after the other: reading the file alone, by
h5py and by nwbdecode; wavelet power of the same samples in memory; and both, file to store, as a
user calls it. The last column compares that with reading first and computing then, with nothing
between: 1 / (1 / RT of reading + 1 / RT of wavelets) is 100 %. Peak memory is that of one more run
in a process of its own, above what importing and compiling take. The file was just written:
it is read from the system's cache, not from the disk.

Each run is a line of ``benchmarks/results/end_to_end.jsonl``.
"""

from __future__ import annotations

from benchmarks.machine import THREADS, spread, use_threads

use_threads()

import argparse  # noqa: E402
import json  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.machine import facts  # noqa: E402
from benchmarks.series_file import DATA, resident, write_series  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "end_to_end.jsonl"
RATE, CHANNELS, PER_BIN, CHUNKS = 30_000.0, 128, 1000, (8192, 32)
GZIP: dict[str, Any] = {"compression": "gzip", "compression_opts": 4}
FILES: dict[str, dict[str, Any]] = {
    "gzip": GZIP | {"shuffle": False},
    "shuffled": GZIP | {"shuffle": True},
    "plain": {},
}


def main() -> None:
    asked = _arguments()
    if asked.peak:
        print(json.dumps(peak(asked)))
        return
    line = facts("nwbdecode", "numpy", "numba", "h5py", "deflate")
    line |= {"rounds": asked.rounds, "seconds": asked.seconds, "memory": asked.memory}
    line |= {"bands": asked.bands, "lowest": asked.lowest, "files": {}}
    samples = recording(asked.seconds)
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.files:
            path = Path(folder, f"{name}.nwb")
            write_series(path, samples, RATE, chunks=CHUNKS, **FILES[name])
            found = rounds(path, samples, asked)
            command = [sys.executable, "-m", "benchmarks.end_to_end", "--peak", str(path)]
            command += [f"--{n}={getattr(asked, n)}" for n in ("memory", "bands", "lowest")]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
            line["files"][name] = found | json.loads(ran.stdout.splitlines()[-1])
            line["files"][name]["ratio"] = round(samples.nbytes / path.stat().st_size, 2)
            path.unlink()
    print(told(line))
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")


def recording(seconds: float) -> np.ndarray:
    """1/f noise with theta, eight channels of it shifted in time, and white noise of each."""
    from benchmarks.wavelets import recording as noise

    few, rng = noise(seconds, 8), np.random.default_rng(1)
    out = np.empty((len(few), CHANNELS), dtype=np.int16)
    for c in range(CHANNELS):
        own = rng.normal(scale=15, size=len(few))
        # About as many bits as field potentials and the noise of an amplifier take.
        out[:, c] = np.roll(few[:, c % 8] >> 5, 977 * c) + own.astype(np.int16)
    return out


def rounds(path: Path, samples: np.ndarray, asked: argparse.Namespace) -> dict[str, Any]:
    """Real-time factors of each step in each round."""
    import h5py

    import nwbdecode as nd

    warm_up()
    seconds = len(samples) / RATE
    found: dict[str, list[float]] = {n: [] for n in ("h5py", "read", "wavelets", "all", "share")}
    with nd.open(path) as source:
        signal = source.signal("Raw")
        step = 8 * CHUNKS[0]

        def by_h5py() -> None:
            with h5py.File(path, locking=False) as file:
                for at in range(0, len(samples), step):
                    file[DATA][at : at + step]

        def read() -> None:
            for at in range(0, len(samples), step):
                signal.read_array(at, min(at + step, len(samples)), units="counts")

        def both() -> None:
            folder = tempfile.mkdtemp(dir=path.parent)
            features(signal, asked, store=folder)
            shutil.rmtree(folder)

        for _ in range(asked.rounds):
            found["h5py"].append(seconds / timed(by_h5py))
            found["read"].append(seconds / timed(read))
            found["wavelets"].append(seconds / timed(lambda: features(samples, asked, rate=RATE)))
            found["all"].append(seconds / timed(both))
            turns = 1 / (1 / found["read"][-1] + 1 / found["wavelets"][-1])
            found["share"].append(100 * found["all"][-1] / turns)
    return {name: [round(value, 3) for value in values] for name, values in found.items()}


def features(signal: Any, asked: argparse.Namespace, **how: Any) -> None:
    from nwbdecode.features import wavelet_power

    how |= {"bin": PER_BIN / RATE, "n_bands": asked.bands, "lowest": asked.lowest}
    wavelet_power(signal, memory=asked.memory << 20, progress=False, **how)


def warm_up() -> None:
    """Compile the engine, or find it compiled."""
    from nwbdecode.features import wavelet_power

    wavelet_power(np.zeros((30_000, 2), "i2"), rate=RATE, lowest=20.0, progress=False)


def peak(asked: argparse.Namespace) -> dict[str, int]:
    """Largest resident set of one run, and what of it was there before, in MB."""
    import nwbdecode as nd

    with nd.open(asked.peak) as source, tempfile.TemporaryDirectory() as folder:
        signal = source.signal("Raw")
        warm_up()
        before = resident()
        features(signal, asked, store=folder)
        return {"before_MB": before, "peak_MB": resident()}


def timed(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def told(line: dict[str, Any]) -> str:
    rows = [
        f"{line['cpu']}, {line['cores']} cores, load {line['load_before']} before; {THREADS} "
        f"threads; {line['seconds']:g} s, {line['bands']} bands from {line['lowest']:g} Hz, "
        f"`memory` of {line['memory']} MiB; medians of {line['rounds']} rounds (range)",
        "",
        "| file | smaller | RT h5py | RT read | RT wavelets | RT file to store | of taking turns "
        "| peak above compiled, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in line["files"].items():
        cells = [spread(found[step]) for step in ("h5py", "read", "wavelets", "all", "share")]
        above = found["peak_MB"] - found["before_MB"]
        rows.append(f"| {name} | {found['ratio']} x | {' | '.join(cells)} % | {above:.0f} |")
    return "\n".join(rows)


def parser(described: str | None) -> argparse.ArgumentParser:
    """Options of a benchmark that makes features of these files."""
    made = argparse.ArgumentParser(description=(described or "").splitlines()[0])
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--seconds", type=float, default=60.0)
    made.add_argument("--files", nargs="+", choices=FILES, default=list(FILES))
    made.add_argument("--memory", type=int, default=1024, help="of features, in MiB")
    made.add_argument("--bands", type=int, default=26)
    made.add_argument("--lowest", type=float, default=2.0, help="Hz")
    return made


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--peak", help=argparse.SUPPRESS)
    return made.parse_args()


if __name__ == "__main__":
    main()
