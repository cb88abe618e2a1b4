"""Wavelet power: nwbdecode's speed beside other libraries, and its accuracy.

    pip install -e ".[benchmarks]"
    python -m benchmarks.wavelets [--rounds 3] [--seconds 30] [--only nwbdecode scipy]

128 channels of int16 at 30 kHz, 26 log-spaced bands from 2 Hz to the highest that nwbdecode
takes, 40 % of the rate (the others go on to the Nyquist frequency, for the same time), averaged
over bins of 1000 samples. Everyone gives the same bands and bins. RT is seconds of
recording per second. nwbdecode runs on two threads, on all channels, by its public function.
Of the others two processes of one thread take a channel each, of fewer seconds, and their
time is multiplied by 128 / 2: they do channels one by one, and this scales better than
threads would. Rounds are paired: in each everyone runs once, and a ratio is taken within it.
The last column is the correlation with the float64 reference, ends left out: the median and
the least of the bands.

Accuracy is nwbdecode's against `reference_power` in float64, whose wavelet is cut where it
is below 1e-8 of its peak. 1/f noise that falls by 60 dB across the bands, with theta, is
alone, on an offset, with an impulse, silent in its last third, and dead.

Each run is a line of ``benchmarks/results/wavelets.jsonl``. fCWT needs a compiler and
FFTW in single precision (Debian: libfftw3-single3); what cannot be imported is told.
"""

from __future__ import annotations

from benchmarks.machine import THREADS, spread, use_threads

use_threads()

import argparse  # noqa: E402
import json  # noqa: E402
import multiprocessing  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks import wavelet_rivals  # noqa: E402
from benchmarks.machine import copy_speed, facts, multiply_adds  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "wavelets.jsonl"
RATE, CHANNELS, PER_BIN = 30_000.0, 128, 1000
OURS = "nwbdecode"
#: Standard deviations at which a Gaussian is 1e-8 of its peak.
EXACT = float(np.sqrt(2 * np.log(1e8)))


def main() -> None:
    asked = _arguments()
    line: dict[str, Any] = facts(
        OURS, "numpy", "numba", *(name for name in wavelet_rivals.RIVALS if name in asked.only)
    )
    line |= {"rounds": asked.rounds, "seconds": asked.seconds, "rival_seconds": asked.rival_seconds}
    line |= {"copy_GB_per_s": copy_speed() / 1e9, "multiply_adds_G_per_s": multiply_adds() / 1e9}
    line["speed"] = speed(asked)
    line["accuracy"] = accuracy(asked.accuracy_seconds)
    print(told(line))
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")


def speed(asked: argparse.Namespace) -> dict[str, Any]:
    """Real-time factor of each tool in each round, and how like the reference it is."""
    samples = recording(asked.seconds, CHANNELS)
    some = np.ascontiguousarray(samples[: round(asked.rival_seconds * RATE), :2].T, dtype="f4")
    exact = reference(some.T.astype("f8"))
    found: dict[str, Any] = {name: {"rt": []} for name in asked.only}
    # Spawned: a forked process would inherit threads of the compiled engine.
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for name in asked.only:  # importing and compiling are not what is timed
            made, _ = once(name, pool, samples[: round(RATE)], some[:, : round(RATE)])
            if isinstance(made, str):
                found[name] = {"missing": made}
        for _ in range(asked.rounds):
            for name in asked.only:
                if "missing" in found[name]:
                    continue
                made, taken = once(name, pool, samples, some)
                scale = 1.0 if name == OURS else len(some) / CHANNELS
                lasted = len(samples) / RATE if name == OURS else some.shape[1] / RATE
                found[name]["rt"].append(round(lasted * scale / taken, 4))
                found[name]["r"] = likeness(made[: len(exact), :, :2], exact)
    return found


def once(name: str, pool: Any, samples: np.ndarray, some: np.ndarray) -> tuple[Any, float]:
    """One run of one tool: power (bin, band, channel), or why there is none; and its seconds."""
    started = time.perf_counter()
    if name == OURS:
        return ours(samples), time.perf_counter() - started
    given = [(name, channel, RATE, bands(), _w0(), PER_BIN) for channel in some]
    made = pool.starmap(wavelet_rivals.run, given, chunksize=1)
    taken = time.perf_counter() - started
    return (made[0] if isinstance(made[0], str) else np.stack(made, 2)), taken


def ours(samples: np.ndarray) -> np.ndarray:
    from nwbdecode.features import wavelet_power

    how: dict[str, Any] = {"engine": "filterbank", "bin": PER_BIN / RATE, "frequencies": bands()}
    return wavelet_power(samples, rate=RATE, progress=False, **how).to_numpy()


def bands() -> np.ndarray:
    from nwbdecode.features.morlet import band_frequencies

    return band_frequencies(RATE)


def _w0() -> float:
    from nwbdecode.features.morlet import W0

    return W0


def reference(samples: np.ndarray) -> np.ndarray:
    """Power in float64 by every sample and every tap that counts."""
    from nwbdecode.features.bins import make_bins
    from nwbdecode.features.morlet import reference_power
    from nwbdecode.load.signal import as_signal

    bins = make_bins(as_signal(samples, rate=RATE), PER_BIN / RATE)
    return reference_power(samples, bins, bands(), RATE, truncate=EXACT)


