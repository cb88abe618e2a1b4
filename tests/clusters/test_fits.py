"""Whole fits on a cluster: one recording by its parts, and many as tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from distributed import Client
from pynwb import NWBHDF5IO
from threadpoolctl import threadpool_limits

import nwbdecode as nd
from nwbdecode.cli import cli
from tests.arrays import CONFIG, recording
from tests.clusters import work

TARGET = "behavior/effort"
SETTINGS = {**CONFIG, "evaluation": {**CONFIG["evaluation"], "importance": ["channel"]}}


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    for seed, name in enumerate(("friday", "monday", "tuesday")):
        made = recording(name, like=seed, target="pull" if name == "monday" else "effort")
        with NWBHDF5IO(str(tmp_path / "raw" / f"{name}.nwb"), mode="w") as io:
            io.write(made)
    return tmp_path


def test_the_shell_fits_on_a_cluster_what_it_fits_here(client: Client, lab: Path) -> None:
    raw, output = lab / "raw" / "friday.nwb", lab / "decoded.nwb"
    settings = lab / "settings.json"
    settings.write_text(json.dumps({**SETTINGS, "cache": str(lab / "cache")}))
    run = CliRunner().invoke(
        cli,
        ["fit", str(raw), "--target", TARGET, "-o", str(output), "--config", str(settings),
         "--scheduler", client.scheduler.address, "--json"],
    )  # fmt: skip
    assert run.exit_code == 0, run.stderr
    with threadpool_limits(1):
        here = nd.fit(
            raw, targets=TARGET, config={**SETTINGS, "cache": str(lab / "other")}, progress=False
        )
    there = nd.read(output)
    assert there.predictions.identical(here.predictions)
    assert there.scores.identical(here.scores)
    assert there.importance["channel"].identical(here.importance["channel"])
    assert {name: one.sha256 for name, one in there.decoders.items()} == {
        name: one.sha256 for name, one in here.decoders.items()
    }


def test_many_recordings_are_tasks_of_which_a_lost_worker_costs_one(
    client: Client, lab: Path
) -> None:
    config = {**CONFIG, "cache": str(lab / "cache")}
    marks = lab / "marks"
    marks.mkdir()
    client.run(work.dies_on_its_second, marks, "nwbdecode.evaluate", "", "cross_validate")
    done = nd.fit_many(
        lab / "raw", TARGET, lab / "out", config=config, client=client, progress=False
    )
    assert (marks / "1").exists()
    told = {Path(one["source"]).stem: one["status"] for one in done}
    assert told == {"friday": "done", "monday": "failed", "tuesday": "done"}
    assert "effort" in next(one["error"] for one in done if one["status"] == "failed")
    with threadpool_limits(1):
        here = nd.fit(lab / "raw" / "friday.nwb", targets=TARGET, config=config, progress=False)
    assert nd.read(lab / "out" / "friday_decoded.nwb").predictions.identical(here.predictions)
