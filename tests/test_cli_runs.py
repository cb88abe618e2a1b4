"""The shell's options for where results go, which run is read, and how recordings meet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from pynwb import NWBHDF5IO

import nwbdecode as nd
from nwbdecode.cli import cli
from nwbdecode.results.reading import run_names
from tests.arrays import CONFIG, recording

TARGET = "behavior/effort"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def answered(*arguments: object) -> dict[str, Any]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def refused(*arguments: object) -> str:
    done = run(*arguments, "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert answer["status"] == "failed"
    return answer["error"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings, of which Tuesday's has other ids at the same places, and settings."""
    made = tmp_path_factory.mktemp("runs")
    ids = {"monday": range(5), "tuesday": range(20, 25)}
    for seed, (name, held) in enumerate(ids.items()):
        with NWBHDF5IO(str(made / f"{name}.nwb"), mode="w") as io:
            places = [20.0 * at for at in range(5)]
            io.write(recording(name, like=seed, seconds=40, ids=list(held), places=places))
    settings = {**CONFIG, "cache": str(made / "cache")}
    (made / "settings.json").write_text(json.dumps(settings))
    return made


@pytest.fixture(scope="module")
def fit(folder: Path) -> tuple[object, ...]:
    return ("fit", folder / "monday.nwb", "--target", TARGET, "--config", folder / "settings.json")


@pytest.fixture(scope="module")
def decoded(folder: Path, fit: tuple[object, ...]) -> Path:
    """A file with one run of a name of its own."""
    output = folder / "decoded.nwb"
    answer = answered(*fit, "-o", output, "--run", "alpha")
    assert (answer["status"], answer["output"], answer["run"]) == ("done", str(output), "alpha")
    assert run_names(output) == ["alpha"]
    return output


def test_what_is_there_is_kept_given_back_replaced_or_stepped_around_as_asked(
    decoded: Path, fit: tuple[object, ...]
) -> None:
    before = decoded.read_bytes()
    assert "exists='replace'" in refused(*fit, "-o", decoded, "--run", "alpha")
    skipped = answered(*fit, "-o", decoded, "--exists", "skip")
    assert [skipped[k] for k in ("status", "output", "run")] == ["skipped", str(decoded), "alpha"]
    beside = answered(*fit, "-o", decoded, "--exists", "new")
    assert beside["output"] == str(decoded.with_name("decoded_2.nwb"))
    assert (beside["status"], beside["run"]) == ("done", "run")
    assert nd.read(beside["output"]).source["identifier"] == "monday"
    # A file is not replaced by one that lacks a run of it, and that is known before the fit.
    assert "holds other runs too" in refused(*fit, "-o", decoded, "--exists", "replace")
    assert decoded.read_bytes() == before
    anew = answered(*fit, "-o", decoded, "--run", "alpha", "--exists", "replace", "--seed", 1)
    assert [anew[k] for k in ("output", "run")] == [str(decoded), "alpha"]
    assert nd.read(decoded).recipe["config"]["seed"] == 1


@pytest.fixture(scope="module")
def appended(folder: Path, fit: tuple[object, ...]) -> Path:
    """Monday's recording with a run in it."""
    path = folder / "monday.nwb"
    answer = answered(*fit, "--append", "--run", "theta")
    assert [answer[k] for k in ("status", "output", "run")] == ["done", str(path), "theta"]
    return path


def test_runs_in_the_recording_itself_are_told_apart_by_their_names(
    decoded: Path, appended: Path, fit: tuple[object, ...]
) -> None:
    before = appended.read_bytes()
    assert "holds run 'theta'" in refused(*fit, "--append", "--run", "theta")
    skipped = answered(*fit, "--append", "--run", "theta", "--exists", "skip")
    assert (skipped["status"], skipped["run"]) == ("skipped", "theta")
    assert appended.read_bytes() == before
    kept = nd.read(appended, run="theta").load()
    new = answered(*fit, "--append", "--run", "theta", "--exists", "new", "--seed", 1)
    assert (new["output"], new["run"]) == (str(appended), "theta_2")
    assert run_names(appended) == ["theta", "theta_2"]
    assert nd.read(appended, run="theta").identical(kept)
    other = nd.read(appended, run="theta_2").load()
    again = answered(
        *fit, "--append", "--run", "theta", "--exists", "replace", "--no-importance", "--seed", 2
    )
    assert again["run"] == "theta"
    assert nd.read(appended, run="theta").recipe["config"]["seed"] == 2
    assert nd.read(appended, run="theta_2").identical(other)
    with NWBHDF5IO(str(appended), mode="r") as io:
        assert io.read().acquisition["ElectricalSeries"].data.shape == (10_000, 5)


def test_a_result_goes_to_one_place_alone(fit: tuple[object, ...], folder: Path) -> None:
    assert "choose one of them" in refused(*fit, "--append", "-o", folder / "both.nwb")
    assert run(*fit).exit_code == 2


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory, decoded: Path) -> Path:
    """A file with two runs, of which the second knows one decoder alone."""
    path = tmp_path_factory.mktemp("several") / "several.nwb"
    result = nd.read(decoded).load()
    nd.write(result, path, run="whole")
    few = {name: held for name, held in result.decoders.items() if name == "final"}
    nd.append(result.replace(decoders=few), path, run="few")
    return path


