"""A movie without masks, or asked for by blocks of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode import NWBDecodeError, load
from tests.load.imaging import movies


def test_blocks_are_the_means_of_their_pixels_at_their_centers() -> None:
    nwbfile = movies.with_masks()
    signal = load.open(nwbfile).signal("Movie", regions="grid", grid=(4, 5))
    expected = movies.pixels().reshape(movies.FRAMES, 4, 6, 5, 6).mean(axis=(2, 4))
    found = signal.read(0, movies.FRAMES).to_numpy()
    np.testing.assert_allclose(found, expected.reshape(movies.FRAMES, 20), rtol=2e-7)
    assert signal.channels["x"].tolist()[:6] == [2.5] * 5 + [8.5]
    assert signal.channels["y"].tolist()[:5] == [2.5, 8.5, 14.5, 20.5, 26.5]
    assert signal.channels.index.tolist() == list(range(20))
    assert "a grid of 4 x 5 blocks" in repr(signal)


def test_a_movie_without_masks_gets_the_grid() -> None:
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, movies.pixels(10))
    assert load.open(nwbfile).signal().n_channels == 256


@settings(deadline=None, max_examples=25)
@given(sides=st.tuples(st.integers(1, 9), st.integers(1, 9)), block=st.integers(1, 10))
def test_blocks_of_a_side_cover_every_pixel_once(sides: tuple[int, int], block: int) -> None:
    nwbfile, plane = movies.session()
    movie = movies.pixels(2, sides)
    movies.add_movie(nwbfile, plane, movie)
    found = load.open(nwbfile).signal(block=block).read(0, 2).to_numpy()
    expected = [
        movie[:, x : x + block, y : y + block].mean(axis=(1, 2))
        for x in range(0, sides[0], block)
        for y in range(0, sides[1], block)
    ]
    np.testing.assert_allclose(found, np.transpose(expected), rtol=2e-7)


def test_each_plane_of_a_volume_has_its_own_blocks() -> None:
    nwbfile, plane = movies.session()
    movie = movies.pixels(6, (8, 6, 3))
    movies.add_movie(nwbfile, plane, movie)
    signal = load.open(nwbfile).signal(grid=(2, 2))
    expected = movie.reshape(6, 2, 4, 2, 3, 3).mean(axis=(2, 4)).reshape(6, 12)
    np.testing.assert_allclose(signal.read(0, 6), expected, rtol=2e-7)
    assert signal.channels["z"].tolist() == [0, 1, 2] * 4


def test_a_grid_finer_than_the_pixels_is_refused() -> None:
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, movies.pixels(10))
    with pytest.raises(NWBDecodeError, match="40 x 2 blocks is finer than the 24 x 30"):
        load.open(nwbfile).signal(grid=(40, 2))


def test_blocks_have_no_neuropil() -> None:
    with pytest.raises(NWBDecodeError, match="no neuropil can be subtracted"):
        load.open(movies.with_masks()).signal("Movie", regions="grid", neuropil=0.7)
