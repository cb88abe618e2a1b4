"""Looking into a recording of 10 GB takes a few megabytes, and says what it did not read."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pynwb import TimeSeries

from nwbdecode import load
from nwbdecode.cli import cli
from tests.load import recordings
from tests.load.dandi_server import DandiServer
from tests.load.remote.sparse import HOURS, ROWS, write_sparse


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sparse(tmp_path_factory.mktemp("huge"))


def test_a_recording_of_10_gb_is_looked_into_with_a_few_megabytes(
    huge: Path, archive: DandiServer
) -> None:
    assert huge.stat().st_size > 8e9
    assert huge.stat().st_blocks * 512 < 0.3e9
    started = time.perf_counter()
    with load.open(archive.serve("huge.nwb", huge)) as opened:
        found = opened.catalog()
        shown = repr(opened)
    taken = time.perf_counter() - started
    requests, count = archive.count()
    assert count < 10e6
    assert requests < 120
    assert taken < 20
    (signal,) = found["signals"]
    assert signal["duration"] == pytest.approx(HOURS * 3600)
    assert signal["rate"] == pytest.approx(1250)
    assert signal["clock_read"] == "probed"
    assert {target["missing_read"] for target in found["targets"]} == {"probed"}
    assert "probed, not read whole" in shown


def test_taking_a_part_of_it_streams_that_part(huge: Path, archive: DandiServer) -> None:
    with load.open(archive.serve("huge.nwb", huge)) as opened:
        data = opened.nwbfile.acquisition["Raw"].data
        reader = load.memory.reader_of(data)
        archive.forget()
        block = reader.read(5_000_000, 5_001_250, np.arange(384))
    assert block.shape == (1250, 384)
    requests, count = archive.count()
    assert requests <= 3
    assert count == pytest.approx(block.nbytes, rel=0.2)


def test_all_of_it_is_read_if_asked_for(huge: Path, archive: DandiServer) -> None:
    with load.open(archive.serve("huge.nwb", huge)) as opened:
        found = opened.catalog(full=True)
    clocks = 8 * (ROWS + 2 * (ROWS // 5))
    positions = 2 * 16 * (ROWS // 5)
    requests, count = archive.count()
    assert count == pytest.approx(clocks + positions, rel=0.02)
    assert requests < 150
    entries = [*found["signals"], *found["targets"]]
    assert {entry["clock_read"] for entry in entries} == {"whole"}
    assert {target["missing_read"] for target in found["targets"]} == {"whole"}


def test_a_short_series_is_asked_for_once_however_often_it_is_looked_at(
    tmp_path: Path, archive: DandiServer
) -> None:
    nwbfile = recordings.session()
    values = np.random.default_rng(0).normal(size=(100_000, 1))
    nwbfile.add_acquisition(TimeSeries(name="lick", data=values, unit="V", rate=100.0))
    path = recordings.save(nwbfile, tmp_path)
    with load.open(archive.serve("short.nwb", path)) as opened:
        reader = load.memory.reader_of(opened.nwbfile.acquisition["lick"].data)
        archive.forget()
        for start in (0, 90_000, 50_000, 30_000):
            np.testing.assert_array_equal(
                reader.read(start, start + 2_000), values[start : start + 2_000]
            )
    requests, _ = archive.count()
    assert requests == 1


@pytest.mark.parametrize("how", [[], ["--download"]])
def test_a_command_for_a_signed_address_says_what_it_lacks(
    tmp_path: Path, archive: DandiServer, how: list[str]
) -> None:
    nwbfile = recordings.ephys()
    nwbfile.add_acquisition(recordings.electrical(nwbfile, "Long", n=60_000, rate=200.0))
    speed = TimeSeries(name="run", data=np.sin(np.arange(3000) / 9), unit="m/s", rate=10.0)
    nwbfile.add_acquisition(speed)
    url = archive.serve("x.nwb", recordings.save(nwbfile, tmp_path))
    shown = CliRunner().invoke(cli, ["inspect", archive.sign(url), *how]).stdout
    commands = [shlex.split(line) for line in shown.splitlines() if line.startswith("nwbdecode")]
    assert {command[2] for command in commands} == {f"{url}?SIGNATURE"}
    assert "the address was signed" in shown
    plain = CliRunner().invoke(cli, ["inspect", url, *how]).stdout
    assert "SIGNATURE" not in plain
    assert "was signed" not in plain
