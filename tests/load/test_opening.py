"""What `open` takes, what it refuses and how, and what it leaves alone."""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from hdmf.data_utils import DataChunkIterator

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from tests.load import recordings


def test_importing_the_room_loads_no_heavy_library() -> None:
    code = (
        "import sys, nwbdecode.load\n"
        "print(sorted({'pynwb','hdmf','h5py','pandas','xarray','scipy','tqdm'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_source_opened_again_is_the_same_object(source: load.Source) -> None:
    assert load.open(source) is source


def test_a_path_may_be_text_or_a_path_object(ephys_path: Path) -> None:
    for given in (ephys_path, str(ephys_path)):
        with load.open(given) as opened:
            assert opened.path == str(ephys_path)


def test_a_missing_file_is_refused_with_the_nearest_name(ephys_path: Path) -> None:
    with pytest.raises(NWBDecodeError, match=r"Did you mean 'session\.nwb'"):
        load.open(ephys_path.with_name("sesion.nwb"))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NWBDecodeError, match="does not exist either"):
        load.open(tmp_path / "no" / "x.nwb")


def test_a_folder_is_refused_and_its_nwb_files_are_listed(ephys_path: Path) -> None:
    with pytest.raises(NWBDecodeError, match=r"is a folder.*'session\.nwb'"):
        load.open(ephys_path.parent)


def test_a_zarr_folder_is_called_one(tmp_path: Path) -> None:
    (tmp_path / ".zgroup").write_text("{}")
    with pytest.raises(NWBDecodeError, match="Zarr"):
        load.open(tmp_path)


@pytest.mark.parametrize(("content", "fault"), [(b"", "is empty"), (b"a,b\n1,2\n", "HDF5")])
def test_a_file_that_is_not_hdf5_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "x.nwb"
    path.write_bytes(content)
    with pytest.raises(NWBDecodeError, match=fault):
        load.open(path)


@pytest.mark.parametrize("share", [0.0002, 0.01, 0.3, 0.9, 0.9999])
def test_a_truncated_file_is_refused(ephys_path: Path, tmp_path: Path, share: float) -> None:
    whole = ephys_path.read_bytes()
    path = tmp_path / "cut.nwb"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(NWBDecodeError, match="truncated"):
        load.open(path)


@pytest.mark.parametrize("seed", [5, 9, 34, 59, 71, 81])
def test_a_file_with_damaged_bytes_ends_in_one_error_or_none(
    ephys_path: Path, tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    content = np.frombuffer(ephys_path.read_bytes(), dtype=np.uint8).copy()
    hit = rng.integers(len(content), size=500)
    content[hit] = rng.integers(256, size=500)
    path = tmp_path / "damaged.nwb"
    content.tofile(path)
    with contextlib.suppress(NWBDecodeError), load.open(path) as opened:
        repr(opened)
        opened.signal("Raw").read(0, 100)
        opened.targets("front:speed")


def test_hdf5_without_nwb_is_refused_with_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "plain.h5"
    with h5py.File(path, "w") as file:
        file["voltage"] = np.zeros(3)
    with pytest.raises(NWBDecodeError, match=r"not NWB.*voltage"):
        load.open(path)


def test_nwb_1_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "old.nwb"
    with h5py.File(path, "w") as file:
        file["nwb_version"] = "NWB-1.0.6"
    with pytest.raises(NWBDecodeError, match="NWB 1"):
        load.open(path)


def test_what_pynwb_cannot_read_is_refused_in_one_error(tmp_path: Path) -> None:
    path = tmp_path / "hollow.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
    with pytest.raises(NWBDecodeError, match="could not read"):
        load.open(path)


def test_something_else_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match="cannot open a int"):
        load.open(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["m851_open_field_lfp.nwb", "gripforce_ecog.nwb"])
