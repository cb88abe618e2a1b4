"""What a simulated ECoG grid promises about itself, measured in its samples."""

from __future__ import annotations

import pickle
import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, hilbert, sosfiltfilt, welch

from nwbdecode.errors import NWBDecodeError
from nwbdecode.simulate import ECoGRecording, ecog, simulate_ecog
from nwbdecode.simulate.fingers import (
    ENSLAVED,
    FINGERS,
    MOVEMENT,
    PAUSE,
    RING_AND_LITTLE,
    flex_fingers,
)
from nwbdecode.simulate.grid import ELECTRODE_PITCH, INFORMATIVE, place_grid

SMALL: dict[str, Any] = {"duration": 10.5, "rate": 500.0, "size": (3, 4)}


@pytest.fixture(scope="module")
def recording() -> ECoGRecording:
    return simulate_ecog(duration=240.0, rate=600.0, size=(8, 8), seed=2)


@pytest.fixture(scope="module")
def volts(recording: ECoGRecording) -> np.ndarray:
    return recording.read(0, recording.n).astype(np.float32) * recording.conversion


@pytest.fixture(scope="module")
def referenced(recording: ECoGRecording, volts: np.ndarray) -> np.ndarray:
    """Volts less the average of the good electrodes."""
    return volts - volts[:, ~recording.grid.bad].mean(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def short() -> tuple[ECoGRecording, np.ndarray]:
    recording = simulate_ecog(**SMALL)
    return recording, recording.read(0, recording.n)


def amplitude(volts: np.ndarray, rate: float, low: float, high: float) -> np.ndarray:
    """Amplitude in a band, one value for each sample and channel."""
    sos = butter(3, (low, high), btype="bandpass", fs=rate, output="sos")
    return np.abs(hilbert(sosfiltfilt(sos, volts, axis=0), axis=0))


def below_mains(volts: np.ndarray, rate: float) -> np.ndarray:
    """Keep what lies under 40 Hz, every fifth sample."""
    sos = butter(4, 40, fs=rate, output="sos")
    return sosfiltfilt(sos, volts, axis=0)[::5]


def test_the_same_seed_makes_the_same_samples(short: tuple[ECoGRecording, np.ndarray]) -> None:
    again = simulate_ecog(**SMALL)
    np.testing.assert_array_equal(again.read(0, again.n), short[1])


def test_another_seed_makes_another_recording(short: tuple[ECoGRecording, np.ndarray]) -> None:
    other = simulate_ecog(**SMALL, seed=1)
    assert np.mean(other.read(0, other.n) == short[1]) < 0.1
    assert not np.array_equal(other.hand.flexion, short[0].hand.flexion)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 5250), max_size=4))
def test_pieces_of_any_size_make_up_the_whole(
    short: tuple[ECoGRecording, np.ndarray], cuts: list[int]
) -> None:
    recording, whole = short
    edges = [0, *sorted(cuts), recording.n]
    pieces = [recording.read(start, stop) for start, stop in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_pickled_recording_reads_the_same(short: tuple[ECoGRecording, np.ndarray]) -> None:
    recording, whole = short
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(recording)).read(0, 900), whole[:900])


@pytest.mark.parametrize("rate", [500.0, 1017.25, 2000.0])
def test_any_rate_fills_its_whole_duration(rate: float) -> None:
    recording = simulate_ecog(duration=3.3, rate=rate, size=(2, 2))
    made = recording.read(0, recording.n)
    assert made.shape == (round(3.3 * rate), 4)
    assert (made[-100:].std(axis=0) > 0).all()


def test_a_long_recording_takes_no_more_memory_to_read_than_a_short_one() -> None:
    peaks = []
    for duration in (12.0, 3600.0):
        recording = simulate_ecog(duration=duration, rate=500.0, size=(4, 4))
        recording.read(0, 1)  # what is made once and kept
        tracemalloc.start()
        recording.read(recording.n - 6000, recording.n)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_no_sample_is_clipped(recording: ECoGRecording) -> None:
    counts = np.abs(recording.read(0, recording.n // 4).astype(np.int32))
    assert counts.max() < np.iinfo(np.int16).max


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), duration=st.floats(1.0, 200.0))
def test_fingers_move_one_at_a_time_and_equally_often(seed: int, duration: float) -> None:
    hand = flex_fingers(duration, np.random.default_rng(seed))
    assert (hand.stop <= duration).all()
    rests = hand.start[1:] - hand.stop[:-1]
    assert ((rests >= PAUSE[0] - 1e-9) & (rests <= PAUSE[1] + 1e-9)).all()
    counts = np.bincount(hand.finger, minlength=len(FINGERS))
    assert np.ptp(counts) <= 1
    assert ((hand.intended > 0).sum(axis=1) <= 1).all()
    bent = hand.intended.max(axis=1) > 1e-6
    assert (hand.moving(hand.time)[bent] == hand.intended[bent].argmax(axis=1) + 1).all()


