"""Which command decodes a target, and why none does; long lists on one screen."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pynwb
import pytest
from click.testing import CliRunner
from pynwb.ophys import Fluorescence, RoiResponseSeries
from pynwb.testing.mock.ophys import mock_PlaneSegmentation

import nwbdecode as nd
from nwbdecode import load
from nwbdecode.cli import cli
from tests.load import recordings

#: Options that make a command which is told quick, and leave its features and window as they are.
QUICK = ["--epochs", "1", "--no-importance", "--jobs", "1", "--json"]


def test_many_columns_and_series_stay_on_one_screen_and_are_all_in_the_catalog() -> None:
    rng = np.random.default_rng(0)
    nwbfile = recordings.ephys()
    for k in range(40):
        nwbfile.add_trial_column(name=f"column{k}", description="d")
    for start in range(30):
        values = {f"column{k}": float(rng.normal()) if k else 1.0 for k in range(40)}
        nwbfile.add_trial(start_time=start / 10, stop_time=start / 10 + 0.05, **values)
    for k in range(20):
        nwbfile.add_acquisition(
            pynwb.TimeSeries(name=f"lick{k}", data=rng.normal(size=50), unit="a.u.", rate=10.0)
        )
    opened = load.open(nwbfile)
    shown = repr(opened)
    assert len(shown.splitlines()) <= 45
    assert "more in intervals/trials" in shown
    found = json.loads(json.dumps(opened.catalog()))
    targets = {target["path"]: target for target in found["targets"]}
    assert len(targets) == 65
    assert targets["intervals/trials/column0"]["undecodable"] == "it never changes"


def test_why_nothing_can_be_decoded_is_said(source: load.Source) -> None:
    targets = source.catalog()["targets"]
    assert all(target["commands"] == {} for target in targets)
    assert {target["undecodable"][:9] for target in targets} == {"too short"}


def runs_as_told(command: str) -> None:
    """Run a command that a catalog tells, up to its result."""
    done = CliRunner().invoke(cli, [*shlex.split(command)[1:], *QUICK])
    assert done.exit_code == 0, done.stderr


def with_speed(seconds: float) -> pynwb.NWBFile:
    """A session with a running speed, ten samples a second."""
    nwbfile = recordings.session()
    speed = np.sin(np.arange(0, seconds, 0.1) / 9)
    nwbfile.create_processing_module(name="behavior", description="tracked").add(
        pynwb.TimeSeries(name="speed", data=speed, unit="m/s", rate=10.0)
    )
    return nwbfile


def dropped_frames(seconds: float = 300.0) -> pynwb.NWBFile:
    """Traces at 10 Hz of which every 40th frame is missing."""
    nwbfile = with_speed(seconds)
    time = np.arange(0, seconds, 0.1)
    time = time[np.arange(time.size) % 40 != 0]
    plane = mock_PlaneSegmentation(nwbfile=nwbfile, n_rois=3)
    rois = plane.create_roi_table_region(region=[0, 1, 2], description="all")
    data = np.random.default_rng(0).normal(size=(time.size, 3))
    traces = RoiResponseSeries(name="F", data=data, rois=rois, unit="a.u.", timestamps=time)
    nwbfile.processing["ophys"].add(Fluorescence(roi_response_series=traces))
    return nwbfile


def observed_in_trials(seconds: float = 300.0) -> pynwb.NWBFile:
    """Units that were observed for 2 s of every 4."""
    nwbfile = with_speed(seconds)
    begin = np.arange(0, seconds, 4.0)
    spikes = np.sort(np.random.default_rng(0).uniform(0, seconds, 6000))
    for part in range(3):
        nwbfile.add_unit(
            spike_times=spikes[part::3][spikes[part::3] % 4 < 2],
            obs_intervals=np.stack([begin, begin + 2], axis=1),
        )
    return nwbfile


@pytest.mark.parametrize("made", [dropped_frames, observed_in_trials])
def test_the_command_for_a_recording_in_many_pieces_works(
    made: Callable[[], pynwb.NWBFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "cache"))
    recordings.save(made(), tmp_path)
    (target,) = load.open("session.nwb").catalog()["targets"]
    runs_as_told(target["commands"][""])


def test_the_pieces_of_a_long_clock_are_told_from_those_looked_at() -> None:
    (traces,) = load.open(dropped_frames(9000.0)).catalog()["signals"]
    assert traces["clock_read"] == "probed"
    assert traces["run"] == pytest.approx(3.9, rel=0.1)


def test_pieces_too_short_for_any_window_are_said(tmp_path: Path) -> None:
    nwbfile = with_speed(600.0)
    time = np.arange(0, 600, 0.1)
    time = time[np.arange(time.size) % 8 != 0]
    recordings.add_electrodes(nwbfile)
    nwbfile.add_acquisition(recordings.electrical(nwbfile, n=time.size, timestamps=time))
    opened = load.open(recordings.save(nwbfile, tmp_path))
    reason = opened.catalog()["targets"][0]["undecodable"]
    assert reason == "its signal's gapless runs are too short: 0.7 s on average"


def test_a_target_whose_clock_repeats_a_time_is_decodable(tmp_path: Path) -> None:
    """As some systems write a frame twice; a time that goes back is a fault still."""
    nwbfile = with_speed(300.0)
    recordings.add_electrodes(nwbfile)
    nwbfile.add_acquisition(recordings.electrical(nwbfile, n=60_000, rate=200.0))
    time = np.arange(0, 300, 0.02)
    back = time.copy()
    time[100], back[100] = time[99], time[98]
    for name, stamps in (("twice", time), ("back", back)):
        nwbfile.processing["behavior"].add(
            pynwb.TimeSeries(name=name, data=np.sin(time), unit="m/s", timestamps=stamps)
        )
    opened = load.open(recordings.save(nwbfile, tmp_path))
    told = {one["path"].rsplit("/")[-1]: one for one in opened.catalog()["targets"]}
    assert (told["twice"]["problems"], told["twice"]["undecodable"]) == ([], "")
    assert told["twice"]["commands"]
    assert opened.targets("twice")["twice"].attrs["repeated_timestamps"] == 1
    assert "does not come after" in told["back"]["undecodable"]


def decodable(tmp_path: Path, *series: pynwb.TimeSeries) -> dict[str, dict[str, object]]:
    """What a catalog says of series that lie beside 300 s of voltage, by their names."""
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    nwbfile.add_acquisition(recordings.electrical(nwbfile, n=60_000, rate=200.0))
    for one in series:
        nwbfile.add_acquisition(one)
    opened = load.open(recordings.save(nwbfile, tmp_path))
    return {one["path"].rsplit("/")[-1]: one for one in opened.catalog()["targets"]}


def series(name: str, data: object, unit: str = "n.a.") -> pynwb.TimeSeries:
    return pynwb.TimeSeries(name=name, data=data, unit=unit, rate=10.0)


def test_a_series_that_never_changes_is_no_target(tmp_path: Path) -> None:
    told = decodable(
        tmp_path,
        series("still", np.where(np.arange(3000) < 9, np.nan, 2.5), "m"),
        series("count", np.full(3000, 3), "m"),
        series("silence", ["off"] * 3000),
        series("lost", np.full(3000, np.nan), "m"),
        series("moving", np.sin(np.arange(3000.0)), "m"),
    )
    reasons = {name: one["undecodable"] for name, one in told.items()}
    still = (reasons["still"], reasons["count"], reasons["silence"])
    assert still == ("it never changes",) * 3
    assert reasons["lost"] == "every sample is missing"
    assert reasons["moving"] == ""
    assert all(bool(one["commands"]) != bool(one["undecodable"]) for one in told.values())


def test_a_column_that_never_changes_is_left_out_of_the_command(tmp_path: Path) -> None:
    flat = np.stack([np.sin(np.arange(3000) / 9), np.zeros(3000), np.cos(np.arange(3000) / 9)], 1)
    command = decodable(tmp_path, series("place", flat, "m"))["place"]["commands"][""]  # type: ignore[index]
    assert "--target 'acquisition/place[0,2]'" in command


def test_the_column_left_of_a_gaze_is_no_direction(tmp_path: Path) -> None:
    gaze = np.stack([30 * np.sin(np.arange(3000) / 9), np.zeros(3000)], axis=1)
    command = decodable(tmp_path, series("gaze", gaze, "degrees"))["gaze"]["commands"][""]  # type: ignore[index]
    assert "--target 'acquisition/gaze[0]@linear'" in command


def test_a_state_that_one_fold_alone_would_see_is_no_target(tmp_path: Path) -> None:
    states = np.repeat(["rest", "run", "sleep"], [400, 1300, 1300])
    told = decodable(
        tmp_path, series("states", states.tolist()), series("often", np.tile(states[::5], 5))
    )
    assert told["states"]["undecodable"] == (
        "class 'rest' is seen from 0 to 39.9 s alone: a fold that tests it has none to learn from"
    )
    assert told["often"]["commands"]


def test_columns_that_say_when_are_no_targets() -> None:
    rng = np.random.default_rng(0)
    nwbfile = recordings.ephys()
    columns = ("cue_start_time", "pole_in_time", "choice_times", "reaction_time", "choice")
    for name in columns:
        nwbfile.add_trial_column(name=name, description="d")
    for start in np.arange(0, 90, 3.0):
        took = rng.uniform(0.2, 1)
        nwbfile.add_trial(
            start_time=start, stop_time=start + 2, cue_start_time=rng.uniform(4, 5), choice="a",
            pole_in_time=start + 0.5, choice_times=start + 0.5 + took, reaction_time=took,
        )  # fmt: skip
    nwbfile.trials["choice"].data[:] = rng.choice(["a", "b"], size=30).tolist()
    nwbfile.trials["choice"].data[3] = "c"
    told = {one["path"]: one["undecodable"] for one in load.open(nwbfile).catalog()["targets"]}
    reasons = [told[f"intervals/trials/{name}"] for name in columns]
    assert reasons[:3] == ["it says when, not what"] * 3
    assert "in memory only" in reasons[3]
    assert reasons[4].startswith("class 'c' is seen from 9 to 9 s alone")


def test_a_series_of_any_name_is_decoded_by_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "cache"))
    told = decodable(tmp_path, series("speed, cm=s [x] (raw)", np.sin(np.arange(3000) / 9), "m"))
    (target,) = told.values()
    runs_as_told(target["commands"][""])  # type: ignore[index]
    (output,) = tmp_path.glob("*_decoded.nwb")
    result = nd.read(output)
    assert result.targets == ["speed_cm_s_x_raw"]
    again = nd.predict(result, tmp_path / "session.nwb", use="final", progress=False)
    assert again.recipe["prediction"]["in_sample"]
