"""What a simulated CA1 recording promises about itself."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, hilbert, sosfiltfilt

from nwbdecode.errors import NWBDecodeError
from nwbdecode.simulate import CA1Recording, lfp, simulate_ca1
from nwbdecode.simulate.cells import waveform

SHORT = {"duration": 5.5, "rate": 2500.0, "n_channels": 6, "progress": False}


@pytest.fixture(scope="module")
def recording() -> CA1Recording:
    return simulate_ca1(duration=90.0, rate=8000.0, seed=2, progress=False)


@pytest.fixture(scope="module")
def volts(recording: CA1Recording) -> np.ndarray:
    return recording.read(0, recording.n).astype(np.float32) * recording.conversion


@pytest.fixture(scope="module")
def short() -> tuple[CA1Recording, np.ndarray]:
    recording = simulate_ca1(**SHORT)
    return recording, recording.read(0, recording.n)


def power(volts: np.ndarray, rate: float, low: float, high: float) -> np.ndarray:
    """Power in a band, one value for each sample and channel."""
    band = butter(3, (low, high), btype="bandpass", fs=rate, output="sos")
    return sosfiltfilt(band, volts, axis=0) ** 2


def test_the_same_seed_makes_the_same_samples(short: tuple[CA1Recording, np.ndarray]) -> None:
    again = simulate_ca1(**SHORT)
    np.testing.assert_array_equal(again.read(0, again.n), short[1])


def test_another_seed_makes_another_recording(short: tuple[CA1Recording, np.ndarray]) -> None:
    other = simulate_ca1(**SHORT, seed=1)
    assert np.mean(other.read(0, other.n) == short[1]) < 0.1
    assert not np.array_equal(other.behavior.position, short[0].behavior.position)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 13_750), max_size=6))
def test_pieces_of_any_size_make_up_the_whole(
    short: tuple[CA1Recording, np.ndarray], cuts: list[int]
) -> None:
    recording, whole = short
    edges = [0, *sorted(cuts), recording.n]
    pieces = [recording.read(start, stop) for start, stop in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_chosen_channels_are_those_of_the_whole(short: tuple[CA1Recording, np.ndarray]) -> None:
    recording, whole = short
    np.testing.assert_array_equal(recording.read(10, 900, np.array([5, 0])), whole[10:900, [5, 0]])


def test_a_pickled_recording_reads_the_same(short: tuple[CA1Recording, np.ndarray]) -> None:
    recording, whole = short
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(recording)).read(0, 3000), whole[:3000])


@pytest.mark.parametrize("rate", [1000.0, 1500.5, 24414.0625])
def test_any_rate_fills_its_whole_duration(rate: float) -> None:
    recording = simulate_ca1(duration=3.3, rate=rate, n_channels=2, progress=False)
    assert recording.read(0, recording.n).shape == (round(3.3 * rate), 2)
    assert recording.read(0, recording.n)[-100:].std() > 0


def test_no_sample_is_clipped(recording: CA1Recording) -> None:
    counts = np.abs(recording.read(0, recording.n).astype(np.int32))
    assert counts.max() < np.iinfo(np.int16).max


def test_amplitudes_are_those_of_a_hippocampal_electrode(
    recording: CA1Recording, volts: np.ndarray
) -> None:
    heard = volts[:, recording.tetrodes.informative].std(axis=0)
    assert ((heard > 80e-6) & (heard < 350e-6)).all()


def test_the_background_falls_with_frequency(recording: CA1Recording, volts: np.ndarray) -> None:
    dead = volts[:, ~recording.tetrodes.informative]
    slow = power(dead, recording.rate, 20, 30).mean() / 10
    fast = power(dead, recording.rate, 200, 300).mean() / 100
    assert slow / fast == pytest.approx(10**lfp.BACKGROUND_EXPONENT, rel=0.35)


def test_upsampling_leaves_no_images_of_the_field_potential(recording: CA1Recording) -> None:
    potential = recording.field_potential
    fast = power(potential.upsampled(0, 20_000), recording.rate, 800, 3900).mean()
    assert np.sqrt(fast) < 0.5e-6


def test_theta_grows_with_speed_by_the_planted_slope(
    recording: CA1Recording, volts: np.ndarray
) -> None:
    behavior = recording.behavior
    # Where theta stands far above the background, its log amplitude is a line in speed.
    channel = int(np.argmax(recording.tetrodes.gain))
    step = 16
    slow = volts[::step, channel]
    band = butter(2, (5.5, 11), btype="bandpass", fs=recording.rate / step, output="sos")
    amplitude = np.abs(hilbert(sosfiltfilt(band, slow)))
    time = np.arange(len(slow)) * step / recording.rate
    speed = np.interp(time, behavior.time, behavior.speed)
    fast = speed > 0.1
    slope, _ = np.polyfit(speed[fast], np.log(amplitude[fast]), 1)
    assert slope == pytest.approx(lfp.THETA_LOG_AMPLITUDE_PER_SPEED, rel=0.5)
    assert 0.3 < np.corrcoef(speed, np.log(amplitude))[0, 1] < 0.95


def test_theta_runs_faster_when_the_animal_does(recording: CA1Recording) -> None:
    potential, behavior = recording.field_potential, recording.behavior
    turned = np.unwrap(potential.theta_phase.astype(np.float64))[lfp.FILTER_REACH :]
    time = np.arange(len(turned)) / potential.rate
    at = np.arange(0, recording.duration - 0.5, 0.5)
    frequency = np.diff(np.interp(at, time, turned)) / np.pi
    speed = np.interp(at[:-1] + 0.25, behavior.time, behavior.speed)
    slope, rest = np.polyfit(speed, frequency, 1)
    assert slope == pytest.approx(lfp.THETA_FREQUENCY_PER_SPEED, abs=1.0)
    assert rest == pytest.approx(lfp.THETA_FREQUENCY, abs=0.3)


@pytest.mark.parametrize("seed", [0, 1, 4])
def test_a_place_cell_raises_the_spike_band_in_its_field_by_what_its_spikes_carry(
    seed: int,
) -> None:
    alone = {"n_place_cells": 1, "n_direction_cells": 0, "n_interneurons": 0}
    recording = simulate_ca1(
        duration=120.0, rate=8000.0, n_channels=8, seed=seed, progress=False, **alone
    )
    rate, cells, behavior = recording.rate, recording.cells, recording.behavior
    loud = power(recording.read(0, recording.n) * recording.conversion, rate, 600, 3000)
    time = np.arange(recording.n) / rate
    place = np.stack([np.interp(time, behavior.time, xy) for xy in behavior.position.T], axis=1)
    distance = np.linalg.norm(place - cells.center[0], axis=1)
    inside, outside = distance < cells.width[0], distance > 3 * cells.width[0]
    rise = loud[inside].mean(axis=0) - loud[outside].mean(axis=0)

    # The truth foretells the rise: spikes per second times the energy of one spike in the
    # band. It is zero, too, for broken wires and for tetrodes that do not hear the cell.
    spike = np.zeros(1000)
    shape, _ = waveform(rate, narrow=False)
    spike[500 : 500 + len(shape)] = shape
    energy = power(spike, rate, 600, 3000).sum() / rate
    spikes = inside[np.rint(recording.spikes[0] * rate).astype(int)].sum()
    planted = cells.amplitude[0] ** 2 * energy * spikes / (inside.sum() / rate)
    assert planted.max() > 0
    noise = loud[outside].mean(axis=0)
    np.testing.assert_allclose(rise / noise, planted / noise, rtol=0.1, atol=0.03)


def test_spikes_reach_no_other_tetrode() -> None:
    kinds = {"n_direction_cells": 0, "n_interneurons": 0}
    options = {"duration": 4.0, "rate": 8000.0, "n_channels": 8, "progress": False}
    silent = simulate_ca1(**options, n_place_cells=0, **kinds)
    one = simulate_ca1(**options, n_place_cells=0, n_direction_cells=0, n_interneurons=1)
    changed = (silent.read(0, silent.n) != one.read(0, one.n)).any(axis=0)
    np.testing.assert_array_equal(changed, one.cells.amplitude[0] > 0)
    assert set(one.tetrodes.tetrode[changed]) == {one.cells.tetrode[0]}


def test_a_spike_is_a_trough_of_the_planted_amplitude() -> None:
    options = {"duration": 20.0, "rate": 20_000.0, "n_channels": 4, "progress": False}
    none = {"n_place_cells": 0, "n_direction_cells": 0}
    silent = simulate_ca1(**options, **none, n_interneurons=0)
    one = simulate_ca1(**options, **none, n_interneurons=1)
    spikes = one.read(0, one.n).astype(float) - silent.read(0, silent.n)
    at = np.rint(one.spikes[0] * one.rate).astype(int)
    trough = -spikes[at].mean(axis=0) * one.conversion
    np.testing.assert_allclose(trough, one.cells.amplitude[0], rtol=0.1)


def test_head_direction_cells_sit_on_the_second_half_of_the_tetrodes(
    recording: CA1Recording,
) -> None:
    directed = recording.cells.kind == "head_direction"
    assert set(recording.cells.tetrode[directed]) == {2, 3}
    assert np.isnan(recording.cells.direction[~directed]).all()


def test_head_direction_cells_fire_toward_their_direction(recording: CA1Recording) -> None:
    behavior = recording.behavior
    look = np.unwrap(behavior.head_direction)
    toward, by_chance = [], []
    for cell in np.flatnonzero(recording.cells.kind == "head_direction"):
        direction = recording.cells.direction[cell]
        head = np.interp(recording.spikes[cell], behavior.time, look)
        toward.append(np.cos(head - direction).mean())
        by_chance.append(np.cos(behavior.head_direction - direction).mean())
    assert (np.array(toward) > np.array(by_chance) + 0.2).all()


def test_ripples_come_only_at_rest(recording: CA1Recording) -> None:
    behavior, times = recording.behavior, recording.field_potential.ripples
    assert len(times) > 0
    assert np.interp(times, behavior.time, behavior.speed).max() < 2 * lfp.REST_SPEED


def test_broken_wires_share_nothing_with_the_others(
    recording: CA1Recording, volts: np.ndarray
) -> None:
    dead = ~recording.tetrodes.informative
    assert dead.sum() == 2
    assert not recording.cells.amplitude[:, dead].any()
    together = np.corrcoef(volts[:, ~dead].T)
    assert together.min() > 0.3
    apart = np.corrcoef(volts[:, dead].T, volts[:, ~dead].T)[:2, 2:]
    assert np.abs(apart).max() < 0.1


def test_every_tetrode_hears_its_own_share_of_the_noise(
    recording: CA1Recording, volts: np.ndarray
) -> None:
    heard = recording.tetrodes.informative
    tetrode = recording.tetrodes.tetrode[heard]
    shared = np.corrcoef(volts[:, heard].T)
    same = (tetrode[:, None] == tetrode) & ~np.eye(len(tetrode), dtype=bool)
    assert shared[same].mean() > shared[tetrode[:, None] != tetrode].mean() + 0.05


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"duration": 0.1}, "duration"),
        ({"duration": float("nan")}, "duration"),
        ({"rate": 250.0}, "rate"),
        ({"n_channels": 0}, "n_channels"),
        ({"n_place_cells": -1}, "cells"),
        ({"seed": -1}, "seed"),
    ],
)
def test_an_option_out_of_range_is_named(option: dict[str, float], said: str) -> None:
    with pytest.raises(NWBDecodeError, match=said):
        simulate_ca1(**{"duration": 2.0, "progress": False, **option})
