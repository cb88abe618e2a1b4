"""The file is sound NWB that any reader opens and understands alone."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest
from nwbinspector import Importance, inspect_nwbfile
from pynwb.behavior import CompassDirection, Position
from pynwb.epoch import TimeIntervals

from nwbdecode.decoding import Decoding
from nwbdecode.results import add_decoding, write
from nwbdecode.results.session import new_file
from tests import made


def gapped() -> Decoding:
    decoding = made.decoding()
    time = decoding.time + np.where(np.arange(len(decoding.time)) > 100, 7.3, 0.0)
    return decoding.replace(
        predictions=decoding.predictions.assign_coords(time=time),
        truth=decoding.truth.assign_coords(time=time),
        baselines={n: d.assign_coords(time=time) for n, d in decoding.baselines.items()},
    )


def imaging() -> Decoding:
    decoding = made.decoding()
    signal = {**made.source()["signal"], "modality": "imaging"}  # type: ignore[dict-item]
    bare = decoding.channels.drop_vars(["location", "group"])
    return decoding.replace(channels=bare, source={**decoding.source, "signal": signal})


def plain() -> Decoding:
    """Nothing but targets: no importance, no baseline, of the session only the subject."""
    # The inspector calls a missing subject critical, and nobody may invent one.
    source = {"subject": made.source()["subject"]}
    return made.decoding(folds=1).replace(importance={}, baselines={}, source=source, recipe={})


RESULTS = {"ephys": made.decoding, "gapped": gapped, "imaging": imaging, "plain": plain}


@pytest.fixture(scope="module", params=RESULTS)
def decoded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    return write(RESULTS[request.param](), folder / "decoded.nwb")


@pytest.fixture(scope="module")
def nwbfile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = write(made.decoding(), tmp_path_factory.mktemp("file") / "decoded.nwb")
    with pynwb.NWBHDF5IO(str(path), mode="r") as io:
        yield io.read()


def test_it_validates(decoded: Path) -> None:
    assert pynwb.validate(path=str(decoded)) == []


def test_the_inspector_has_no_more_than_suggestions(decoded: Path) -> None:
    told = list(inspect_nwbfile(nwbfile_path=str(decoded)))
    assert [m for m in told if m.importance is not Importance.BEST_PRACTICE_SUGGESTION] == []


def test_it_opens_where_the_package_is_not_installed(decoded: Path) -> None:
    program = """
        import sys
        sys.modules["nwbdecode"] = None
        import h5py, pynwb
        with pynwb.NWBHDF5IO(sys.argv[1], mode="r") as io:
            nwbfile = io.read()
            module = nwbfile.processing["decoding"]
            assert module["run"].decoders["final"].weights[:].size
            assert module["run"].neurodata_type == "DecodingRun"
            tables = [t for t in module.data_interfaces.values() if hasattr(t, "to_dataframe")]
            assert all(len(table.to_dataframe()) for table in tables)
        read = []
        with h5py.File(sys.argv[1], "r") as file:
            file.visititems(
                lambda name, held: read.append(held[()]) if isinstance(held, h5py.Dataset) else None
            )
        print(len(tables), len(read), "nwbdecode.results" in sys.modules)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(program), str(decoded)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tables, datasets, leaked = done.stdout.split()
    assert (int(tables) >= 5, int(datasets) > 60, leaked) == (True, True, "False")


