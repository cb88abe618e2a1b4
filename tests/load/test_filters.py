"""Recordings compressed by filters that HDF5 has from plugins only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from nwbdecode import NWBDecodeError, load
from tests.load import recordings

RAW, LED = "acquisition/Raw/data", "processing/behavior/Position/front/data"
ZSTD, NOBODYS = 32015, 40000


def packed(folder: Path, name: str, code: int) -> Path:
    """A file of which one dataset went through a filter that is not here."""
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    nwbfile.add_acquisition(recordings.electrical(nwbfile))
    recordings.add_behavior(nwbfile)
    path = recordings.save(nwbfile, folder)
    with h5py.File(path, "a") as file:
        held, old = dict(file[name].attrs), file[name][()]
        del file[name]
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk(old.shape)
        plan.set_filter(code, h5py.h5z.FLAG_OPTIONAL, (3,))
        kind, space = h5py.h5t.py_create(old.dtype), h5py.h5s.create_simple(old.shape)
        made = h5py.h5d.create(file.id, name.encode(), kind, space, plan)
        made.write_direct_chunk((0,) * old.ndim, b"(\xb5/\xfd" + bytes(200))
        file[name].attrs.update(held)
    return path


def test_a_signal_whose_filter_is_lacking_is_told_by_the_filters_number(tmp_path: Path) -> None:
    with load.open(packed(tmp_path, RAW, NOBODYS)) as source:
        with pytest.raises(NWBDecodeError, match=r"HDF5 filter 40000\), which HDF5 lacks here"):
            source.signal("Raw")
        (signal,) = source.catalog()["signals"]
        targets = source.catalog()["targets"]
        assert np.isfinite(source.targets("back")["back"]).all()
    assert "filter 40000" in signal["problems"][0]
    assert not signal["usable"]
    assert all(not entry["problems"] for entry in targets)


def test_a_target_whose_filter_is_lacking_costs_nothing_else(tmp_path: Path) -> None:
    with load.open(packed(tmp_path, LED, NOBODYS)) as source:
        with pytest.raises(NWBDecodeError, match="filter 40000"):
            source.targets("front")
        targets = {entry["path"]: entry for entry in source.catalog()["targets"]}
        assert source.signal("Raw").read(0, 10).shape == (10, 6)
    assert "filter 40000" in targets[LED.removesuffix("/data")]["problems"][0]
    assert sum(bool(entry["problems"]) for entry in targets.values()) == 1


def test_where_hdf5plugin_is_lacking_it_is_named(tmp_path: Path) -> None:
    path = packed(tmp_path, RAW, ZSTD)
    # In a process that cannot import it, whether it is installed or not.
    script = (
        "import sys; sys.modules['hdf5plugin'] = None\n"
        "import nwbdecode as nd\n"
        f"nd.open({str(path)!r}).signal('Raw')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "is compressed by Zstandard (HDF5 filter 32015)" in done.stderr
    assert 'pip install "nwbdecode[filters]"' in done.stderr


def test_with_hdf5plugin_it_is_read_in_any_process(tmp_path: Path) -> None:
    hdf5plugin = pytest.importorskip("hdf5plugin", reason="needs the filters extra")
    nwbfile = recordings.session()
    recordings.add_electrodes(nwbfile)
    nwbfile.add_acquisition(recordings.electrical(nwbfile))
    path = recordings.save(nwbfile, tmp_path)
    with h5py.File(path, "a") as file:
        held = dict(file[RAW].attrs)
        del file[RAW]
        made = file.create_dataset(RAW, data=recordings.counts(5000), **hdf5plugin.Zstd())
        made.attrs.update(held)
    script = (
        "import nwbdecode as nd\n"
        f"print(float(nd.open({str(path)!r}).signal('Raw').read(7, 8)[0, 3]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert float(done.stdout) == pytest.approx(recordings.volts()[7, 3], rel=1e-6)
