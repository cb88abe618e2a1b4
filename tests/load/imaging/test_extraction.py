"""Traces are extracted once, piece by piece, and are the same bits however they are read."""

from __future__ import annotations

import os
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hdmf.backends.hdf5 import H5DataIO
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode import load
from nwbdecode.load import Signal
from nwbdecode.load.hdf5 import HDF5Reader, LocalFile
from nwbdecode.load.imaging import extraction
from tests.load import recordings
from tests.load.imaging import movies


def chunked(folder: Path, chunks: tuple[int, ...], n: int = movies.FRAMES, **io: Any) -> Path:
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, H5DataIO(movies.pixels(n), chunks=chunks, **io))
    movies.add_masks(nwbfile, plane)
    return recordings.save(nwbfile, folder, f"{'_'.join(map(str, chunks))}.nwb")


@pytest.fixture
def boxes_read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, tuple[slice, ...]]]:
    """Every read of the movie, as (start, stop, box)."""
    seen = []
    read_box = HDF5Reader.read_box

    def spy(self: HDF5Reader, start: int, stop: int, box: tuple[slice, ...]) -> np.ndarray:
        seen.append((start, stop, box))
        return read_box(self, start, stop, box)

    monkeypatch.setattr(HDF5Reader, "read_box", spy)
    return seen


def taken(path: Path, **how: Any) -> Signal:
    with load.open(path) as opened:
        return opened.signal("Movie", **how)


@pytest.mark.parametrize("chunks", [(1, 24, 30), (7, 24, 30), (50, 8, 10), (300, 5, 7)])
@pytest.mark.parametrize("budget", [1 << 10, 1 << 15, 1 << 26])
def test_chunks_and_budget_change_no_value(
    tmp_path: Path, chunks: tuple[int, ...], budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "BUDGET", budget)
    found = taken(chunked(tmp_path, chunks)).read(0, movies.FRAMES)
    expected = movies.means(movies.pixels(), movies.masks())
    np.testing.assert_allclose(found, expected, rtol=2e-7)


@settings(deadline=None, max_examples=5)
@given(cuts=st.lists(st.integers(1, movies.FRAMES - 1), max_size=5, unique=True))
def test_any_reads_give_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = chunked(tmp_path_factory.mktemp("reads"), (7, 24, 30))
    how = {"neuropil": 0.7, "cache": path.parent / "whole"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extraction, "BUDGET", 1 << 14)
        whole = taken(path, **how).read_array(0, movies.FRAMES)
        edges = [0, *sorted(cuts), movies.FRAMES]
        parts = list(pairwise(edges))
        signal = taken(path, **how | {"cache": path.parent / "parts"})
        found = [signal.read_array(a, b) for a, b in reversed(parts)]
    np.testing.assert_array_equal(np.concatenate(found[::-1]), whole)


def test_a_signal_reads_nothing_before_it_is_asked(tmp_path: Path, boxes_read: list[Any]) -> None:
    signal = taken(chunked(tmp_path, (7, 24, 30)), neuropil=0.7, dff=True)
    repr(signal), signal.select(time=(2.0, 3.0))
    assert boxes_read == []


def test_chunks_are_read_whole_and_once(
    tmp_path: Path, boxes_read: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "BUDGET", 4 << 10)
    signal = taken(chunked(tmp_path, (50, 8, 10)))
    for start in range(0, movies.FRAMES, 11):
        signal.read(start, min(start + 40, movies.FRAMES))
    seen = set()
    for start, stop, box in boxes_read:
        for edge, side, deep in ((start, 0, 50), (box[0].start, 0, 8), (box[1].start, 0, 10)):
            assert (edge - side) % deep == 0
        assert (stop % 50 == 0) or stop == movies.FRAMES
        key = (start, box[0].start, box[1].start)
        assert key not in seen
        seen.add(key)
    # Of the nine tiles, regions lie in three.
    held = {(x.start, y.start) for _, _, (x, y) in boxes_read}
    assert held == {(0, 0), (8, 20), (16, 20)}


