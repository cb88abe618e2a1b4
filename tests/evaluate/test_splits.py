from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwbdecode.decoder.windows import Window, decodable
from nwbdecode.errors import NWBDecodeError
from nwbdecode.evaluate import PurgedKFold
from nwbdecode.features import align
from tests.evaluate.recordings import power, target, voltage


@pytest.fixture(scope="module")
def recording():
    samples, values = voltage()
    features = power(samples)
    return features, align({"amplitude": target(values)}, features)


def test_test_blocks_cover_every_bin_once(recording):
    folds = list(PurgedKFold(5).split(*recording, Window(4, 3)))
    assert (sum(fold.test.astype(int) for fold in folds) == 1).all()


@given(n_splits=st.integers(2, 6), before=st.integers(0, 12), after=st.integers(0, 12))
def test_train_lies_at_least_window_and_supports_away(recording, n_splits, before, after):
    features, targets = recording
    window = Window(before, after)
    start, end = features["bin_start"].to_numpy(), features["bin_end"].to_numpy()
    least = window.size * features.attrs["bin"] + sum(features.attrs["support"])
    for fold in PurgedKFold(n_splits).split(features, targets, window):
        earlier, later = (
            end[fold.train & (end <= fold.start)],
            start[fold.train & (start >= fold.stop)],
        )
        assert len(earlier) + len(later) == fold.train.sum()
        assert (earlier <= fold.start - least).all()
        assert (later >= fold.stop + least).all()


def test_a_gap_that_would_leak_is_refused(recording):
    with pytest.raises(NWBDecodeError, match="would leak"):
        list(PurgedKFold(5, gap=0.1).split(*recording, Window(4, 3)))


def test_folds_never_cut_a_trial(recording):
    size = recording[0].sizes["time"]
    trials = np.arange(size) // 70
    for fold in PurgedKFold(4, trials=trials).split(*recording, Window(4, 3)):
        assert not np.intersect1d(trials[fold.test], trials[~fold.test]).size


def test_too_little_data_is_refused_with_the_lowest_frequency_that_fits():
    samples, values = voltage(14.0)
    features = power(samples, lowest=2.0)
    targets = align({"amplitude": target(values)}, features)
    with pytest.raises(
        NWBDecodeError, match=r"lowest frequency that would fit is ([\d.]+) Hz"
    ) as error:
        list(PurgedKFold(5).split(features, targets, Window(4, 3)))
    fits = float(str(error.value).split("would fit is ")[1].split(" Hz")[0])
    features = power(samples, lowest=fits * 1.1)
    folds = list(PurgedKFold(5).split(features, targets, Window(4, 3)))
    assert len(folds) == 5


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 4), st.integers(0, 4))
def test_a_bin_is_decodable_only_if_its_whole_window_is_allowed(allowed, before, after):
    allowed = np.array(allowed)
    got = decodable(allowed, np.zeros(len(allowed), dtype=int), Window(before, after))
    for at in range(len(allowed)):
        inside = at >= before and at + after < len(allowed)
        assert got[at] == (inside and allowed[at - before : at + after + 1].all())