def test_predict_and_report_read_the_run_that_is_named(
    several: Path, folder: Path, tmp_path: Path
) -> None:
    ask = ("predict", several, folder / "tuesday.nwb", "--match", "order", "-o")
    output = tmp_path / "out.nwb"
    assert "holds 2 runs: 'few', 'whole'" in refused(*ask, output)
    assert "no run 'fewer'. Did you mean 'few'?" in refused(*ask, output, "--run", "fewer")
    assert not output.exists()
    answer = answered(*ask, output, "--run", "few")
    assert (answer["output"], answer["run"], answer["use"]) == (str(output), "run", "final")
    told = nd.read(output).recipe["prediction"]["decoders"]
    assert told == {"final": nd.read(several, run="few").decoders["final"].sha256}
    # The same again is there; of the other run it would be other decoders.
    assert answered(*ask, output, "--run", "few", "--exists", "skip")["status"] == "skipped"
    assert "made otherwise: decoders" in refused(*ask, output, "--run", "whole", "--exists", "skip")
    page = tmp_path / "page.html"
    assert "holds 2 runs" in refused("report", several, "-o", page)
    assert answered("report", several, "--run", "few", "-o", page) == {"output": str(page)}
    assert "effort" in page.read_text()


def test_a_fit_begins_from_the_run_that_is_named(
    several: Path, folder: Path, tmp_path: Path
) -> None:
    few = nd.read(several, run="few").load()
    several = Path(shutil.copy(several, tmp_path))
    nd.append(few.replace(decoders={}), several, run="none")
    ask = (
        "fit", folder / "tuesday.nwb", "--target", TARGET, "--config", folder / "settings.json",
        "--match", "order", "-o", tmp_path / "out.nwb",
    )  # fmt: skip
    begin = (*ask, "--init", several)
    assert "one to begin from with `init_run` (--init-run)" in refused(*begin)
    assert "no run 'fewer'. Did you mean 'few'?" in refused(*begin, "--init-run", "fewer")
    assert "no decoder refitted" in refused(*begin, "--init-run", "none")
    assert "which was not given" in refused(*ask, "--init-run", "few")
    assert not (tmp_path / "out.nwb").exists()
    answer = answered(*begin, "--init-run", "few")
    assert answer["init"]["channels"] == 5
    told = nd.read(tmp_path / "out.nwb").recipe["init"]
    assert told["sha256"] == few.decoders["final"].sha256
    assert (told["file"], told["run"]) == ("several.nwb", "few")
    with pytest.raises(nd.NWBDecodeError, match="in memory and one run"):
        nd.fit(
            folder / "tuesday.nwb", targets=TARGET, init=few, init_run="few", config=CONFIG,
            progress=False,
        )  # fmt: skip


def test_predict_by_name_in_python_wants_a_file_with_runs(several: Path, folder: Path) -> None:
    tuesday = folder / "tuesday.nwb"
    made = nd.predict(several, tuesday, run="whole", match="order", use="ensemble", progress=False)
    assert set(made.recipe["prediction"]["decoders"]) == {"fold0", "fold1"}
    with pytest.raises(nd.NWBDecodeError, match="in memory is one run"):
        nd.predict(nd.read(several, run="few"), tuesday, run="few", progress=False)


def test_predict_matches_channels_as_asked_and_takes_the_next_free_name(
    decoded: Path, folder: Path, tmp_path: Path
) -> None:
    ask = ("predict", decoded, folder / "tuesday.nwb", "-o", tmp_path / "by_monday.nwb")
    assert "match='position'" in refused(*ask)
    found = [answered(*ask, "--match", how, "--exists", "new") for how in ("position", "order")]
    assert [Path(each["output"]).name for each in found] == ["by_monday.nwb", "by_monday_2.nwb"]
    assert [each["match"] for each in found] == ["position", "order"]
    one, other = (nd.read(each["output"]).predictions["effort"] for each in found)
    np.testing.assert_array_equal(one, other)


def test_predict_final_is_in_sample_and_unscored(
    decoded: Path, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "final.nwb"
    answer = answered("predict", decoded, folder / "monday.nwb", "--final", "-o", output)
    assert (answer["use"], answer["in_sample"], answer["scores"]) == ("final", True, [])
    assert nd.read(output).predictions.attrs["in_sample"]


def test_fit_begins_from_another_session_as_asked(
    decoded: Path, folder: Path, tmp_path: Path
) -> None:
    ask = (
        "fit", folder / "tuesday.nwb", "--target", TARGET, "--config", folder / "settings.json",
        "--init", decoded, "-o", tmp_path / "begun.nwb",
    )  # fmt: skip
    assert "by id" in refused(*ask)
    answer = answered(*ask, "--match", "position")
    assert answer["init"] == {
        "channels": 5, "of": 5, "targets": ["effort"], "fresh_targets": [], "share": 1.0
    }  # fmt: skip
    begun = nd.read(tmp_path / "begun.nwb").recipe["init"]
    assert (begun["file"], begun["match"]) == ("decoded.nwb", "position")
    own = ("fit", folder / "monday.nwb", *ask[2:-1], tmp_path / "own.nwb")
    assert "seen" in refused(*own)
