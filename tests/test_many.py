"""Many recordings: each is decoded by itself, and one that fails is told by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pynwb import NWBHDF5IO

import nwbdecode as nd
from nwbdecode.cli import cli
from tests.arrays import CONFIG, recording

TARGET = "behavior/effort"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recordings with the target, and one without it between them."""
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "raw").mkdir()
    for seed, name in enumerate(("friday", "monday", "tuesday")):
        made = recording(name, like=seed, target="pull" if name == "monday" else "effort")
        with NWBHDF5IO(str(tmp_path / "raw" / f"{name}.nwb"), mode="w") as io:
            io.write(made)
    return tmp_path


def became(lab: Path, **how: Any) -> dict[str, str]:
    done = nd.fit_many(
        lab / "raw", TARGET, lab / "out", config=CONFIG, progress=False, **how
    )  # fmt: skip
    return {Path(one["output"]).name: one["status"] for one in done}


def test_one_that_fails_costs_no_other_and_what_is_there_is_not_made_again(lab: Path) -> None:
    assert became(lab) == {
        "friday_decoded.nwb": "done",
        "monday_decoded.nwb": "failed",
        "tuesday_decoded.nwb": "done",
    }
    alone = nd.fit(lab / "raw" / "friday.nwb", targets=TARGET, config=CONFIG, progress=False)
    assert nd.read(lab / "out" / "friday_decoded.nwb").predictions.identical(alone.predictions)
    assert set(became(lab).values()) == {"skipped", "failed"}


def test_each_seed_has_a_result_of_its_own(lab: Path) -> None:
    (lab / "raw" / "monday.nwb").unlink()
    (lab / "raw" / "tuesday.nwb").unlink()
    assert became(lab, seeds=[0, 4]) == {
        "friday_seed0_decoded.nwb": "done",
        "friday_seed4_decoded.nwb": "done",
    }
    first, second = (nd.read(lab / "out" / f"friday_seed{k}_decoded.nwb") for k in (0, 4))
    assert second.recipe["config"]["seed"] == 4
    assert not first.scores.identical(second.scores)


def test_the_shell_says_which_failed_and_exits_1(lab: Path) -> None:
    settings = lab / "settings.json"
    settings.write_text(json.dumps(CONFIG))
    raw = [str(lab / "raw" / f"{name}.nwb") for name in ("friday", "monday")]
    run = CliRunner().invoke(
        cli,
        ["fit-many", *raw, "--target", TARGET, "-o", str(lab / "out"), "--config", str(settings),
         "--json"],
    )  # fmt: skip
    assert run.exit_code == 1
    answer = json.loads(run.stdout)
    assert answer["status"] == "failed"
    assert [one["status"] for one in answer["runs"]] == ["done", "failed"]
    assert "effort" in answer["runs"][1]["error"]
    assert f"error: {raw[1]}: " in run.stderr
    run = CliRunner().invoke(
        cli,
        ["fit-many", raw[0], "--target", TARGET, "-o", str(lab / "out"), "--config", str(settings)],
    )
    assert run.exit_code == 0
    assert run.stdout == f"skipped: {lab / 'out' / 'friday_decoded.nwb'}\n"


def test_results_of_one_name_are_refused_before_any_is_made(lab: Path) -> None:
    (lab / "more").mkdir()
    (lab / "raw" / "friday.nwb").rename(lab / "more" / "tuesday.nwb")
    with pytest.raises(nd.NWBDecodeError, match=r"raw/tuesday\.nwb.*more/tuesday\.nwb.*same name"):
        nd.fit_many([lab / "raw", lab / "more"], TARGET, lab / "out", config=CONFIG)
    assert not (lab / "out").exists()


def test_results_do_not_go_among_the_recordings(lab: Path) -> None:
    with pytest.raises(nd.NWBDecodeError, match="beside the recordings"):
        nd.fit_many(lab / "raw", TARGET, lab / "raw", config=CONFIG)


def test_a_folder_without_recordings_is_told(tmp_path: Path) -> None:
    with pytest.raises(nd.NWBDecodeError, match=r"holds no file named \*\.nwb"):
        nd.fit_many(tmp_path, TARGET, tmp_path / "out")
