"""Size and times of a result of ten hours and 256 channels, and the bytes that a part asks for.

Its predictions are noise, which hardly compresses: a real result is no larger::

    python -m benchmarks.long_result
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save

import nwbdecode as nd
from nwbdecode.decoding import Decoding, StoredDecoder
from tests import made
from tests.results.counting import Counting

HOURS, CHANNELS, FOLDS, SHIFTS = 10, 256, 5, 1000
#: About what the default network has for so many channels, in numbers.
WEIGHTS = 500_000


def long_result() -> Decoding:
    """Make a result with four targets, a baseline, six decoders and all tables."""
    rng = np.random.default_rng(0)
    plain = made.decoding(bins=HOURS * 3600 * 30, folds=FOLDS, channels=CHANNELS)
    weights = save({"w": rng.normal(size=WEIGHTS).astype(np.float32)})
    null = rng.uniform(size=(*plain.scores["value"].shape, SHIFTS))
    dims = (*plain.scores["value"].dims, "shift")
    return plain.replace(
        scores=plain.scores.drop_vars("null").assign(null=(dims, null)),
        decoders={n: StoredDecoder(held.config, weights) for n, held in plain.decoders.items()},
    )


def main() -> None:
    """Write it, read it in parts and whole, and print what each took."""
    result = long_result()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decoded.nwb"
        start = time.perf_counter()
        nd.write(result, path)
        print(f"write: {time.perf_counter() - start:.1f} s, {path.stat().st_size / 1e6:.1f} MB")
        with Counting(path, "r") as file:
            start = time.perf_counter()
            lazily = nd.read(file, lazy=True)
            took = time.perf_counter() - start
            print(f"open: {file.count / 1e6:.2f} MB, {took:.2f} s")
            steps = {
                "one target": lambda: lazily.predictions["speed"].to_numpy(),
                "a minute of another": lambda: (
                    lazily.predictions["position"].isel(time=slice(500_000, 501_800)).to_numpy()
                ),
                "a decoder": lambda: lazily.decoders["final"],
            }
            before = file.count
            for name, step in steps.items():
                start = time.perf_counter()
                step()
                took = time.perf_counter() - start
                print(f"{name}: {(file.count - before) / 1e6:.2f} MB, {took:.3f} s")
                before = file.count
        start = time.perf_counter()
        whole = nd.read(path, lazy=False)
        print(f"all of it: {time.perf_counter() - start:.1f} s; equal: {whole.identical(result)}")


if __name__ == "__main__":
    main()
