"""Every kind of electrical signal, from file to decoded file and back again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest
from click.testing import CliRunner
from pynwb.ecephys import ElectricalSeries
from pynwb.misc import DecompositionSeries

import nwbdecode as nd
from nwbdecode.cli import cli
from tests.load.recordings import save, session

SECONDS, RATE = 40.0, 400.0
FLEXION = "processing/behavior/flexion"
#: Each signal, what is asked of its features, and the channels that then remain.
CASES: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "bipolar": (
        "acquisition/ECoG",
        {"lowest": 20.0, "n_bands": 4, "reference": "bipolar", "notch": 50.0},
        ["0-1", "0-4", "1-2", "1-5", "4-5"],
    ),
    "spikes": ("units", {}, [70, 71, 72]),
    "bands": ("processing/ecephys/highgamma", {}, [0, 1, 2, 4, 5]),
}


def _session() -> pynwb.NWBFile:
    """A grid of two by four contacts, one bad and two unused, that all know a slow flexion."""
    rng = np.random.default_rng(0)
    nwbfile = session()
    device = nwbfile.create_device(name="amplifier")
    grid = nwbfile.create_electrode_group(
        name="grid", description="subdural grid", location="M1", device=device
    )
    nwbfile.add_electrode_column(name="bad", description="flat")
    for i in range(6):
        nwbfile.add_electrode(
            x=10.0 * (i % 4), y=10.0 * (i // 4), z=0.0, location="M1", group=grid, bad=i == 3
        )
    time = np.arange(round(SECONDS * RATE)) / RATE
    flexion = 1 + np.sin(2 * np.pi * 0.3 * time)
    volts = 1e-5 * rng.normal(size=(len(time), 6)) * (1 + flexion[:, None] * np.arange(1, 7))
    volts += 5e-5 * np.sin(2 * np.pi * 50 * time)[:, None]
    every = nwbfile.create_electrode_table_region(region=list(range(6)), description="all")
    nwbfile.add_acquisition(
        ElectricalSeries(name="ECoG", data=volts.astype("f4"), electrodes=every, rate=RATE)
    )
    slow = flexion[::8]
    power = slow[:, None, None] * rng.gamma(4.0, size=(len(slow), 6, 2))
    bands = DecompositionSeries(
        name="highgamma", data=power, metric="power", rate=RATE / 8, unit="V**2",
        source_channels=nwbfile.create_electrode_table_region(
            region=list(range(6)), description="all", name="source_channels"
        ),
    )  # fmt: skip
    for name, limits in (("low", (70.0, 110.0)), ("high", (110.0, 150.0))):
        bands.add_band(band_name=name, band_limits=limits, band_mean=np.nan, band_stdev=np.nan)
    nwbfile.create_processing_module(name="ecephys", description="power").add(bands)
    nwbfile.add_unit_column(name="quality", description="by hand")
    for unit, quality in enumerate(["good", "good", "good", "noise"]):
        fires = rng.uniform(size=len(time)) < 0.02 * (1 + unit) * flexion / RATE * 50
        nwbfile.add_unit(
            id=70 + unit, spike_times=time[fires] + 1e-4, quality=quality,
            obs_intervals=np.array([[0.0, SECONDS]]),
        )  # fmt: skip
    nwbfile.create_processing_module(name="behavior", description="hand").add(
        pynwb.TimeSeries(name="flexion", data=flexion[::8], unit="a.u.", rate=RATE / 8)
    )
    return nwbfile


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(_session(), tmp_path_factory.mktemp("modalities"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "cache"))


def _config(features: dict[str, Any], *, refit: bool = True) -> dict[str, Any]:
    return {
        "features": {"bin": 0.2, **features},
        "decoder": {"window": 4, "hidden": 4, "epochs": 1},
        "evaluation": {"folds": 2, "shifts": 50, "repeats": 1, "importance": [], "refit": refit},
    }


@pytest.mark.parametrize("case", CASES)
def test_a_fit_is_written_predicted_again_explained_and_reads_another_session(
    case: str, recording: Path, tmp_path: Path
) -> None:
    path, features, channels = CASES[case]
    output = tmp_path / "decoded.nwb"
    chosen = "quality == 'good'" if case == "spikes" else None
    result = nd.fit(
        recording, path, FLEXION, output, config=_config(features), channels=chosen, progress=False
    )
    assert result.channels["channel"].to_numpy().tolist() == channels
    read = nd.read(output)
    assert read.identical(result)
    modality = {"bipolar": "ecog"}.get(case, case)
    assert read.recipe["features"]["by_modality"]["modality"] == modality
    assert read.source["signal"]["modality"] == modality
    again = nd.predict(output, recording, progress=False)
    assert again.recipe["prediction"]["use"] == "out-of-fold"
    assert again.recipe["prediction"]["largest_difference"] == 0
    explained = nd.importance(output, by="channel", repeats=1, progress=False)
    assert explained.importance["channel"]["channel"].to_numpy().tolist() == channels
    # Ridge reads what was planted from forty seconds of noise.
    scores = result.score_table().set_index(["decoder", "metric"])["value"]
    assert scores["ridge", "r"] > 0.5
    other = _session()
    other.fields["identifier"] = "another day"
    made = nd.predict(result, other, progress=False)
    said = made.recipe["prediction"]
    assert (said["use"], said["in_sample"]) == ("final", False)
    assert made.channels["channel"].to_numpy().tolist() == channels
    assert np.isfinite(made.predictions["flexion"]).any()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(_config({}, refit=False)))
    return path


def _fit(recording: Path, output: Path, settings: Path, *options: object) -> Any:
    arguments = ["fit", recording, "--target", FLEXION, "-o", output, "--config", settings]
    done = CliRunner().invoke(cli, [str(a) for a in (*arguments, *options)])
    assert done.exit_code == 0, done.stderr
    return done


def test_the_shell_tells_the_defaults_of_the_modality(
    recording: Path, settings: Path, tmp_path: Path
) -> None:
    output = tmp_path / "decoded.nwb"
    # The signal is left out: units and band power were made of the one recorded.
    done = _fit(recording, output, settings, "--lowest-frequency", 20, "--bands", 3)
    assert (
        "taken as ecog; its defaults: reference average, remainder on, highest 160.0" in done.stderr
    )
    result = nd.read(output)
    assert result.recipe["features"]["reference"] == "average"
    assert result.channels["channel"].to_numpy().tolist() == [0, 1, 2, 4, 5]


def test_the_shell_passes_reference_notch_and_remainder_on(
    recording: Path, settings: Path, tmp_path: Path
) -> None:
    output = tmp_path / "decoded.nwb"
    done = _fit(
        recording, output, settings, "--lowest-frequency", 20, "--bands", 3, "--notch", 50,
        "--reference", "median", "--reference-by", "location", "--no-remainder",
    )  # fmt: skip
    recipe = nd.read(output).recipe["features"]
    asked = {"reference": "median", "reference_by": "location", "notch": 50.0, "remainder": False}
    assert {name: recipe[name] for name in asked} == asked
    assert "defaults: highest 160.0" in done.stderr


def test_the_shell_decodes_units(recording: Path, settings: Path, tmp_path: Path) -> None:
    output = tmp_path / "decoded.nwb"
    done = _fit(recording, output, settings, "--signal", "units", "--channels", "quality == 'good'")
    assert "3 channels, 1 bands" in done.stderr
    assert "taken as spikes" in done.stderr
    assert nd.read(output).recipe["features"]["step"] == "traces"


def _unsaid() -> pynwb.NWBFile:
    """The same contacts in a file that never says what they lie on."""
    nwbfile = _session()
    nwbfile.electrode_groups["grid"].fields["description"] = "contacts"
    nwbfile.fields["identifier"] = "unsaid"
    raw = nwbfile.acquisition["ECoG"]
    wires = nwbfile.create_electrode_group(
        name="array", description="contacts", location="M1", device=nwbfile.devices["amplifier"]
    )
    nwbfile.electrodes["group"].data[:] = [wires] * 6
    nwbfile.electrodes["group_name"].data[:] = ["array"] * 6
    nwbfile.add_acquisition(
        ElectricalSeries(
            name="Raw", data=raw.data, rate=RATE, electrodes=nwbfile.create_electrode_table_region(
                region=list(range(6)), description="all"
            ),
        )
    )  # fmt: skip
    return nwbfile


def test_what_electrodes_record_can_be_said_and_is_kept(settings: Path, tmp_path: Path) -> None:
    file, output = save(_unsaid(), tmp_path), tmp_path / "decoded.nwb"
    fast = ["--signal", "acquisition/Raw", "--lowest-frequency", 20, "--bands", 3]
    assert "taken as ephys" in _fit(file, tmp_path / "plain.nwb", settings, *fast).stderr
    done = _fit(file, output, settings, *fast, "--modality", "ecog")
    assert "taken as ecog; its defaults: reference average" in done.stderr
    result = nd.read(output)
    assert result.recipe["config"]["signal"]["modality"] == "ecog"
    assert result.source["signal"]["modality"] == "ecog"
    assert nd.predict(output, file, progress=False).recipe["prediction"]["largest_difference"] == 0
    # Another session that does not say it either is taken for the same.
    other = _unsaid()
    other.fields["identifier"] = "another day"
    made = nd.predict(output, other, progress=False)
    assert made.source["signal"]["modality"] == "ecog"


def test_decoders_of_a_file_that_says_it_read_one_that_does_not_if_told(
    recording: Path, tmp_path: Path
) -> None:
    config = _config({"lowest": 20.0, "n_bands": 3})
    result = nd.fit(recording, "acquisition/ECoG", FLEXION, config=config, progress=False)
    how = {"signal": "acquisition/Raw", "progress": False}
    with pytest.raises(nd.NWBDecodeError, match=r"'ecog', .* is of 'ephys'.*modality='ecog'"):
        nd.predict(result, _unsaid(), **how)
    made = nd.predict(result, _unsaid(), modality="ecog", **how)
    assert np.isfinite(made.predictions["flexion"]).any()


def test_what_is_known_by_its_type_is_nothing_to_say(recording: Path) -> None:
    source = nd.open(recording)
    with pytest.raises(nd.NWBDecodeError, match=r"'units' is spikes by its type"):
        source.signal("units", modality="ecog")
    with pytest.raises(nd.NWBDecodeError, match=r"unknown modality 'eeg'.*'ecog', 'ephys'"):
        source.signal("acquisition/ECoG", modality="eeg")  # type: ignore[arg-type]


def test_inspect_says_what_each_signal_is_taken_for(recording: Path) -> None:
    shown = repr(nd.open(recording)).splitlines()
    told = {line.split()[0]: line.split()[2] for line in shown if line.startswith("    ")}
    assert (told["acquisition/ECoG"], told["units"]) == ("ecog", "spikes")
