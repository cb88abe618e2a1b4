"""How a source describes itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pynwb
import pytest

from nwbdecode import load
from tests.load import recordings


def test_the_catalog_is_json_and_names_everything(source: load.Source) -> None:
    found = json.loads(json.dumps(source.catalog(), allow_nan=False))
    assert found["source"]["subject"]["species"] == "Mus musculus"
    assert [s["path"] for s in found["signals"]] == [
        "acquisition/Raw",
        "processing/ecephys/LFP/LFP",
    ]
    raw = found["signals"][0]
    assert raw["shape"] == [5000, 6]
    assert (raw["rate"], raw["start"], raw["duration"]) == (1000.0, 2.0, 5.0)
    assert raw["bytes"] == 5000 * 6 * 2
    assert raw["locations"] == ["CA1", "CA3"]
    targets = {t["path"]: t for t in found["targets"]}
    front = targets["processing/behavior/Position/front"]
    assert front["missing"] == pytest.approx(10 / 500)
    assert front["derivations"] == [
        "speed", "heading", "head_direction", "acceleration", "turn",
    ]  # fmt: skip
    assert front["units"] == "meters"
    assert targets["processing/behavior/CompassDirection/hd"]["kind"] == "circular"
    assert targets["stimulus/presentation/tone"]["kind"] == "categorical"


def test_the_repr_is_a_readable_table(source: load.Source) -> None:
    shown = repr(source)
    for word in ("session.nwb", "mouse-1", "5000 x 6", "1000 Hz", "head_direction", "2 %"):
        assert word in shown
    assert max(map(len, shown.splitlines())) < 200


def test_the_html_repr_escapes_what_the_file_says(tmp_path: Path) -> None:
    nwbfile = recordings.session()
    nwbfile.add_acquisition(
        pynwb.TimeSeries(name="a<b>", data=np.arange(5.0), unit="<script>", rate=1.0)
    )
    shown = load.open(nwbfile)._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_a_long_clock_is_probed_unless_all_is_asked_for(tmp_path: Path) -> None:
    n = 200_000
    stamps = np.arange(n) / 500.0
    # One gap lies where no probe looks, one at the end where a probe does.
    stamps[6_000:] += 1.0
    stamps[-10:] += 1.0
    nwbfile = recordings.session()
    nwbfile.add_acquisition(
        pynwb.TimeSeries(name="x", data=np.zeros(n), unit="a.u.", timestamps=stamps)
    )
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        quick, full = (opened.catalog(full=f)["targets"][0] for f in (False, True))
        shown = repr(opened)
    assert (quick["clock_read"], quick["gaps"]) == ("probed", 1)
    assert (full["clock_read"], full["gaps"]) == ("whole", 2)
    assert "at least 1 gap" in shown
    assert "probed, not read whole" in shown


def test_faults_are_shown_without_stopping_the_rest(tmp_path: Path) -> None:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    back = np.arange(100) / 10
    back[50] = 1.0
    nwbfile.add_acquisition(
        pynwb.TimeSeries(name="back", data=np.zeros(100), unit="a.u.", timestamps=back)
    )
    nwbfile.add_acquisition(
        pynwb.TimeSeries(name="fine", data=np.zeros(100), unit="a.u.", rate=10.0)
    )
    found = {t["path"]: t for t in load.open(nwbfile).catalog()["targets"]}
    assert "timestamp 50" in found["acquisition/back"]["problems"][0]
    assert found["acquisition/fine"]["problems"] == []


def test_images_are_no_targets_and_intervals_are() -> None:
    nwbfile = recordings.session()
    nwbfile.add_acquisition(
        pynwb.image.ImageSeries(
            name="movie", data=np.zeros((5, 4, 3)), unit="a.u.", rate=1.0, format="raw"
        )
    )
    nwbfile.add_acquisition(
        pynwb.misc.IntervalSeries(name="spans", data=np.array([1, -1]), timestamps=[0.0, 1.0])
    )
    (entry,) = load.open(nwbfile).catalog()["targets"]
    assert (entry["path"], entry["kind"]) == ("acquisition/spans", "categorical")


def test_a_series_linked_from_a_container_is_listed_once_and_found_by_both_paths(
    tmp_path: Path,
) -> None:
    nwbfile = recordings.session()
    place = pynwb.behavior.SpatialSeries(
        name="place", data=np.zeros((20, 2)), rate=10.0, reference_frame="arena"
    )
    nwbfile.add_acquisition(place)
    module = nwbfile.create_processing_module(name="behavior", description="d")
    module.add(pynwb.behavior.Position(spatial_series=place))
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        assert [t["path"] for t in opened.catalog()["targets"]] == ["acquisition/place"]
        linked = opened.targets("processing/behavior/Position/place")["place"]
        assert linked.attrs["path"] == "acquisition/place"
        assert "place" in opened.targets("place")


def _clocked(stamps: np.ndarray) -> load.Source:
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    nwbfile.add_acquisition(
        recordings.electrical(nwbfile, n=len(stamps), timestamps=stamps.astype(float))
    )
    return load.open(nwbfile)


@pytest.mark.parametrize("cycles", [500, 50_000])
def test_a_clock_that_ticks_unevenly_has_its_mean_rate_and_loses_nothing(cycles: int) -> None:
    # Every third frame comes late, and none is missing; the longer clock is probed.
    opened = _clocked(np.cumsum(np.tile([0.08, 0.08, 0.119], cycles)))
    (entry,) = opened.catalog()["signals"]
    assert entry["gaps"] == 0
    assert entry["rate"] == pytest.approx(3 / 0.279, rel=1e-3)
    assert entry["rate"] == pytest.approx(opened.signal().rate, rel=1e-3)
    assert entry["lost"] == pytest.approx(0, abs=1e-3)
    assert "lost" not in repr(opened)


def test_what_a_gap_lost_is_counted_by_the_rate_beside_it() -> None:
    frames = np.delete(np.arange(1200), slice(600, 700))
    (entry,) = _clocked(frames * 0.1 + np.tile([0.0, 0.02], 550)).catalog()["signals"]
    assert (entry["gaps"], entry["rate"]) == (1, pytest.approx(10.0, rel=1e-3))
    assert entry["lost"] == pytest.approx(100 / 1200, rel=1e-2)
