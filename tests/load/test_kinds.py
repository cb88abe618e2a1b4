"""Kinds are inferred with a reason, said aloud, and can be overruled."""

from __future__ import annotations

import numpy as np
import pynwb
import pytest
from pynwb.behavior import CompassDirection, SpatialSeries

from nwbdecode import load
from nwbdecode.load.targets import announced
from tests.load import recordings


def _target(asked: str = "it", *, name: str = "it", **fields):
    nwbfile = recordings.session()
    settings = {"unit": "a.u.", "rate": 10.0, **fields}
    nwbfile.add_acquisition(pynwb.TimeSeries(name=name, **settings))
    (target,) = load.open(nwbfile).targets(asked).values()
    return target


CODES = np.tile([0, 1, 2, 1], 25)


@pytest.mark.parametrize(
    ("fields", "kind", "reason"),
    [
        ({"data": CODES}, "categorical", "whole numbers of 3 values without a unit"),
        ({"data": CODES, "unit": "n/a"}, "categorical", "whole numbers"),
        # A unit says that they measure something; a conversion that they are counts of it.
        ({"data": CODES, "unit": "V"}, "linear", "numbers with the unit 'V'"),
        ({"data": CODES, "conversion": 0.5}, "linear", "numbers"),
        # Floating point where a value may be missing; the codes are the same.
        ({"data": CODES.astype(float)}, "categorical", "whole numbers of 3 values without a unit"),
        ({"data": np.tile([-1.0, 1.0], 9)}, "categorical", "whole numbers of 2 values"),
        ({"data": np.tile([1.0, 2.0, np.nan], 9)}, "categorical", "whole numbers of 2 values"),
        ({"data": CODES.astype(float), "unit": "V"}, "linear", "unit 'V'"),
        ({"data": CODES / 2}, "linear", "numbers"),
        ({"data": np.tile(np.arange(20.0), 9)}, "linear", "whole numbers of 20 values"),
        ({"data": np.array([3.0, 1.0, 2.0])}, "linear", "whole numbers of 3 values"),
        ({"data": np.full(9, np.nan)}, "linear", "numbers"),
        ({"data": (CODES > 0).astype(float)}, "categorical", "zeros and ones"),
        ({"data": (CODES > 0).astype(float), "unit": "V"}, "linear", "unit 'V'"),
        ({"data": np.arange(100)}, "linear", "whole numbers of 100 values"),
        # Too few to repeat, or only one: nothing to tell apart.
        ({"data": np.array([3, 1, 2])}, "linear", "whole numbers of 3 values"),
        ({"data": np.zeros(50, int)}, "linear", "whole numbers of 1 values"),
        ({"data": np.zeros((9, 2), int)}, "linear", "2 columns of numbers"),
        ({"data": np.linspace(0, 6, 50), "name": "head_direction"}, "circular", "is named"),
        ({"data": np.linspace(0, 6, 50), "name": "HD"}, "circular", "one turn"),
        ({"data": np.linspace(0, 9e3, 50), "name": "yaw"}, "linear", "numbers"),
        ({"data": np.linspace(0, 6, 50), "name": "yaw", "unit": "V"}, "linear", "unit 'V'"),
        ({"data": np.linspace(0, 6, 50), "name": "shade"}, "linear", "numbers"),
        ({"data": np.linspace(0, 6, 50), "unit": "rad"}, "circular", "its unit is 'rad'"),
        ({"data": np.linspace(-180, 180, 50), "unit": "deg"}, "circular", "its unit is 'deg'"),
        # The place of a wheel adds up: wrapped, it would be another thing.
        ({"data": np.linspace(0, 300, 50), "unit": "rad"}, "linear", "runs over 47.7 turns"),
        ({"data": np.arange(0, 2000, 9), "unit": "deg"}, "linear", "runs over 5.55 turns"),
        ({"data": np.linspace(0, 2, 50), "unit": "deg", "conversion": 360.0}, "linear", "2 turns"),
        # Lost samples are marked by what no angle is.
        (
            {"data": np.r_[np.linspace(0, 2 * np.pi, 99), -1], "unit": "rad"},
            "circular",
            "its unit is 'rad'",
        ),
        # How fast it turns is no direction.
        ({"data": np.linspace(-30, 30, 50), "name": "yaw_velocity"}, "linear", "numbers"),
        ({"data": np.linspace(-3, 3, 50), "name": "heading rate"}, "linear", "numbers"),
        ({"data": np.linspace(-3, 3, 50), "name": "HeadDirectionSpeed"}, "linear", "numbers"),
        ({"data": np.linspace(-3, 3, 50), "name": "yaw_speed", "unit": "rad"}, "linear", "unit"),
    ],
)
def test_a_kind_is_inferred_for_a_reason(fields, kind: str, reason: str) -> None:
    name = fields.get("name", "it")
    target = _target(name, **fields)
    assert (target.attrs["kind"], target.attrs["kind_from"]) == (kind, "inferred")
    assert reason in target.attrs["kind_reason"]
    assert target.attrs["kind_reason"] in announced(target)


