"""The examples for labs' pipelines do what they show, and nothing the second time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pynwb
import pytest
import xarray as xr
from pynwb import NWBHDF5IO

import nwbdecode as nd
from tests.arrays import CONFIG, recording

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "pipelines"
TARGET = "behavior/effort"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two recordings, settings, and `nwbdecode` on the path."""
    (tmp_path / "raw").mkdir()
    for seed, name in enumerate(("monday", "tuesday")):
        with NWBHDF5IO(str(tmp_path / "raw" / f"{name}.nwb"), mode="w") as io:
            io.write(recording(name, like=seed, seconds=40))
    settings = {**CONFIG, "cache": str(tmp_path / "cache")}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    programs = tmp_path / "bin"
    programs.mkdir()
    door = programs / "nwbdecode"
    door.write_text(
        f"#!/bin/sh\nexec '{sys.executable}' -c 'from nwbdecode.cli import main; main()' \"$@\"\n"
    )
    door.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def kinds(targets: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Targets of the user's own making, which no file holds."""
    return {name: one.assign_attrs(kind="linear", units="N") for name, one in targets.items()}


def example(name: str) -> ModuleType:
    spec = spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in sorted(folder.iterdir()) if path.suffix in (".nwb", ".html"))
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_a_script_over_a_folder_does_each_recording_once(lab: Path) -> None:
    decode_folder = example("decode_folder").decode_folder
    settings = lab / "settings.json"
    became = decode_folder(lab / "raw", lab / "out", TARGET, settings)
    assert became == {"monday.nwb": "done", "tuesday.nwb": "done"}
    before = state(lab / "out")
    assert len(before) == 4
    (lab / "out" / "tuesday_decoded.nwb").unlink()
    with NWBHDF5IO(str(lab / "raw" / "wednesday.nwb"), mode="w") as io:
        io.write(recording("wednesday", like=2, seconds=40, target="pull"))
    became = decode_folder(lab / "raw", lab / "out", TARGET, settings)
    assert (became["monday.nwb"], became["tuesday.nwb"]) == ("skipped", "done")
    assert became["wednesday.nwb"].startswith("failed: ")
    after = state(lab / "out")
    assert after["monday_decoded.nwb"] == before["monday_decoded.nwb"]
    assert set(after) == set(before)


def test_what_was_made_otherwise_is_no_result_of_this_request(lab: Path) -> None:
    raw, output = lab / "raw" / "monday.nwb", lab / "monday_decoded.nwb"
    first = nd.fit(raw, targets=TARGET, output=output, config=CONFIG, progress=False)
    again = nd.fit(raw, targets=TARGET, output=output, config=CONFIG, exists="skip", progress=False)
    assert again.identical(first)
    before = output.read_bytes()
    other = {**CONFIG, "decoder": {**CONFIG["decoder"], "hidden": 5}}
    for how, said in [
        ({"config": other}, r"settings was .*\"hidden\": 4.*asked is .*\"hidden\": 5"),
        ({"config": CONFIG, "channels": [0, 1]}, r"signal was .*channels.*asked is .*\[0, 1\]"),
        ({"config": CONFIG, "time": (0, 30)}, "signal was .*time"),
    ]:
        with pytest.raises(nd.NWBDecodeError, match=said):
            nd.fit(raw, targets=TARGET, output=output, exists="skip", progress=False, **how)
    with pytest.raises(nd.NWBDecodeError, match=r"source was .*monday.*asked is .*tuesday"):
        nd.fit(
            lab / "raw" / "tuesday.nwb", targets=TARGET, output=output, config=CONFIG,
            exists="skip", progress=False,
        )  # fmt: skip
    effort = nd.open(raw).targets(TARGET)
    held = lab / "held_decoded.nwb"
    twice = [
        {name: one.drop_attrs() * factor for name, one in effort.items()} for factor in (1.0, 2.0)
    ]
    nd.fit(raw, targets=kinds(twice[0]), output=held, config=CONFIG, progress=False)
    with pytest.raises(nd.NWBDecodeError, match="targets was"):
        nd.fit(raw, targets=kinds(twice[1]), output=held, config=CONFIG, exists="skip",
               progress=False)  # fmt: skip
    assert output.read_bytes() == before