def test_only_the_blocks_asked_for_are_extracted(
    tmp_path: Path, boxes_read: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "_MOST", 70)
    monkeypatch.setattr(extraction, "_FEWEST", 7)
    signal = taken(chunked(tmp_path, (7, 24, 30)))
    signal.read(140, 150)
    assert [(start, stop) for start, stop, _ in boxes_read] == [(140, 210)]


def test_another_run_reads_traces_and_not_the_movie(
    tmp_path: Path, boxes_read: list[Any], cache: Path
) -> None:
    path = chunked(tmp_path, (7, 24, 30))
    first = taken(path).read(0, movies.FRAMES)
    boxes_read.clear()
    again = taken(path, channels=[12], dff=True, time=(2.0, 4.0))
    again.read(20, 60)
    np.testing.assert_array_equal(taken(path).read(0, movies.FRAMES), first)
    assert boxes_read == []
    assert len(list((cache / "traces").iterdir())) == 1


def test_a_stopped_extraction_goes_on(
    tmp_path: Path, boxes_read: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "_MOST", 70)
    monkeypatch.setattr(extraction, "_FEWEST", 7)
    path = chunked(tmp_path, (7, 24, 30))
    taken(path).read(0, 100)
    boxes_read.clear()
    taken(path).read(0, movies.FRAMES)
    assert [start for start, _, _ in boxes_read] == [140, 210, 280]


def test_a_changed_movie_or_other_regions_have_their_own_traces(
    tmp_path: Path, cache: Path
) -> None:
    path = chunked(tmp_path, (7, 24, 30))
    before = taken(path).read(0, 20).to_numpy()
    taken(path, regions="grid", grid=(2, 2)).read(0, 20)
    assert len(list((cache / "traces").iterdir())) == 2
    LocalFile.at(path).release()
    with h5py.File(path, "r+") as file:
        file["acquisition/Movie/data"][:20] += 7
    stamp = os.stat(path).st_mtime_ns + 1
    os.utime(path, ns=(stamp, stamp))
    np.testing.assert_allclose(taken(path).read(0, 20), before + 7, rtol=1e-6)


def test_a_signal_travels_to_another_process(tmp_path: Path) -> None:
    signal = taken(chunked(tmp_path, (7, 24, 30)), neuropil=0.5, dff=True)
    copy = pickle.loads(pickle.dumps(signal))
    np.testing.assert_array_equal(copy.read(30, 90), signal.read(30, 90))


def test_a_movie_in_memory_leaves_nothing_on_disk(cache: Path) -> None:
    nwbfile = movies.with_masks()
    signal = load.open(nwbfile).signal("Movie")
    expected = movies.means(movies.pixels(), movies.masks())
    np.testing.assert_allclose(signal.read(250, 300), expected[250:], rtol=2e-7)
    assert not cache.exists()


def test_bytes_are_those_of_the_movie(tmp_path: Path) -> None:
    signal = taken(chunked(tmp_path, (7, 24, 30)), time=(1.0, 6.0))
    assert signal.nbytes == 100 * 24 * 30 * 2


def test_a_volume_wider_than_the_budget_is_cut_along_its_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "BUDGET", 1 << 10)
    movie = movies.pixels(12, (16, 18, 4))
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, H5DataIO(movie, chunks=(6, 8, 9, 2)))
    path = recordings.save(nwbfile, tmp_path)
    found = taken(path, grid=(3, 3)).read(0, 12)
    blocks = [
        movie[:, a : a + w, b : b + 6, z].mean(axis=(1, 2))
        for a, w in ((0, 5), (5, 6), (11, 5))
        for b in (0, 6, 12)
        for z in range(4)
    ]
    np.testing.assert_allclose(found, np.transpose(blocks), rtol=2e-7)
