"""What is subtracted from a region: the mean of the ring around it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode import NWBDecodeError, load
from tests.load.imaging import movies


def rings(masks: np.ndarray, inner: float, outer: float) -> np.ndarray:
    """Rings by the distance of every pixel to every pixel of the region."""
    taken = masks.any(axis=0)
    place = np.indices(taken.shape).reshape(2, -1).T
    found = []
    for mask in masks:
        steps = place[:, None, :] - np.argwhere(mask)[None]
        away = np.sqrt((steps**2).sum(axis=-1)).min(axis=1).reshape(taken.shape)
        found.append((away > inner) & (away <= outer) & ~taken)
    return np.array(found)


@pytest.mark.parametrize("ring", [(2.0, 15.0), (0.0, 4.0), (1.5, 6.5)])
def test_the_ring_is_subtracted_with_its_coefficient(ring: tuple[float, float]) -> None:
    signal = load.open(movies.with_masks()).signal("Movie", neuropil=0.7, neuropil_ring=ring)
    region = movies.means(movies.pixels(), movies.masks())
    around = movies.means(movies.pixels(), rings(movies.masks(), *ring))
    found = signal.read(0, movies.FRAMES).to_numpy()
    np.testing.assert_allclose(found, region - 0.7 * around, rtol=1e-6, atol=1e-3)
    assert "neuropil: 0.7 of the ring" in repr(signal)


def test_an_offset_is_subtracted_with_the_ring() -> None:
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, movies.pixels(20), conversion=2.0, offset=100.0)
    movies.add_masks(nwbfile, plane)
    found = load.open(nwbfile).signal(neuropil=0.5).read(0, 20).to_numpy()
    movie = movies.pixels(20) * 2.0 + 100.0
    region = movies.means(movie, movies.masks())
    around = movies.means(movie, rings(movies.masks(), 2, 15))
    np.testing.assert_allclose(found, region - 0.5 * around, rtol=1e-6, atol=1e-3)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), inner=st.floats(0, 3), wide=st.floats(3, 12), n=st.integers(1, 4))
def test_a_ring_holds_no_pixel_of_any_region_and_as_many_as_its_own(
    seed: int, inner: float, wide: float, n: int
) -> None:
    from scipy.sparse import csr_array

    from nwbdecode.load.imaging.neuropil import ring_weights

    rng = np.random.default_rng(seed)
    masks = np.zeros((n, 20, 22))
    for mask in masks:
        x, y = rng.integers(0, 15, 2)
        mask[x : x + rng.integers(1, 5), y : y + rng.integers(1, 5)] = 1
    flat = masks.reshape(n, -1)
    weights = csr_array(flat / flat.sum(axis=1, keepdims=True))
    ring = ring_weights(weights, (20, 22), (inner, inner + wide)).toarray()
    np.testing.assert_allclose(ring.sum(axis=1), 1.0)
    assert not (ring[:, flat.any(axis=0)] != 0).any()
    exact = rings(masks, inner, inner + wide).reshape(n, -1)
    for row in range(n):
        held = ring[row] > 0
        if exact[row].sum() >= flat[row].sum():
            np.testing.assert_array_equal(held, exact[row])
        else:
            assert held.sum() >= flat[row].sum()
            assert (held | ~exact[row]).all()


def test_a_volume_has_its_rings_in_the_planes_of_its_regions() -> None:
    sides = (*movies.SIDES, 3)
    held = movies.masks(sides)
    held[..., 0] = 0
    nwbfile, plane = movies.session()
    movie = movies.pixels(10, sides)
    movies.add_movie(nwbfile, plane, movie)
    movies.add_masks(nwbfile, plane, "voxel_mask", held)
    around = np.stack([rings(held[..., z], 2, 15) for z in (1, 2)], axis=-1)
    deep = np.concatenate([np.zeros_like(around[..., :1]), around], axis=-1)
    found = load.open(nwbfile).signal(neuropil=1.0).read(0, 10)
    expected = movies.means(movie, held) - movies.means(movie, deep)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)


def test_regions_that_leave_no_pixel_free_are_told() -> None:
    nwbfile, plane = movies.session()
    movies.add_movie(nwbfile, plane, movies.pixels(10))
    held = np.zeros((2, *movies.SIDES))
    held[0, :12], held[1, 12:] = 1, 1
    movies.add_masks(nwbfile, plane, held=held)
    with pytest.raises(NWBDecodeError, match="leave no pixel free"):
        load.open(nwbfile).signal("Movie", neuropil=0.7)


@pytest.mark.parametrize("wrong", [{"neuropil": 1.2}, {"neuropil_ring": (5, 2)}])
def test_settings_out_of_range_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(NWBDecodeError, match=f"{next(iter(wrong))} is"):
        load.open(movies.with_masks()).signal("Movie", **wrong)
