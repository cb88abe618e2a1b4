"""What computing features leaves behind in the process: nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextvars import copy_context

import numba
import numpy as np
import pytest
import torch

from nwbdecode.features import wavelet_power
from nwbdecode.features.lanes import take
from nwbdecode.features.threads import engine_threads, in_parts, shared

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


@numba.njit(nogil=True)
def _count(turn: np.ndarray, count: int, grain: int, seen: np.ndarray) -> None:
    begin = take(turn, grain)
    while begin < count:
        for i in range(begin, min(begin + grain, count)):
            seen[i] += 1
        begin = take(turn, grain)


@pytest.mark.parametrize("threads", ["1", "4"])
@pytest.mark.parametrize("count", [0, 1, 7, 100_000])
def test_threads_that_share_work_do_everything_once(count, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    seen = np.zeros(count, dtype=int)
    with engine_threads():
        finish = shared(_count, count, seen, least=3)
        finish()
    assert (seen == 1).all()


def test_threads_share_work_at_the_same_time(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    met, ran = threading.Barrier(3, timeout=30), set()

    def work(turn: np.ndarray, count: int, grain: int) -> None:
        met.wait()
        ran.add(threading.get_ident())

    with engine_threads():
        shared(work, 24)()
    assert len(ran) == 3


@pytest.mark.parametrize("fails", ["caller", "other"])
def test_what_shared_work_raises_is_raised_once_nobody_works_any_more(fails, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    met, ended = threading.Barrier(2, timeout=30), []

    def work(turn: np.ndarray, count: int, grain: int) -> None:
        here = "caller" if threading.current_thread() is threading.main_thread() else "other"
        met.wait()
        if here == fails:
            raise ValueError("fifty")
        time.sleep(0.2)
        ended.append(here)

    with engine_threads():
        finish = shared(work, 100)
        with pytest.raises(ValueError, match="fifty"):
            finish()
        assert len(ended) == 1


def test_shared_work_does_not_wait_for_threads_that_are_busy_elsewhere(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    free, busy = threading.Event(), threading.Barrier(3, timeout=30)
    with engine_threads():
        # As what reads ahead does, on a thread of its own.
        beside = (copy_context().run, in_parts, lambda begin, end: (busy.wait(), free.wait(30)), 2)
        other = threading.Thread(target=beside[0], args=beside[1:])
        other.start()
        busy.wait()
        seen = np.zeros(50, dtype=int)
        shared(_count, 50, seen)()
        assert not free.is_set()
        free.set()
        other.join()
    assert (seen == 1).all()
