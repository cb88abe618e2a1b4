"""What a machine can do at most: copied bytes and multiply-adds a second, beside its facts."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

#: Threads that benchmarks of speed compare on.
THREADS = 2
#: Multiply-adds in a row on each number that is loaded: enough to hide the load.
_DEGREE = 16


def use_threads(count: int = THREADS) -> None:
    """Ask every library for so many threads; call it before any of them is imported."""
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    os.environ.update(dict.fromkeys(names, str(count)))


def facts(*packages: str) -> dict[str, Any]:
    """Say what a figure was measured on, and with which versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
    )  # fmt: skip
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {name: _version(name) for name in packages},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def spread(values: Sequence[float]) -> str:
    """Write a median and, in brackets, the range."""
    return f"{statistics.median(values):.3g} ({min(values):.3g}-{max(values):.3g})"


def copy_speed(megabytes: int = 256) -> float:
    """Measure bytes a second that all threads together copy in memory, read and written once."""
    import numpy as np

    source = np.ones((THREADS, megabytes << 17), dtype=np.float64)
    target = np.zeros_like(source)
    with ThreadPoolExecutor(THREADS) as pool:
        seconds = min(
            _timed(lambda: list(pool.map(np.copyto, target, source)))[0] for _ in range(5)
        )
    return source.nbytes / seconds


def multiply_adds() -> float:
    """Measure float32 multiply-adds a second that all threads together can do."""
    import numba
    import numpy as np

    @numba.njit(fastmath=True, parallel=True)
    def polynomial(x: np.ndarray, out: np.ndarray, rounds: int) -> None:
        for thread in numba.prange(x.shape[0]):
            for again in range(rounds):
                shift = np.float32(again)
                for i in range(x.shape[1]):
                    value = x[thread, i]
                    total = shift
                    for _ in range(_DEGREE):
                        total = total * value + np.float32(0.5)
                    out[thread, i] = total

    # Both rows lie in the first cache of a core.
    x = np.linspace(-0.9, 0.9, THREADS * 2048).astype(np.float32).reshape(THREADS, -1)
    out, rounds = np.empty_like(x), 20_000
    polynomial(x, out, 1)
    seconds = min(_timed(lambda: polynomial(x, out, rounds))[0] for _ in range(5))
    return x.size * _DEGREE * rounds / seconds


def _timed(run: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    made = run()
    return time.perf_counter() - started, made
