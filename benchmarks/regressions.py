"""Whether a change made something slower: a few minutes, compared with what was measured before.

    pytest -n 0 benchmarks/regressions.py --benchmark-autosave
    pytest -n 0 benchmarks/regressions.py --benchmark-compare --benchmark-compare-fail=min:20%

By pytest-benchmark (``pip install -e ".[benchmarks]"``), which keeps its figures under
``.benchmarks``, one folder a machine. Compare figures of one machine alone, and of quiet ones.
"""

from __future__ import annotations

from benchmarks.machine import use_threads

use_threads()

from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402

import nwbdecode as nd  # noqa: E402
from benchmarks.series_file import write_series  # noqa: E402

HOW: dict[str, Any] = {"lowest": 2.0, "n_bands": 26, "progress": False}


def noise(seconds: float, rate: float, channels: int) -> np.ndarray:
    shape = round(seconds * rate), channels
    return np.random.default_rng(0).integers(-2000, 2000, shape, dtype=np.int16)


@pytest.mark.parametrize(
    ("rate", "channels", "seconds"),
    [(30_000.0, 128, 20.0), (30_000.0, 4, 60.0), (1250.0, 64, 300.0)],
)
def test_wavelet_power(benchmark: Any, rate: float, channels: int, seconds: float) -> None:
    samples = noise(seconds, rate, channels)
    benchmark.pedantic(
        nd.wavelet_power, (samples,), HOW | {"rate": rate}, rounds=5, warmup_rounds=1
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "recording.nwb"
    how: dict[str, Any] = {"compression": "gzip", "compression_opts": 4, "chunks": (8192, 32)}
    write_series(path, noise(20.0, 30_000.0, 64) >> 4, 30_000.0, **how)
    return path


def test_from_file_to_store(benchmark: Any, file: Path, tmp_path_factory: Any) -> None:
    with nd.open(file) as source:
        signal = source.signal("Raw")

        def run() -> None:
            nd.wavelet_power(signal, store=tmp_path_factory.mktemp("store"), **HOW)

        benchmark.pedantic(run, rounds=5, warmup_rounds=1)


def test_opening(benchmark: Any, file: Path) -> None:
    def run() -> str:
        with nd.open(file) as source:
            return repr(source)

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("channels", [16, 128])
def test_step_of_training(benchmark: Any, channels: int) -> None:
    import torch

    from benchmarks.networks import stepper

    torch.set_num_threads(1)
    benchmark.pedantic(stepper("compact", channels), rounds=20, warmup_rounds=3)


@pytest.mark.parametrize("kind", ["linear", "circular"])
def test_chance(benchmark: Any, kind: str) -> None:
    from nwbdecode.evaluate.chance import shifted_scores

    truth, predicted = np.random.default_rng(0).uniform(-3, 3, (2, 36_000))
    benchmark.pedantic(
        shifted_scores,
        (kind, truth, predicted),
        {"least": 100, "rng": np.random.default_rng(1)},
        rounds=5,
    )
