"""Many recordings: each is decoded by itself, and one that fails is told by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from pynwb import NWBHDF5IO

import nwbdecode as nd
from nwbdecode.cli import cli
from tests.arrays import CONFIG, recording
from tests.load.dandi_server import DandiServer

TARGET = "behavior/effort"
NAMES = ("friday", "monday")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording with the target, and one without it."""
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "raw").mkdir()
    for name, target in zip(NAMES, ("effort", "pull"), strict=True):
        with NWBHDF5IO(str(tmp_path / "raw" / f"{name}.nwb"), mode="w") as io:
            io.write(recording(name, target=target))
    return tmp_path


def test_each_recording_and_seed_is_made_once_and_one_that_fails_costs_no_other(
    lab: Path,
) -> None:
    done = nd.fit_many(
        lab / "raw", TARGET, lab / "out", seeds=[0, 4], config=CONFIG, progress=False
    )
    assert [(Path(one["output"]).name, one["status"]) for one in done] == [
        ("friday_seed0_decoded.nwb", "done"),
        ("monday_seed0_decoded.nwb", "failed"),
        ("friday_seed4_decoded.nwb", "done"),
        ("monday_seed4_decoded.nwb", "failed"),
    ]
    found = nd.read(lab / "out" / "friday_seed4_decoded.nwb")
    alone = nd.fit(
        lab / "raw" / "friday.nwb", targets=TARGET, config={**CONFIG, "seed": 4}, progress=False
    )
    assert found.scores.identical(alone.scores)
    assert not found.scores.identical(nd.read(lab / "out" / "friday_seed0_decoded.nwb").scores)

    # The shell finds what is there, says which failed, and exits 1 for it.
    settings = lab / "settings.json"
    settings.write_text(json.dumps(CONFIG))
    how = ["--target", TARGET, "-o", str(lab / "out"), "--seeds", "0,4", "--config", str(settings)]
    run = CliRunner().invoke(cli, ["fit-many", str(lab / "raw"), *how, "--json"])
    assert run.exit_code == 1
    answer = json.loads(run.stdout)
    assert answer["status"] == "failed"
    assert [one["status"] for one in answer["runs"]] == ["skipped", "failed"] * 2
    assert "effort" in answer["runs"][1]["error"]
    assert f"error: {lab / 'raw' / 'monday.nwb'}: " in run.stderr
    run = CliRunner().invoke(cli, ["fit-many", str(lab / "raw" / "friday.nwb"), *how])
    assert run.exit_code == 0
    assert run.stdout.splitlines() == [
        f"skipped: {lab / 'out' / f'friday_seed{k}_decoded.nwb'}" for k in (0, 4)
    ]


def test_recordings_of_an_archive_of_ones_own_are_found(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DANDI_INSTANCE", raising=False)
    with DandiServer() as archive:
        archive.add("000003", {f"sub-{n}/{n}.nwb": lab / "raw" / f"{n}.nwb" for n in NAMES})
        done = nd.fit_many(
            f"dandi://{archive.site}/000003", TARGET, lab / "out", config=CONFIG, progress=False
        )
    assert [one["status"] for one in done] == ["done", "failed"]
    assert "no target 'behavior/effort' in the file" in done[1]["error"]


def test_results_of_one_name_are_refused_before_any_is_made(lab: Path) -> None:
    (lab / "more").mkdir()
    (lab / "raw" / "friday.nwb").rename(lab / "more" / "monday.nwb")
    with pytest.raises(nd.NWBDecodeError, match=r"raw/monday\.nwb.*more/monday\.nwb.*same name"):
        nd.fit_many([lab / "raw", lab / "more"], TARGET, lab / "out", config=CONFIG)
    assert not (lab / "out").exists()


def test_results_do_not_go_among_the_recordings(lab: Path) -> None:
    with pytest.raises(nd.NWBDecodeError, match="beside the recordings"):
        nd.fit_many(lab / "raw", TARGET, lab / "raw", config=CONFIG)


def test_a_folder_without_recordings_is_told(tmp_path: Path) -> None:
    with pytest.raises(nd.NWBDecodeError, match=r"holds no file named \*\.nwb"):
        nd.fit_many(tmp_path, TARGET, tmp_path / "out")


@pytest.mark.parametrize("seeds", [[], [1, 2, 1]])
def test_seeds_that_give_no_file_or_one_twice_are_refused(seeds: list[int], tmp_path: Path) -> None:
    with pytest.raises(nd.NWBDecodeError, match=r"seeds are .*at least one, and none twice"):
        nd.fit_many(tmp_path / "recording.nwb", "position", tmp_path / "results", seeds=seeds)