def test_other_fingers_bend_with_the_one_that_moves() -> None:
    hand = flex_fingers(400.0, np.random.default_rng(0))
    found = np.linalg.lstsq(hand.intended, hand.flexion, rcond=None)[0]
    expected = np.eye(5) + ENSLAVED * (np.eye(5, k=1) + np.eye(5, k=-1))
    expected[3, 4] = expected[4, 3] = RING_AND_LITTLE
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_a_finger_bends_three_or_four_times_in_a_movement() -> None:
    hand = flex_fingers(400.0, np.random.default_rng(0))
    for start, stop, finger in zip(hand.start, hand.stop, hand.finger, strict=True):
        bend = hand.intended[(hand.time >= start) & (hand.time < stop), finger]
        peaks = (bend[1:-1] > bend[:-2]) & (bend[1:-1] >= bend[2:]) & (bend[1:-1] > 0.2)
        assert int(MOVEMENT / 0.75) <= peaks.sum() <= int(MOVEMENT / 0.45)


def test_fingers_lie_in_order_on_the_grid_and_neighbors_are_its_pitch_apart() -> None:
    grid = place_grid((8, 8), np.random.default_rng(0))
    best = grid.finger_gain.argmax(axis=0)
    assert len(set(best.tolist())) == len(FINGERS)
    from_thumb = np.linalg.norm(grid.position[best] - grid.position[best[0]], axis=1)
    assert (np.diff(from_thumb) > 0).all()
    beside = np.linalg.norm(grid.position[1] - grid.position[0])
    assert beside == pytest.approx(ELECTRODE_PITCH, rel=0.1)
    assert (grid.position[:, 0] < 0).all()  # the left hemisphere


def test_loose_electrodes_are_not_those_of_the_fingers() -> None:
    for seed in range(20):
        grid = place_grid((8, 8), np.random.default_rng(seed))
        assert grid.bad.sum() == 2
        assert (grid.finger_gain.max(axis=0) > INFORMATIVE).all()


def test_loose_electrodes_share_nothing_of_the_brain(
    recording: ECoGRecording, volts: np.ndarray, referenced: np.ndarray
) -> None:
    bad = recording.grid.bad
    assert (volts[:, bad].std(axis=0) > 3 * volts[:, ~bad].std(axis=0).max()).all()
    # The mains are heard everywhere.
    beside = np.corrcoef(below_mains(referenced, recording.rate).T)
    assert np.abs(beside[np.ix_(bad, ~bad)]).max() < 0.2


def test_the_reference_is_common_to_all_and_leaves_with_the_average(
    recording: ECoGRecording, volts: np.ndarray, referenced: np.ndarray
) -> None:
    far = ~recording.grid.bad & (recording.grid.hand_gain < 0.05)
    muscles = (30.0, 50.0)
    before = (amplitude(volts[:, far], recording.rate, *muscles) ** 2).mean()
    after = (amplitude(referenced[:, far], recording.rate, *muscles) ** 2).mean()
    assert after < 0.35 * before
    # It is what electrodes far from each other have in common.
    corners = [corner for corner in (0, 7, 56, 63) if not recording.grid.bad[corner]]
    apart = np.corrcoef(below_mains(volts[:, corners], recording.rate).T)
    own = np.hypot(ecog.BACKGROUND, ecog.REFERENCE_SLOW)
    found = apart[np.triu_indices(len(corners), 1)]
    assert found.mean() == pytest.approx((ecog.REFERENCE_SLOW / own) ** 2, abs=0.12)


def test_high_gamma_rises_by_the_planted_drive(
    recording: ECoGRecording, referenced: np.ndarray
) -> None:
    step = 12
    time = np.arange(0, recording.n, step) / recording.rate
    drive = recording.high_gamma_drive
    slopes, fits = [], []
    for finger in range(len(FINGERS)):
        best = int(recording.grid.finger_gain[:, finger].argmax())
        # The mains' harmonic at 120 Hz is left out.
        loud = amplitude(referenced[:, best : best + 1], recording.rate, 72, 112)[:, 0]
        loud = loud[: len(time) * step].reshape(len(time), step).mean(axis=1)
        planted = drive @ recording.grid.finger_gain[best]
        expected = np.interp(time, recording.hand.time, planted)
        slopes.append(np.polyfit(expected, np.log(loud), 1)[0])
        fits.append(np.corrcoef(expected, np.log(loud))[0, 1])
    # White noise and background fill the band where high gamma is low: less than one.
    assert all(0.6 < slope < 1.1 for slope in slopes), slopes
    assert min(fits) > 0.3, fits


