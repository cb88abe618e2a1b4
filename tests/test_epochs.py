"""Trials as targets and chosen times, through the whole corridor and the shell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from pynwb import NWBFile

import nwbdecode as nd
from nwbdecode.cli import cli
from nwbdecode.config import FitConfig
from nwbdecode.pipeline import with_epochs
from tests import arrays
from tests.sessions import QUICK, with_trials

CHOICE = "trials/choice"
STIMULATION = "epochs[label == 'stimulation']"
CONFIG = {**QUICK, "decoder": {**QUICK["decoder"], "window": 4}}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("epochs")


@pytest.fixture(autouse=True, scope="module")
def cache(folder: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NWBDECODE_CACHE", str(folder / "cache"))
        yield


@pytest.fixture(scope="module")
def recording(folder: Path) -> Path:
    return with_trials(folder / "trials.nwb")


@pytest.fixture(scope="module")
def decoded(folder: Path, recording: Path) -> Path:
    """Choices, in trials alone, without the time of stimulation."""
    output = folder / "decoded.nwb"
    nd.fit(
        recording, targets=[CHOICE, "trials/effort"], output=output, config=CONFIG,
        only="trials", exclude=STIMULATION, progress=False,
    )  # fmt: skip
    return output


def test_only_bins_inside_trials_and_outside_of_the_excluded_time_are_decoded(decoded) -> None:
    result = nd.read(decoded)
    assert ((result.time % 3) < 2.0).all()
    assert not ((result.time > 60) & (result.time < 75)).any()
    assert len(result.time) == (50 - 5) * 20
    # Every bin lies in a trial, and has its label.
    assert np.isfinite(result.truth["choice"]).all()
    told = result.source["signal"]["epochs"]
    assert (told["only"], told["exclude"]) == (["trials"], [STIMULATION])
    assert result.recipe["config"]["epochs"]["only"] == ["trials"]


def test_no_window_leaves_a_trial(decoded) -> None:
    result = nd.read(decoded)
    made = np.isfinite(result.predictions["effort"].to_numpy())
    phase = result.time % 3
    # Two bins before and one after the decoded one belong to its window.
    np.testing.assert_array_equal(made, (phase > 0.2) & (phase < 1.9))


def test_folds_cut_no_trial(decoded) -> None:
    result = nd.read(decoded)
    for stop in result.folds["stop"].values[:-1]:
        assert not 0.05 < (stop - 0.002) % 3 < 1.95


def test_the_choice_is_decoded_from_the_size_of_the_noise(decoded: Path) -> None:
    value = nd.read(decoded).scores["value"]
    assert float(value.sel(target="choice", metric="balanced_accuracy", decoder="ridge")) > 0.8


def test_between_trials_nothing_is_known(recording: Path) -> None:
    source = nd.open(recording)
    power = _power(source.signal())
    truth = nd.align(source.targets(CHOICE), power)["choice"]
    np.testing.assert_array_equal(np.isfinite(truth), (power["time"] % 3 < 2) & (power.time < 149))
    assert truth.attrs["missing"] == pytest.approx(1 / 3, abs=0.01)


def test_folds_of_a_target_without_trials_cut_none_of_those_that_are_kept(recording) -> None:
    source = nd.open(recording)
    window = nd.RidgeDecoder(window=4).window_
    for only, cut in (("trials", False), ("epochs[label == 'task']", True)):
        power = _power(source.signal(only=only))
        aligned = nd.align(source.targets("trials:rate"), power)
        edges = [fold.start for fold in nd.PurgedKFold(4).split(power, aligned, window)][1:]
        inside = [0.05 < edge % 3 < 1.9 for edge in edges]
        assert any(inside) == cut


def test_predict_and_importance_find_the_same_times_again(decoded, recording) -> None:
    again = nd.predict(decoded, recording, progress=False)
    assert again.recipe["prediction"]["use"] == "out-of-fold"
    assert again.recipe["prediction"]["largest_difference"] < 1e-6
    np.testing.assert_array_equal(again.time, nd.read(decoded).time)
    measured = nd.importance(decoded, by="channel", repeats=1, progress=False)
    assert measured.importance["channel"].sizes["channel"] == 1


def _power(signal: nd.Signal):
    return nd.wavelet_power(signal, bin=0.1, lowest=10.0, n_bands=4, progress=False)


def _step_by_step(recording: Path, **times: str) -> nd.Decoding:
    source = nd.open(recording)
    return nd.cross_validate(
        nd.RidgeDecoder(window=4), _power(source.signal(**times)), source.targets(CHOICE),
        cv=nd.PurgedKFold(2), baselines=(), n_shifts=20, progress=False,
    )  # fmt: skip


def test_times_are_found_again_without_a_record_of_the_selection(recording: Path) -> None:
    result = _step_by_step(recording, only="trials[id >= 2]", exclude=STIMULATION)
    again = nd.predict(result, recording, progress=False)
    assert again.recipe["prediction"]["largest_difference"] == 0


def test_an_artifact_in_the_excluded_time_changes_no_bit(folder, recording) -> None:
    spoiled = with_trials(folder / "artifact.nwb", artifact=1e6)
    one, other = (_step_by_step(path, exclude=STIMULATION) for path in (recording, spoiled))
    assert one.decoders.keys() == other.decoders.keys()
    for name, decoder in one.decoders.items():
        assert decoder.weights == other.decoders[name].weights
    np.testing.assert_array_equal(one.predictions["choice"], other.predictions["choice"])
    # The control: read, the artifact does change them.
    read = [_step_by_step(path).decoders["final"].weights for path in (recording, spoiled)]
    assert read[0] != read[1]


def test_a_time_that_training_excluded_can_be_predicted_if_far_enough(decoded, recording) -> None:
    inside = "trials[start_time >= 66 and stop_time <= 69]"
    made = nd.predict(decoded, recording, only=inside, progress=False)
    assert (made.recipe["prediction"]["use"], made.recipe["prediction"]["in_sample"]) == (
        "final", False,
    )  # fmt: skip
    assert ((made.time > 66) & (made.time < 68)).all()
    with pytest.raises(nd.NWBDecodeError, match="were trained on"):
        nd.predict(decoded, recording, only="trials", progress=False)


def test_arguments_win_over_the_times_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('[epochs]\nonly = ["trials"]\nexclude = ["light"]\n')
    config = FitConfig.of(file)
    assert config.epochs.only == ["trials"]
    changed = with_epochs(config, only="epochs")
    assert (changed.epochs.only, changed.epochs.exclude) == (["epochs"], ["light"])
    with pytest.raises(nd.NWBDecodeError, match=r"epochs\.onyl"):
        FitConfig.of({"epochs": {"onyl": []}})


def test_the_shell_chooses_times_and_says_what_it_takes_targets_for(recording, folder) -> None:
    settings = folder / "settings.json"
    evaluation = {**CONFIG["evaluation"], "refit": False}
    settings.write_text(json.dumps({**CONFIG, "evaluation": evaluation}))
    output = folder / "shell.nwb"
    done = run(
        "fit", recording, "--target", CHOICE, "--only", "trials", "--exclude", STIMULATION,
        "-o", output, "--config", settings, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "choice: categorical, 2 classes: left, right (it holds text)" in done.stderr
    assert "only 50 intervals (100 s) of 'trials' make bins" in done.stderr
    assert "1 interval (15 s) of" in done.stderr
    assert len(nd.read(output).time) == 45 * 20
    again = run("predict", output, recording, "-o", folder / "again.nwb", "--json")
    assert json.loads(again.stdout)["use"] == "out-of-fold", again.stderr


def test_a_wrong_choice_ends_before_anything_is_computed(recording: Path, folder: Path) -> None:
    done = run("fit", recording, "--target", CHOICE, "--only", "trial", "-o", folder / "x.nwb")
    assert done.exit_code == 1
    assert "Did you mean 'intervals/trials'" in done.stderr
    assert not (folder / "x.nwb").exists()


def test_the_shell_wins_over_settings_that_keep_invalid_times(
    recording: Path, folder: Path
) -> None:
    settings = folder / "keeping.json"
    settings.write_text(json.dumps({**CONFIG, "epochs": {"keep_invalid": True}}))
    output = folder / "left_out.nwb"
    done = run(
        "fit", recording, "--target", CHOICE, "--no-keep-invalid", "-o", output,
        "--config", settings, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert nd.read(output).recipe["config"]["epochs"]["keep_invalid"] is False


@pytest.fixture(scope="module")
def doubtful() -> tuple[NWBFile, NWBFile]:
    """Two sessions whose effort is marked invalid from 20 to 25 s, by rows that name it."""
    made = []
    for seed, name in enumerate(("monday", "tuesday")):
        nwbfile = arrays.recording(name, like=seed)
        effort = nwbfile.processing["behavior"]["effort"]
        nwbfile.add_invalid_time_interval(start_time=20.0, stop_time=25.0, timeseries=[effort])
        made.append(nwbfile)
    return made[0], made[1]


@pytest.mark.parametrize("keep", [True, False])
def test_a_prediction_sees_the_truth_that_its_fit_saw(doubtful, keep: bool) -> None:
    monday, tuesday = doubtful
    config = {**arrays.CONFIG, "epochs": {"keep_invalid": keep}}
    fitted = nd.fit(monday, targets="effort", config=config, progress=False)
    inside = (fitted.time > 20) & (fitted.time < 25)
    assert (np.isfinite(fitted.truth["effort"][inside]) == keep).all()
    again = nd.predict(fitted, monday, progress=False)
    assert again.truth["effort"].identical(fitted.truth["effort"])
    # Of another session its own marks count as those of training did.
    other = nd.predict(fitted, tuesday, progress=False)
    otherwise = nd.predict(fitted, tuesday, keep_invalid=not keep, progress=False)
    marked = np.isnan(otherwise.truth["effort"].to_numpy())
    assert marked.sum() == (50 if keep else 0)
    truth, bins = other.truth["effort"].to_numpy(), np.rint(other.time * 10 - 0.5).astype(int)
    sampled = tuesday.processing["behavior"]["effort"].data[bins]
    expected = sampled if keep else np.where(inside, np.nan, sampled)
    np.testing.assert_allclose(truth, expected, rtol=1e-6)
    assert (
        float(other.scores["bins"].sel(target="effort"))
        == np.isfinite(other.predictions["effort"].to_numpy() + truth).sum()
    )
