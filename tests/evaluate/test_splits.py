from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwbdecode.decoder import RidgeDecoder
from nwbdecode.decoder.windows import Window, decodable, inner_blocks
from nwbdecode.errors import NWBDecodeError
from nwbdecode.evaluate import PurgedKFold, cross_validate
from nwbdecode.features import align
from nwbdecode.load.signal import as_signal
from tests.evaluate.recordings import RATE, power, target, voltage


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


def labelled(starts, stop, codes, classes):
    """Targets of a trial table: each label holds from its start, until `stop`."""
    import xarray as xr

    time = np.append(starts, stop)
    return xr.DataArray(
        np.append(codes, np.nan), dims="time",
        coords={"time": time, "trial": ("time", np.append(np.arange(len(starts)), -1))},
        attrs={"kind": "categorical", "classes": classes, "steps": True},
    )  # fmt: skip


def test_targets_that_come_from_trials_are_never_cut_without_being_asked(recording):
    features, _ = recording
    starts = np.sort(np.random.default_rng(0).uniform(0, 118, 25))
    targets = align({"choice": labelled(starts, 120, np.arange(25) % 2, ["a", "b"])}, features)
    trial = targets["trial"].to_numpy()
    assert len(np.unique(trial)) > 20
    for fold in PurgedKFold(4).split(features, targets, Window(4, 3)):
        shared = np.intersect1d(trial[fold.test], trial[~fold.test])
        assert not shared[shared >= 0].size


def test_two_long_epochs_cannot_fill_five_folds(recording):
    features, _ = recording
    targets = align({"state": labelled([0.0, 60.0], 120, [0, 1], ["run", "rest"])}, features)
    with pytest.raises(NWBDecodeError, match=r"do not fill 5 folds.*no fold cuts"):
        list(PurgedKFold(5).split(features, targets, Window(4, 3)))


def test_a_class_that_a_fold_trains_without_is_named(recording):
    features, _ = recording
    starts = np.arange(0, 120, 4.0)
    codes = np.arange(30) % 2
    codes[10] = 2
    classes = ["left", "right", "probe"]
    targets = align({"choice": labelled(starts, 120, codes, classes)}, features)
    folds = list(PurgedKFold(4).split(features, targets, Window(4, 3)))
    with pytest.raises(NWBDecodeError, match=r"class 'probe' of target 'choice'.*fold 1 \(tested"):
        PurgedKFold.check_classes(folds, features, targets, Window(4, 3))
    with pytest.raises(NWBDecodeError, match="class 'probe'"):
        cross_validate(RidgeDecoder(window=8), features, targets, cv=PurgedKFold(4), progress=False)
    codes[25] = 2
    targets = align({"choice": labelled(starts, 120, codes, classes)}, features)
    folds = list(PurgedKFold(4).split(features, targets, Window(4, 3)))
    PurgedKFold.check_classes(folds, features, targets, Window(4, 3))


def test_the_gap_is_kept_in_seconds_where_bins_were_left_out():
    samples, values = voltage()
    spans = tuple((float(a), a + 5.0) for a in range(0, 120, 8))
    features = power(replace(as_signal(samples, rate=RATE), only=spans))
    targets = align({"amplitude": target(values)}, features)
    start, end = features["bin_start"].to_numpy(), features["bin_end"].to_numpy()
    for fold in PurgedKFold(3).split(features, targets, Window(4, 3)):
        near = (end > fold.start - fold.gap + 1e-6) & (start < fold.stop + fold.gap - 1e-6)
        assert not (fold.train & near).any()


def test_model_selection_shares_no_trial_with_what_is_kept():
    size = 400
    start = np.arange(size) * 0.1
    trial = np.arange(size) // 35
    everything = np.ones(size, dtype=bool)
    kept, held = inner_blocks(everything, everything, start, start + 0.1, 0.5, 0.15, trial)
    assert held.any()
    assert not np.intersect1d(trial[held], trial[kept]).size


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


@pytest.mark.parametrize("decode_at", ["center", "end"])
def test_a_recording_in_short_pieces_is_refused_with_the_window_that_fits(decode_at):
    samples, values = voltage()
    spans = tuple((float(a), a + 3.0) for a in range(0, 120, 4))
    features = power(replace(as_signal(samples, rate=RATE), only=spans), lowest=20.0)
    targets = align({"amplitude": target(values)}, features)
    runs = (
        r"takes 6.4 s \(64 bins\).*of 30 gapless runs those of (2.9|3) s \((29|30) bins\) or less"
    )
    with pytest.raises(NWBDecodeError, match=runs) as error:
        list(PurgedKFold(5).split(features, targets, Window.of(64, decode_at)))
    fits = int(re.search(r"longest window that fits is (\d+) bins", str(error.value))[1])
    assert len(list(PurgedKFold(5).split(features, targets, Window.of(fits, decode_at)))) == 5
    with pytest.raises(NWBDecodeError, match=f"longest window that fits is {fits} bins"):
        list(PurgedKFold(5).split(features, targets, Window.of(fits + 1, decode_at)))


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 4), st.integers(0, 4))
def test_a_bin_is_decodable_only_if_its_whole_window_is_allowed(allowed, before, after):
    allowed = np.array(allowed)
    got = decodable(allowed, np.zeros(len(allowed), dtype=int), Window(before, after))
    for at in range(len(allowed)):
        inside = at >= before and at + after < len(allowed)
        assert got[at] == (inside and allowed[at - before : at + after + 1].all())
