"""What a simulated two-photon movie promises about itself, measured in its pixels."""

from __future__ import annotations

import pickle
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.ndimage import shift

from nwbdecode.errors import NWBDecodeError
from nwbdecode.simulate import OphysRecording, calcium, field_of_view, ophys, simulate_ophys
from nwbdecode.simulate.calcium import fluorescence, indicator
from nwbdecode.simulate.tones import PAUSE, TONE_LENGTH, play_tones

SMALL: dict[str, Any] = {
    "size": (48, 60),
    "n_tone_cells": 4,
    "n_speed_cells": 3,
    "n_untuned_cells": 5,
}


@pytest.fixture(scope="module")
def recording() -> OphysRecording:
    """Half an hour of cells; only the frames that a test reads are made."""
    return simulate_ophys(duration=1800.0, rate=10.0, seed=3, **SMALL)


@pytest.fixture(scope="module")
def short() -> tuple[OphysRecording, np.ndarray]:
    recording = simulate_ophys(duration=20.0, rate=10.0, **SMALL)
    return recording, recording.read(0, recording.n)


def test_the_same_seed_makes_the_same_movie(short: tuple[OphysRecording, np.ndarray]) -> None:
    again = simulate_ophys(duration=20.0, rate=10.0, **SMALL)
    np.testing.assert_array_equal(again.read(0, again.n), short[1])


def test_another_seed_makes_another_movie(short: tuple[OphysRecording, np.ndarray]) -> None:
    other = simulate_ophys(duration=20.0, rate=10.0, seed=1, **SMALL)
    assert np.mean(other.read(0, other.n) == short[1]) < 0.1
    assert not np.array_equal(other.view.center, short[0].view.center)


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=4))
def test_pieces_of_any_size_make_up_the_whole(
    short: tuple[OphysRecording, np.ndarray], cuts: list[int]
) -> None:
    recording, whole = short
    edges = [0, *sorted(cuts), recording.n]
    pieces = [recording.read(start, stop) for start, stop in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_pickled_movie_reads_the_same(short: tuple[OphysRecording, np.ndarray]) -> None:
    recording, whole = short
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(recording)).read(0, 70), whole[:70])


def test_a_long_movie_takes_no_more_memory_to_read_than_a_short_one() -> None:
    peaks = []
    for duration in (30.0, 3600.0):
        recording = simulate_ophys(duration=duration, rate=10.0, **SMALL)
        tracemalloc.start()
        recording.read(recording.n - 128, recording.n)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_no_pixel_is_clipped(short: tuple[OphysRecording, np.ndarray]) -> None:
    assert short[1].min() > 0
    assert short[1].max() < np.iinfo(np.uint16).max


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), duration=st.floats(1.0, 200.0))
def test_tones_never_touch_and_come_equally_often(seed: int, duration: float) -> None:
    tones = play_tones(duration, np.random.default_rng(seed))
    assert (tones.stop <= duration).all()
    pauses = tones.start[1:] - tones.stop[:-1]
    assert ((pauses >= PAUSE[0] - 1e-9) & (pauses <= PAUSE[1] + 1e-9)).all()
    assert abs(int((tones.code == 1).sum()) - int((tones.code == 2).sum())) <= 1
    # The series of codes holds each tone for its length.
    heard = tones.at(np.arange(0, duration, 0.01))
    assert (heard > 0).sum() * 0.01 == pytest.approx(len(tones) * TONE_LENGTH, rel=0.01)


@settings(max_examples=20, deadline=None)
@given(
    rise=st.floats(0.02, 0.1),
    decay=st.floats(0.2, 1.5),
    at=st.floats(1.0, 1.2),
    rate=st.sampled_from([5.0, 15.0, 30.0]),
)
def test_a_spike_raises_the_light_by_its_course_averaged_over_each_exposure(
    rise: float, decay: float, at: float, rate: float
) -> None:
    cells = replace(
        simulate_ophys(duration=1.0, size=(32, 32), n_tone_cells=1, n_speed_cells=0,
                       n_untuned_cells=0).cells,
        rise=np.array([rise]), decay=np.array([decay]), dff_per_spike=np.array([0.2]),
    )  # fmt: skip
    dff = fluorescence(cells, [np.array([at])], n_frames=round(4 * rate), rate=rate)[:, 0]
    expected = []
    for frame in range(len(dff)):
        low, high = (frame - 0.5) / rate, (frame + 0.5) / rate
        low = max(low, at)
        course = quad(lambda t: indicator(np.array(t - at), rise, decay), low, max(high, low))[0]
        expected.append(0.2 * course * rate)
    np.testing.assert_allclose(dff, expected, atol=1e-5)
    assert dff.max() < 0.2 * 1.02


