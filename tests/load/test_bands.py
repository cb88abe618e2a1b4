"""Power in bands that others computed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest
import xarray as xr
from pynwb.misc import DecompositionSeries

from nwbdecode import load, wavelet_power
from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import from_recipe
from tests.load import recordings

LIMITS = np.array([[70.0, 150.0], [4.0, 8.0], [13.0, 30.0]])
CENTERS = [6.0, 21.5, 110.0]


def _power(n: int = 200, channels: int = 6, bands: int = 3) -> np.ndarray:
    return np.random.default_rng(0).gamma(2.0, size=(n, channels, bands)).astype(np.float32)


def _session(
    *, named: bool = True, data: np.ndarray | None = None, limits: Any = LIMITS, **fields: Any
) -> pynwb.NWBFile:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    region = nwbfile.create_electrode_table_region(
        region=list(range(6)), description="all", name="source_channels"
    )
    settings: dict[str, Any] = {"rate": 50.0, "starting_time": 3.0, "metric": "power"}
    settings |= {"source_channels": region if named else None, "unit": "V**2"}
    series = DecompositionSeries(
        name="bandpower",
        description="by others",
        data=_power() if data is None else data,
        **settings | fields,
    )
    for k, pair in enumerate(limits):
        series.add_band(band_name=f"b{k}", band_limits=pair, band_mean=np.nan, band_stdev=np.nan)
    nwbfile.create_processing_module(name="ecephys", description="bands").add(series)
    return nwbfile


@pytest.mark.parametrize("stored", [True, False], ids=["in a file", "in memory"])
def test_the_files_bands_are_averaged_in_bins(tmp_path: Path, stored: bool) -> None:
    nwbfile = _session(conversion=2.0, offset=1.0)
    opened = load.open(recordings.save(nwbfile, tmp_path) if stored else nwbfile)
    signal = opened.signal()
    assert (signal.modality, signal.frequencies) == ("bands", (110.0, 6.0, 21.5))
    power = wavelet_power(signal, bin=0.1, progress=False)
    assert power.dims == ("time", "frequency", "channel")
    np.testing.assert_allclose(power["frequency"], CENTERS)
    # The fourth electrode is marked bad.
    assert power["channel"].to_numpy().tolist() == [100, 101, 102, 104, 105]
    values = (2.0 * _power() + 1.0).reshape(40, 5, 6, 3).mean(axis=1)
    expected = np.delete(values, 3, axis=1)[:, :, [1, 2, 0]].transpose(0, 2, 1)
    np.testing.assert_allclose(power, expected, rtol=1e-5)
    np.testing.assert_allclose(power["bin_start"], 3.0 - 0.01 + np.arange(40) * 0.1)
    assert power.attrs["units"] == "V**2"
    assert power.attrs["recipe"]["step"] == "bands"
    np.testing.assert_allclose(power.attrs["support"], 0.05 + 0.5 / 50)
    assert power["location"].to_numpy().tolist() == ["CA1", "CA3", "CA1", "CA1", "CA3"]


def test_a_read_has_the_bands_as_third_axis_also_in_another_process(tmp_path: Path) -> None:
    with load.open(recordings.save(_session(), tmp_path)) as opened:
        signal = opened.signal("bandpower", channels="location == 'CA3' and not bad")
    block = pickle.loads(pickle.dumps(signal)).read(5, 8)
    assert block.dims == ("time", "channel", "frequency")
    np.testing.assert_array_equal(block, _power()[5:8][:, [1, 5]])
    assert "2 channels x 3 bands" in repr(signal)
    assert signal.nbytes == 200 * 2 * 3 * 4


def test_the_recipe_makes_the_same_again() -> None:
    signal = load.open(_session()).signal()
    power = wavelet_power(signal, bin=0.2, progress=False)
    again = from_recipe(signal, power.attrs["recipe"], progress=False)
    xr.testing.assert_identical(again, power)
    other = load.open(_session(limits=LIMITS * 2)).signal()
    with pytest.raises(NWBDecodeError, match="has bands at"):
        from_recipe(other, power.attrs["recipe"])
    with pytest.raises(NWBDecodeError, match="has no bands of its own"):
        from_recipe(load.as_signal(np.zeros((100, 2)), rate=50.0), power.attrs["recipe"])


@pytest.mark.parametrize("metric", ["phase", "Phase", "complex"])
def test_phases_are_refused(metric: str) -> None:
    opened = load.open(_session(metric=metric))
    with pytest.raises(NWBDecodeError, match=r"(?i)'(phase|complex)'.*expected power or amplitude"):
        opened.signal()
    assert any("expected power" in p for p in opened.catalog()["signals"][0]["problems"])


def test_complex_values_are_refused_whatever_they_are_called() -> None:
    with pytest.raises(NWBDecodeError, match="expected power or amplitude"):
        load.open(_session(data=_power() * 1j)).signal()


@pytest.mark.parametrize(
    "asked",
    [
        {"lowest": 4.0},
        {"notch": 50.0},
        {"reference": "average"},
        {"remainder": True},
        {"tolerance": 0.004},
    ],
)
def test_what_bands_cannot_be_asked_for_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(NWBDecodeError, match="power in bands already; leave out"):
        wavelet_power(load.open(_session()).signal(), progress=False, **asked)


def test_bands_without_a_frequency_are_refused() -> None:
    with pytest.raises(NWBDecodeError, match="expected different positive ones"):
        load.open(_session(limits=[(np.nan, np.nan)] * 3)).signal()


def test_the_mean_of_a_band_is_believed_over_its_limits() -> None:
    nwbfile = _session(limits=[])
    series = nwbfile.processing["ecephys"]["bandpower"]
    for k, mean in enumerate((100.0, 7.0, np.nan)):
        series.add_band(band_name=f"b{k}", band_limits=LIMITS[k], band_mean=mean, band_stdev=np.nan)
    assert load.open(nwbfile).signal().frequencies == (100.0, 7.0, 21.5)


def test_channels_without_a_name_are_counted() -> None:
    signal = load.open(_session(named=False)).signal(channels=[4, 0])
    assert signal.channels.index.tolist() == [4, 0]
    np.testing.assert_array_equal(signal.read(0, 2), _power()[:2][:, [4, 0]])


def test_more_or_fewer_source_channels_are_refused() -> None:
    with pytest.raises(NWBDecodeError, match="stores 4 channels but names 6"):
        load.open(_session(data=_power(channels=4))).signal()


def test_the_catalog_lists_the_bands() -> None:
    entry = load.open(_session()).catalog()["signals"][0]
    assert entry["path"] == "processing/ecephys/bandpower"
    assert (entry["modality"], entry["shape"]) == ("bands", [200, 6, 3])
    assert entry["frequencies"] == [110.0, 6.0, 21.5]
    assert entry["rate"] == 50.0
    assert entry["bytes"] == 200 * 6 * 3 * 4
