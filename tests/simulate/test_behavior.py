"""What the simulated animal may and may not do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.simulate.behavior import TOP_SPEED, OpenField, open_field


@pytest.fixture(scope="module")
def field() -> OpenField:
    return open_field(300.0, np.random.default_rng(1))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.floats(0.1, 3.0), rate=st.sampled_from([25.0, 50.0, 60]))
def test_the_animal_never_leaves_the_box(seed: int, size: float, rate: float) -> None:
    field = open_field(20.0, np.random.default_rng(seed), size=size, rate=rate)
    assert field.position.min() >= 0
    assert field.position.max() <= size
    assert len(field.time) == len(field.position) == len(field.speed) == 20 * rate


def test_speed_is_that_of_an_animal_which_runs_and_rests(field: OpenField) -> None:
    assert field.speed.max() <= TOP_SPEED * 1.01
    assert 0.1 < field.speed.mean() < 0.25
    assert 0.05 < np.mean(field.speed < 0.03) < 0.4


def test_speed_is_the_distance_covered(field: OpenField) -> None:
    walked = np.linalg.norm(np.diff(field.position, axis=0), axis=1).sum()
    assert field.speed.sum() / field.rate == pytest.approx(walked, rel=0.02)


def test_the_animal_visits_all_of_the_box() -> None:
    field = open_field(600.0, np.random.default_rng(0))
    visits, _, _ = np.histogram2d(*field.position.T, bins=5, range=[[0, 1], [0, 1]])
    assert visits.min() / len(field.speed) > 0.3 / 25


def test_the_head_follows_the_body_without_being_tied_to_it(field: OpenField) -> None:
    turned = np.angle(np.exp(1j * (field.head_direction - field.heading)))
    assert 0.3 < np.std(turned) < 1.0
    assert abs(np.mean(np.exp(1j * turned))) > 0.6
    assert ((field.head_direction >= 0) & (field.head_direction < 2 * np.pi)).all()


def test_the_head_turns_no_faster_than_a_head_can(field: OpenField) -> None:
    turning = np.diff(np.unwrap(field.head_direction)) * field.rate
    assert np.abs(turning).max() < 20