def test_pixels_are_photons_times_gain_with_the_noise_of_both(recording: OphysRecording) -> None:
    light = recording.light(0, 256).astype(np.float64)
    counts = recording.read(0, 256).astype(np.float64)
    # Mean and variance in classes of light: the photon transfer curve.
    order = np.argsort(light.ravel())
    for part in np.array_split(order, 5):
        expected = light.ravel()[part]
        surplus = counts.ravel()[part] - ophys.OFFSET - ophys.GAIN * expected
        assert surplus.mean() / ophys.GAIN == pytest.approx(0, abs=0.05)
        variance = ophys.GAIN**2 * expected.mean() + ophys.READ_NOISE**2
        assert surplus.var() == pytest.approx(variance, rel=0.03)


def test_noise_of_a_mask_is_that_of_independent_pixels(recording: OphysRecording) -> None:
    light = recording.light(0, 640).astype(np.float64)
    surplus = recording.read(0, 640) - ophys.OFFSET - ophys.GAIN * light
    for mask in recording.view.masks():
        x, y = mask[:, :2].astype(int).T
        weight = mask[:, 2] / mask[:, 2].sum()
        variance = ophys.GAIN**2 * light[:, x, y] + ophys.READ_NOISE**2
        expected = (variance.mean(axis=0) * weight**2).sum()
        assert (surplus[:, x, y] @ weight).var() == pytest.approx(expected, rel=0.2)


def test_an_ideal_extraction_has_the_mean_and_the_noise_of_a_movie_of_one_cell(
    recording: OphysRecording,
) -> None:
    rng = np.random.default_rng(0)
    traces = recording.traces()
    for i, mask in enumerate(recording.view.masks()):
        glow = recording.cells.brightness[i] * (1 + recording.dff[:4000, i].astype(float))
        photons = glow[:, None] * mask[:, 2]
        pixels = ophys.GAIN * rng.poisson(photons) + ophys.READ_NOISE * rng.standard_normal(
            photons.shape
        )
        drawn = np.average(pixels, axis=1, weights=mask[:, 2])
        clean = ophys.GAIN * np.average(photons, axis=1, weights=mask[:, 2])
        assert traces[:4000, i].mean() == pytest.approx(drawn.mean(), rel=0.02)
        assert np.std(traces[:4000, i] - clean) == pytest.approx(np.std(drawn - clean), rel=0.1)


def test_motion_is_the_shift_of_the_frame(recording: OphysRecording) -> None:
    still = replace(recording, motion=np.zeros_like(recording.motion))
    frames = np.argsort(-np.abs(recording.motion[:2000]).max(axis=1))[:5]
    for frame in frames.tolist():
        moved = recording.light(frame, frame + 1)[0]
        unmoved = still.light(frame, frame + 1)[0]
        expected = shift(unmoved, recording.motion[frame], order=5, mode="nearest")
        inner = (slice(4, -4), slice(4, -4))
        wrong = np.abs(moved - expected)[inner].max()
        assert wrong < 0.05 * np.abs(moved - unmoved)[inner].max()


def test_motion_grows_with_running_and_stays_below_two_pixels(recording: OphysRecording) -> None:
    speed = np.interp(
        recording.time, np.arange(len(recording.speed)) / recording.speed_rate, recording.speed
    )
    moved = np.hypot(*recording.motion.T)
    assert moved[speed > 0.2].mean() > 1.5 * moved[speed < 0.02].mean()
    assert np.sqrt((moved[speed < 0.005] ** 2).mean() / 2) == pytest.approx(ophys.MOTION, rel=0.1)
    assert np.abs(recording.motion).max() <= ophys.MOST_MOTION


def test_light_bleaches(recording: OphysRecording) -> None:
    dark = replace(
        recording,
        dff=np.zeros_like(recording.dff),
        neuropil=np.zeros_like(recording.neuropil),
        motion=np.zeros_like(recording.motion),
    )
    first, last = dark.light(0, 1), dark.light(recording.n - 1, recording.n)
    left = 1 - ophys.BLEACHED * (1 - np.exp(-recording.duration / ophys.BLEACHING))
    np.testing.assert_allclose(last / first, left, rtol=1e-3)


def test_masks_lie_on_their_cells_and_never_overlap(recording: OphysRecording) -> None:
    taken = np.zeros(recording.view.shape, dtype=int)
    for mask, center in zip(recording.view.masks(), recording.view.center, strict=True):
        x, y = mask[:, :2].astype(int).T
        taken[x, y] += 1
        middle = np.average(mask[:, :2], axis=0, weights=mask[:, 2])
        np.testing.assert_allclose(middle, center, atol=0.3)
    assert taken.max() == 1


def test_neuropil_reaches_a_soma_less_than_the_gap_between_cells(
    recording: OphysRecording,
) -> None:
    share = recording.view.patch.sum(axis=0)
    cells = recording.view.footprint.sum(axis=0)
    np.testing.assert_allclose(share[cells == 0], 1, atol=1e-5)
    assert share[cells > 0.99].mean() == pytest.approx(1 - field_of_view.OCCLUSION, abs=0.01)


