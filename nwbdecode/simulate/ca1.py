"""A simulated tetrode recording from CA1 of an animal in an open field."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.simulate import lfp
from nwbdecode.simulate.behavior import OpenField, open_field
from nwbdecode.simulate.cells import SPIKE_JITTER, Cells, draw_cells, fire, waveform
from nwbdecode.simulate.noise import stream
from nwbdecode.simulate.recording import SimulatedRecording, check_simulation
from nwbdecode.simulate.tetrodes import Tetrodes, implant_tetrodes

#: Volts per count, as in a common headstage (Intan RHD2000).
CONVERSION = 0.195e-6
#: Density of the white noise of tissue and amplifier, V per square root of Hz
#: (8 microvolts over 5 kHz).
WHITE_NOISE = 8e-6 / math.sqrt(5000.0)
#: Side of the box, m.
BOX = 1.0
#: The lowest rate that still holds ripples and a share of each spike, Hz.
LOWEST_RATE = 1000.0

#: Frequencies in Hz where each variable can be read, and from what.
BANDS: dict[str, list[tuple[float, float, str]]] = {
    "position": [(300.0, 3000.0, "spikes of place cells")],
    "head_direction": [(300.0, 3000.0, "spikes of head-direction cells")],
    "speed": [
        (6.0, 10.0, "theta amplitude and frequency"),
        (12.0, 20.0, "second harmonic of theta"),
        (*lfp.GAMMA_BAND, "low gamma amplitude"),
        (*lfp.RIPPLE_BAND, "ripples, only at rest"),
    ],
}


@dataclass(frozen=True, eq=False)
class CA1Recording(SimulatedRecording):
    """A recording whose samples are made when they are read.

    It holds no open handle and can be pickled; the same range of samples is
    the same numbers however it is read.

    Attributes
    ----------
    rate : float
        Samples per second.
    n : int
        Samples in the recording.
    seed : int
        What it was drawn from.
    noise_seed : int
        What the white noise is drawn from, derived from `seed`.
    behavior : OpenField
        Position (m), heading, head direction (rad) and speed (m/s) at 50 Hz.
    tetrodes : Tetrodes
        Where channels are and which of them know nothing.
    cells : Cells
        Tuning of each neuron and its amplitude on each channel.
    spikes : list of numpy.ndarray
        Spike times of each neuron in seconds.
    spike_gains : list of numpy.ndarray of float32
        Ratio of each spike's amplitude to its neuron's.
    field_potential : FieldPotential
        The part below `lfp.LFP_RATE` / 2, without spikes and white noise.
    bands : dict
        For each variable, ``(low, high, source)`` of the frequencies in Hz
        that carry it.
    """

    n: int
    behavior: OpenField
    tetrodes: Tetrodes
    cells: Cells
    spikes: list[np.ndarray] = field(repr=False)
    spike_gains: list[np.ndarray] = field(repr=False)
    field_potential: lfp.FieldPotential = field(repr=False)

    @property
    def bands(self) -> dict[str, list[tuple[float, float, str]]]:
        return BANDS

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and channels."""
        return self.n, self.tetrodes.n_channels

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.int16)

    @property
    def conversion(self) -> float:
        """Volts per count."""
        return CONVERSION

    @property
    def block(self) -> int:
        """Samples made at a time; reads of whole blocks waste nothing."""
        return _block(self.rate)

    def read(self, start: int, stop: int, columns: np.ndarray | None = None) -> np.ndarray:
        """Make the samples of a range.

        Parameters
        ----------
        start, stop : int
            First sample and one past the last.
        columns : numpy.ndarray of int, optional
            Which channels; by default all.

        Returns
        -------
        numpy.ndarray of int16, shape (time, channel)
            Counts; times `conversion` they are volts.
        """
        made = super().read(start, stop)
        return made if columns is None else made[:, columns]

    def _make(self, index: int) -> np.ndarray:
        """Make one block: field potential, white noise, spikes, in that order."""
        per_block = self.block // self.field_potential.factor
        volts = self.field_potential.upsampled(index * per_block, (index + 1) * per_block)
        white = stream(self.noise_seed, index).standard_normal(volts.shape, dtype=np.float32)
        volts += np.float32(WHITE_NOISE * math.sqrt(self.rate / 2)) * white
        self._add_spikes(volts, index * self.block)
        return self._counts(volts / np.float32(CONVERSION))

    def _add_spikes(self, volts: np.ndarray, start: int) -> None:
        for cell, times in enumerate(self.spikes):
            shape, trough = waveform(self.rate, narrow=self.cells.kind[cell] == "interneuron")
            channels = np.flatnonzero(self.cells.amplitude[cell])
            # A spike that begins in the block before may end in this one.
            reach = len(shape) / self.rate
            low, high = np.searchsorted(
                times, [start / self.rate - reach, (start + len(volts)) / self.rate + reach]
            )
            if low == high or not len(channels):
                continue
            at = np.rint(times[low:high] * self.rate).astype(np.int64) - trough - start
            rows = at[:, None] + np.arange(len(shape))
            inside = (rows >= 0) & (rows < len(volts))
            wave = (self.spike_gains[cell][low:high, None] * shape)[inside]
            size = self.cells.amplitude[cell, channels].astype(np.float32)
            np.add.at(volts, (rows[inside][:, None], channels), wave[:, None] * size)


