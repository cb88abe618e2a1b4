"""What levels of the filter bank keep from one piece of a recording to the next."""

from __future__ import annotations

import numpy as np
import pytest

from nwbdecode.features import stream
from nwbdecode.features.filterbank import FilterBank
from nwbdecode.features.grids import OnGrids
from nwbdecode.features.lanes import LANES
from nwbdecode.features.levels import Rooms, Shift
from nwbdecode.features.morlet import band_frequencies


def _shift(moved: int, kept: int, new: int) -> Shift:
    return Shift(low=0, moved=moved, kept=kept, new=new, at=0)


@pytest.mark.parametrize("blocks", [1, 3])
def test_rows_that_are_kept_are_at_the_beginning_of_a_larger_room(blocks: int) -> None:
    rooms = Rooms()
    rooms.fit(blocks, [_shift(0, 0, 10), _shift(0, 0, 5)], [10, 5])
    held = np.arange(blocks * 10 * LANES, dtype=np.float32).reshape(blocks, 10, LANES)
    rooms.level(0)[:] = held
    rooms.level(1)[:] = -held[:, :5]
    # The first would fit, the second does not: both lie in one room.
    shifts = rooms.fit(blocks, [_shift(4, 6, 4), _shift(2, 3, 90)], [10, 5])
    assert [shift.moved for shift in shifts] == [0, 0]
    assert rooms.apart[0] >= 10
    assert rooms.apart[1] >= 93
    np.testing.assert_array_equal(rooms.level(0)[:, :6], held[:, 4:])
    np.testing.assert_array_equal(rooms.level(1)[:, :3], -held[:, 2:5])


def test_a_room_that_is_large_enough_stays_and_rows_have_to_move() -> None:
    rooms = Rooms()
    rooms.fit(1, [_shift(0, 0, 10)], [20])
    before = rooms.rows
    assert rooms.fit(1, [_shift(4, 6, 14)], [0]) == [_shift(4, 6, 14)]
    assert rooms.rows is before


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("rate", "bands"),
    [
        (30_000.0, band_frequencies(30_000.0)),
        (1017.25, np.array([3.526, 80.0])),
        (97.3, np.array([0.0404, 0.316, 0.986, 9.58, 11.32])),
    ],
)
def test_no_level_keeps_more_rows_than_it_is_said_to(
    rate: float, bands: np.ndarray, causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = FilterBank(bands, rate)
    width = max(2, round(rate / 30))
    first = np.arange(0, 400 * width, width)
    stop = first + width
    expected = stream.carried_rows(bank, width, causal=causal)
    seen = np.zeros(len(expected), dtype=int)
    made: list[list[int]] = []

    class Watched(Rooms):
        def fit(self, blocks: int, shifts: list[Shift], expected: list[int]) -> list[Shift]:
            seen[:] = np.maximum(seen, [shift.kept for shift in shifts])
            made.append([shift.low for shift in shifts])
            return super().fit(blocks, shifts, expected)

    one = stream.Stream(bank, first, stop, causal=causal, rooms=Watched())
    near = stream.near_samples(bank, width, causal=causal)
    before, after = (2 * bank.reach, 0) if causal else (bank.reach, bank.reach)
    opens = end = -before
    given = 0
    size = max(near, 7 * width)
    while given < len(stop):
        begin, end = max(opens, end - near), min(end + size, int(stop[-1]) + after)
        done = int(np.searchsorted(stop, end - after, side="right"))
        one.push(np.zeros((end - begin, 1), dtype=np.float32), begin, done)
        given = done
    assert (seen <= expected).all()
    # No level ever begins again.
    assert (np.diff(made, axis=0) >= 0).all()


def test_bands_may_be_ahead_of_each_other_in_any_order() -> None:
    bank = FilterBank(band_frequencies(1000.0), 1000.0)
    which = [k for k, band in enumerate(bank.bands) if band.level]
    first = np.arange(0, 3000, 30)
    made = [slice(3 * (n % 4), 20 - n) for n in range(1 + len(bank.halvings))]
    at = np.arange(len(bank.halvings))
    laid = OnGrids(bank, which, [0] * len(bank.bands), 0).lay_out(first, first + 30, made, at, at)
    assert laid is not None
    _, _, _, task, low, origin, *_ = laid
    for b, k in enumerate(which):
        own = task[task[:, 0] == b]
        bins = np.concatenate([np.arange(begin, end) for _, begin, end in own])
        assert sorted(bins + low) == list(range(*made[bank.bands[k].level].indices(100)))
        np.testing.assert_array_equal(origin[b, bins], first[bins + low] // bank.bands[k].stride)
