"""Files whose data lie in another file that did not come along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from nwbdecode import NWBDecodeError, load
from tests.load import recordings

RAW, LED = "acquisition/Raw", "processing/behavior/Position/front"


@pytest.fixture
def linked(tmp_path: Path) -> Callable[..., Path]:
    """Move one dataset of a session into raw.nwb, or nowhere, leaving a link."""

    def make(name: str, *, into: str = "raw.nwb", there: bool = False, **fields: object) -> Path:
        nwbfile = recordings.session()
        recordings.add_electrodes(nwbfile)
        nwbfile.add_acquisition(recordings.electrical(nwbfile, **fields))
        recordings.add_behavior(nwbfile)
        path = recordings.save(nwbfile, tmp_path)
        if there:
            (tmp_path / into).write_bytes(path.read_bytes())
        with h5py.File(path, "a") as file:
            del file[name]
            file[name] = h5py.ExternalLink(into, f"/{name}")
        return path

    return make


def test_a_link_is_followed_where_it_leads(linked: Callable[..., Path]) -> None:
    with load.open(linked(f"{RAW}/data", there=True)) as source:
        found = source.signal("Raw").read(0, 5)
        assert source.catalog()["signals"][0]["problems"] == ["1 of 6 channels marked bad: 103"]
    np.testing.assert_allclose(found, recordings.volts()[:5], **recordings.CLOSE)


def test_a_signal_that_was_left_behind_is_told_by_its_file(linked: Callable[..., Path]) -> None:
    path = linked(f"{RAW}/data")
    told = rf"'{RAW}' is a link into the file 'raw\.nwb', and there is no '{path.parent}/raw\.nwb'"
    with load.open(path) as source:
        with pytest.raises(NWBDecodeError, match=told):
            source.signal("Raw")
        (entry,) = source.catalog()["signals"]
    (problem,) = entry["problems"]
    assert "is a link into the file 'raw.nwb'" in problem
    assert not entry["usable"]


def test_a_target_that_was_left_behind_is_told_too(linked: Callable[..., Path]) -> None:
    with load.open(linked(f"{LED}/data")) as source:
        with pytest.raises(NWBDecodeError, match=r"is a link into the file 'raw\.nwb'"):
            source.targets("front")
        entries = {entry["path"]: entry for entry in source.catalog()["targets"]}
    assert "is a link into the file 'raw.nwb'" in entries[LED]["problems"][0]


def test_a_file_that_holds_something_else_is_told(linked: Callable[..., Path]) -> None:
    path = linked(f"{RAW}/data")
    with h5py.File(path.parent / "raw.nwb", "w"):
        pass
    with (
        load.open(path) as source,
        pytest.raises(NWBDecodeError, match=r"has no readable '/acquisition/Raw/data'"),
    ):
        source.signal("Raw")


def test_timestamps_that_were_left_behind_are_told_when_pynwb_refuses(
    linked: Callable[..., Path],
) -> None:
    path = linked(f"{RAW}/timestamps", timestamps=np.arange(5000) / 1000)
    with pytest.raises(NWBDecodeError, match=r"Raw/timestamps' is a link into the file 'raw\.nwb'"):
        load.open(path)