def test_high_gamma_of_other_electrodes_knows_no_finger(
    recording: ECoGRecording, referenced: np.ndarray
) -> None:
    far = np.flatnonzero(~recording.grid.bad & (recording.grid.finger_gain.max(axis=1) == 0))[:12]
    loud = np.log(amplitude(referenced[:, far], recording.rate, 72, 112))
    time = np.arange(recording.n) / recording.rate
    moving = recording.hand.moving(time) > 0
    rise = loud[moving].mean(axis=0) - loud[~moving].mean(axis=0)
    assert np.abs(rise).max() < 0.1


def test_beta_falls_over_the_hand_while_any_finger_moves(
    recording: ECoGRecording, volts: np.ndarray, referenced: np.ndarray
) -> None:
    time = np.arange(recording.n) / recording.rate
    # In the middle of a movement beta has fallen, and 1.2 s after one not yet begun to again.
    since = time[:, None] - recording.hand.start
    middle = ((since > 0.5) & (since < 1.2)).any(axis=1)
    hand = int(np.argmax(recording.grid.hand_gain * (recording.grid.gain > 0)))
    far = int(np.argmin(recording.grid.hand_gain + recording.grid.bad))
    falls = []
    # The average carries the hand area's beta to all electrodes: the far one is taken without.
    for heard in (referenced[:, [hand]], volts[:, [far]]):
        power = amplitude(heard, recording.rate, 17, 27) ** 2
        rest = recording.hand.moving(time + ecog.BETA_LEAD) == 0
        falls.append(np.log(power[middle].mean() / power[rest].mean()))
    # At rest the fall has not ended everywhere and background fills the band: less than e^-2.
    assert -2.0 < falls[0] < -0.7
    assert abs(falls[1]) < 0.25


def test_slow_potentials_come_with_the_own_finger(
    recording: ECoGRecording, referenced: np.ndarray
) -> None:
    hand, grid = recording.hand, recording.grid
    found, planted = [], []
    for finger in range(len(FINGERS)):
        best = int(grid.finger_gain[:, finger].argmax())
        level = {}
        for own in (True, False):
            chosen = hand.start[(hand.finger == finger) == own]
            first = np.round((chosen + 0.3) * recording.rate).astype(int)
            within = np.arange(round(1.2 * recording.rate))
            level[own] = referenced[first[:, None] + within, best].mean()
        found.append(level[True] - level[False])
        others = np.delete(grid.finger_gain[best], finger).mean()
        planted.append(ecog.SLOW_POTENTIAL * (grid.finger_gain[best, finger] - others))
    assert max(found) < 0
    assert np.mean(found) == pytest.approx(np.mean(planted), rel=0.35)


def test_the_mains_hum_with_their_planted_amplitudes(
    recording: ECoGRecording, volts: np.ndarray
) -> None:
    time = np.arange(recording.n) / recording.rate
    good = ~recording.grid.bad
    turning = ecog.MAINS * time
    turning += (
        ecog.MAINS_WANDER
        * ecog.MAINS_PERIOD
        / (2 * np.pi)
        * np.sin(2 * np.pi * time / ecog.MAINS_PERIOD)
    )
    for order, ratio in enumerate(ecog.HARMONICS, start=1):
        wave = np.exp(-2j * np.pi * order * turning)
        found = 2 * np.abs(wave @ volts / recording.n)
        planted = ratio * recording.line_amplitude * (order * ecog.MAINS < recording.rate / 2)
        np.testing.assert_allclose(found[good], planted[good], atol=0.4e-6)


def test_the_background_falls_by_its_exponent(
    recording: ECoGRecording, referenced: np.ndarray
) -> None:
    far = ~recording.grid.bad & (recording.grid.hand_gain < 0.05)
    frequency, power = welch(referenced[:, far], recording.rate, nperseg=2400, axis=0)
    part = (frequency >= 4) & (frequency <= 12)
    slope = np.polyfit(np.log(frequency[part]), np.log(power[part].mean(axis=1)), 1)[0]
    # The knee bends the line a little.
    assert slope == pytest.approx(-ecog.BACKGROUND_EXPONENT, abs=0.4)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"duration": 0.1}, "duration"),
        ({"duration": float("inf")}, "duration"),
        ({"rate": 250.0}, "rate"),
        ({"size": (1, 8)}, "size"),
        ({"size": 8}, "size"),
        ({"seed": -1}, "seed"),
    ],
)
def test_an_option_out_of_range_is_named(option: dict[str, Any], said: str) -> None:
    with pytest.raises(NWBDecodeError, match=said):
        simulate_ecog(**{"duration": 2.0, **option})
