"""What is written by each of the three ways is valid NWB, whatever schema the source is of."""

from __future__ import annotations

from pathlib import Path

import pytest

import nwbdecode as nd
from tests.results import schemas

OLDEST, NEWEST = schemas.RECORDINGS[0], schemas.RECORDINGS[-1]
#: The ends of the range always; what lies between them when all is asked for.
EVERY = [
    pytest.param(name, marks=[] if name in (OLDEST, NEWEST) else pytest.mark.schemas)
    for name in schemas.RECORDINGS
]


def test_sources_of_every_core_schema_since_2_2_are_tried() -> None:
    minors = {
        schemas.alone(name, schemas.core_version).rpartition(".")[0] for name in schemas.RECORDINGS
    }
    assert minors >= {f"2.{minor}" for minor in range(2, 12)}


@pytest.mark.slow
@pytest.mark.parametrize("way", schemas.WAYS)
@pytest.mark.parametrize("name", EVERY)
def test_it_validates_and_reads_back_for_sources_of_any_schema(
    name: str, way: str, tmp_path: Path
) -> None:
    source = schemas.recording(name, tmp_path)
    # Core 2.2 and 2.3 declared the texts of this column to be numbers.
    assert all("electrodes/filtering" in fault for fault in schemas.alone(name, schemas.faults))
    result = schemas.made_of(source)
    path = schemas.by(way, result, source)
    assert nd.read(path).differences(result) == []
    assert schemas.faults(path) == []
    assert schemas.warnings_of(path) <= schemas.alone(name, schemas.warnings_of)


@pytest.mark.slow
@pytest.mark.parametrize("way", schemas.WAYS)
@pytest.mark.parametrize("name", [OLDEST, NEWEST])
def test_the_archive_would_take_it(name: str, way: str, tmp_path: Path) -> None:
    source = schemas.recording(name, tmp_path)
    path = schemas.by(way, schemas.made_of(source), source)
    assert schemas.complaints(path) <= schemas.alone(name, schemas.complaints)


@pytest.mark.parametrize("name", schemas.RECORDINGS)
def test_signal_and_target_of_a_recording_of_any_schema_are_read(name: str, tmp_path: Path) -> None:
    with nd.open(schemas.recording(name, tmp_path)) as source:
        signal = source.signal(schemas.SIGNAL)
        (place,) = source.targets(schemas.TARGET).values()
    assert signal.read(0, 6000).shape == (6000, 4)
    assert place.shape == (600, 2)
    assert abs(float(place[:, 0].max()) - 1) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", [OLDEST, NEWEST])
def test_a_recording_of_any_schema_is_decoded(name: str, tmp_path: Path) -> None:
    source = schemas.recording(name, tmp_path)
    result = schemas.fitted_to(source)
    assert result.targets == ["place"]
    assert result.source["nwb_version"] == schemas.core_version(source)
