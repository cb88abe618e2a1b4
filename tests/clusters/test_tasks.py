"""Work on a cluster: a lost worker costs what it was doing, and every fault is told."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from distributed import Client, LocalCluster

import nwbdecode
from nwbdecode import cluster as clusters
from nwbdecode.cluster import connected, in_tasks
from nwbdecode.errors import NWBDecodeError
from nwbdecode.evaluate.jobs import side_by_side
from tests.clusters import work


def test_a_killed_worker_costs_only_the_task_that_it_was_doing(
    client: Client, tmp_path: Path
) -> None:
    given = [(number,) for number in range(8)]
    done = {}
    for number, made in in_tasks(client, work.noted, given, shared=(tmp_path,)):
        done[number] = made
        (tmp_path / f"fetched_{number}").touch()
    assert done == {number: number**2 for number in range(8)}
    times = {number: len((tmp_path / f"{number}").read_text()) for number in range(8)}
    assert times == {number: 2 if number == 3 else 1 for number in range(8)}


def test_a_worker_of_several_threads_does_one_task_at_a_time_and_trains_with_one() -> None:
    # Seeds and numbers of threads belong to a process.
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=4, processes=False, dashboard_address=":0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        assert {most for _, most in in_tasks(client, work.crowd, [()] * 8)} == {1}
        usual = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            assert list(side_by_side(work.threads, [()], client=client)) == [1]
            assert list(dict(in_tasks(client, work.threads, [()])).values()) == [2]
        finally:
            torch.set_num_threads(usual)


def test_what_fails_says_why(client: Client) -> None:
    with pytest.raises(NWBDecodeError, match="channel 7 is missing"):
        dict(in_tasks(client, work.fails, [(0,), (1,), (2,)]))


def test_what_fails_may_be_a_result_like_others(client: Client) -> None:
    done = dict(
        in_tasks(client, work.fails, [(0,), (1,), (2,)], failed=lambda k, error: f"{k}: {error}")
    )
    assert done == {0: 0, 1: "1: channel 7 is missing", 2: 2}


def test_workers_of_another_version_are_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nwbdecode, "__version__", "0.0.1")
    with pytest.raises(NWBDecodeError, match=r"runs nwbdecode .* and this is 0\.0\.1; install"):
        dict(in_tasks(client, work.fails, [(0,)]))


def test_a_cluster_that_ends_is_told() -> None:
    with LocalCluster(
        n_workers=1, threads_per_worker=1, memory_limit=0, dashboard_address=":0"
    ) as cluster, Client(cluster, set_as_default=False) as client:  # fmt: skip
        timer = threading.Timer(1.0, lambda: client.restart(wait_for_workers=False))
        timer.start()
        with pytest.raises(NWBDecodeError, match="the cluster was lost"):
            dict(in_tasks(client, work.sleeps, [()]))
        timer.join()


def test_a_scheduler_is_reached_by_its_address(client: Client) -> None:
    with connected(client.scheduler.address) as reached:
        assert reached is not None
        assert reached is not client
        assert dict(in_tasks(reached, work.fails, [(0,)])) == {0: 0}
    assert reached.status == "closed"
    with connected(client) as same:
        assert same is client
    assert client.status == "running"


def test_a_scheduler_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_PATIENCE", 1)
    with (
        pytest.raises(NWBDecodeError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:9'"),
        connected("tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.parametrize("wrong", ["nowhere at all", 8786])
def test_what_is_no_address_is_refused(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_PATIENCE", 1)
    with pytest.raises(NWBDecodeError, match=r"tcp://10\.0\.0\.1:8786"), connected(wrong):
        pass


def test_without_distributed_it_is_said_how_to_install_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(NWBDecodeError, match=r"pip install 'nwbdecode\[dask\]'"), connected(client):
        pass


def test_nothing_of_a_cluster_stays_behind() -> None:
    mine = psutil.Process()
    before = {child.pid for child in mine.children(recursive=True)}
    with LocalCluster(
        n_workers=1, threads_per_worker=1, memory_limit=0, dashboard_address=":0"
    ) as cluster, connected(cluster.scheduler_address) as client:  # fmt: skip
        assert dict(in_tasks(client, work.fails, [(0,)])) == {0: 0}
    after = {
        child.pid for child in mine.children(recursive=True)
        if "resource_tracker" not in str(child.cmdline())
    }  # fmt: skip
    assert after <= before


def test_a_task_that_kills_every_worker_is_given_up() -> None:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=":0"
        ) as cluster,
        connected(cluster.scheduler_address) as client,
        pytest.raises(NWBDecodeError, match=r"4 workers were lost.*memory.*run it again"),
    ):
        dict(in_tasks(client, work.dies, [()]))
