"""The cache of streams: bounded, the least recently used go first, shared, and never wrong."""

from __future__ import annotations

import multiprocessing
import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.remote.cache import MOST_BYTES, BlockCache, CacheSettings

SIZE = 1000


def block(number: int, seed: int = 0) -> bytes:
    return np.random.default_rng([seed, number]).bytes(SIZE)


def key(number: int) -> str:
    return f"nwbdecode:name|{SIZE}|{number}"


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def settings(tmp_path: Path) -> CacheSettings:
    return CacheSettings(str(tmp_path / "kept"), 100 * SIZE)


def test_a_block_comes_back_as_it_was(settings: CacheSettings) -> None:
    cache = BlockCache(settings, "file")
    assert cache.get(key(3)) is None
    cache.set(key(3), block(3))
    assert cache.get(key(3)) == block(3)
    assert BlockCache(settings, "file").get(key(3)) == block(3)


def test_files_never_share_a_block(settings: CacheSettings) -> None:
    BlockCache(settings, "one version").set(key(3), block(3))
    assert BlockCache(settings, "another version").get(key(3)) is None


def test_the_limit_holds_and_the_least_recently_used_go_first(settings: CacheSettings) -> None:
    cache = BlockCache(settings, "file")
    for number in range(90):
        cache.set(key(number), block(number))
        # Times of use a second apart, the first block's renewed each time.
        os.utime(cache._path(key(number)), (number, number))
        cache._path(key(0)).touch()
    for number in range(90, 130):
        cache.set(key(number), block(number))
        assert on_disk(settings.streams) <= settings.most_bytes
    held = [number for number in range(130) if cache.get(key(number)) is not None]
    assert 80 <= len(held) <= 100
    assert held[0] == 0
    # Of the others the oldest have gone, without a hole.
    assert held[1:] == list(range(held[1], 130))


def test_reading_counts_as_use(settings: CacheSettings) -> None:
    cache = BlockCache(settings, "file")
    for number in range(95):
        cache.set(key(number), block(number))
        os.utime(cache._path(key(number)), (number, number))
    assert cache.get(key(1)) == block(1)
    for number in range(95, 115):
        cache.set(key(number), block(number))
    assert cache.get(key(1)) == block(1)
    assert cache.get(key(2)) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_a_damaged_block_is_a_miss(settings: CacheSettings, damage: str) -> None:
    cache = BlockCache(settings, "file")
    cache.set(key(0), block(0))
    (path,) = cache.folder.iterdir()
    held = bytearray(path.read_bytes())
    held[10] ^= damage == "flipped"
    path.write_bytes({"cut": held[:500], "emptied": b""}.get(damage, held))
    assert cache.get(key(0)) is None
    cache.set(key(0), block(0))
    assert cache.get(key(0)) == block(0)


def test_a_limit_of_nothing_keeps_nothing(tmp_path: Path) -> None:
    cache = BlockCache(CacheSettings(str(tmp_path / "none"), 0), "file")
    cache.set(key(0), block(0))
    assert cache.get(key(0)) is None
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = BlockCache(CacheSettings(str(tmp_path / "file"), 100 * SIZE), "file")
    with pytest.warns(UserWarning, match="NWBDECODE_CACHE"):
        cache.set(key(0), block(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.set(key(1), block(1))
    assert cache.get(key(0)) is None


def _work(settings: CacheSettings, seed: int) -> tuple[int, int]:
    """Write and read at random; count the hits, and what was wrong."""
    rng = np.random.default_rng(seed)
    cache = BlockCache(settings, "file")
    hits = wrong = 0
    for _ in range(1500):
        number = int(rng.integers(300))
        found = cache.get(key(number))
        if found is None:
            cache.set(key(number), block(number))
        else:
            hits += 1
            wrong += found != block(number)
    return hits, wrong


def test_processes_share_it_at_once_without_a_wrong_block(settings: CacheSettings) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.starmap(_work, [(settings, seed) for seed in range(3)])
    assert all(hits > 100 and wrong == 0 for hits, wrong in found)
    # Each process may be a hundredth over before it looks.
    assert on_disk(settings.streams) <= 1.03 * settings.most_bytes
    assert not list(settings.streams.rglob("*.part"))


def test_settings_come_from_arguments_the_environment_or_the_user_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "theirs"))
    assert CacheSettings.given() == CacheSettings(str(tmp_path / "theirs"), MOST_BYTES)
    monkeypatch.setenv("NWBDECODE_STREAM_CACHE_BYTES", "2e9")
    assert CacheSettings.given().most_bytes == 2_000_000_000
    assert CacheSettings.given(tmp_path / "mine", 5e6) == CacheSettings(
        str(tmp_path / "mine"), 5_000_000
    )


@pytest.mark.parametrize("wrong", ["10 GB", "-1", "nan", "inf"])
def test_a_limit_that_is_no_number_is_refused(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NWBDECODE_STREAM_CACHE_BYTES", wrong)
    with pytest.raises(NWBDecodeError, match="expected a number such as 10e9"):
        CacheSettings.given()
