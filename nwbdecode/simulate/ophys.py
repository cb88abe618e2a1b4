"""A simulated two-photon movie of auditory cortex in a mouse that runs and hears tones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.simulate import calcium
from nwbdecode.simulate.behavior import TRACKING_RATE, running_speed
from nwbdecode.simulate.calcium import ImagedCells, draw_imaged_cells, fire_imaged, fluorescence
from nwbdecode.simulate.field_of_view import MARGIN, FieldOfView, draw_field
from nwbdecode.simulate.noise import slow_drift, stream
from nwbdecode.simulate.recording import SimulatedRecording, check_simulation
from nwbdecode.simulate.tones import Tones, play_tones

#: Mean rest of a mouse on a wheel, s.
REST = 8.0
#: Counts of a photon, and of none (the offset keeps noise above zero), and the spread of
#: the noise of the amplifier, counts.
GAIN, OFFSET, READ_NOISE = 20.0, 100.0, 10.0
#: Light of the neuropil, photons per frame and pixel.
NEUROPIL = 8.0
#: What the light of the neuropil follows, each a share of it: the mean relative
#: fluorescence of all cells, running (per m/s), and a drift of each patch (spread).
NEUROPIL_PER_CELLS, NEUROPIL_PER_SPEED, NEUROPIL_DRIFT = 0.3, 0.3, 0.06
#: How long a drift of the neuropil lasts, and how slowly it answers running, s.
NEUROPIL_TIMESCALE, NEUROPIL_LAG = 8.0, 1.0
#: Share of the light that bleaching takes in the end, and how fast, s.
BLEACHED, BLEACHING = 0.3, 300.0
#: What registration leaves of motion: spread at rest, pixels, its rise with running,
#: pixels per m/s, the most that occurs, pixels, and how long a displacement lasts, s.
MOTION, MOTION_PER_SPEED, MOST_MOTION, MOTION_TIMESCALE = 0.15, 0.6, MARGIN / 2, 0.2
#: Frames made at a time.
BLOCK = 64
#: The slowest and fastest frame rate in Hz that the indicator's time constants allow for.
RATES = (2.0, 200.0)


@dataclass(frozen=True, eq=False)
class OphysRecording(SimulatedRecording):
    """A movie whose frames are made when they are read.

    It holds no open handle and can be pickled; the same range of frames is
    the same numbers however it is read.

    Attributes
    ----------
    rate : float
        Frames per second. Frame k is exposed around ``k / rate``.
    seed : int
        What it was drawn from.
    noise_seed : int
        What photons and the amplifier's noise are drawn from, derived from `seed`.
    view : FieldOfView
        Where the cells are.
    cells : ImagedCells
        What each cell is tuned to.
    spikes : list of numpy.ndarray
        Spike times of each cell in seconds.
    dff : numpy.ndarray of float32, shape (frame, cell)
        Relative fluorescence of each cell.
    neuropil : numpy.ndarray of float32, shape (frame, patch)
        Relative fluorescence of the neuropil.
    motion : numpy.ndarray of float32, shape (frame, 2)
        Displacement along x and y in pixels.
    tones : Tones
    speed : numpy.ndarray, shape (time,)
        Running speed in m/s, at `speed_rate` samples per second.
    speed_rate : float
    """

    view: FieldOfView
    cells: ImagedCells
    spikes: list[np.ndarray] = field(repr=False)
    dff: np.ndarray = field(repr=False)
    neuropil: np.ndarray = field(repr=False)
    motion: np.ndarray = field(repr=False)
    tones: Tones
    speed: np.ndarray
    speed_rate: float = TRACKING_RATE

    @property
    def n(self) -> int:
        """Frames in the movie."""
        return len(self.dff)

    @property
    def time(self) -> np.ndarray:
        """Middle of each frame's exposure in seconds, shape (frame,)."""
        return np.arange(self.n) / self.rate

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames and pixels along x and y."""
        return (self.n, *self.view.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint16)

    @property
    def block(self) -> int:
        """Frames made at a time; reads of whole blocks waste nothing."""
        return BLOCK

    @property
    def bleaching(self) -> np.ndarray:
        """Share of the light that is left at each frame, shape (frame,)."""
        return bleaching(self.time)

    def _make(self, index: int) -> np.ndarray:
        """Make one block: light, motion, photons, amplifier, in that order."""
        frames = slice(index * BLOCK, min((index + 1) * BLOCK, self.n))
        photons = self.light(frames.start, frames.stop)
        rng = stream(self.noise_seed, index)
        counts = GAIN * rng.poisson(np.maximum(photons, 0)).astype(np.float32)
        counts += READ_NOISE * rng.standard_normal(counts.shape, dtype=np.float32) + OFFSET
        return self._counts(counts)

    def light(self, start: int, stop: int) -> np.ndarray:
        """Give the photons to be expected in each pixel, shape (frame, x, y).

        Parameters
        ----------
        start, stop : int
            First frame and one past the last.
        """
        from scipy import fft

        part = slice(start, stop)
        glow = self.cells.brightness.astype(np.float32) * (1 + self.dff[part])
        still = np.tensordot(glow, self.view.footprint, axes=1)
        still += np.tensordot(NEUROPIL * (1 + self.neuropil[part]), self.view.patch, axes=1)
        left = bleaching(np.arange(*part.indices(self.n)) / self.rate)
        still *= left[:, None, None].astype(np.float32)
        # A shift by parts of a pixel is a phase ramp; what wraps around ends in the margin.
        x, y = (fft.fftfreq(size) for size in still.shape[1:])
        dx, dy = self.motion[part].T
        ramp = np.exp(-2j * np.pi * dx[:, None] * x).astype(np.complex64)[:, :, None]
        other = np.exp(-2j * np.pi * dy[:, None] * y[: len(y) // 2 + 1])
        spectrum = fft.rfft2(still) * ramp * other.astype(np.complex64)[:, None]
        moved = fft.irfft2(spectrum, still.shape[1:])
        return np.asarray(moved[(slice(None), *self.view.inside)], dtype=np.float32)

    def traces(self) -> np.ndarray:
        """Give what an ideal extraction would find of each cell, shape (frame, cell), counts.

        The mean over the cell's mask, weighted by its footprint, of a movie with
        nothing but this cell: no neuropil, no bleaching, no motion, no other
        cell. The noise of the photons and the amplifier stays.
        """
        traces = np.empty(self.dff.shape, dtype=np.float32)
        for i, mask in enumerate(self.view.masks()):
            weight = mask[:, 2] / mask[:, 2].sum()
            glow = self.cells.brightness[i] * (1 + self.dff[:, i])
            photons = (weight * mask[:, 2]).sum() * glow
            shot = GAIN**2 * (weight**2 * mask[:, 2]).sum() * glow
            noise = stream(self.noise_seed, i, 1).standard_normal(self.n)
            spread = np.sqrt(shot + READ_NOISE**2 * (weight**2).sum())
            traces[:, i] = GAIN * photons + spread * noise
        return traces


def simulate_ophys(
    *,
    duration: float = 480.0,
    rate: float = 15.0,
    size: tuple[int, int] = (96, 112),
    n_tone_cells: int = 12,
    n_speed_cells: int = 8,
    n_untuned_cells: int = 20,
    seed: int = 0,
) -> OphysRecording:
    """Simulate a two-photon movie of a mouse on a wheel that hears tones.

    Some cells answer one of two tones, some fire as the mouse runs, the others
    follow nothing. Neuropil lies over everything, follows all cells and, weakly,
    running; light bleaches, photons are few, and registration has left some
    motion. The sizes of all effects are constants at the top of the modules of
    `nwbdecode.simulate`, with their units.

    Parameters
    ----------
    duration : float, default 480
        Seconds.
    rate : float, default 15
        Frames per second, 2 to 200.
    size : (int, int), default (96, 112)
        Pixels along x and y, of 2 micrometers.
    n_tone_cells, n_speed_cells, n_untuned_cells : int
        How many neurons of each kind.
    seed : int, default 0
        Same options and seed, same movie.

    Returns
    -------
    OphysRecording

    Raises
    ------
    NWBDecodeError
        If an option is out of range.

    Examples
    --------
    >>> recording = simulate_ophys(duration=4.0, size=(80, 96))
    >>> recording.read(10, 20).shape
    (10, 80, 96)
    """
    counts = n_tone_cells, n_speed_cells, n_untuned_cells
    _check(duration, rate, counts, seed)
    n = round(duration * rate)
    seeds = [int(s) for s in np.random.SeedSequence(seed).generate_state(8, np.uint64)]
    view = draw_field(_pixels(size), sum(counts), stream(seeds[0]))
    cells = draw_imaged_cells(counts, stream(seeds[1]))
    tones = play_tones(n / rate, stream(seeds[2]))
    speed = running_speed(
        math.ceil(n / rate * TRACKING_RATE), TRACKING_RATE, stream(seeds[3]), rest=REST
    )
    spikes = fire_imaged(cells, tones, speed, TRACKING_RATE, duration=n / rate, seed=seeds[4])
    dff = fluorescence(cells, spikes, n_frames=n, rate=rate)
    running = np.interp(np.arange(n) / rate, np.arange(len(speed)) / TRACKING_RATE, speed)
    return OphysRecording(
        rate=rate,
        seed=seed,
        noise_seed=seeds[5],
        view=view,
        cells=cells,
        spikes=spikes,
        dff=dff,
        neuropil=_neuropil(dff, running, rate, len(view.patch), seeds[6]),
        motion=_motion(running, rate, stream(seeds[7])),
        tones=tones,
        speed=speed,
    )


def bleaching(time: np.ndarray) -> np.ndarray:
    """Share of the light that is left at given times in seconds."""
    return np.asarray(1 - BLEACHED * (1 - np.exp(-time / BLEACHING)))


def _neuropil(
    dff: np.ndarray, running: np.ndarray, rate: float, n_patches: int, seed: int
) -> np.ndarray:
    """Relative fluorescence of each patch of neuropil, shape (frame, patch)."""
    from scipy.signal import lfilter

    kept = np.exp(-1 / (rate * NEUROPIL_LAG))
    aroused = lfilter([1 - kept], [1, -kept], running)
    shared = NEUROPIL_PER_CELLS * (dff.mean(axis=1) if dff.shape[1] else 0)
    shared = shared + NEUROPIL_PER_SPEED * aroused
    own = [
        slow_drift(len(running), rate, NEUROPIL_TIMESCALE, stream(seed, patch))
        for patch in range(n_patches)
    ]
    return np.asarray(shared[:, None] + NEUROPIL_DRIFT * np.stack(own, axis=1), dtype=np.float32)


def _motion(running: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Displacement of each frame in pixels, shape (frame, 2)."""
    shakes = [slow_drift(len(running), rate, MOTION_TIMESCALE, rng) for _ in range(2)]
    moved = (MOTION + MOTION_PER_SPEED * running)[:, None] * np.stack(shakes, axis=1)
    return np.clip(moved, -MOST_MOTION, MOST_MOTION).astype(np.float32)


def _pixels(size: tuple[int, int]) -> tuple[int, int]:
    try:
        x, y = (int(pixels) for pixels in size)
    except (TypeError, ValueError):
        raise NWBDecodeError(
            f"size is {size!r}; expected two numbers of pixels, along x and y"
        ) from None
    return x, y


def _check(duration: float, rate: float, counts: tuple[int, int, int], seed: int) -> None:
    check_simulation(duration, seed)
    if not RATES[0] <= rate <= RATES[1]:
        raise NWBDecodeError(
            f"rate is {rate:g} Hz; expected {RATES[0]:g} to {RATES[1]:g} frames per second"
        )
    if min(counts) < 0 or not sum(counts):
        kinds = ", ".join(calcium.KINDS)
        raise NWBDecodeError(
            f"the numbers of cells ({kinds}) are {counts}; none may be negative, nor all 0"
        )
