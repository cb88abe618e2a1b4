"""A stored decoder meets another recording: channels found again, or a sentence says why not."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pynwb import NWBFile

import nwbdecode as nd
from nwbdecode.decoder import from_stored
from nwbdecode.decoding import Decoding
from nwbdecode.features import from_recipe
from tests.arrays import CONFIG, SIGNAL, recording


@pytest.fixture(scope="module")
def trained() -> Decoding:
    return nd.fit(recording("monday"), targets="effort", config=CONFIG, progress=False)


@pytest.fixture(scope="module")
def expected(trained: Decoding) -> np.ndarray:
    """Predictions of Tuesday with the channels as they were in training."""
    made = nd.predict(trained, recording("tuesday", like=1), progress=False)
    values = made.predictions["effort"].to_numpy()
    assert np.isfinite(values).sum() > 500
    return values


def predicted(trained: Decoding, **how: Any) -> Decoding:
    options = {name: how.pop(name) for name in ("match", "channels") if name in how}
    return nd.predict(trained, recording("tuesday", like=1, **how), progress=False, **options)


def assert_same(made: Decoding, expected: np.ndarray) -> None:
    np.testing.assert_allclose(
        made.predictions["effort"], expected, rtol=1e-5, atol=1e-6, equal_nan=True
    )


def test_channels_are_found_by_id_in_whatever_order_they_come(
    trained: Decoding, expected: np.ndarray
) -> None:
    made = predicted(trained, ids=[3, 7, 0, 4, 2, 1])
    assert_same(made, expected)
    assert made.channels["channel"].to_numpy().tolist() == [0, 1, 2, 3, 4]
    assert made.recipe["prediction"]["missing_channels"] == []


def test_channels_are_found_by_place_whatever_their_ids(
    trained: Decoding, expected: np.ndarray
) -> None:
    moved = {"ids": [10, 11, 12, 13, 14], "places": [81.0, 21.0, -1.0, 41.0, 59.0]}
    made = predicted(trained, match="position", **moved)
    assert_same(made, expected)
    assert made.recipe["prediction"]["channels"] == [12, 11, 13, 14, 10]
    with pytest.raises(nd.NWBDecodeError, match=r"lacks 5 of them by id.*match='position'"):
        predicted(trained, **moved)


def test_channels_are_taken_in_order_if_asked(trained: Decoding, expected: np.ndarray) -> None:
    made = predicted(trained, match="order", ids=[10, 11, 12, 13, 14], places=[0, 20, 40, 60, 80.0])
    assert_same(made, expected)
    with pytest.raises(nd.NWBDecodeError, match=r"5 channels in a fixed order.*gives 4"):
        predicted(trained, match="order", ids=[0, 1, 2, 3])


@pytest.mark.parametrize("match", ["position", "order"])
def test_ids_that_both_recordings_use_do_not_undo_the_match(
    trained: Decoding, expected: np.ndarray, match: str
) -> None:
    """The same numbers, counted from the other end of the probe."""
    other = {"ids": [4, 3, 2, 1, 0], "places": [0, 20, 40, 60, 80.0]}
    made = predicted(trained, match=match, **other)
    assert_same(made, expected)
    assert made.recipe["prediction"]["channels"] == [4, 3, 2, 1, 0]
    by_id = predicted(trained, **other).predictions["effort"].to_numpy()
    assert np.nanmax(np.abs(by_id - expected)) > 1e-3


@pytest.mark.parametrize("lost", [{"ids": [0, 1, 3, 4]}, {"bad": [2]}])
def test_a_missing_channel_is_as_in_the_middle_of_training(
    trained: Decoding, lost: dict[str, Any]
) -> None:
    made = predicted(trained, **lost)
    assert made.recipe["prediction"]["missing_channels"] == [2]
    # Put by hand what scales to zero in the place of the channel.
    source = nd.open(recording("tuesday", like=1))
    power = from_recipe(source.signal(SIGNAL), dict(trained.recipe["features"]), progress=False)
    decoder = from_stored(trained.decoders["final"])
    middle = np.exp(decoder.scaling_.center[:, 2]) - decoder.scaling_.floor[:, 2]
    by_hand = power.copy(deep=True)
    by_hand[:, :, 2] = middle
    np.testing.assert_allclose(
        made.predictions["effort"], decoder.predict(by_hand)["effort"], rtol=1e-4, atol=1e-4
    )
    # It is a loss: with the channel the predictions are others.
    whole = decoder.predict(power)["effort"].to_numpy()
    assert np.nanmax(np.abs(made.predictions["effort"].to_numpy() - whole)) > 1e-3


def test_what_was_missing_is_kept_in_the_file(trained: Decoding, tmp_path: Path) -> None:
    output = tmp_path / "decoded.nwb"
    made = nd.predict(
        trained, recording("tuesday", like=1, ids=[0, 1, 2, 3]), output, progress=False
    )
    back = nd.read(output)
    assert back.identical(made)
    assert back.recipe["prediction"]["missing_channels"] == [4]
    assert back.source["identifier"] == "tuesday"
    assert back.recipe["prediction"]["trained_on"]["identifier"] == "monday"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"ids": [0, 1, 2]}, r"lacks 2 of them by id.*: 3, 4\. At most 25%"),
        ({"rate": 100.0}, "bands up to 80 Hz.*100 samples per second"),
        ({"location": "subdural grid"}, "modality 'ephys'.*is of 'ecog'"),
        ({"match": "position", "places": [0, 20, 40, 60, np.nan]}, "places of the channels"),
        ({"match": "position", "places": [0, 20, 40, 500, 600.0]}, "lacks 2 of them by position"),
        ({"match": "nearest"}, r"unknown match 'nearest'\. .*'id', 'order', 'position'"),
    ],
)
def test_what_cannot_be_matched_is_refused_in_one_sentence(
    trained: Decoding, how: dict[str, Any], said: str
) -> None:
    with pytest.raises(nd.NWBDecodeError, match=said):
        predicted(trained, **how)


def test_other_units_are_refused(trained: Decoding) -> None:
    place = {**trained.source["signal"], "units": "a.u."}
    other = trained.replace(source={**trained.source, "signal": place})
    with pytest.raises(nd.NWBDecodeError, match=r"units 'a\.u\.'.*is of 'volts'"):
        predicted(other)


def against(name: str, identifier: str, **how: Any) -> NWBFile:
    """A session whose electrode table tells of a reference."""
    nwbfile = recording(identifier, **how)
    names = [name] * len(nwbfile.electrodes)
    nwbfile.electrodes.add_column(name="reference", description="against what", data=names)
    return nwbfile


@pytest.mark.parametrize("reference", ["none", "average"])
def test_another_hardware_reference_is_told_unless_the_recipe_takes_it_out(
    reference: str, tmp_path: Path
) -> None:
    config = {**CONFIG, "features": {**CONFIG["features"], "reference": reference}}
    monday, output = against("skull screw", "monday"), tmp_path / "monday.nwb"
    nd.fit(monday, targets="effort", output=output, config=config, progress=False)

    def predicted(name: str) -> Any:
        other = against(name, "tuesday", like=1)
        return nd.predict(output, other, progress=False).recipe["prediction"]

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert "hardware_reference" not in predicted("skull screw")
        if reference == "average":
            assert "hardware_reference" not in predicted("probe tip")
    if reference == "none":
        with pytest.warns(UserWarning, match="against 'probe tip', the signal of training against"):
            told = predicted("probe tip")["hardware_reference"]
        assert told == {"trained": ["skull screw"], "here": ["probe tip"]}


def test_references_of_training_are_made_again() -> None:
    """An offset common to all channels is gone where training had taken their average."""
    config = {**CONFIG, "features": {**CONFIG["features"], "reference": "average"}}
    trained = nd.fit(recording("monday"), targets="effort", config=config, progress=False)
    plain, hummed = (recording("tuesday", like=1) for _ in range(2))
    data = hummed.acquisition["ElectricalSeries"].data
    data += 50 * np.sin(2 * np.pi * 25 * np.arange(len(data)) / 250)[:, None].astype(np.float32)
    one, other = (nd.predict(trained, source, progress=False) for source in (plain, hummed))
    np.testing.assert_allclose(
        one.predictions["effort"], other.predictions["effort"], rtol=1e-2, atol=1e-2
    )