def test_weights_are_rebuilt_with_h5py_and_safetensors_alone(tmp_path: Path) -> None:
    path = write(made.decoding(), tmp_path / "decoded.nwb")
    program = """
        import hashlib, json, sys
        import h5py
        from safetensors.numpy import load
        with h5py.File(sys.argv[1], "r") as file:
            decoder = file["processing/decoding/run/fold1"]
            weights = decoder["weights"][:].tobytes()
            assert hashlib.sha256(weights).hexdigest() == decoder.attrs["sha256"]
            config = json.loads(decoder["config"][()])
        print(config["settings"]["seed"], {k: v.shape for k, v in load(weights).items()})
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1 {'layer.weight': (4, 3)}"


def test_session_subject_and_electrodes_are_those_of_the_source(nwbfile: Any) -> None:
    decoding = made.decoding()
    assert nwbfile.identifier != decoding.source["identifier"]
    assert nwbfile.session_start_time.isoformat() == decoding.source["session_start_time"]
    assert nwbfile.subject.species == "Mus musculus"
    electrodes = nwbfile.electrodes.to_dataframe()
    assert electrodes.index.tolist() == decoding.channels["channel"].to_numpy().tolist()
    assert np.array_equal(electrodes["x"], decoding.channels["x"])
    assert set(electrodes["location"]) == {"CA1"}
    group = electrodes["group"].iloc[0]
    assert (group.name, group.description, group.device.name) == ("tetrode0", "t", "probe")


def test_each_kind_of_target_lies_in_the_container_nwb_has_for_it(nwbfile: Any) -> None:
    module = nwbfile.processing["decoding"]
    position = module["Position"]["predicted_position"]
    assert isinstance(module["Position"], Position)
    assert (position.unit, position.data.shape, position.data.dtype) == ("meters", (300, 2), "f4")
    assert isinstance(module["CompassDirection"], CompassDirection)
    assert module["CompassDirection"]["ridge_direction"].unit == "radians"
    scalars = module["BehavioralTimeSeries"].time_series
    assert scalars["true_speed"].unit == "meters/second"
    assert scalars["predicted_tone"].unit == "probability"
    assert "off, low, high" in scalars["predicted_tone"].description
    assert module["fold"].data.dtype == np.int16


def test_a_regular_clock_is_a_rate_and_bins_are_where_they_were(nwbfile: Any) -> None:
    series = nwbfile.processing["decoding"]["CompassDirection"]["true_direction"]
    assert series.timestamps is None
    np.testing.assert_allclose(series.get_timestamps(), made.decoding().time, rtol=0, atol=1e-9)


def test_an_irregular_clock_is_stored_once_and_shared(tmp_path: Path) -> None:
    decoding = gapped()
    path = write(decoding, tmp_path / "decoded.nwb")
    with pynwb.NWBHDF5IO(str(path), mode="r") as io:
        module = io.read().processing["decoding"]
        held = [
            module["fold"],
            *module["Position"].spatial_series.values(),
            *module["CompassDirection"].spatial_series.values(),
            *module["BehavioralTimeSeries"].time_series.values(),
        ]
        assert len(held) == 13
        assert len({series.timestamps.id.__hash__() for series in held}) == 1
        assert np.array_equal(held[-1].timestamps[:], decoding.time)


def test_importance_points_to_electrodes_and_bands(nwbfile: Any) -> None:
    module = nwbfile.processing["decoding"]
    electrode = module["importance_channel"]["electrode"]
    assert electrode.table is nwbfile.electrodes
    assert electrode.data[:].tolist() == [0, 1, 2, 3] * 4
    band = module["importance_frequency"]["band"]
    assert band.table["frequency"].data[:].tolist() == made.BANDS.tolist()
    row = module["importance_frequency"].to_dataframe(index=True).iloc[5]
    assert (row["target"], row["band"]) == ("direction", 1)


def test_importance_of_rois_points_to_the_table_of_channels(tmp_path: Path) -> None:
    path = write(imaging(), tmp_path / "decoded.nwb")
    with pynwb.NWBHDF5IO(str(path), mode="r") as io:
        nwbfile = io.read()
        module = nwbfile.processing["decoding"]
        assert nwbfile.electrodes is None
        assert module["importance_channel"]["roi"].table is module["channels"]


def test_scores_are_one_row_for_each_decoder_target_and_metric(nwbfile: Any) -> None:
    decoding = made.decoding()
    table = nwbfile.processing["decoding"]["scores"].to_dataframe()
    row = table.query("decoder == 'ridge' and target == 'speed' and metric == 'r2'").iloc[0]
    told = decoding.scores.sel(decoder="ridge", target="speed", metric="r2")
    assert row["value"] == told["value"].item()
    assert np.array_equal(row["fold_value"], told["fold_value"])
    assert row["bins"] == 280


def test_folds_are_intervals_of_time(nwbfile: Any) -> None:
    folds = nwbfile.processing["decoding"]["folds"]
    assert isinstance(folds, TimeIntervals)
    assert np.array_equal(folds["stop_time"].data[:], made.decoding().folds["stop"])


def test_long_series_are_compressed(tmp_path: Path) -> None:
    path = write(made.decoding(bins=5000), tmp_path / "decoded.nwb")
    with pynwb.NWBHDF5IO(str(path), mode="r") as io:
        series = io.read().processing["decoding"]["Position"]["predicted_position"]
        assert (series.data.compression, series.data.shuffle) == ("gzip", True)


def test_names_that_hdf5_refuses_are_mapped_and_listed(tmp_path: Path) -> None:
    decoding = made.decoding()
    renamed = decoding.replace(
        predictions=decoding.predictions.rename(speed="left/speed", tone="left:speed"),
        truth=decoding.truth.rename(speed="left/speed", tone="left:speed"),
        baselines={},
    )
    path = write(renamed, tmp_path / "decoded.nwb")
    with pynwb.NWBHDF5IO(str(path), mode="r") as io:
        table = io.read().processing["decoding"]["targets"].to_dataframe().set_index("target")
    assert table.loc["left/speed", "truth"] == "BehavioralTimeSeries/true_left_speed"
    assert table.loc["left:speed", "truth"] == "BehavioralTimeSeries/true_left_speed_2"


def test_a_result_joins_the_electrodes_of_a_file_that_has_them() -> None:
    decoding = made.decoding()
    nwbfile = new_file(decoding.source)
    probe = nwbfile.create_device(name="probe", description="silicon")
    shank = nwbfile.create_electrode_group(
        name="shank", description="first", location="CA1", device=probe
    )
    for number in range(90, 120):
        nwbfile.add_electrode(id=number, location="CA1", group=shank)
    module = add_decoding(nwbfile, decoding)
    assert module["channels"]["electrode"].data == [10, 11, 12, 13]
