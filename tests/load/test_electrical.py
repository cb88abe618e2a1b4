"""Electrical series of every form, and what is told of their electrodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pynwb.ecephys import ElectricalSeries, ElectrodesTable, FilteredEphys

from nwbdecode import load, wavelet_power
from nwbdecode.load.electrodes import kept
from tests.load import recordings


def _only(tmp_path: Path, *, electrodes: int = 2, **fields: Any) -> load.Source:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile, electrodes)
    nwbfile.add_acquisition(recordings.electrical(nwbfile, **fields))
    return load.open(recordings.save(nwbfile, tmp_path))


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("offset", [0.0, 5e-4])
def test_any_stored_type_becomes_volts(tmp_path: Path, dtype: str, offset: float) -> None:
    stored = (np.arange(400).reshape(200, 2) % 120).astype(dtype)
    factors = np.array([0.5, 3.0])
    with _only(
        tmp_path, data=stored, conversion=2e-6, offset=offset, channel_conversion=factors
    ) as opened:
        found = opened.signal().read(50, 150)
    expected = stored[50:150].astype(np.float64) * 2e-6 * factors + offset
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-10)
    assert found.attrs["units"] == "volts"


@pytest.mark.parametrize("stamped", [False, True])
def test_one_dimension_is_one_channel(tmp_path: Path, stamped: bool) -> None:
    stored = np.arange(300, dtype=np.int16)
    clock: dict[str, Any] = {"timestamps": 4.0 + np.arange(300) / 500} if stamped else {}
    with _only(
        tmp_path, electrodes=1, data=stored, channel_conversion=None, conversion=1e-6, **clock
    ) as opened:
        signal = opened.signal()
        found = signal.read(10, 20)
    assert found.shape == (10, 1)
    np.testing.assert_allclose(found[:, 0], stored[10:20] * 1e-6 + 5e-4, rtol=1e-6)
    start, rate = (4.0, 500) if stamped else (2.0, 1000)
    np.testing.assert_allclose(found["time"], start + np.arange(10, 20) / rate)


def test_several_series_are_found_wherever_they_lie(tmp_path: Path) -> None:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    nwbfile.add_acquisition(recordings.electrical(nwbfile, "probe"))
    module = nwbfile.create_processing_module(name="ecephys", description="filtered")
    bare = recordings.electrical(nwbfile, "bare", n=50, rate=100.0)
    theta = recordings.electrical(nwbfile, "theta", n=50, rate=100.0, offset=1.0)
    gamma = recordings.electrical(nwbfile, "gamma", n=50, rate=100.0, offset=2.0)
    module.add(bare)
    module.add(FilteredEphys(name="FilteredEphys", electrical_series=[theta, gamma]))
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        paths = {entry["path"] for entry in opened.catalog()["signals"]}
        first = {name: float(opened.signal(name).read(0, 1)[0, 0]) for name in ("theta", "gamma")}
    inside = "processing/ecephys/FilteredEphys"
    assert paths == {
        "acquisition/probe", "processing/ecephys/bare", f"{inside}/theta", f"{inside}/gamma",
    }  # fmt: skip
    counts = recordings.counts(50)[0, 0] * 1e-6
    assert first == pytest.approx({"theta": counts + 1.0, "gamma": counts + 2.0})


def test_some_electrodes_of_the_table_in_another_order(tmp_path: Path) -> None:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    region = nwbfile.create_electrode_table_region(region=[4, 1, 3], description="some")
    series = ElectricalSeries(
        name="some", data=np.arange(30).reshape(10, 3), electrodes=region, rate=10.0
    )
    nwbfile.add_acquisition(series)
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        everything = opened.signal()
        signal = opened.signal(channels="location == 'CA3' and group_name == 'probe1'")
    assert everything.channels.index.tolist() == [104, 101, 103]
    assert signal.channels.index.tolist() == [101, 103]
    assert signal.read(2, 3).to_numpy().tolist() == [[7.0, 8.0]]


def test_bad_channels_are_told_in_the_catalog_the_signal_and_the_recipe(
    source: load.Source,
) -> None:
    entry = next(e for e in source.catalog()["signals"] if e["path"] == "acquisition/Raw")
    assert entry["bad"] == [103]
    assert "1 of 6 channels marked bad: 103" in entry["problems"]
    assert "1 of 6 channels marked bad: 103" in repr(source)
    signal = source.signal("Raw")
    assert "bad, left out of features: 103 (1 of 6)" in repr(signal)
    power = wavelet_power(signal, lowest=50.0, n_bands=2, progress=False)
    assert power.attrs["recipe"]["excluded"] == [103]
    assert 103 not in power.channel.to_numpy()
    # A choice without it has nothing bad to tell of.
    assert "bad" not in repr(source.signal("Raw", channels=[100, 101]))


def _with_columns(**columns: list[Any]) -> load.Source:
    nwbfile = recordings.session()
    device = nwbfile.create_device(name="d")
    group = nwbfile.create_electrode_group(name="g", description="d", location="l", device=device)
    for name in columns:
        nwbfile.add_electrode_column(name=name, description="a column")
    for i in range(len(next(iter(columns.values())))):
        own = {name: values[i] for name, values in columns.items()}
        nwbfile.add_electrode(group=group, location="CA1", **own)
    nwbfile.add_acquisition(recordings.electrical(nwbfile))
    return load.open(nwbfile)


def test_columns_of_the_table_travel_with_the_signal_to_the_features() -> None:
    opened = _with_columns(shank=[0, 0, 1, 1], depth=[1.0, 2.0, 3.0, 4.0], lost=[np.nan] * 4)
    table = opened.signal(channels="shank == 1").channels
    assert table["depth"].tolist() == [3.0, 4.0]
    # What is unknown throughout, or said twice, stays behind.
    assert set(table) == {"location", "group", "shank", "depth"}
    how: dict[str, Any] = {"lowest": 50.0, "n_bands": 2, "progress": False}
    by_shank = wavelet_power(opened.signal(), reference="average", reference_by="shank", **how)
    halves = [
        wavelet_power(opened.signal(channels=f"shank == {k}"), reference="average", **how)
        for k in (0, 1)
    ]
    assert by_shank["shank"].to_numpy().tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(by_shank, np.concatenate(halves, axis=2))


def test_a_column_that_marks_bad_channels_is_kept_once() -> None:
    table = _with_columns(good=[True, False], bad_channel=[False, False]).signal().channels
    # The first spelling that is there counts.
    assert table["bad"].tolist() == [False, False]
    assert set(kept(table)) == set(table) == {"location", "group", "bad"}


@pytest.mark.parametrize(
    ("where", "text", "space"),
    [
        ("x", "x in MNI space, mm", "MNI"),
        ("reference", "electrodes in ICBM 152 space", "MNI"),
        ("coordinate_space", "Talairach", "Talairach"),
        ("z", "z in the subject's native T1", "native"),
        ("x", "x coordinate of the channel location in the brain", ""),
        ("reference", "clinical amplifier, omni reference", ""),
    ],
)
def test_the_space_of_coordinates_is_what_the_file_says(where: str, text: str, space: str) -> None:
    nwbfile = recordings.session()
    device = nwbfile.create_device(name="d")
    group = nwbfile.create_electrode_group(
        name="grid", description="g", location="l", device=device
    )
    table = ElectrodesTable()
    for name in "xyz":
        table.add_column(name=name, description=text if where == name else "a coordinate")
    extra = {}
    if where not in "xyz":
        table.add_column(name=where, description="space")
        extra = {where: text}
    for i in range(2):
        table.add_row(
            x=float(i), y=1.0, z=2.0, location="M1", group=group, group_name="grid", **extra
        )
    nwbfile.electrodes = table
    nwbfile.add_acquisition(recordings.electrical(nwbfile, n=2000))
    signal = load.open(nwbfile).signal()
    assert signal.modality == "ecog"
    assert signal.source["signal"].get("space", "") == space
    assert ("coordinates: " in repr(signal)) == bool(space)
    power = wavelet_power(signal, lowest=50.0, n_bands=2, progress=False)
    np.testing.assert_array_equal(power["x"], [0.0, 1.0])
    assert power.attrs["source"]["signal"].get("space", "") == space


def test_the_grip_force_recording_gets_the_defaults_of_ecog(
    real_data: Path, tmp_path: Path
) -> None:
    # Read while it is open: what is read later keeps a handle on the file.
    with load.open(real_data / "gripforce_ecog.nwb") as opened:
        strip, lead = opened.signal("ECoG"), opened.signal("STN")
        power = wavelet_power(strip, n_bands=8, store=tmp_path, progress=False)
        pairs = wavelet_power(
            strip, n_bands=8, reference="bipolar", notch=50.0, store=tmp_path, progress=False
        )
    assert (strip.modality, lead.modality) == ("ecog", "ephys")
    assert power.attrs["recipe"]["reference"] == "average"
    assert power.frequency[0] == 0
    assert power.frequency[-1] == 200.0
    assert pairs.channel.to_numpy().tolist() == ["3-4", "4-5", "5-6", "6-7", "7-8"]
    places = strip.channels["y"].to_numpy()
    np.testing.assert_allclose(pairs["y"], (places[:-1] + places[1:]) / 2)
    assert np.isfinite(pairs).all()


def test_the_open_field_recording_is_left_as_recorded(real_data: Path, tmp_path: Path) -> None:
    with load.open(real_data / "m851_open_field_lfp.nwb") as opened:
        signal = opened.signal(time=(0.0, 20.0))
        power = wavelet_power(signal, store=tmp_path, progress=False)
        notched = wavelet_power(signal, notch=50.0, store=tmp_path, progress=False)
    assert power.attrs["recipe"]["reference"] == "none"
    assert power.sizes == {"time": 600, "frequency": 26, "channel": 1}
    # The recording hums a little at 50 Hz: the bands around it lose power, theta none.
    near = int(np.abs(power.frequency.values - 50).argmin())
    theta = int(np.abs(power.frequency.values - 8).argmin())
    share = (notched.mean("time") / power.mean("time"))[:, 0]
    assert share[near] < 1
    assert share[theta] == pytest.approx(1, abs=0.01)