def simulate_ca1(
    *,
    duration: float = 600.0,
    rate: float = 10_000.0,
    n_channels: int = 16,
    n_place_cells: int = 80,
    n_direction_cells: int = 16,
    n_interneurons: int = 8,
    seed: int = 0,
    progress: bool = True,
) -> CA1Recording:
    """Simulate tetrodes in CA1 of an animal that forages in a 1 m box.

    Position can be read from place cells on every tetrode, head direction from
    cells on the second half of the tetrodes, speed from theta and, weakly, from
    gamma and ripples. One channel in eight records noise of its own and nothing
    else. The sizes of all effects are constants at the top of the modules of
    `nwbdecode.simulate`, with their units.

    Parameters
    ----------
    duration : float, default 600
        Seconds.
    rate : float, default 10000
        Samples per second, 1000 at least.
    n_channels : int, default 16
        Four make a tetrode.
    n_place_cells, n_direction_cells, n_interneurons : int
        How many neurons of each kind.
    seed : int, default 0
        Same options and seed, same recording.
    progress : bool, default True
        Whether to show a bar.

    Returns
    -------
    CA1Recording

    Raises
    ------
    NWBDecodeError
        If an option is out of range.

    Examples
    --------
    >>> recording = simulate_ca1(duration=2.0, rate=2000.0, n_channels=4, progress=False)
    >>> recording.shape
    (4000, 4)
    >>> recording.read(1000, 1500).dtype
    dtype('int16')
    """
    counts = n_place_cells, n_direction_cells, n_interneurons
    _check(duration, rate, n_channels, counts, seed)
    n = round(duration * rate)
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(6, np.uint64)]
    behavior = open_field(n / rate, stream(seeds[0]), size=BOX)
    tetrodes = implant_tetrodes(n_channels, stream(seeds[1]))
    blocks = -(-n // _block(rate))
    potential = lfp.field_potential(
        behavior,
        tetrodes,
        rate=rate,
        n=blocks * _block(rate) // lfp.lfp_factor(rate),
        seed=seeds[2],
        progress=progress,
    )
    cells = draw_cells(tetrodes, counts=counts, size=BOX, rng=stream(seeds[3]))
    spikes = fire(cells, behavior, potential, duration=n / rate, seed=seeds[4])
    gains = stream(seeds[4], len(cells))
    return CA1Recording(
        rate=rate,
        n=n,
        seed=seed,
        noise_seed=seeds[5],
        behavior=behavior,
        tetrodes=tetrodes,
        cells=cells,
        spikes=spikes,
        spike_gains=[
            1 + np.float32(SPIKE_JITTER) * gains.standard_normal(len(times), dtype=np.float32)
            for times in spikes
        ],
        field_potential=potential,
    )


def _block(rate: float) -> int:
    """About one second, and whole samples of the field potential."""
    factor = lfp.lfp_factor(rate)
    return factor * round(rate / factor)


def _check(
    duration: float, rate: float, n_channels: int, counts: tuple[int, int, int], seed: int
) -> None:
    check_simulation(duration, seed)
    if not (math.isfinite(rate) and rate >= LOWEST_RATE):
        raise NWBDecodeError(
            f"rate is {rate:g} Hz; ripples and spikes need {LOWEST_RATE:g} Hz at least"
        )
    if n_channels < 1:
        raise NWBDecodeError(f"n_channels is {n_channels}; one at least is needed")
    if min(counts) < 0:
        raise NWBDecodeError(f"a number of cells is {min(counts)}; use 0 for none")