def test_neuropil_follows_running_and_the_cells_around(recording: OphysRecording) -> None:
    speed = np.interp(
        recording.time, np.arange(len(recording.speed)) / recording.speed_rate, recording.speed
    )
    for patch in recording.neuropil.T:
        assert 0.2 < np.corrcoef(patch, speed)[0, 1] < 0.9
    lag = np.exp(-np.arange(0, 10, 1 / recording.rate) / ophys.NEUROPIL_LAG)
    aroused = np.convolve(speed, lag / lag.sum())[: recording.n]
    design = np.column_stack([recording.dff.mean(axis=1), aroused, np.ones(recording.n)])
    slopes = np.linalg.lstsq(design, recording.neuropil.mean(axis=1), rcond=None)[0][:2]
    planted = [ophys.NEUROPIL_PER_CELLS, ophys.NEUROPIL_PER_SPEED]
    np.testing.assert_allclose(slopes, planted, rtol=0.25)


def triggered(recording: OphysRecording, cell: int, code: int) -> np.ndarray:
    """Mean relative fluorescence from 1 s before to 4 s after the onsets of a tone."""
    onsets = recording.tones.start[recording.tones.code == code]
    onsets = onsets[(onsets > 2) & (onsets < recording.duration - 5)]
    lags = np.arange(-1, 4, 0.1)
    answers = [np.interp(at + lags, recording.time, recording.dff[:, cell]) for at in onsets]
    course = np.mean(answers, axis=0)
    return course - course[:10].mean()


def test_tone_cells_answer_their_tone_as_rate_and_indicator_foretell(
    recording: OphysRecording,
) -> None:
    cells = recording.cells
    fine = np.arange(0, 6, 0.005)
    found, foretold = [], []
    for i in np.flatnonzero(cells.kind == "tone"):
        drive = calcium.SUSTAINED + (1 - calcium.SUSTAINED) * np.exp(-fine / calcium.ADAPTATION)
        drive = np.where(fine < TONE_LENGTH, drive, 0) * cells.tone_rate[i]
        course = cells.dff_per_spike[i] * indicator(fine, cells.rise[i], cells.decay[i])
        answer = np.convolve(drive, course)[: len(fine)] * 0.005
        # A log-normal factor from tone to tone has this mean.
        answer *= np.exp(calcium.TRIAL_SPREAD**2 / 2)
        own = triggered(recording, i, cells.tone[i])
        found.append(own[10:].sum() * 0.1)
        foretold.append(answer[fine < 4].sum() * 0.005)
        assert np.corrcoef(own[10:], np.interp(np.arange(0, 4, 0.1), fine, answer))[0, 1] > 0.95
        # It peaks within a second of the onset.
        assert 10 < own.argmax() < 21
        other = triggered(recording, i, 3 - cells.tone[i])
        assert np.abs(other).max() < 0.25 * own.max()
    np.testing.assert_allclose(found, foretold, rtol=0.25)


def test_speed_cells_fire_by_the_planted_gain(recording: OphysRecording) -> None:
    cells = recording.cells
    edges = np.arange(0, recording.duration, 1.0)
    clock = np.arange(len(recording.speed)) / recording.speed_rate
    speed = np.interp(edges[:-1] + 0.5, clock, recording.speed)
    for i in range(len(cells)):
        counts, _ = np.histogram(recording.spikes[i], edges)
        slope = np.polyfit(speed, counts, 1)[0]
        if cells.kind[i] == "speed":
            # The cell's own log-normal drift has this mean.
            planted = cells.speed_gain[i] * np.exp(calcium.DRIFT**2 / 2)
            assert slope == pytest.approx(planted, rel=0.25)
        else:
            assert abs(np.corrcoef(speed, counts)[0, 1]) < 0.12


def test_untuned_cells_answer_no_tone(recording: OphysRecording) -> None:
    tuned = [
        triggered(recording, i, recording.cells.tone[i]).max()
        for i in np.flatnonzero(recording.cells.kind == "tone")
    ]
    for i in np.flatnonzero(recording.cells.kind != "tone"):
        spread = recording.dff[:, i].std() / np.sqrt(len(recording.tones) / 2)
        for code in (1, 2):
            assert np.abs(triggered(recording, i, code)).max() < 5 * spread
            assert np.abs(triggered(recording, i, code)).max() < 0.5 * min(tuned)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"duration": 0.1}, "duration"),
        ({"duration": float("nan")}, "duration"),
        ({"rate": 1.0}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"n_tone_cells": -1}, "numbers of cells"),
        ({"n_tone_cells": 0, "n_speed_cells": 0, "n_untuned_cells": 0}, "numbers of cells"),
        ({"n_untuned_cells": 500}, "larger size"),
        ({"size": (8, 8)}, "do not fit"),
        ({"size": 64}, "size"),
        ({"seed": -1}, "seed"),
    ],
)
def test_an_option_out_of_range_is_named(option: dict[str, Any], said: str) -> None:
    with pytest.raises(NWBDecodeError, match=said):
        simulate_ophys(**{"duration": 2.0, **option})