def test_a_real_file_opens_and_keeps_every_byte(real_data: Path, name: str) -> None:
    path = real_data / name
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with load.open(path) as opened:
        shown = repr(opened)
        for entry in opened.catalog()["signals"]:
            assert entry["path"] in shown
            opened.signal(entry["path"]).read(0, 100)
        for entry in opened.catalog()["targets"]:
            opened.targets(entry["path"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_no_legacy_file_ends_in_a_foreign_error(real_data: Path) -> None:
    paths = sorted((real_data / "legacy").glob("*.nwb"))
    assert paths
    for path in paths:
        with load.open(path) as opened:
            assert path.name in repr(opened)
            assert path.name in opened._repr_html_()
            offered = [entry["path"] for entry in opened.catalog()["signals"]]
            if path.name.startswith("sub-anm369963"):
                assert offered == ["units"]
                assert opened.signal().modality == "spikes"
            else:
                assert offered == []
                with pytest.raises(NWBDecodeError, match="holds 0 signals"):
                    opened.signal()
            for entry in opened.catalog()["targets"]:
                if entry["problems"]:
                    with pytest.raises(NWBDecodeError, match=entry["path"]):
                        opened.targets(entry["path"])
                else:
                    opened.targets(entry["path"])


def test_legacy_faults_are_named(real_data: Path) -> None:
    with (
        load.open(real_data / "legacy" / "1.5.1_timeseries_no_data.nwb") as opened,
        pytest.raises(NWBDecodeError, match="holds no samples"),
    ):
        opened.targets("test_timeseries")
    with (
        load.open(real_data / "legacy" / "sub-anm369963_ses-20170228.nwb") as opened,
        pytest.raises(NWBDecodeError, match=r"timestamp 25 .* does not come after timestamp 24"),
    ):
        opened.targets("lick_left_times")


def test_closing_lets_others_write_to_the_file(tmp_path: Path) -> None:
    path = recordings.save(recordings.ephys(), tmp_path)
    with load.open(path) as opened:
        opened.signal("Raw").read(0, 10)
    with h5py.File(path, "r+") as file:
        file.attrs["touched"] = 1


def test_a_signal_still_reads_after_its_source_is_closed(ephys_path: Path) -> None:
    with load.open(ephys_path) as opened:
        signal = opened.signal("Raw")
    np.testing.assert_allclose(signal.read(10, 20), recordings.volts()[10:20], **recordings.CLOSE)


def test_a_pickled_source_opens_the_file_again(source: load.Source) -> None:
    again = pickle.loads(pickle.dumps(source))
    assert again.catalog() == source.catalog()
    again.close()


def _read(signal: load.Signal) -> np.ndarray:
    return signal.read(100, 120).to_numpy()


def test_a_signal_travels_to_another_process_and_reads_there(source: load.Source) -> None:
    signal = source.signal("Raw", channels=[104, 100])
    signal.read(0, 10)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(_read, (signal,))
    np.testing.assert_allclose(there, recordings.volts()[100:120, [4, 0]], **recordings.CLOSE)


def test_a_signal_of_a_file_replaced_since_reads_the_new_one_or_says_so(tmp_path: Path) -> None:
    path = recordings.save(recordings.ephys(), tmp_path)
    with load.open(path) as opened:
        signal = opened.signal("Raw")
        signal.read(0, 10)
    path.unlink()
    with pytest.raises(NWBDecodeError, match="could not read samples 0 to 10"):
        signal.read(0, 10)


def test_an_nwbfile_in_memory_gives_the_same_as_its_file(source: load.Source) -> None:
    memory = load.open(recordings.ephys())
    assert memory.path is None
    assert "in memory" in repr(memory)
    for path in ("acquisition/Raw", "processing/ecephys/LFP/LFP"):
        mine, theirs = memory.signal(path), source.signal(path)
        np.testing.assert_array_equal(mine.read(3, 300), theirs.read(3, 300))
        assert mine.channels.equals(theirs.channels)
        assert mine.source["path"] is None
    asked = ["front:speed", "hd", "tone"]
    for name, target in memory.targets(asked).items():
        np.testing.assert_array_equal(target, source.targets(asked)[name])


def test_an_nwbfile_in_memory_cannot_be_pickled_but_its_signal_can() -> None:
    memory = load.open(recordings.ephys())
    with pytest.raises(NWBDecodeError, match="write it to a file"):
        pickle.dumps(memory)
    signal = memory.signal("Raw")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(signal)).read(0, 9), signal.read(0, 9))


def test_an_open_nwbfile_from_disk_travels_by_its_path_and_stays_open(ephys_path: Path) -> None:
    with pynwb.NWBHDF5IO(path=str(ephys_path), mode="r") as io:
        content = io.read()
        with load.open(content) as opened:
            signal = pickle.loads(pickle.dumps(opened)).signal("Raw")
            assert opened.path == str(ephys_path)
            assert opened.signal("Raw").reader.path == str(ephys_path)  # type: ignore[attr-defined]
        assert content.acquisition["Raw"].data[0, 0] == recordings.counts(1)[0, 0]
    np.testing.assert_allclose(signal.read(0, 5), recordings.volts()[:5], **recordings.CLOSE)


def frames(n: int = 300) -> Iterator[np.ndarray]:
    for _ in range(n):
        yield np.zeros(recordings.CHANNELS, dtype=np.int16)


@pytest.mark.parametrize("electrical", [True, False])
def test_data_that_are_not_written_yet_cost_nothing_beside_them(electrical: bool) -> None:
    # As neuroconv makes a session: large series are iterators until the file is written.
    nwbfile = recordings.ephys()
    data = DataChunkIterator(data=frames(), buffer_size=10)
    if electrical:
        series = recordings.electrical(nwbfile, "Coming", data=data)
    else:
        series = pynwb.TimeSeries(name="Coming", data=data, unit="V", rate=10.0)
    nwbfile.add_acquisition(series)
    opened = load.open(nwbfile)
    with pytest.raises(NWBDecodeError, match="iterator that can be read only once; write the"):
        opened.signal("Coming") if electrical else opened.targets("Coming")
    found = opened.catalog()
    entries = {entry["path"]: entry for entry in (*found["signals"], *found["targets"])}
    assert "read only once" in entries["acquisition/Coming"]["problems"][0]
    assert "acquisition/Coming" in repr(opened)
    assert opened.signal("Raw").read(0, 10).shape == (10, recordings.CHANNELS)
    assert opened.targets("front")["front"].shape == (500, 2)
    # Nothing was taken from the iterator: the file can still be written whole.
    assert sum(len(chunk.data) for chunk in data) == 300
