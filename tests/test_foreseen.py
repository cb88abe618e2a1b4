"""What a fit would be refused for in the end is refused before any feature is made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pynwb import NWBFile, TimeSeries

import nwbdecode as nd
from nwbdecode.decoding import Decoding
from nwbdecode.features import power_labels
from tests.arrays import CONFIG, SIGNAL, recording


@pytest.fixture(scope="module")
def monday() -> Decoding:
    return nd.fit(recording("monday"), SIGNAL, "effort", config=CONFIG, progress=False)


def with_series(name: str, data: Any, *, start: float = 0.0) -> NWBFile:
    """A session of 60 s with one more series of ten samples a second."""
    nwbfile = recording("tuesday", like=1)
    nwbfile.add_acquisition(
        TimeSeries(name=name, data=data, unit="n/a", rate=10.0, starting_time=start)
    )
    return nwbfile


def refused(
    folder: Path, nwbfile: NWBFile, target: str, said: str, *,
    changes: Mapping[str, Mapping[str, Any]] | None = None, **how: Any,
) -> None:  # fmt: skip
    """Fit with features kept in a folder: nothing may be in it once the fit is refused."""
    config = {name: {**part, **(changes or {}).get(name, {})} for name, part in CONFIG.items()}
    with pytest.raises(nd.NWBDecodeError, match=said):
        nd.fit(
            nwbfile, SIGNAL, target, config={**config, "cache": str(folder)}, progress=False, **how
        )
    assert list(folder.rglob("*")) == []


def test_a_target_that_never_changes(tmp_path: Path) -> None:
    refused(tmp_path, with_series("still", np.ones(600)), "still", "'still' never changes")


def test_a_target_that_changes_in_one_fold_alone(tmp_path: Path) -> None:
    late = np.where(np.arange(600) < 500, 0.0, np.arange(600))
    refused(tmp_path, with_series("late", late), "late", "'late' never changes in the training")


def test_a_target_of_another_time(tmp_path: Path) -> None:
    refused(tmp_path, with_series("unix", np.arange(600.0), start=1.7e9), "unix", "no value during")


def test_a_class_that_one_fold_alone_holds(tmp_path: Path) -> None:
    states = ["a"] * 250 + ["b"] * 350
    refused(tmp_path, with_series("state", states), "state", "class 'a' of target 'state' is miss")


def test_a_recording_too_short_for_its_folds(tmp_path: Path) -> None:
    window = {"decoder": {"window": 200}}
    refused(tmp_path, recording("tuesday"), "effort", "too little data", changes=window)


def test_a_decoder_to_begin_from_that_reads_other_bands(tmp_path: Path, monday: Decoding) -> None:
    refused(
        tmp_path, recording("tuesday", like=1), "effort", "reads 3 bands .* the features have 4",
        changes={"features": {"n_bands": 4}}, init=monday,
    )  # fmt: skip


def test_a_network_of_another_kind_than_the_one_to_begin_from(
    tmp_path: Path, monday: Decoding
) -> None:
    refused(
        tmp_path, recording("tuesday", like=1), "effort", "is a 'compact' network",
        changes={"decoder": {"architecture": "frey2021", "window": 16}}, init=monday,
    )  # fmt: skip


def test_calibrating_for_a_target_that_was_never_decoded(tmp_path: Path, monday: Decoding) -> None:
    refused(
        tmp_path, recording("tuesday", like=1, target="pull"), "pull", "never decoded 'pull'",
        changes={"decoder": {"calibrate": True}}, init=monday,
    )  # fmt: skip


@pytest.mark.parametrize("settings", [{"reference": "bipolar"}, {"remainder": True}, {"bin": 0.2}])
def test_labels_are_known_before_features_are(settings: dict[str, Any]) -> None:
    signal = nd.open(recording("tuesday", bad=[3])).signal(SIGNAL)
    settings = {**CONFIG["features"], **settings}
    made = nd.wavelet_power(signal, **settings, progress=False)
    xr.testing.assert_identical(power_labels(signal, **settings), xr.zeros_like(made))
