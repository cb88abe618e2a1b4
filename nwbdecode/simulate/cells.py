"""The neurons a tetrode hears: what drives each, when it fires and what its spike looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nwbdecode.simulate.behavior import OpenField
from nwbdecode.simulate.lfp import FieldPotential
from nwbdecode.simulate.noise import poisson_times, stream
from nwbdecode.simulate.tetrodes import WIRE_PITCH, WIRES, Tetrodes

#: Place fields: standard deviation, m, and rate at the center, Hz (both uniform).
FIELD_WIDTH, PLACE_RATE = (0.10, 0.20), (5.0, 25.0)
#: Head-direction cells: concentration of the von Mises tuning, and peak rate, Hz.
DIRECTION_CONCENTRATION, DIRECTION_RATE = (1.0, 2.5), (8.0, 20.0)
#: Interneurons: mean rate, Hz.
INTERNEURON_RATE = (10.0, 25.0)
#: How deeply theta modulates place cells and interneurons, 0 (not) to 1.
THETA_DEPTH = 0.8
#: Theta phase by which a place cell advances from the edge of its field (two
#: standard deviations out) to its center, radians.
PRECESSION = np.pi / 2
#: Shortest interval between two spikes of a cell, s.
REFRACTORY = 0.002
#: Trough of a spike on the channel nearest to the cell, V.
SPIKE_AMPLITUDE = (40e-6, 150e-6)
#: Distance over which a spike shrinks to 1/e, and how far from the middle of its
#: tetrode a cell may lie along each axis, micrometers.
SPIKE_DECAY, CELL_REACH = 28.0, 45.0
#: Spread of a spike's amplitude from one to the next (a ratio).
SPIKE_JITTER = 0.1
#: A spike lasts from this long before its trough to this long after it, s.
SPIKE_BEFORE, SPIKE_AFTER = 0.0005, 0.0012

KINDS = ("place", "head_direction", "interneuron")


@dataclass(frozen=True, eq=False)
class Cells:
    """The neurons of a recording, one row each.

    Attributes
    ----------
    kind : numpy.ndarray of str, shape (cell,)
        ``"place"``, ``"head_direction"`` or ``"interneuron"`` (which is tuned
        to nothing).
    tetrode : numpy.ndarray of int, shape (cell,)
        The only tetrode that hears the cell.
    amplitude : numpy.ndarray, shape (cell, channel)
        Trough of its spike on each channel in volts, positive; 0 where unheard.
    rate : numpy.ndarray, shape (cell,)
        Hz: at the center of the field, in the preferred direction, or on average.
    center : numpy.ndarray, shape (cell, 2)
        Center of the place field in meters; NaN for other cells.
    width : numpy.ndarray, shape (cell,)
        Standard deviation of the place field in meters; NaN for other cells.
    direction : numpy.ndarray, shape (cell,)
        Preferred head direction in radians; NaN for other cells.
    concentration : numpy.ndarray, shape (cell,)
        Of the von Mises tuning to head direction; NaN for other cells.
    """

    kind: np.ndarray
    tetrode: np.ndarray
    amplitude: np.ndarray
    rate: np.ndarray
    center: np.ndarray
    width: np.ndarray
    direction: np.ndarray
    concentration: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)


def draw_cells(
    tetrodes: Tetrodes, *, counts: tuple[int, int, int], size: float, rng: np.random.Generator
) -> Cells:
    """Draw a population and deal it out to the tetrodes.

    Parameters
    ----------
    tetrodes : Tetrodes
    counts : (int, int, int)
        Place cells, head-direction cells and interneurons. Place cells and
        interneurons go round all tetrodes in turn; head-direction cells round
        the second half, so that tetrodes differ in what they know.
    size : float
        Side of the box in meters.
    rng : numpy.random.Generator

    Returns
    -------
    Cells
    """
    n_place, n_direction, n_inter = counts
    n = sum(counts)
    kind = np.repeat(np.array(KINDS), counts)
    place, directed = kind == KINDS[0], kind == KINDS[1]
    late = np.arange(tetrodes.n_tetrodes // 2, tetrodes.n_tetrodes)
    tetrode = np.concatenate(
        [
            np.arange(n_place) % tetrodes.n_tetrodes,
            late[np.arange(n_direction) % len(late)],
            np.arange(n_inter) % tetrodes.n_tetrodes,
        ]
    )

    def only(cells: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.where(cells.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan)

    rates = np.array([PLACE_RATE, DIRECTION_RATE, INTERNEURON_RATE]).repeat(counts, axis=0)
    return Cells(
        kind=kind,
        tetrode=tetrode,
        amplitude=_amplitudes(tetrodes, tetrode, rng),
        rate=rng.uniform(rates[:, 0], rates[:, 1]),
        center=only(place, rng.uniform(0, size, (n, 2))),
        width=only(place, rng.uniform(*FIELD_WIDTH, n)),
        direction=only(directed, rng.uniform(0, 2 * np.pi, n)),
        concentration=only(directed, rng.uniform(*DIRECTION_CONCENTRATION, n)),
    )


def _amplitudes(tetrodes: Tetrodes, tetrode: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put each cell beside its tetrode and let its spike fall off with distance."""
    n = len(tetrode)
    first = tetrodes.position[tetrode * WIRES]
    middle = first + np.array([WIRE_PITCH / 2, 0.0, WIRE_PITCH / 2])
    cell = middle + rng.uniform(-CELL_REACH, CELL_REACH, (n, 3))
    distance = np.linalg.norm(cell[:, None] - tetrodes.position[None], axis=2)
    heard = tetrodes.tetrode == tetrode[:, None]
    nearest = np.where(heard, distance, np.inf).min(axis=1, keepdims=True)
    amplitude = rng.uniform(*SPIKE_AMPLITUDE, (n, 1)) * np.exp((nearest - distance) / SPIKE_DECAY)
    return np.where(heard & tetrodes.informative, amplitude, 0.0)


