"""Decode recordings on a SLURM cluster: jobs are asked for, do the work, and are given back.

python slurm.py TARGET RESULTS RECORDING... [--jobs 8] [--config SETTINGS.toml]

Run it where jobs are submitted, from a folder that all machines share. Account, partition and
the like belong into ~/.config/dask/jobqueue.yaml.
"""

from __future__ import annotations

import argparse
import json
import sys

from dask_jobqueue import SLURMCluster
from distributed import Client

import nwbdecode as nd


def main() -> int:
    """Decode what the command line names, and say what became of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("results")
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--config")
    asked = parser.parse_args()
    # A job is one worker of one thread: what it holds is one task's, and what is lost with it too.
    with (
        SLURMCluster(cores=1, processes=1, memory="8 GB", walltime="04:00:00") as cluster,
        Client(cluster) as client,
    ):
        # SLURM may take jobs away at any time; those that are missing are asked for again.
        cluster.adapt(minimum_jobs=asked.jobs, maximum_jobs=asked.jobs)
        became = nd.fit_many(
            asked.recordings, asked.target, asked.results, config=asked.config, client=client
        )
    print(json.dumps(became, indent=2))
    return int(any(one["status"] == "failed" for one in became))


if __name__ == "__main__":
    sys.exit(main())
