"""A movie walked through the whole corridor: fit, predict, importance, file and shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pynwb
import pytest
from click.testing import CliRunner

import nwbdecode as nd
from nwbdecode.cli import cli
from tests.load import recordings
from tests.load.imaging import movies

FRAMES, RATE = 1200, 20.0
MOVIE, TONE = "acquisition/Movie", "stimulus/presentation/tone"
HOW: dict[str, Any] = {"neuropil": 0.7, "dff": "trailing", "baseline_window": 3.0}
QUICK: dict[str, Any] = {
    "signal": HOW,
    "features": {"bin": 0.1},
    "decoder": {"window": 6, "hidden": 4, "epochs": 1},
    "evaluation": {
        "folds": 2,
        "shifts": 50,
        "repeats": 1,
        "importance": ["channel"],
        "refit": False,
    },
}


def tone(n: int = FRAMES) -> np.ndarray:
    """A level that changes every 2 s."""
    return np.repeat(np.random.default_rng(3).uniform(0, 1, n // 40), 40)


def recording(folder: Path, name: str = "movie.nwb", seed: int = 0) -> Path:
    """A movie whose first region follows the tone, and what `signal` calls bad beside it."""
    movie = movies.pixels(FRAMES, seed=seed).astype(float) / 10 + 100
    movie[:, 2:5, 3:7] += 400 * tone()[:, None, None]
    nwbfile, plane = movies.session(grid_spacing=[2e-6, 2e-6])
    series = movies.add_movie(nwbfile, plane, movie.astype(np.uint16))
    movies.correct(nwbfile, series, movie.astype(np.uint16))
    movies.add_masks(nwbfile, plane, is_cell=[True, True, False])
    stamps = 1.0 + np.arange(FRAMES) / RATE
    nwbfile.add_stimulus(pynwb.TimeSeries(name="tone", data=tone(), unit="n.a.", timestamps=stamps))
    path = recordings.save(nwbfile, folder, name)
    if seed:
        with h5py.File(path, "r+") as file:
            file["identifier"][()] = f"session {seed}"
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("imaging")


@pytest.fixture(scope="module", autouse=True)
def _cache(folder: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NWBDECODE_CACHE", str(folder / "cache"))
        yield


@pytest.fixture(scope="module")
def movie(folder: Path) -> Path:
    return recording(folder)


@pytest.fixture(scope="module")
def decoded(folder: Path, movie: Path) -> Path:
    """Decoded from the corrected movie, asked for as the best."""
    output = folder / "decoded.nwb"
    nd.fit(movie, "best", TONE, output, config=QUICK, time=(3.0, 55.0), progress=False)
    return output


def test_a_result_says_how_its_signal_was_made(decoded: Path) -> None:
    result = nd.read(decoded)
    told = result.recipe["signal"]
    assert told["path"] == "processing/motion/MotionCorrection/stack/corrected"
    assert told["imaging"]["regions"] == "processing/ophys/ImageSegmentation/cells"
    assert {name: told["imaging"][name] for name in HOW} == HOW
    assert result.source["signal"]["imaging"] == told["imaging"]
    assert result.source["signal"]["units"] == "dF/F"


def test_the_gap_between_folds_holds_the_baseline(decoded: Path) -> None:
    gap = float(nd.read(decoded).folds["gap"].max())
    window, bins = 6 * 0.1, 0.1
    assert gap >= window + 3.0 + bins / 2


def test_predict_makes_the_same_signal_again(decoded: Path, movie: Path) -> None:
    made = nd.predict(decoded, movie, progress=False)
    assert made.recipe["prediction"]["use"] == "out-of-fold"
    assert made.recipe["prediction"]["largest_difference"] == 0


def test_a_result_made_step_by_step_finds_its_signal_again(decoded: Path, movie: Path) -> None:
    result = nd.read(decoded)
    bare = {key: value for key, value in result.recipe.items() if key != "signal"}
    again = nd.predict(result.replace(recipe=bare), movie, progress=False)
    assert again.recipe["prediction"]["largest_difference"] == 0


def test_another_recording_is_made_in_the_same_way(decoded: Path, folder: Path) -> None:
    made = nd.predict(decoded, recording(folder, "other.nwb", seed=1), time=(3.0, 55.0),
                      progress=False)  # fmt: skip
    assert made.source["signal"]["imaging"] == nd.read(decoded).source["signal"]["imaging"]
    assert made.recipe["prediction"]["use"] == "ensemble"


def test_importance_is_measured_on_the_same_signal(decoded: Path) -> None:
    again = nd.importance(decoded, by=["channel"], repeats=1, progress=False)
    expected = nd.read(decoded).importance["channel"]["value"]
    np.testing.assert_array_equal(again.importance["channel"]["value"], expected)


def test_the_file_tells_where_each_region_lies(decoded: Path) -> None:
    with pynwb.NWBHDF5IO(path=str(decoded), mode="r") as io:
        nwbfile = io.read()
        module = nwbfile.processing["decoding"]
        table = module["channels"].to_dataframe(index=True)
        cells = nwbfile.processing["ophys"]["ImageSegmentation"]["cells"]
        roi = module["importance_channel"]["roi"]
        assert roi.table is cells
        assert [int(cells.id[row]) for row in roi.data[:]] == [10, 11]
    # The third was no cell.
    assert table["channel"].tolist() == [10, 11]
    assert table["x"].tolist()[0] == 6.0
    assert table["y"].tolist()[0] == 9.0
    assert set(table["group"]) == {"plane0"}
    assert nd.read(decoded).channels["x"].attrs["units"] == "micrometers"


def _shell(movie: Path, folder: Path, *more: str) -> Any:
    config = folder / "quick.json"
    config.write_text(json.dumps({k: v for k, v in QUICK.items() if k != "signal"}))
    args = ["fit", str(movie), "--config", str(config), "--no-importance", *more]
    return CliRunner().invoke(cli, args)


def test_the_shell_takes_the_same_options(movie: Path, decoded: Path, tmp_path: Path) -> None:
    output, cache = tmp_path / "shell.nwb", tmp_path / "cache"
    asked = f"--signal best --target {TONE} --time 3:55 -o {output} --cache {cache}"
    options = "--neuropil 0.7 --dff trailing --baseline-window 3"
    done = _shell(movie, tmp_path, *asked.split(), *options.split())
    assert done.exit_code == 0, done.output
    shell, python = nd.read(output), nd.read(decoded)
    assert shell.recipe["signal"] == python.recipe["signal"]
    np.testing.assert_array_equal(shell.predictions["tone"], python.predictions["tone"])
    # What was extracted lies where the features do.
    assert {item.name for item in cache.iterdir()} == {"features", "traces"}


@pytest.mark.parametrize(
    ("options", "channels"), [("--regions grid --grid 3x5", 15), ("--regions grid --block 12", 6)]
)
def test_the_shell_lays_a_grid(movie: Path, tmp_path: Path, options: str, channels: int) -> None:
    # It says what it will read before it finds that nothing fills so many folds.
    asked = f"--signal {MOVIE} --target {TONE} -o {tmp_path / 'out.nwb'} --folds 100000 {options}"
    done = _shell(movie, tmp_path, *asked.split())
    assert done.exit_code == 1
    assert f"reads 1.7 MB: {channels} channels" in done.output


def test_the_shell_refuses_what_is_no_grid(movie: Path, tmp_path: Path) -> None:
    asked = f"--signal {MOVIE} --target {TONE} -o {tmp_path / 'out.nwb'}"
    for wrong, said in (("--grid 3", "such as 16x16"), ("--neuropil-ring 5", "in pixels: 2:15")):
        done = _shell(movie, tmp_path, *asked.split(), *wrong.split())
        assert done.exit_code == 2
        assert said in done.output