@pytest.mark.slow
def test_a_shell_script_branches_on_status_and_exit_code(lab: Path) -> None:
    script = EXAMPLES / "decode_folder.sh"
    arguments = ("raw", "out", TARGET, "--config", "settings.json")
    first = run(script, *arguments, cwd=lab)
    assert (first.returncode, first.stdout) == (0, "monday: done\ntuesday: done\n"), first.stderr
    before = state(lab / "out")
    again = run(script, *arguments, cwd=lab)
    assert (again.returncode, again.stdout) == (0, "monday: skipped\ntuesday: skipped\n")
    assert state(lab / "out") == before
    answer = json.loads((lab / "out" / "monday.json").read_text())
    assert (answer["status"], answer["output"]) == ("skipped", "out/monday_decoded.nwb")
    assert {row["decoder"] for row in answer["scores"]} == {"cnn", "ridge"}
    other = run(script, *arguments, "--hidden-is-no-option", cwd=lab)
    assert other.returncode == 1
    wrong = run("nwbdecode", "fit", "raw/none.nwb", "--target", TARGET, "-o", "x.nwb", "--json",
                cwd=lab)  # fmt: skip
    assert wrong.returncode == 1
    told = json.loads(wrong.stdout)
    assert (told["status"], "none.nwb" in told["error"]) == ("failed", True)


@pytest.mark.slow
def test_make_makes_what_is_older_than_its_recording(lab: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    command = ("make", "-f", EXAMPLES / "Makefile", "RECORDINGS=raw", "RESULTS=out",
               f"TARGET=an effort & more={TARGET}", "OPTIONS=--config settings.json")  # fmt: skip
    first = run(*command, cwd=lab)
    assert first.returncode == 0, first.stderr
    before = state(lab / "out")
    assert len(before) == 4
    again = run(*command, cwd=lab)
    assert "Nothing to be done" in again.stdout
    assert state(lab / "out") == before
    os.utime(lab / "raw" / "tuesday.nwb")
    changed = run(*command, cwd=lab)
    assert changed.returncode == 0, changed.stderr
    after = state(lab / "out")
    assert after["monday_decoded.nwb"] == before["monday_decoded.nwb"]
    assert after["tuesday_decoded.nwb"] != before["tuesday_decoded.nwb"]


@pytest.mark.slow
def test_snakemake_makes_all_once(lab: Path) -> None:
    if shutil.which("snakemake") is None:
        pytest.skip("snakemake is not installed")
    command = (
        "snakemake", "-s", EXAMPLES / "Snakefile", "--cores", 1, "--config", "recordings=raw",
        "results=out", f"target=an effort & more={TARGET}", "settings=settings.json",
    )  # fmt: skip
    first = run(*command, cwd=lab)
    assert first.returncode == 0, first.stderr
    before = state(lab / "out")
    assert set(before) == {
        "monday.html", "monday_decoded.nwb", "tuesday.html", "tuesday_decoded.nwb",
        "tuesday_by_first.nwb",
    }  # fmt: skip
    made = nd.read(lab / "out" / "tuesday_by_first.nwb")
    assert made.recipe["prediction"]["trained_on"]["identifier"] == "monday"
    again = run(*command, cwd=lab)
    assert "Nothing to be done" in again.stdout + again.stderr
    assert state(lab / "out") == before


def test_a_conversion_adds_the_decoding_of_its_own_signal(lab: Path) -> None:
    convert = example("convert_and_decode")
    path = lab / "converted.nwb"
    convert.convert(recording("monday", seconds=40), path, target=TARGET, config=CONFIG)
    assert pynwb.validate(path=str(path)) == []
    result = nd.read(path)
    assert result.targets == ["effort"]
    assert result.source["identifier"] == "monday"
    before = path.read_bytes()
    convert.convert(recording("monday", seconds=40), path, target=TARGET, config=CONFIG)
    assert path.read_bytes() == before
    with NWBHDF5IO(str(path), mode="r") as io:
        nwbfile = io.read()
        assert not convert.add_decoding_to_nwbfile(nwbfile, target=TARGET, config=CONFIG)
        assert nwbfile.acquisition["ElectricalSeries"].data.shape == (10_000, 5)


def test_a_prediction_is_made_once(lab: Path) -> None:
    raw, decoded, output = (lab / name for name in ("raw", "decoded.nwb", "by_monday.nwb"))
    nd.fit(raw / "monday.nwb", targets=TARGET, output=decoded, config=CONFIG, progress=False)
    command = ("nwbdecode", "predict", decoded, raw / "tuesday.nwb", "-o", output, "--exists",
               "skip", "--json")  # fmt: skip
    first, again = (run(*command, cwd=lab) for _ in range(2))
    assert first.returncode == again.returncode == 0, first.stderr
    told, later = json.loads(first.stdout), json.loads(again.stdout)
    assert (told.pop("status"), later.pop("status")) == ("done", "skipped")
    assert told == later
    other = run(*command, "--final", cwd=lab)
    assert other.returncode == 1
    assert "was made otherwise: choice was" in json.loads(other.stdout)["error"]
