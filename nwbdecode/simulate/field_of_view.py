"""What lies under the microscope: where cells are, how they look, and the neuropil between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nwbdecode.errors import NWBDecodeError

#: Side of a pixel, m.
PIXEL = 2e-6
#: Half axes of a cell, pixels (uniform), and the grid that cells are jittered from, pixels.
RADIUS, PITCH, JITTER = (3.0, 4.0), 10.0, 1.0
#: Brightness of the nucleus, which the indicator does not enter, over that of the soma.
NUCLEUS = 0.5
#: Softness of a cell's edge, a share of its radius.
EDGE = 0.12
#: Pixels of a cell's mask are those above this share of its brightest one.
MASK_LEVEL = 0.25
#: Pixels made beyond the field on each side, which motion may bring into it.
MARGIN = 4
#: Spread of a patch of neuropil, a share of the field's shorter side, and patches a side.
PATCH_SPREAD, PATCHES = 0.3, 2
#: Share of the neuropil's light that a cell's body keeps out of its pixels.
OCCLUSION = 0.3


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """The field of view, wider than the movie by `MARGIN` pixels on each side.

    Attributes
    ----------
    shape : (int, int)
        Pixels of the movie along x and y.
    center : numpy.ndarray, shape (cell, 2)
        x and y of each cell in pixels of the movie.
    footprint : numpy.ndarray of float32, shape (cell, x, y)
        Each cell's brightness over that of its brightest pixel, with the margin.
    patch : numpy.ndarray of float32, shape (patch, x, y)
        Share of each patch of neuropil in the light of a pixel, with the margin; they add up
        to one but for what cells occlude.
    """

    shape: tuple[int, int]
    center: np.ndarray
    footprint: np.ndarray
    patch: np.ndarray

    @property
    def inside(self) -> tuple[slice, slice]:
        """The pixels of the movie, without the margin."""
        return tuple(slice(MARGIN, MARGIN + size) for size in self.shape)  # type: ignore[return-value]

    def masks(self) -> list[np.ndarray]:
        """Pixels of each cell, shape (pixel, 3): x, y and the footprint there."""
        found = []
        for footprint in self.footprint:
            seen = footprint[self.inside]
            x, y = np.nonzero(seen >= MASK_LEVEL)
            found.append(np.column_stack([x, y, seen[x, y]]))
        return found


def draw_field(shape: tuple[int, int], n_cells: int, rng: np.random.Generator) -> FieldOfView:
    """Scatter cells over the field so that none touches another.

    Parameters
    ----------
    shape : (int, int)
        Pixels along x and y.
    n_cells : int
    rng : numpy.random.Generator

    Returns
    -------
    FieldOfView

    Raises
    ------
    NWBDecodeError
        If the field is too small for the cells.
    """
    sites = [int((size - 2 * RADIUS[1]) // PITCH) for size in shape]
    if min(sites) < 1 or n_cells > sites[0] * sites[1]:
        raise NWBDecodeError(
            f"{n_cells} cells do not fit into {shape[0]} x {shape[1]} pixels, which hold "
            f"{max(sites[0], 0) * max(sites[1], 0)}; ask for fewer cells or a larger size"
        )
    taken = rng.permutation(sites[0] * sites[1])[:n_cells]
    corner = np.stack(np.unravel_index(taken, sites), axis=1)
    start = [(size - PITCH * (count - 1)) / 2 for size, count in zip(shape, sites, strict=True)]
    center = start + PITCH * corner + rng.uniform(-JITTER, JITTER, (n_cells, 2))
    axes = rng.uniform(*RADIUS, (n_cells, 2))
    turned = rng.uniform(0, np.pi, n_cells)
    x, y = np.meshgrid(*(np.arange(-MARGIN, size + MARGIN) for size in shape), indexing="ij")
    footprint = np.empty((n_cells, *x.shape), dtype=np.float32)
    for i in range(n_cells):
        footprint[i] = _soma(x - center[i, 0], y - center[i, 1], axes[i], turned[i])
    patch = _patches(x, y, shape) * (1 - OCCLUSION * footprint.sum(axis=0))
    return FieldOfView(shape, center, footprint, patch.astype(np.float32))


def _soma(dx: np.ndarray, dy: np.ndarray, axes: np.ndarray, angle: float) -> np.ndarray:
    """Look of a cell: a soft ellipse with a dark nucleus, brightest pixel one."""
    along = dx * np.cos(angle) + dy * np.sin(angle)
    across = dy * np.cos(angle) - dx * np.sin(angle)
    distance = np.hypot(along / axes[0], across / axes[1])
    # Far pixels would overflow the exponential, and are dark anyway.
    distance = np.minimum(distance, 5.0)
    body = 1 / (1 + np.exp((distance - 1) / EDGE))
    nucleus = 1 / (1 + np.exp((distance - 0.55) / EDGE))
    look = body - (1 - NUCLEUS) * nucleus
    look = np.where(look > 0.01, look, 0.0)
    return np.asarray(look / look.max())


def _patches(x: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Overlapping smooth patches that add up to one in every pixel."""
    spread = PATCH_SPREAD * min(shape)
    at = (np.arange(PATCHES) + 0.5) / PATCHES
    middle = [(a * shape[0], b * shape[1]) for a in at for b in at]
    bumps = np.stack([np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2) / spread**2) for a, b in middle])
    return np.asarray(bumps / bumps.sum(axis=0))
