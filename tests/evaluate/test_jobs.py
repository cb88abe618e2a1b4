"""Folds trained in processes side by side."""

from __future__ import annotations

import multiprocessing
import os
import signal

import psutil
import pytest
import torch
import xarray as xr
from threadpoolctl import threadpool_info

from nwbdecode.decoder import CNNDecoder
from nwbdecode.errors import NWBDecodeError
from nwbdecode.evaluate import PurgedKFold, cross_validate
from nwbdecode.evaluate.jobs import job_count, side_by_side, suited_job_count
from tests.evaluate.recordings import power, target, voltage


@pytest.fixture(scope="module")
def recording():
    samples, values = voltage()
    return power(samples), {"amplitude": target(values)}


def _decoded(recording, n_jobs):
    decoder = CNNDecoder(window=8, epochs=1)
    cv = PurgedKFold(2)
    return cross_validate(decoder, *recording, cv=cv, n_shifts=20, n_jobs=n_jobs, progress=False)


def _processes():
    # What watches over shared files stays.
    children = {child.pid: str(child.cmdline()) for child in psutil.Process().children(True)}
    return {pid for pid, line in children.items() if "resource_tracker" not in line}


def test_results_are_those_of_one_process(recording, two_threads):
    alone = _decoded(recording, 1)
    before = _processes()
    beside = _decoded(recording, 2)
    assert _processes() <= before
    xr.testing.assert_identical(alone.predictions, beside.predictions)
    xr.testing.assert_identical(alone.scores, beside.scores)
    for name, stored in alone.decoders.items():
        assert stored.sha256 == beside.decoders[name].sha256


def test_a_fold_that_fails_says_why(recording):
    features, targets = recording
    with pytest.raises(NWBDecodeError, match="multiple of 16"):
        cross_validate(
            CNNDecoder(architecture="frey2021", window=8),
            features, targets, n_shifts=20, n_jobs=2, progress=False,
        )  # fmt: skip


def _killed(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_killed_process_is_told_in_one_sentence():
    with pytest.raises(NWBDecodeError, match=r"one of 2 processes was killed.*memory.*fewer"):
        list(side_by_side(_killed, [(k,) for k in range(4)], 2))


def _threads_and_place(number):
    pools = [pool["num_threads"] for pool in threadpool_info()]
    return number, max(torch.get_num_threads(), *pools), os.getpid()


def test_this_process_works_with_one_thread_and_has_its_own_back(two_threads):
    made = list(side_by_side(_threads_and_place, [(k,) for k in range(2)], 1))
    assert made == [(0, 1, os.getpid()), (1, 1, os.getpid())]
    assert torch.get_num_threads() == 2


def test_processes_have_one_thread_each_and_keep_the_order():
    # On two processors joblib itself gives one each: only more can show the difference.
    made = list(side_by_side(_threads_and_place, [(k,) for k in range(3)], 2))
    assert [(number, threads) for number, threads, _ in made] == [(0, 1), (1, 1), (2, 1)]
    assert os.getpid() not in {place for *_, place in made}


@pytest.mark.parametrize("wrong", [0, 1.5, True, "all"])
def test_an_impossible_number_of_processes_is_refused(wrong):
    with pytest.raises(NWBDecodeError, match=r"n_jobs is .*expected a number of processes"):
        job_count(wrong, 5)


def test_processes_are_as_many_as_there_are_tasks_and_processors():
    assert job_count(-1, 1) == 1
    assert 1 <= job_count(-1, 1000) <= multiprocessing.cpu_count()


def test_processes_are_chosen_by_work_and_memory(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert suited_job_count(1000, nbytes=0, seconds=1e6) == job_count(-1, 1000)
    assert suited_job_count(1000, nbytes=0, seconds=1.0) == 1
    assert suited_job_count(1000, nbytes=1 << 50, seconds=1e6) == 1
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert suited_job_count(1000, nbytes=0, seconds=1e6) == 1
