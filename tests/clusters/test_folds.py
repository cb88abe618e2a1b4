"""Folds and importance on a cluster are those of one process, whoever is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from distributed import Client
from threadpoolctl import threadpool_limits

from nwbdecode.decoder import CNNDecoder
from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError
from nwbdecode.evaluate import PurgedKFold, cross_validate, importance
from tests.clusters import work
from tests.evaluate.recordings import power, target, voltage

Recording = tuple[xr.DataArray, dict[str, xr.DataArray]]


HOW: dict[str, Any] = {"cv": PurgedKFold(3), "n_shifts": 20, "progress": False}


@pytest.fixture(scope="module")
def recording() -> Recording:
    samples, values = voltage(60.0)
    return power(samples), {"amplitude": target(values)}


@pytest.fixture(scope="module")
def alone(recording: Recording) -> Decoding:
    with threadpool_limits(1):
        return cross_validate(CNNDecoder(window=8, hidden=4, epochs=1), *recording, **HOW)


def test_folds_are_those_of_one_process_with_one_thread(
    client: Client, alone: Decoding, tmp_path: Path
) -> None:
    samples, values = voltage(60.0)
    features = power(samples, store=tmp_path)
    found = cross_validate(
        CNNDecoder(window=8, hidden=4, epochs=1), features, {"amplitude": target(values)},
        client=client.scheduler.address, **HOW,
    )  # fmt: skip
    # What lies in a folder is read there by the workers.
    assert not features.variable._in_memory
    assert found.identical(alone.replace(recipe=found.recipe))


def test_a_worker_lost_among_folds_changes_no_bit(
    client: Client, recording: Recording, alone: Decoding, tmp_path: Path
) -> None:
    before = set(client.scheduler_info()["workers"])
    client.run(work.dies_on_its_second, tmp_path, "nwbdecode.decoder", "CNNDecoder", "fit")
    found = cross_validate(
        CNNDecoder(window=8, hidden=4, epochs=1), *recording, client=client, **HOW
    )
    assert (tmp_path / "1").exists()
    assert set(client.scheduler_info()["workers"]) != before
    assert found.identical(alone)


def test_importance_is_that_of_one_process_with_one_thread(
    client: Client, recording: Recording, alone: Decoding
) -> None:
    with threadpool_limits(1):
        here = importance(alone, recording[0], repeats=2, progress=False)
    there = importance(alone, recording[0], repeats=2, client=client, progress=False)
    assert there.identical(here)
    assert not there.identical(alone)


def test_processes_and_a_cluster_are_not_both_asked(client: Client, recording: Recording) -> None:
    with pytest.raises(NWBDecodeError, match=r"n_jobs=2 .* cluster.*one of them"):
        cross_validate(CNNDecoder(window=8), *recording, client=client, n_jobs=2, **HOW)
