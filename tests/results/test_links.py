"""Links to the recording are made on request alone, and are no more than a way to it."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO

import nwbdecode as nd
from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError
from tests import made
from tests.sessions import with_tone

SIGNAL = "acquisition/ElectricalSeries"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / "lab" / "raw"
    folder.mkdir(parents=True)
    with NWBHDF5IO(str(folder / "session.nwb"), mode="w") as io:
        io.write(with_tone("linked", ["low", "high"]))
    return folder / "session.nwb"


def of(recording: Path) -> Decoding:
    with nd.open(recording) as source:
        return made.decoding().replace(source=source.signal(SIGNAL).source)


@pytest.fixture
def decoded(recording: Path) -> Path:
    folder = recording.parents[1] / "decoded"
    folder.mkdir()
    return nd.write(of(recording), folder / "decoded.nwb", links=True)


def samples(path: Path) -> np.ndarray:
    with NWBHDF5IO(str(path), mode="r") as io:
        return io.read().acquisition["ElectricalSeries"].data[:]


def test_the_signal_is_seen_through_a_relative_link(recording: Path, decoded: Path) -> None:
    with h5py.File(decoded, "r") as file:
        link = file["acquisition"].get("ElectricalSeries", getlink=True)
        assert isinstance(link, h5py.ExternalLink)
        assert (link.filename, link.path) == ("../raw/session.nwb", f"/{SIGNAL}")
    np.testing.assert_array_equal(samples(decoded), samples(recording))
    assert decoded.stat().st_size < 2**20


def test_both_moved_together_are_still_linked(recording: Path, decoded: Path) -> None:
    expected = samples(recording)
    moved = Path(shutil.move(recording.parents[1], recording.parents[2] / "archive"))
    np.testing.assert_array_equal(samples(moved / "decoded" / "decoded.nwb"), expected)
    assert not recording.exists()


def test_the_file_alone_has_a_link_to_nowhere_and_all_its_results(
    recording: Path, decoded: Path, tmp_path: Path
) -> None:
    expected = of(recording)
    alone = tmp_path / "alone" / "decoded.nwb"
    alone.parent.mkdir()
    shutil.move(decoded, alone)
    with h5py.File(alone, "r") as file, pytest.raises(KeyError):
        file[SIGNAL]
    assert nd.read(alone).identical(expected)


def test_nothing_is_linked_unless_asked(recording: Path, tmp_path: Path) -> None:
    def external(name: str) -> None:
        link = file.get(name, getlink=True)
        found.append(name) if isinstance(link, h5py.ExternalLink) else None

    found: list[str] = []
    with h5py.File(nd.write(of(recording), tmp_path / "decoded.nwb"), "r") as file:
        file.visit_links(external)
    assert found == []


def test_what_no_link_can_lead_to_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NWBDecodeError, match=r"links=True needs the recording as an HDF5 file"):
        nd.write(made.decoding(), tmp_path / "decoded.nwb", links=True)
    assert list(tmp_path.iterdir()) == []