def test_the_catalog_infers_as_reading_does() -> None:
    nwbfile = recordings.session()
    for name, data, unit in (
        ("codes", CODES, "a.u."),
        ("choice", np.tile([-1.0, np.nan, 1.0], 30), "n.a."),
        ("volts", CODES, "V"),
        ("yaw", np.linspace(0, 6, 50), "a.u."),
        ("flag", (CODES > 0).astype(float), "n/a"),
        ("name", np.array(["a", "b"] * 9), "n/a"),
        ("turned", np.linspace(0, 350, 50), "deg"),
        ("wheel", np.linspace(0, 90, 100_000), "rad"),
        ("long", np.arange(200_000) // 50_000, "a.u."),
    ):
        nwbfile.add_acquisition(pynwb.TimeSeries(name=name, data=data, unit=unit, rate=10.0))
    opened = load.open(nwbfile)
    for entry in opened.catalog()["targets"]:
        (target,) = opened.targets(entry["path"]).values()
        for part in ("kind", "kind_reason", "units"):
            assert entry[part] == target.attrs[part], entry["path"]


def test_an_angle_that_adds_up_is_read_as_it_stands_and_wrapped_when_asked() -> None:
    wheel = np.linspace(0, 300, 50)
    np.testing.assert_allclose(_target(data=wheel, unit="rad"), wheel)
    asked = _target("it@circular", data=wheel, unit="rad")
    np.testing.assert_allclose(np.exp(1j * asked.values), np.exp(1j * wheel), atol=1e-9)
    assert np.abs(asked.values).max() <= np.pi


def test_a_position_named_by_pynwbs_default_unit_can_be_a_direction() -> None:
    nwbfile = recordings.session()
    yaw = SpatialSeries(name="yaw", data=np.linspace(0, 350, 50), rate=10.0, reference_frame="n")
    nwbfile.add_acquisition(yaw)
    target = load.open(nwbfile).targets("yaw")["yaw"]
    assert target.attrs["kind"] == "circular"
    np.testing.assert_allclose(
        np.exp(1j * target.values), np.exp(1j * np.deg2rad(np.linspace(0, 350, 50)))
    )


def test_a_compass_says_that_it_is_one() -> None:
    nwbfile = recordings.session()
    series = SpatialSeries(
        name="d", data=np.zeros(9), rate=1.0, unit="degrees", reference_frame="north"
    )
    nwbfile.create_processing_module(name="behavior", description="d").add(
        CompassDirection(spatial_series=series)
    )
    target = load.open(nwbfile).targets("CompassDirection/d")["d"]
    assert target.attrs["kind_reason"] == "it lies in a CompassDirection"


def test_what_is_asked_for_wins_and_is_said_to_be_asked_for() -> None:
    target = _target("it@linear", data=CODES)
    assert (target.attrs["kind"], target.attrs["kind_reason"]) == ("linear", "")
    assert "as asked" in announced(target)


def test_what_is_missing_and_what_classes_there_are_is_said() -> None:
    lost = _target(data=np.array([1.0, np.nan, 2.0, 3.0]), unit="m")
    assert lost.attrs["missing"] == 0.25
    assert announced(lost) == "it: linear, meters (numbers with the unit 'meters'); 25 % missing"
    assert "3 classes: 0, 1, 2" in announced(_target(data=CODES))


def test_an_empty_text_is_no_class() -> None:
    target = _target(data=np.array(["go", "", "stop", "go"]))
    assert target.attrs["classes"] == ["go", "stop"]
    np.testing.assert_array_equal(target, [0, np.nan, 1, 0])


def test_an_angle_whose_unit_is_guessed_says_by_what() -> None:
    told = announced(_target("yaw", data=np.linspace(0, 359, 100), name="yaw", unit="n/a"))
    assert "in radians by the range of the values; the file states 'n/a'" in told
    assert "by the range" not in announced(_target(data=np.linspace(0, 6, 50), unit="rad"))
