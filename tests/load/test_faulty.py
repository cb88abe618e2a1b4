"""Files that are not as the schema has them: each fault is named, and costs nothing beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from nwbdecode import NWBDecodeError, load
from nwbdecode.errors import UnreachableError
from nwbdecode.load.faulty import described_or_faulty
from tests.load import recordings

RAW, STAMPED = "acquisition/Raw", "acquisition/Stamped"
HEALTHY = "processing/behavior/Position/front"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two series in six electrodes, three units, and behavior; nothing wrong with it."""
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    nwbfile.add_acquisition(recordings.electrical(nwbfile, "Raw", n=3000))
    stamps = 2.0 + np.arange(3000) / 1000
    nwbfile.add_acquisition(recordings.electrical(nwbfile, "Stamped", n=3000, timestamps=stamps))
    for k in range(3):
        nwbfile.add_unit(spike_times=np.linspace(2, 9, 50 + k), electrodes=[k])
    recordings.add_behavior(nwbfile)
    return recordings.save(nwbfile, tmp_path_factory.mktemp("sound"))


def put(name: str, data: Any) -> Callable[[h5py.File], None]:
    """Replace a dataset, keeping its attributes."""

    def change(file: h5py.File) -> None:
        held = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, data=data).attrs.update(held)

    return change


def harmed(sound: Path, folder: Path, change: Callable[[h5py.File], None]) -> load.Source:
    path = folder / "session.nwb"
    path.write_bytes(sound.read_bytes())
    with h5py.File(path, "a") as file:
        change(file)
    return load.open(path)


def attribute(name: str, key: str, value: float) -> Callable[[h5py.File], None]:
    return lambda file: file[name].attrs.__setitem__(key, value)


FAULTS = [
    (RAW, put(f"{RAW}/electrodes", [0, 1, 2, 3, 4, 9]), r"rows \[9\]; it has rows 0 to 5"),
    (RAW, put(f"{RAW}/electrodes", [0, 1, 2, 3, 4, -1]), r"rows \[-1\]; it has rows 0 to 5"),
    (RAW, put(f"{RAW}/data", np.full((3000, 6), b"a")), r"type \|S1; expected real numbers"),
    (RAW, put(f"{RAW}/data", np.ones((3000, 6), complex)), "complex128; expected real numbers"),
    (RAW, put(f"{RAW}/starting_time", np.nan), r"begins at nan s; .*Correct its starting_time"),
    (RAW, attribute(f"{RAW}/data", "conversion", np.nan), "the conversion of .* is nan; expected"),
    (RAW, attribute(f"{RAW}/data", "conversion", 0.0), "the conversion of .* is 0; expected what"),
    (RAW, attribute(f"{RAW}/data", "offset", np.nan), "the offset of .* is nan; expected a number"),
    (RAW, put(f"{RAW}/channel_conversion", [1, 1, 0, 1, 0, 1]), "of 2 of 6 columns of .* is 0"),
    (STAMPED, put(f"{STAMPED}/timestamps", np.full(3000, b"x")), "expected seconds as numbers"),
    ("units", put("units/spike_times_index", [50, 101, 9000]), "to 9000 and .* holds 153 entries"),
    ("units", put("units/spike_times_index", [50, 20, 153]), "expected where each unit's end"),
    ("units", put("units/electrodes_index", [1, 2, 70]), r"to 70 and 'electrodes' holds 3"),
    ("units", put("units/electrodes", [0, 1, 99]), r"names the rows \[99\]"),
    ("units", put("units/spike_times", np.full(153, np.nan)), "no spike"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "change", "told"), FAULTS)
def test_a_fault_is_named_and_the_rest_stays_in_use(
    sound: Path, tmp_path: Path, path: str, change: Callable[[h5py.File], None], told: str
) -> None:
    with harmed(sound, tmp_path, change) as source:
        with pytest.raises(NWBDecodeError, match=told):
            source.signal(path)
        entries = {entry["path"]: entry for entry in source.catalog()["signals"]}
        targets = {entry["path"]: entry for entry in source.catalog()["targets"]}
        shown = repr(source)
    assert not entries[path]["usable"]
    assert entries[path]["problems"]
    others = [entry for name, entry in entries.items() if name != path]
    assert [entry["usable"] for entry in others] == [True, True]
    assert not targets[HEALTHY]["problems"]
    assert all(name in shown for name in entries)


def test_what_only_another_library_knows_costs_one_entry(sound: Path, tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        name = "units/spike_times_index"
        held = dict(file[name].attrs)
        del file[name]
        made = file.create_dataset(name, (3,), "u1", chunks=(3,), compression="gzip")
        made.attrs.update(held)
        made.id.write_direct_chunk((0,), b"no gzip at all")

    with harmed(sound, tmp_path, change) as source:
        found = {entry["path"]: entry for entry in source.catalog()["signals"]}
        with pytest.raises(NWBDecodeError, match=r"cannot be read.*The file is damaged"):
            source.signal("units")
        assert source.signal("Raw").n_samples == 3000
    assert "it cannot be described (OSError: " in found["units"]["problems"][0]
    assert found[RAW]["usable"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (f"{STAMPED}/timestamps", f"/{STAMPED}: .*either 'timestamps' or 'rate' must be specified"),
        (f"{RAW}/electrodes", f"/{RAW}: .*missing argument 'electrodes'"),
        ("units/spike_times_index", "/units: .*Columns must be the same length"),
        ("identifier", "ConstructError: /: .*missing argument 'identifier'"),
    ],
)
def test_what_pynwb_refuses_is_told_with_its_place_and_reason(
    sound: Path, tmp_path: Path, name: str, told: str
) -> None:
    with pytest.raises(NWBDecodeError, match=told):
        harmed(sound, tmp_path, lambda file: file.__delitem__(name))


@pytest.mark.parametrize("channels", [slice(0, 4), 2.5, object()])
def test_channels_that_are_no_ids_are_refused(source: load.Source, channels: Any) -> None:
    with pytest.raises(NWBDecodeError, match="are no ids; expected integers of the channel table"):
        source.signal("Raw", channels=channels)


def test_a_column_of_no_use_can_be_left_out(sound: Path, tmp_path: Path) -> None:
    change = put(f"{RAW}/channel_conversion", [1, 1, 0, 1, 1, 1])
    with harmed(sound, tmp_path, change) as source:
        assert source.signal("Raw", channels="id != 102").n_channels == 5


@pytest.mark.parametrize("error", [UnreachableError("the host is gone"), MemoryError()])
def test_what_is_no_fault_of_an_entry_ends_the_catalog(error: Exception) -> None:
    def describe() -> dict[str, Any]:
        raise error

    with pytest.raises(type(error)):
        described_or_faulty(describe, RAW, None)
