"""The command line: what it says, where it says it, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest
from click.testing import CliRunner, Result

import nwbdecode as nd
from nwbdecode import demo
from nwbdecode.cli import cli
from tests.sessions import QUICK, SIGNAL, SPEED, simulated

COMMANDS = ["inspect", "fit", "fit-many", "predict", "report", "importance", "demo"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def recording(folder: Path) -> Path:
    return simulated(folder / "recording.nwb")


@pytest.fixture(scope="module")
def settings(folder: Path) -> Path:
    path = folder / "settings.json"
    path.write_text(json.dumps({**QUICK, "cache": str(folder / "cache")}))
    return path


@pytest.fixture(scope="module")
def fitted(folder: Path, recording: Path, settings: Path) -> tuple[Path, Result]:
    output = folder / "decoded.nwb"
    done = run(
        "fit", recording, "--signal", SIGNAL, "--target", SPEED, "--output", output,
        "--config", settings, "--window", 6, "--channels", "0-2", "--time", "1:50", "--json",
    )  # fmt: skip
    return output, done


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example(command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0
    assert f"nwbdecode {command} " in done.output.replace("\n  Usage", "")
    assert "--json" in done.output


def test_help_comes_at_once_in_a_real_shell() -> None:
    times = []
    for _ in range(3):
        start = perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", "from nwbdecode.cli import main; main()", "--help"],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        times.append(perf_counter() - start)
    assert all(command in done.stdout for command in COMMANDS)
    assert min(times) < 0.5


def test_inspect_lists_signals_and_targets(recording: Path) -> None:
    shown = run("inspect", recording)
    assert (shown.exit_code, SIGNAL in shown.stdout) == (0, True)
    found = json.loads(run("inspect", recording, "--json").stdout)
    # The simulation also states the spikes that it planted, which are a signal as well.
    assert [entry["path"] for entry in found["signals"]] == [
        SIGNAL,
        "processing/ground_truth/cells",
    ]


def test_fit_answers_in_json_on_stdout_and_talks_on_stderr(fitted: tuple[Path, Result]) -> None:
    output, done = fitted
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["output"] == str(output)
    assert {row["decoder"] for row in answer["scores"]} == {"cnn", "ridge"}
    assert all(row["target"] == "speed" for row in answer["scores"])


def test_fit_says_what_it_will_read_keep_and_take(
    fitted: tuple[Path, Result], folder: Path
) -> None:
    said = fitted[1].stderr
    assert "reads 0.3 MB: 3 channels, 4 bands, 490 bins" in said
    assert str(folder / "cache") in said
    assert "an estimate" in said
    assert any((folder / "cache" / "features").iterdir())


def test_options_win_over_the_settings_file(fitted: tuple[Path, Result]) -> None:
    recipe = nd.read(fitted[0]).recipe
    assert recipe["decoder"]["settings"]["window"] == 6
    assert recipe["decoder"]["settings"]["hidden"] == QUICK["decoder"]["hidden"]


def test_predict_gives_the_out_of_fold_predictions_again(
    fitted: tuple[Path, Result], recording: Path, folder: Path
) -> None:
    done = run("predict", fitted[0], recording, "--output", folder / "again.nwb", "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["use"], answer["in_sample"]) == ("out-of-fold", False)
    assert answer["largest_difference"] < 1e-4


def test_predict_in_sample_says_so_and_scores_nothing(
    fitted: tuple[Path, Result], recording: Path, folder: Path
) -> None:
    done = run(
        "predict", fitted[0], recording, "-o", folder / "in_sample.nwb", "--use", "final", "--json"
    )
    assert json.loads(done.stdout)["scores"] == []
    assert "in-sample" in done.stderr


def test_report_writes_a_page(fitted: tuple[Path, Result], folder: Path) -> None:
    page = folder / "report.html"
    done = run("report", fitted[0], "--output", page)
    assert done.exit_code == 0, done.stderr
    assert "<html" in page.read_text()[:200]


def test_importance_can_be_added_later(fitted: tuple[Path, Result], folder: Path) -> None:
    output = folder / "with_importance.nwb"
    done = run("importance", fitted[0], "-o", output, "--by", "channel", "--repeats", 1, "--json")
    assert done.exit_code == 0, done.stderr
    rows = json.loads(done.stdout)["importance"]["channel"]
    assert sorted(row["channel"] for row in rows) == [0, 1, 2]
    assert set(nd.read(output).importance) == {"channel"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit"],
        ["fit", "a.nwb", "--output", "b.nwb"],
        ["fit", "a.nwb", "--target", "x", "-o", "b.nwb", "--time", "ten"],
        ["fit", "a.nwb", "--target", "x", "-o", "b.nwb", "--architecture", "transformer"],
        ["demo", "--duration", "1"],
        ["decode"],
    ],
)
def test_wrong_usage_exits_with_two(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert "Usage:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inspect", "none.nwb"], "none.nwb"),
        (["report", "none.nwb", "-o", "report.html"], "there is no file 'none.nwb'"),
        (["fit", "none.nwb", "--target", "x", "-o", "b.nwb", "--config", "no.toml"], "no.toml"),
    ],
)
def test_what_fails_exits_with_one_and_one_line(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_an_output_in_the_way_stays(recording: Path, folder: Path, settings: Path) -> None:
    output = folder / "mine.nwb"
    output.write_text("mine")
    done = run("fit", recording, "--target", SPEED, "-o", output, "--config", settings)
    assert (done.exit_code, output.read_text()) == (1, "mine")
    assert "exists" in done.stderr


def test_a_misspelled_target_suggests_the_right_one(recording: Path, folder: Path) -> None:
    done = run("fit", recording, "--target", "Position/positon", "-o", folder / "none.nwb")
    assert done.exit_code == 1
    assert "Did you mean" in done.stderr


def test_debug_shows_the_traceback() -> None:
    done = run("inspect", "none.nwb", "--debug")
    assert isinstance(done.exception, nd.NWBDecodeError)


def test_the_demo_leaves_a_recording_a_result_and_a_report(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    told: list[dict[str, object]] = []
    result, files = demo.run(
        folder, duration=60.0, config=QUICK, announce=told.append, progress=False
    )
    assert result.targets == ["position", "head_direction", "speed"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        Path(path).name for path in files.values()
    )
    assert nd.read(files["decoded"]).identical(result)
    assert told[0]["channels"] == 16
    # Its own files may be replaced.
    assert demo._own(folder) == folder


@pytest.mark.parametrize("name", ["thesis.docx", "recording.nwb"])
def test_the_demo_refuses_a_folder_with_other_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    done = run("demo", "--output", tmp_path)
    assert done.exit_code == 1
    assert name in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
