"""What is kept between runs is listed, and removed without harm to what is in use."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nwbdecode import caching
from nwbdecode.cli import cli
from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import wavelet_power
from nwbdecode.load.signal import Signal, as_signal

HOW = {"n_bands": 3, "lowest": 20.0, "progress": False}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path))
    return tmp_path


def signal() -> Signal:
    return as_signal(np.random.default_rng(0).standard_normal((4000, 2)), rate=500.0)


def made(cache: Path) -> Path:
    """Keep features in the cache and give their folder."""
    wavelet_power(signal(), store=cache / "features", **HOW)
    (folder,) = (cache / "features").iterdir()
    return folder


def rested(folder: Path, seconds: float) -> None:
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (time.time() - seconds,) * 2)


def test_an_empty_cache_keeps_nothing(cache: Path) -> None:
    assert caching.kept() == []
    assert "nothing is kept" in CliRunner().invoke(cli, ["cache"]).output


def test_what_is_kept_is_listed_with_its_size(cache: Path) -> None:
    folder = made(cache)
    (entry,) = caching.kept()
    assert (entry.kind, entry.path) == ("features", folder)
    assert entry.nbytes == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert entry.used == pytest.approx(time.time(), abs=60)


def test_what_rested_is_removed_and_can_be_made_again(cache: Path) -> None:
    before = wavelet_power(signal(), store=cache / "features", **HOW).load()
    (folder,) = (cache / "features").iterdir()
    rested(folder, 2 * caching.RESTING)
    removed, spared = caching.clean()
    assert ([entry.path for entry in removed], spared) == ([folder], [])
    assert list((cache / "features").iterdir()) == []
    again = wavelet_power(signal(), store=cache / "features", **HOW)
    np.testing.assert_array_equal(again, before)


def test_what_is_in_use_is_spared(cache: Path) -> None:
    power = wavelet_power(signal(), store=cache / "features", **HOW)
    (folder,) = (cache / "features").iterdir()
    rested(folder, 2 * caching.RESTING)
    read = power[:10].to_numpy()
    removed, (spared,) = caching.clean()
    assert (removed, spared.path) == ([], folder)
    np.testing.assert_array_equal(power[:10], read)


def test_only_the_kinds_asked_for_are_removed(cache: Path) -> None:
    rested(made(cache), 2 * caching.RESTING)
    assert caching.clean(kinds=["streams"]) == ([], [])
    with pytest.raises(NWBDecodeError, match=r"'stream'.*Did you mean 'streams'"):
        caching.clean(kinds=["stream"])


def test_results_that_were_rescued_are_never_removed(cache: Path) -> None:
    rescued = cache / "rescued" / "result.nwb"
    rescued.parent.mkdir()
    rescued.write_bytes(b"hours of work")
    rested(rescued.parent, 100 * caching.RESTING)
    caching.clean()
    assert rescued.read_bytes() == b"hours of work"


def test_the_shell_says_what_it_removed_as_json(cache: Path) -> None:
    folder = made(cache)
    rested(folder, 3 * 86400)
    listed = json.loads(CliRunner().invoke(cli, ["cache", "--json"]).stdout)
    assert [entry["path"] for entry in listed["kept"]] == [str(folder)]
    spared = CliRunner().invoke(cli, ["cache", "--clean", "--older-than", "7", "--json"])
    assert json.loads(spared.stdout)["removed"] == []
    cleaned = CliRunner().invoke(cli, ["cache", "--clean", "--older-than", "2", "--json"])
    answer = json.loads(cleaned.stdout)
    assert ([entry["path"] for entry in answer["removed"]], answer["kept"]) == ([str(folder)], [])
