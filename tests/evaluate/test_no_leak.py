"""Rule one of the science: nothing that a test prediction reads reaches the training."""

from __future__ import annotations

import numpy as np
import pytest

from nwbdecode.decoder import CNNDecoder, RidgeDecoder
from nwbdecode.evaluate import PurgedKFold
from nwbdecode.features import align
from nwbdecode.load.cutting import without
from nwbdecode.load.signal import as_signal
from tests.evaluate.recordings import BIN, RATE, power, target, voltage, weights_of

HUGE = 1e6
DECODERS = {
    "cnn": CNNDecoder(window=8, epochs=1),
    "ridge": RidgeDecoder(window=8),
}


def fit(decoder, samples, values, train):
    features = power(samples)
    return type(decoder)(**decoder.get_params()).fit(
        features, align({"amplitude": target(values, support=[0.2, 0.2])}, features), train
    )


def poison(samples, values, fold, features, decoder):
    """Overwrite every raw and target sample that a prediction of the test block can read."""
    before, after = features.attrs["support"]
    window = decoder.window_
    time = np.arange(len(samples)) / RATE
    centers = features["time"].to_numpy()[fold.test]
    low = centers[0] - window.before * BIN - before
    high = centers[-1] + window.after * BIN + after
    samples = samples.copy()
    samples[(time >= low) & (time <= high)] = HUGE
    reach = 0.2 + BIN / 2
    clock = np.arange(len(values)) / 50
    values = values.copy()
    values[(clock >= centers[0] - reach) & (clock <= centers[-1] + reach)] = HUGE
    return samples, values


@pytest.mark.parametrize("name", DECODERS)
def test_weights_do_not_change_when_all_that_the_test_block_can_read_is_overwritten(name):
    decoder = DECODERS[name]
    samples, values = voltage()
    features = power(samples)
    aligned = align({"amplitude": target(values, support=[0.2, 0.2])}, features)
    for fold in PurgedKFold(4).split(features, aligned, decoder.window_):
        clean = fit(decoder, samples, values, fold.train)
        spoiled = fit(decoder, *poison(samples, values, fold, features, decoder), fold.train)
        assert weights_of(clean) == weights_of(spoiled)


@pytest.mark.parametrize("name", DECODERS)
def test_random_folds_fail_the_same_test(name):
    decoder = DECODERS[name]
    samples, values = voltage()
    features = power(samples)
    aligned = align({"amplitude": target(values, support=[0.2, 0.2])}, features)
    fold = next(iter(PurgedKFold(4).split(features, aligned, decoder.window_)))
    # As many training bins, in runs long enough for windows, but dealt out at random.
    runs = np.random.default_rng(0).permutation(np.arange(len(fold.train)) // 24)
    random = np.isin(np.arange(len(fold.train)) // 24, np.unique(runs)[::2])
    clean = fit(decoder, samples, values, random)
    spoiled = fit(decoder, *poison(samples, values, fold, features, decoder), random)
    assert weights_of(clean) != weights_of(spoiled)


@pytest.mark.parametrize("name", DECODERS)
def test_excluded_times_change_no_weight(name):
    """As an artifact would: what was left out reaches training through no filter."""
    decoder = DECODERS[name]
    samples, values = voltage()
    spoiled = samples.copy()
    spoiled[int(40 * RATE) : int(60 * RATE)] = HUGE
    weights = []
    for raw in (samples, spoiled):
        features = power(without(as_signal(raw, rate=RATE), [(40.0, 60.0)]))
        aligned = align({"amplitude": target(values)}, features)
        fold = next(iter(PurgedKFold(3).split(features, aligned, decoder.window_)))
        own = type(decoder)(**decoder.get_params())
        weights.append(weights_of(own.fit(features, aligned, fold.train)))
    assert weights[0] == weights[1]


def test_a_causal_prediction_depends_on_no_later_sample():
    samples, values = voltage()
    causal = power(samples, causal=True)
    decoder = CNNDecoder(window=8, epochs=1, decode_at="end").fit(
        causal, align({"amplitude": target(values)}, causal)
    )
    expected = decoder.predict(causal)["amplitude"].to_numpy()
    for at in (0, 9, 200, 777):
        spoiled = samples.copy()
        end = causal["bin_end"].to_numpy()[at]
        spoiled[np.arange(len(samples)) / RATE > end] = HUGE
        got = decoder.predict(power(spoiled, causal=True))["amplitude"].to_numpy()
        np.testing.assert_array_equal(got[: at + 1], expected[: at + 1])


def test_a_centered_prediction_does_depend_on_later_samples():
    samples, values = voltage()
    features = power(samples)
    decoder = CNNDecoder(window=8, epochs=1).fit(
        features, align({"amplitude": target(values)}, features)
    )
    spoiled = samples.copy()
    spoiled[np.arange(len(samples)) / RATE > features["bin_end"].to_numpy()[200]] = HUGE
    before = decoder.predict(features)["amplitude"].to_numpy()
    after = decoder.predict(power(spoiled))["amplitude"].to_numpy()
    assert before[200] != after[200]


def test_windows_never_cross_a_gap_of_the_recording():
    from dataclasses import replace

    from nwbdecode.load.signal import Segment

    samples, values = voltage()
    half = len(samples) // 2
    signal = as_signal(samples, rate=RATE)
    gapped = replace(
        signal, segments=(Segment(0, half, 0.0, RATE), Segment(half, 2 * half, 100.0, RATE))
    )
    features = power(gapped)
    aligned = align({"amplitude": target(np.r_[values, values])}, features)
    decoder = CNNDecoder(window=8, epochs=1).fit(features, aligned)
    made = np.isfinite(decoder.predict(features)["amplitude"].to_numpy())
    segment = features["segment"].to_numpy()
    for index in (0, 1):
        inside = np.flatnonzero(segment == index)
        assert not made[inside[:4]].any()
        assert not made[inside[-3:]].any()
        assert made[inside[4:-3]].all()
