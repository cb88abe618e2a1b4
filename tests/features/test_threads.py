"""What computing features leaves behind in the process: nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from nwbdecode.features import wavelet_power
from nwbdecode.features.threads import engine_threads, in_parts

_AFTER_FEATURES = """
import numpy as np
from nwbdecode.features import wavelet_power
wavelet_power(np.random.default_rng(0).normal(size=2000), rate=250.0, n_bands=3, progress=False)
import torch
print(torch.get_num_threads())
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_a_network_trains_with_the_threads_it_would_have_without_features(threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        noise = np.random.default_rng(0).normal(size=2000)
        wavelet_power(noise, rate=250.0, n_bands=3, progress=False)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_threads_asked_for_in_the_environment_are_kept_by_what_is_loaded_later():
    """numba alone would raise one thread to as many as there are cores."""
    made = subprocess.run(
        [sys.executable, "-c", _AFTER_FEATURES], capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert made.stdout.split()[-1] == "1"


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_parts_run_on_as_many_threads_as_are_asked_for(threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    # Each part waits for others beside it: with fewer threads they would wait for ever.
    met, ran = threading.Barrier(threads, timeout=30), set()

    def work(begin: int, end: int) -> None:
        met.wait()
        ran.add(threading.get_ident())

    with engine_threads():
        in_parts(work, 24 if threads > 1 else 1)
    assert len(ran) == threads


@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_parts_cover_everything_once(count, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    seen = np.zeros(count, dtype=int)

    def work(begin: int, end: int, out: np.ndarray) -> None:
        out[begin:end] += 1

    with engine_threads():
        in_parts(work, count, seen, least=5)
    assert (seen == 1).all()


def test_what_a_part_raises_is_raised(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")

    def work(begin: int, end: int) -> None:
        if begin <= 50 < end:
            raise ValueError("fifty")

    with engine_threads(), pytest.raises(ValueError, match="fifty"):
        in_parts(work, 100)