def likeness(made: np.ndarray, exact: np.ndarray) -> list[float]:
    """Median and least correlation of a band, away from the ends, which tools treat otherwise."""
    ends = int(np.ceil(EXACT * _w0() / (2 * np.pi * bands()[0]) * RATE / PER_BIN))
    inside = slice(ends, len(exact) - ends)
    found = correlations(made[inside].astype("f8"), exact[inside])
    return [float(np.median(found)), min(found)]


def correlations(made: np.ndarray, exact: np.ndarray) -> list[float]:
    """Of each band; the least of the channels that have power."""
    alive = exact.any(axis=(0, 1))
    return [
        min(float(np.corrcoef(made[:, j, c], exact[:, j, c])[0, 1]) for c in np.flatnonzero(alive))
        for j in range(exact.shape[1])
    ]


def accuracy(seconds: float) -> dict[str, Any]:
    """What nwbdecode's power has to do with the reference, band by band."""
    samples = recording(seconds, 5)
    samples[:, 1] += 10_000
    samples[len(samples) // 3, 2] += 10_000
    samples[2 * len(samples) // 3 :, 3] = 0
    samples[:, 4] = 0
    made, exact = ours(samples).astype("f8"), reference(samples.astype("f8"))
    error = np.abs(made - exact)
    floor = np.median(exact, axis=0)
    within = error <= 1e-3 * (exact + 1e-3 * floor)
    relative = np.where(exact > 0, error / np.where(exact > 0, exact, 1), np.nan)
    return {
        "hertz": bands().round(2).tolist(),
        "correlation": correlations(made, exact),
        "median_relative_error": np.nanmedian(relative, axis=(0, 2)).tolist(),
        "within": within.mean(axis=(0, 2)).tolist(),
        "negative": int((made < 0).sum()),
    }


def recording(seconds: float, channels: int) -> np.ndarray:
    """1/f noise that falls by 60 dB from the lowest to the highest band, and theta; int16."""
    rng, size = np.random.default_rng(0), round(seconds * RATE)
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    low, high = bands()[[0, -1]]
    falls = np.clip(frequency / low, 0.25, None) ** (-3 / np.log10(high / low))
    theta = 1500 * np.sin(2 * np.pi * 8 * np.arange(size) / RATE)
    out = np.empty((size, channels), dtype=np.int16)
    for c in range(channels):
        phase = np.exp(2j * np.pi * rng.random(len(frequency)))
        noise = np.fft.irfft(falls * phase * rng.rayleigh(size=len(frequency)), size)
        out[:, c] = np.rint(noise * (1500 / noise.std()) + theta)
    return out


def told(line: dict[str, Any]) -> str:
    """Everything that was found, as tables."""
    speed, accurate = line["speed"], line["accuracy"]
    gigabytes = CHANNELS * RATE * 2 / 1e9
    rows = [
        f"{line['cpu']}, {line['cores']} cores, load {line['load_before']} before; {THREADS} "
        f"threads copy {line['copy_GB_per_s']:.1f} GB/s (RT {line['copy_GB_per_s'] / gigabytes:.0f}"
        f" of int16) and do {line['multiply_adds_G_per_s']:.0f} G float32 multiply-adds/s",
        "",
        "| method | run on | RT, median (range) | slower than nwbdecode, median (range) | r |",
        "|---|---|---|---|---|",
    ]
    for name, found in speed.items():
        if "missing" in found:
            rows.append(f"| {name} | {found['missing']} | | | |")
            continue
        few = f"2 channels, {line['rival_seconds']:g} s, scaled"
        on = f"{CHANNELS} channels, {line['seconds']:g} s" if name == OURS else few
        ratio = [a / b for a, b in zip(speed.get(OURS, found)["rt"], found["rt"], strict=True)]
        rows.append(
            f"| {name} | {on} | {spread(found['rt'])} | {spread(ratio)} | "
            f"{found['r'][0]:.7f}, {found['r'][1]:.4f} |"
        )
    rows += ["", "| band, Hz | correlation | median relative error | within 1e-3 |"]
    rows.append("|---|---|---|---|")
    columns = ("hertz", "correlation", "median_relative_error", "within")
    for hertz, r, error, share in zip(*(accurate[name] for name in columns), strict=True):
        rows.append(f"| {hertz:g} | {r:.8f} | {error:.1e} | {100 * share:.2f} % |")
    rows += ["", f"{accurate['negative']} values are negative"]
    return "\n".join(rows)


def _arguments() -> argparse.Namespace:
    everyone = (OURS, *wavelet_rivals.RIVALS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0, help="that nwbdecode is given")
    parser.add_argument("--rival-seconds", type=float, default=20.0, help="that others are given")
    parser.add_argument("--accuracy-seconds", type=float, default=12.0)
    parser.add_argument("--only", nargs="+", choices=everyone, default=everyone)
    return parser.parse_args()


if __name__ == "__main__":
    main()
