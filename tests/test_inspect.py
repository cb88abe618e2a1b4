"""What inspect prints can be pasted into the shell, and decodes."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pynwb
import pytest
from click.testing import CliRunner, Result

import nwbdecode as nd
from nwbdecode.cli import cli
from nwbdecode.load.commands import FOLDS
from tests.load import recordings
from tests.load.dandi_server import DandiServer
from tests.load.imaging import movies
from tests.sessions import simulated, with_trials

#: So that a test takes seconds. What is decoded, from what, and all that the line says is its own.
BRIEF = {
    "features": {"n_bands": 3},
    "decoder": {"hidden": 4, "epochs": 1, "lags": 1},
    "evaluation": {"shifts": 50, "importance": [], "refit": False},
}
#: Of commands that are not about how little data is enough.
SHORTER = ("--window", 8, "--folds", 2)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def printed(source: object) -> list[str]:
    """Command lines that inspect prints for a source."""
    shown = run("inspect", source)
    assert shown.exit_code == 0, shown.stderr
    return [line for line in shown.stdout.splitlines() if line.startswith("nwbdecode fit ")]


def decoded(command: str, *shorter: object) -> nd.Decoding:
    """Run a printed command line, in brief, and read what it wrote."""
    program, *arguments = shlex.split(command)
    assert program == "nwbdecode"
    Path("brief.json").write_text(json.dumps(BRIEF))
    done = run(*arguments, "--config", "brief.json", *(shorter or SHORTER))
    assert done.exit_code == 0, f"{command}\n{done.stderr}"
    return nd.read(arguments[arguments.index("--output") + 1])


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(tmp_path_factory.mktemp("inspect") / "a recording.nwb")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "cache"))


def every(source: object) -> list[list[str]]:
    """All command lines that inspect knows for a source, taken apart."""
    found = json.loads(run("inspect", source, "--json").stdout)
    lines = [line for target in found["targets"] for line in target["commands"].values()]
    return [shlex.split(line) for line in lines]


def test_a_printed_command_decodes(recording: Path) -> None:
    speed = next(line for line in printed(recording) if ":speed" in line)
    result = decoded(speed)
    assert list(result.targets) == ["speed"]
    assert result.source["signal"]["path"] == "acquisition/ElectricalSeries"
    assert Path("a_recording_position_speed_decoded.nwb").is_file()


def test_trials_are_decoded_in_the_window_that_the_command_names(tmp_path: Path) -> None:
    path = with_trials(tmp_path / "trials.nwb", seconds=90)
    found = json.loads(run("inspect", path, "--json").stdout)
    targets = {target["path"]: target for target in found["targets"]}
    result = decoded(targets["intervals/trials/choice"]["commands"]["window"], "--folds", 2)
    assert result.truth["choice"].attrs["classes"] == ["left", "right"]


def test_what_every_command_names_is_there_to_be_read(recording: Path, tmp_path: Path) -> None:
    for path in (recording, with_trials(tmp_path / "trials.nwb", seconds=90)):
        commands = every(path)
        assert len(commands) > 5
        with nd.open(path) as source:
            for command in commands:
                options = dict(zip(command[3::2], command[4::2], strict=True))
                assert source.signal(options["--signal"]).n_samples > 0
                (target,) = source.targets(options["--target"]).values()
                assert target.size > 0
        outputs = [command[-1] for command in commands]
        assert len(set(outputs)) >= len(set(map(tuple, commands)))


def _ophys() -> pynwb.NWBFile:
    """A movie, traces of its cells (raw and relative), and running on a clock of 5 Hz."""
    rng = np.random.default_rng(0)
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, rng.integers(0, 99, (20, *movies.SIDES), dtype=np.uint16))
    cells = movies.add_masks(nwbfile, plane)
    rois = cells.create_roi_table_region(region=[0, 1, 2], description="all")
    for container, name in ((pynwb.ophys.Fluorescence, "raw"), (pynwb.ophys.DfOverF, "relative")):
        traces = pynwb.ophys.RoiResponseSeries(
            name=name, data=rng.normal(size=(2000, 3)), rois=rois, unit="n.a.", rate=20.0
        )
        nwbfile.processing["ophys"].add(container(roi_response_series=traces))
    running = pynwb.TimeSeries(name="running", data=rng.normal(size=500), unit="m/s", rate=5.0)
    nwbfile.create_processing_module(name="behavior", description="d").add(running)
    return nwbfile


def test_traces_are_preferred_to_their_movie_and_a_slow_target_gets_wider_bins(
    tmp_path: Path,
) -> None:
    path = recordings.save(_ophys(), tmp_path)
    (command,) = printed(path)
    assert "--signal processing/ophys/DfOverF/relative" in command
    result = decoded(command)
    assert list(result.targets) == ["running"]
    assert np.diff(result.predictions["time"]).min() == pytest.approx(0.2)


def test_the_command_of_a_streamed_recording_opens_it_again(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DandiServer() as server:
        monkeypatch.setenv("DANDI_INSTANCE", server.site)
        server.add("000001", {"sub-1/sub-1_ecephys.nwb": recording})
        asset = "DANDI:000001/sub-1/sub-1_ecephys.nwb"
        command = next(line for line in printed(asset) if ":speed" in line)
        assert command.endswith("sub-1_ecephys_position_speed_decoded.nwb")
        # The address says which version and which archive, whatever the environment is later.
        monkeypatch.delenv("DANDI_INSTANCE")
        result = decoded(command)
    assert result.source["dandi"]["path"] == "sub-1/sub-1_ecephys.nwb"


def test_a_short_real_recording_decodes_by_the_printed_command(real_data: Path) -> None:
    (ecog,) = printed(real_data / "gripforce_ecog.nwb")
    # As many folds as the line leaves it with: they are what a short recording may lack time for.
    result = decoded(ecog, "--folds", FOLDS)
    assert result.source["signal"]["path"] == "acquisition/ECoG"
    assert result.scores.sizes["fold"] == FOLDS


def test_one_channel_of_field_potential_is_asked_for_speed_first_in_bins_of_its_rhythms(
    real_data: Path,
) -> None:
    first, *_ = printed(real_data / "m851_open_field_lfp.nwb")
    arguments = shlex.split(first)
    options = dict(zip(arguments[3::2], arguments[4::2], strict=True))
    assert options["--target"] == "processing/behavior/Position/led1:speed"
    assert options["--bin"] == "0.1"
    assert options["--window"] == "32"


def test_every_real_file_is_looked_into_or_refused_in_one_line(real_data: Path) -> None:
    files = sorted([*real_data.glob("*.nwb"), *real_data.glob("legacy/*.nwb")])
    assert len(files) >= 6
    for path in files:
        shown = run("inspect", path)
        if shown.exit_code:
            assert shown.stderr.startswith("error: ")
            assert path.name in shown.stderr
            assert len(shown.stderr.splitlines()) == 1
        else:
            assert path.name in shown.stdout
            assert len(shown.stdout.splitlines()) <= 50
            json.loads(run("inspect", path, "--json").stdout)
