from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from nwbdecode.decoder import CNNDecoder, RidgeDecoder, from_stored
from nwbdecode.errors import NWBDecodeError
from nwbdecode.evaluate import (
    PurgedKFold,
    cross_validate,
    importance,
    predict_new,
    predict_out_of_fold,
)
from tests.evaluate.recordings import power, target, voltage


@pytest.fixture(scope="module")
def features():
    return power(voltage()[0])


@pytest.fixture(scope="module")
def targets():
    values = voltage()[1]
    with_gap = values.copy()
    with_gap[500:600] = np.nan
    return {
        "amplitude": target(with_gap),
        "phase": target(np.angle(np.exp(1j * 2 * np.pi * values)), kind="circular"),
        "level": target((values > 0.5).astype(float), kind="categorical", classes=["low", "high"]),
    }


@pytest.fixture(scope="module")
def result(features, targets):
    decoder = CNNDecoder(window=8, epochs=6, hidden=16)
    return cross_validate(
        decoder, features, targets, cv=PurgedKFold(3), n_shifts=100, progress=False
    )


@pytest.mark.parametrize("n_shifts", [0, -1, 1.5, True])
def test_chance_is_always_measured(features, targets, n_shifts):
    with pytest.raises(NWBDecodeError, match=f"n_shifts is {n_shifts}; expected .* one or more"):
        cross_validate(RidgeDecoder(window=8), features, targets, n_shifts=n_shifts, progress=False)


def test_every_bin_whose_window_fits_is_predicted_and_scored(result):
    fold = result.predictions["fold"].to_numpy()
    assert (fold[4:-3] >= 0).all()
    assert (fold[:4] == -1).all()
    assert result.scores["bins"].sel(target="phase") == (fold >= 0).sum()
    assert result.scores["bins"].sel(target="amplitude") < (fold >= 0).sum()


def test_all_kinds_of_target_are_learned_together(result):
    table = result.scores.sel(decoder="cnn")
    for name, metric in (("amplitude", "r"), ("level", "balanced_accuracy")):
        value = table["value"].sel(target=name, metric=metric)
        assert value > table["chance"].sel(target=name, metric=metric)
    assert table["value"].sel(target="amplitude", metric="r") > 0.8
    error = table["value"].sel(target="phase", metric="error")
    assert error < table["chance"].sel(target="phase", metric="error")


def test_ridge_stands_beside_it_on_the_same_bins(result):
    for name in result.targets:
        cnn, ridge = result.predictions[name], result.baselines["ridge"][name]
        assert np.array_equal(np.isfinite(cnn), np.isfinite(ridge))


def test_missing_values_stay_missing(result):
    missing = ~np.isfinite(result.truth["amplitude"].to_numpy())
    assert 15 <= missing.sum() <= 25
    assert result.truth["amplitude"].attrs["missing"] == pytest.approx(missing.mean())
    assert np.isfinite(result.predictions["amplitude"].to_numpy()[missing]).all()


def test_the_fold_decoders_reproduce_the_out_of_fold_predictions(result, features):
    again = predict_out_of_fold(result, features)
    xr.testing.assert_identical(again, result.predictions)


def test_the_same_seed_gives_the_same_result(features, targets):
    first, again = (
        cross_validate(
            CNNDecoder(window=8, epochs=1, hidden=4), features, targets,
            cv=PurgedKFold(2), refit=False, n_shifts=100, progress=False,
        )
        for _ in range(2)
    )  # fmt: skip
    assert first.differences(again) == []


def test_final_and_ensemble_decode_a_new_recording(result):
    samples, values = voltage(seed=5)
    new = power(samples)
    for use in ("final", "ensemble"):
        got = predict_new(result, new, use=use)["amplitude"].to_numpy()
        truth = np.interp(new["time"], np.arange(len(values)) / 50, values)
        known = np.isfinite(got)
        assert np.corrcoef(got[known], truth[known])[0, 1] > 0.7


def test_importance_finds_the_band_and_the_channel_that_know(result, features):
    found = importance(result, features, repeats=2, progress=False).importance
    band = found["frequency"].sel(target="amplitude")
    # The 10 Hz rhythm lies between the bands at 8 and 13.7 Hz.
    assert set(band["frequency"].to_numpy()[np.argsort(band["value"].to_numpy())[-2:]].round()) <= {
        8,
        14,
    }
    channel = found["channel"].sel(target="amplitude")
    assert channel["value"].sel(channel=0) > channel["null"].sel(channel=0)
    assert channel["low"].sel(channel=0) > 0
    assert channel["value"].sel(channel=1) < 0.1 * channel["value"].sel(channel=0)


def test_importance_of_noise_lies_within_the_null(features):
    rng = np.random.default_rng(3)
    noise = {"noise": target(np.repeat(rng.normal(size=1200), 5))}
    result = cross_validate(
        CNNDecoder(window=8, epochs=2, hidden=16), features, noise,
        cv=PurgedKFold(3), baselines=(), refit=False, n_shifts=50, progress=False,
    )  # fmt: skip
    table = importance(result, features, by="channel", repeats=2, progress=False).importance
    assert (table["channel"]["low"] <= table["channel"]["null"]).all()


def test_unknown_names_are_refused_with_what_there_is(features, targets, result):
    with pytest.raises(NWBDecodeError, match="'ridge'"):
        cross_validate(CNNDecoder(), features, targets, baselines=["rigde"], progress=False)
    with pytest.raises(NWBDecodeError, match="Did you mean 'channel'"):
        importance(result, features, by=["chanel"])


@pytest.mark.parametrize(
    "decoder", [CNNDecoder(window=8, epochs=1, hidden=4), RidgeDecoder(window=8)]
)
def test_a_stored_decoder_predicts_as_before(decoder, features, targets):
    from nwbdecode.features import align

    decoder.fit(features, align(targets, features))
    stored = decoder.to_stored()
    xr.testing.assert_identical(from_stored(stored).predict(features), decoder.predict(features))