def fire(
    cells: Cells, behavior: OpenField, field: FieldPotential, *, duration: float, seed: int
) -> list[np.ndarray]:
    """Draw when each cell fires.

    Parameters
    ----------
    cells : Cells
    behavior : OpenField
    field : FieldPotential
        Gives the phase of theta.
    duration : float
        Seconds.
    seed : int

    Returns
    -------
    list of numpy.ndarray
        Spike times of each cell in seconds, sorted.
    """
    look = np.unwrap(behavior.head_direction)
    spikes = []
    for i in range(len(cells)):
        highest = cells.rate[i] * (1 if cells.kind[i] == "head_direction" else 1 + THETA_DEPTH)

        def rate(time: np.ndarray, i: int = i) -> np.ndarray:
            return _momentary(cells, i, time, behavior, look, field)

        time = poisson_times(rate, highest, duration, stream(seed, i))
        spikes.append(time[np.diff(time, prepend=-np.inf) > REFRACTORY])
    return spikes


def _momentary(
    cells: Cells,
    i: int,
    time: np.ndarray,
    behavior: OpenField,
    look: np.ndarray,
    field: FieldPotential,
) -> np.ndarray:
    """Rate of a cell at given times, Hz."""
    x, y, heading, head = (
        np.interp(time, behavior.time, trace)
        for trace in (*behavior.position.T, behavior.heading, look)
    )
    rate = np.full(len(time), cells.rate[i])
    preferred = np.full(len(time), np.pi)
    if cells.kind[i] == "head_direction":
        rate *= np.exp(cells.concentration[i] * (np.cos(head - cells.direction[i]) - 1))
        return rate
    if cells.kind[i] == "place":
        dx, dy = x - cells.center[i, 0], y - cells.center[i, 1]
        rate *= np.exp(-0.5 * (dx**2 + dy**2) / cells.width[i] ** 2)
        passed = (dx * np.cos(heading) + dy * np.sin(heading)) / (2 * cells.width[i])
        preferred = np.pi - PRECESSION * np.clip(passed, -1, 1)
    rate *= 1 + THETA_DEPTH * np.cos(field.phase_at(time) - preferred)
    return rate


def waveform(rate: float, *, narrow: bool) -> tuple[np.ndarray, int]:
    """Sample the shape of an extracellular spike: a sharp trough, then a broad hump.

    Parameters
    ----------
    rate : float
        Hz.
    narrow : bool
        Whether the cell is an interneuron, whose spikes are shorter.

    Returns
    -------
    shape : numpy.ndarray of float32, shape (n,)
        The trough is -1.
    trough : int
        Which sample it is.

    Examples
    --------
    >>> shape, trough = waveform(10_000.0, narrow=False)
    >>> float(shape[trough])
    -1.0
    """
    trough = round(SPIKE_BEFORE * rate)
    time = (np.arange(trough + round(SPIKE_AFTER * rate) + 1) - trough) / rate
    scale = 0.6 if narrow else 1.0
    down = np.exp(-0.5 * (time / (scale * 0.00012)) ** 2)
    up = np.exp(-0.5 * ((time - scale * 0.00045) / (scale * 0.0002)) ** 2)
    shape = 0.4 * up - down
    return (shape / -shape[trough]).astype(np.float32), trough
