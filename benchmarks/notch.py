"""The line notch beside SciPy's convolution with the same taps: seconds recorded a second.

    python -m benchmarks.notch [--rounds 5]

White noise, in turns, two threads: nwbdecode's sums of sums, and the whole filter's taps
convolved by ``scipy.signal.oaconvolve`` (overlap and add, in float64), which spreads what lies
far away over its blocks. SciPy's runs on one channel a thread, and as many as are given. A line
is added to ``benchmarks/results/notch.jsonl``.
"""

from __future__ import annotations

from benchmarks.machine import THREADS, facts, spread, use_threads

use_threads()

import argparse  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "notch.jsonl"
#: Rate, line, channels and seconds.
CASES = (
    (1000.0, 60.0, 64, 120.0),
    (2000.0, 60.0, 64, 60.0),
    (999.3, 60.0, 64, 120.0),
    (25_000.0, 60.0, 32, 8.0),
    (24_414.0625, 60.0, 32, 8.0),
    (30_000.0, 60.0, 32, 8.0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    line = facts("nwbdecode", "scipy") | {"cases": [measured(*case, rounds) for case in CASES]}
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(told(line))


def measured(
    rate: float, hertz: float, channels: int, seconds: float, rounds: int
) -> dict[str, Any]:
    """Real-time factors of both for 128 channels in each round, and how much they differ."""
    from scipy.signal import oaconvolve

    from nwbdecode.features.notch import make_notch
    from nwbdecode.features.threads import engine_threads

    notch = make_notch(hertz, rate)
    reach = notch.before + notch.after
    impulse = np.zeros((2 * reach + 1, 1), dtype=np.float32)
    impulse[reach] = 1
    taps = notch.apply(impulse)[:, 0].astype("f8")
    samples = np.random.default_rng(0).normal(size=(round(rate * seconds), channels)).astype("f4")
    rows = samples.T.astype("f8")
    lasts = (len(samples) - reach) / rate * channels / 128
    found: dict[str, Any] = {"rate": rate, "line": hertz, "taps": len(taps), "rt": [], "scipy": []}
    with ThreadPoolExecutor(THREADS) as pool:
        for turn in range(rounds + 1):
            given = samples.copy()
            began = time.perf_counter()
            with engine_threads():
                mine = notch.apply(given)
            between = time.perf_counter()
            theirs = list(pool.map(lambda row: oaconvolve(row, taps, "valid"), rows))
            ended = time.perf_counter()
            if turn:  # the first compiles and makes room
                found["rt"].append(round(lasts / (between - began), 3))
                found["scipy"].append(round(lasts / (ended - between), 3))
    found["differ"] = float(np.abs(mine - np.stack(theirs, 1)).max())
    return found


def told(line: dict[str, Any]) -> str:
    """Set both side by side."""
    rows = [
        f"{line['cpu']}, {line['cores']} cores, load {line['load_before']} before",
        "",
        "| rate, Hz | taps | RT of 128 channels | SciPy | ratio | differ, of unit noise |",
        "|---|---|---|---|---|---|",
    ]
    for case in line["cases"]:
        ratio = [a / b for a, b in zip(case["rt"], case["scipy"], strict=True)]
        rows.append(
            f"| {case['rate']:g} | {case['taps']} | {spread(case['rt'])} | "
            f"{spread(case['scipy'])} | {spread(ratio)} | {case['differ']:.1e} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
