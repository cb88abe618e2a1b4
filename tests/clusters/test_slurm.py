"""A real SLURM on this machine, whose jobs are workers: the example of the docs, and a lost job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from distributed import Client
from pynwb import NWBHDF5IO
from threadpoolctl import threadpool_limits

import nwbdecode as nd
from tests.arrays import CONFIG, recording
from tests.clusters import slurm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slurm,
    pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing() or "it is there"),
]

ROOT = Path(__file__).resolve().parents[2]


def slurm_cluster(**options: Any) -> Any:
    """Import of dask-jobqueue takes Ctrl-C over for the whole process, and other tests with it."""
    before = signal.getsignal(signal.SIGINT)
    try:
        from dask_jobqueue import SLURMCluster
    finally:
        signal.signal(signal.SIGINT, before)
    return SLURMCluster(**options)


TARGET = "behavior/effort"
#: What a site says in ~/.config/dask/jobqueue.yaml; all is on loopback here.
SITE = """\
jobqueue:
  slurm:
    scheduler-options: {{host: 127.0.0.1, dashboard_address: ":0"}}
    worker-extra-args: [--host, 127.0.0.1]
    local-directory: {folder}
    log-directory: {folder}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of a running cluster, which the environment of this process leads to."""
    folder = tmp_path_factory.mktemp("slurm")
    with slurm.running(folder) as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("NWBDECODE_CACHE", str(folder / "cache"))
        yield folder


@pytest.fixture(scope="module")
def recordings(site: Path) -> list[Path]:
    found = []
    for seed, name in enumerate(("monday", "tuesday")):
        found.append(site / "raw" / f"{name}.nwb")
        found[-1].parent.mkdir(exist_ok=True)
        with NWBHDF5IO(str(found[-1]), mode="w") as io:
            io.write(recording(name, like=seed))
    return found


def alone(file: Path, cache: Path) -> nd.Decoding:
    """What one process with one thread makes, from nothing that others left."""
    with threadpool_limits(1):
        return nd.fit(file, targets=TARGET, config={**CONFIG, "cache": str(cache)}, progress=False)


def jobs() -> list[str]:
    asked = subprocess.run(
        ["squeue", "--noheader", "--states=RUNNING", "--format=%i"], capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return asked.stdout.split()


def test_the_example_decodes_recordings_by_jobs(site: Path, recordings: list[Path]) -> None:
    (site / "dask").mkdir()
    (site / "dask" / "jobqueue.yaml").write_text(SITE.format(folder=site))
    settings = site / "settings.json"
    settings.write_text(json.dumps(CONFIG))
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "clusters" / "slurm.py", TARGET, site / "results",
         *recordings, "--jobs", "2", "--config", settings],
        capture_output=True, text=True, check=False, timeout=500,
        env={**os.environ, "DASK_CONFIG": str(site / "dask")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert [one["status"] for one in json.loads(done.stdout)] == ["done", "done"]
    for file in recordings:
        found = nd.read(site / "results" / f"{file.stem}_decoded.nwb")
        here = alone(file, site / "other")
        xr.testing.assert_identical(found.predictions, here.predictions)
        xr.testing.assert_identical(found.scores, here.scores)


def test_a_cancelled_job_changes_no_bit(site: Path, recordings: list[Path]) -> None:
    options: dict[str, Any] = {
        "scheduler_options": {"host": "127.0.0.1", "dashboard_address": ":0"},
        "worker_extra_args": ["--host", "127.0.0.1"],
        "local_directory": str(site), "log_directory": str(site),
    }  # fmt: skip
    cancelled: list[str] = []

    def cancel(client: Client) -> None:
        """Cancel the first job that has been at work on a fold for a moment."""
        while not cancelled:
            time.sleep(0.2)
            busy = [
                at for at, keys in client.processing().items() if any("_task" in k for k in keys)
            ]
            if not busy or not (site / "cache2" / "features").exists():
                continue
            name = client.scheduler_info()["workers"][busy[0]]["id"]
            subprocess.run(["scancel", "--signal=KILL", "--full", ids[name]], check=True)
            cancelled.append(ids[name])

    with (
        slurm_cluster(
            cores=1, processes=1, memory="2 GB", walltime="00:30:00", **options
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        cluster.adapt(minimum_jobs=2, maximum_jobs=2)
        client.wait_for_workers(2, timeout=300)
        first = set(jobs())
        ids = {str(name): worker.job_id for name, worker in cluster.workers.items()}
        watcher = threading.Thread(target=cancel, args=(client,), daemon=True)
        watcher.start()
        found = nd.fit(
            recordings[0], targets=TARGET, config={**CONFIG, "cache": str(site / "cache2")},
            client=client, progress=False,
        )  # fmt: skip
        watcher.join(10)
        assert len(cancelled) == 1
        assert cancelled[0] not in jobs()
    here = alone(recordings[0], site / "other2")
    assert set(cancelled) <= first
    assert found.replace(recipe={}).identical(here.replace(recipe={}))
