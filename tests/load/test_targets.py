"""Targets out of files: kinds, units, clocks, missing values, names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pynwb
import pytest
from pynwb.behavior import BehavioralTimeSeries, CompassDirection, SpatialSeries

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from tests.load import recordings


def _one(name: str = "x", **fields: Any) -> load.Source:
    """A source whose only series has these fields."""
    nwbfile = recordings.session()
    settings = {"unit": "a.u.", **fields}
    if "timestamps" not in settings:
        settings["rate"] = 10.0
    nwbfile.add_acquisition(pynwb.TimeSeries(name=name, **settings))
    return load.open(nwbfile)


def test_a_position_is_in_meters_on_its_own_clock(source: load.Source) -> None:
    target = source.targets("Position/front")["front"]
    stored = source.nwbfile.processing["behavior"]["Position"]["front"].data[:]
    np.testing.assert_allclose(target, stored / 100)
    np.testing.assert_allclose(target["time"], 1 + np.arange(500) / 50)
    assert target.dims == ("time", "component")
    assert target["component"].to_numpy().tolist() == ["x", "y"]
    assert target.name == "front"
    attrs = target.attrs
    assert json.loads(json.dumps(attrs)) == attrs
    assert (attrs["kind"], attrs["kind_from"], attrs["units"]) == ("linear", "inferred", "meters")
    assert attrs["path"] == "processing/behavior/Position/front"
    assert (attrs["derivation"], attrs["support"]) == ("", [0.0, 0.0])
    assert attrs["spec"] == "Position/front"


def test_a_compass_in_degrees_is_circular_in_wrapped_radians(source: load.Source) -> None:
    target = source.targets("hd")["hd"]
    assert (target.attrs["kind"], target.attrs["units"]) == ("circular", "radians")
    angle = np.linspace(0, 4 * np.pi, 500)
    np.testing.assert_allclose(np.exp(1j * target.to_numpy()), np.exp(1j * angle), atol=1e-9)
    assert target.max() <= np.pi
    assert target.min() > -np.pi


def test_text_is_categorical_with_its_classes(source: load.Source) -> None:
    target = source.targets("tone")["tone"]
    assert target.attrs["kind"] == "categorical"
    assert target.attrs["classes"] == ["high", "low", "off"]
    assert target.to_numpy()[:4].tolist() == [2.0, 1.0, 2.0, 0.0]
    assert target["time"].to_numpy()[:2].tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("data", "classes", "codes"),
    [
        (np.array([True, False, True]), ["False", "True"], [1, 0, 1]),
        (np.array([3, 1, 3]), ["1", "3"], [1, 0, 1]),
        (np.array([2.0, np.nan, 0.5]), ["0.5", "2"], [1, np.nan, 0]),
    ],
)
def test_numbers_become_classes_when_asked(
    data: np.ndarray, classes: list[str], codes: list[float]
) -> None:
    target = _one(data=data).targets("x@categorical")["x"]
    assert target.attrs["classes"] == classes
    np.testing.assert_array_equal(target, codes)
    assert target.attrs["kind_from"] == "given"


def test_booleans_in_a_file_are_categorical(tmp_path: Path) -> None:
    nwbfile = recordings.session()
    lit = pynwb.TimeSeries(name="lit", data=np.array([True, False]), unit="n.a.", rate=1.0)
    nwbfile.create_processing_module(name="behavior", description="d").add(
        BehavioralTimeSeries(time_series=lit)
    )
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        target = opened.targets("BehavioralTimeSeries/lit")["lit"]
    assert target.attrs["kind"] == "categorical"
    assert target.to_numpy().tolist() == [1.0, 0.0]


def test_conversion_and_offset_are_applied_before_the_unit() -> None:
    target = _one(data=np.array([1, 2]), unit="cm/s", conversion=10.0, offset=1.0).targets("x")["x"]
    np.testing.assert_allclose(target, [0.11, 0.21])
    assert target.attrs["units"] == "meters/second"


def test_infinite_values_are_missing_and_one_column_is_a_vector() -> None:
    target = _one(data=np.array([[1.0], [np.inf], [-np.inf]])).targets("x")["x"]
    np.testing.assert_array_equal(target, [1, np.nan, np.nan])
    assert target.dims == ("time",)


@pytest.mark.parametrize("unit", ["degrees", "radians", "rad"])
def test_angle_units_are_circular_unless_said_otherwise(unit: str) -> None:
    opened = _one(data=np.array([0.0, 3.0]), unit=unit)
    assert opened.targets("x")["x"].attrs["kind"] == "circular"
    assert opened.targets("x@linear")["x"].attrs["kind"] == "linear"
    assert opened.targets({"x": "x"}, kinds={"x": "linear"})["x"].attrs["kind_from"] == "given"


@pytest.mark.parametrize(("top", "factor"), [(2 * np.pi, 1.0), (350.0, np.pi / 180)])
def test_a_compass_in_meters_is_read_by_its_range_and_says_so(top: float, factor: float) -> None:
    nwbfile = recordings.session()
    data = np.linspace(0, top, 50)
    hd = SpatialSeries(name="hd", data=data, rate=10.0, reference_frame="north")
    nwbfile.create_processing_module(name="behavior", description="d").add(
        CompassDirection(spatial_series=hd)
    )
    target = load.open(nwbfile).targets("hd")["hd"]
    np.testing.assert_allclose(
        np.exp(1j * target.to_numpy()), np.exp(1j * data * factor), atol=1e-9
    )
    assert "meters" in target.attrs["units_from"]


def test_a_circular_target_far_beyond_a_turn_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match="needs radians or degrees"):
        _one(data=np.array([0.0, 1000.0])).targets("x@circular")


@pytest.mark.parametrize(
    ("data", "asked", "message"),
    [
        (np.array(["a", "b"]), "x@linear", "holds text"),
        (np.zeros((5, 2)), "x@circular", "one angle"),
        (np.zeros((5, 2)), "x@categorical", "one class"),
        (np.arange(5000.0), "x@categorical", "5000 different values"),
        (np.zeros(5), "x:speed", "needs a position"),
        (np.zeros(5), "x:heading", "two components"),
        (np.zeros(5), "x:head_direction", "is no direction"),
    ],
)
def test_data_that_do_not_suit_are_refused(data: np.ndarray, asked: str, message: str) -> None:
    with pytest.raises(NWBDecodeError, match=message):
        _one(data=data).targets(asked)


def test_timestamps_that_go_back_are_refused_with_index_and_values() -> None:
    opened = _one(data=np.zeros(4), timestamps=[0.0, 1.0, 0.5, 2.0])
    with pytest.raises(NWBDecodeError, match=r"timestamp 2 \(0\.5 s\).*timestamp 1 \(1 s\)"):
        opened.targets("x")


def test_a_repeated_timestamp_keeps_its_first_sample_and_is_counted() -> None:
    target = _one(data=np.arange(4.0), timestamps=[0.0, 1.0, 1.0, 2.0]).targets("x")["x"]
    assert target.to_numpy().tolist() == [0.0, 1.0, 3.0]
    assert target.attrs["repeated_timestamps"] == 1


def test_targets_are_asked_for_by_text_list_or_names(source: load.Source) -> None:
    assert list(source.targets("front:speed")) == ["speed"]
    assert list(source.targets(["front", "v=front:speed"])) == ["front", "v"]
    spec = load.TargetSpec(("front", "back"), "head_direction")
    named = source.targets({"place": "front", "hd": spec})
    assert list(named) == ["place", "hd"]
    assert named["hd"].name == "hd"
    assert named["hd"].attrs["spec"] == "hd=front,back:head_direction"


@pytest.mark.parametrize(
    ("asked", "kinds", "message"),
    [
        (["front:speed", "back:speed"], None, "two targets are named 'speed'"),
        ("fronts", None, "Did you mean 'processing/behavior/Position/front'"),
        ([], None, "no target was given"),
        ([3], None, "found int"),
        ("front", {"frnt": "linear"}, "Did you mean 'front'"),
        ("acquisition/Raw", None, "is a ElectricalSeries, no target"),
    ],
)
def test_a_faulty_request_is_answered_with_what_to_do(
    source: load.Source, asked: Any, kinds: Any, message: str
) -> None:
    with pytest.raises(NWBDecodeError, match=message):
        source.targets(asked, kinds=kinds)


def test_head_direction_of_two_leds_points_from_back_to_front(source: load.Source) -> None:
    target = source.targets("front,back:head_direction")["head_direction"]
    angle = np.linspace(0, 4 * np.pi, 500) / 2
    seen = np.isfinite(target.to_numpy())
    assert np.flatnonzero(~seen).tolist() == list(range(50, 60))
    np.testing.assert_allclose(
        np.exp(1j * target.to_numpy()[seen]), np.exp(1j * angle[seen]), atol=1e-9
    )
    assert "," in target.attrs["path"]
