"""What a cluster makes is what one process makes, whoever is lost on the way."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from click.testing import CliRunner
from distributed import Client
from pynwb import NWBHDF5IO

import nwbdecode as nd
from nwbdecode.cli import cli
from nwbdecode.decoder import CNNDecoder
from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError
from nwbdecode.evaluate import PurgedKFold, cross_validate, importance
from nwbdecode.evaluate.jobs import side_by_side
from tests.arrays import CONFIG
from tests.arrays import recording as recording_file
from tests.clusters import work
from tests.evaluate.recordings import power, target, voltage

TARGET = "behavior/effort"
SETTINGS = {**CONFIG, "evaluation": {**CONFIG["evaluation"], "importance": ["channel"]}}
Recording = tuple[xr.DataArray, dict[str, xr.DataArray]]


HOW: dict[str, Any] = {"cv": PurgedKFold(2), "refit": False, "n_shifts": 20, "progress": False}


@pytest.fixture(scope="module")
def recording() -> Recording:
    samples, values = voltage(60.0)
    return power(samples), {"amplitude": target(values)}


@pytest.fixture(scope="module")
def alone(recording: Recording) -> Decoding:
    return cross_validate(CNNDecoder(window=8, hidden=4, epochs=1), *recording, **HOW)


def test_folds_are_those_of_one_process(client: Client, alone: Decoding, tmp_path: Path) -> None:
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


def test_importance_is_that_of_one_process(
    client: Client, recording: Recording, alone: Decoding
) -> None:
    here = importance(alone, recording[0], repeats=2, progress=False)
    there = importance(alone, recording[0], repeats=2, client=client, progress=False)
    assert there.identical(here)
    assert not there.identical(alone)


def test_the_shell_predicts_on_a_cluster_what_it_predicts_here(
    client: Client, lab: Path, fitted: nd.Decoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, other = lab / "to_predict_with.nwb", lab / "raw" / "tuesday.nwb"
    nd.write(fitted, decoded)
    asked = ["--scheduler", client.scheduler.address, "--json"]
    for place, options in (("there", asked), ("here", ["--json"])):
        monkeypatch.setenv("NWBDECODE_CACHE", str(lab / f"cache_{place}"))
        output = str(lab / f"predicted_{place}.nwb")
        run = CliRunner().invoke(cli, ["predict", str(decoded), str(other), "-o", output, *options])
        assert run.exit_code == 0, run.stderr
    here, there = (nd.read(lab / f"predicted_{place}.nwb") for place in ("here", "there"))
    assert there.predictions.identical(here.predictions)
    assert list((lab / "cache_there").rglob(".zarray"))


def test_processes_and_a_cluster_are_not_both_asked(client: Client, recording: Recording) -> None:
    with pytest.raises(NWBDecodeError, match=r"n_jobs=2 .* cluster.*one of them"):
        cross_validate(CNNDecoder(window=8), *recording, client=client, n_jobs=2, **HOW)


def test_results_keep_the_order_and_are_told_as_they_are_done(
    client: Client, tmp_path: Path
) -> None:
    told: list[int] = []

    def tell(number: int) -> None:
        told.append(number)
        (tmp_path / "told").touch()

    tasks = [(tmp_path / "told", k) for k in range(6)]
    results = list(side_by_side(work.first_ends_late, tasks, client=client, done=tell))
    assert [number for number, _ in results] == list(range(6))
    assert sorted(told) == list(range(6))
    assert told[0] != 0
    assert os.getpid() not in {place for _, place in results}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings, of which one lacks the target."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "raw").mkdir()
    for seed, name in enumerate(("friday", "monday", "tuesday")):
        made = recording_file(name, like=seed, target="pull" if name == "monday" else "effort")
        with NWBHDF5IO(str(folder / "raw" / f"{name}.nwb"), mode="w") as io:
            io.write(made)
    return folder


@pytest.fixture(scope="module")
def fitted(lab: Path) -> nd.Decoding:
    """What one process with one thread makes of a recording, with importance."""
    config = {**SETTINGS, "cache": str(lab / "alone")}
    return nd.fit(lab / "raw" / "friday.nwb", targets=TARGET, config=config, progress=False)


def test_the_shell_fits_on_a_cluster_what_it_fits_here(
    client: Client, lab: Path, fitted: nd.Decoding
) -> None:
    raw, output = lab / "raw" / "friday.nwb", lab / "decoded.nwb"
    settings = lab / "settings.json"
    settings.write_text(json.dumps({**SETTINGS, "cache": str(lab / "cache")}))
    run = CliRunner().invoke(
        cli,
        ["fit", str(raw), "--target", TARGET, "-o", str(output), "--config", str(settings),
         "--scheduler", client.scheduler.address, "--json"],
    )  # fmt: skip
    assert run.exit_code == 0, run.stderr
    here, there = fitted, nd.read(output)
    assert there.predictions.identical(here.predictions)
    assert there.scores.identical(here.scores)
    assert there.importance["channel"].identical(here.importance["channel"])
    assert {name: one.sha256 for name, one in there.decoders.items()} == {
        name: one.sha256 for name, one in here.decoders.items()
    }


def test_many_recordings_are_tasks_of_which_a_lost_worker_costs_one(
    client: Client, lab: Path, fitted: nd.Decoding
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
    found = nd.read(lab / "out" / "friday_decoded.nwb")
    assert found.predictions.identical(fitted.predictions)
