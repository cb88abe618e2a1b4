from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from nwbdecode.decoder import CNNDecoder, RidgeDecoder, from_stored
from nwbdecode.decoder.compact import Compact
from nwbdecode.decoding import StoredDecoder
from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import align
from tests.evaluate.recordings import power, target, voltage, weights_of


@pytest.fixture(scope="module")
def features():
    return power(voltage()[0])


@pytest.fixture(scope="module")
def targets(features):
    return align({"amplitude": target(voltage()[1])}, features)


@pytest.mark.parametrize("decoder", [CNNDecoder(window=9), RidgeDecoder(lags=3)])
def test_constructors_only_store(decoder):
    assert clone(decoder).get_params() == decoder.get_params()
    assert not [name for name in vars(decoder) if name.endswith("_")]


@pytest.mark.parametrize("decoder", [CNNDecoder(), RidgeDecoder()])
def test_an_unfitted_decoder_says_so(decoder, features):
    with pytest.raises(NotFittedError, match="call fit first"):
        decoder.predict(features)


@pytest.mark.parametrize("kind", [CNNDecoder, RidgeDecoder])
@pytest.mark.parametrize("decode_at", ["center", "end"])
def test_predictions_are_made_where_the_window_fits(kind, decode_at, features, targets):
    options = {"epochs": 1} if kind is CNNDecoder else {}
    decoder = kind(window=8, decode_at=decode_at, **options).fit(features, targets)
    made = np.flatnonzero(np.isfinite(decoder.predict(features)["amplitude"]))
    before, after = (4, 3) if decode_at == "center" else (7, 0)
    assert (made[0], made[-1]) == (before, features.sizes["time"] - 1 - after)


@pytest.mark.parametrize("decode_at", ["center", "end"])
@pytest.mark.parametrize("lags", [0, 3])
def test_one_long_pass_equals_window_after_window(decode_at, lags):
    window = 10
    before = {"center": 5, "end": 9}[decode_at]
    net = Compact(3, 2, [2], window=window, before=before, lags=lags).eval()
    if net.linear is not None:
        net.linear.set_weights(torch.randn(3 * 6 + 1, 2))
    x = torch.randn(1, 40, 3, 2)
    long = net(x)[0]
    single = torch.cat([net(x[:, i : i + window])[0] for i in range(31)], dim=1)
    torch.testing.assert_close(long, single, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [CNNDecoder, RidgeDecoder])
def test_the_order_of_channels_is_of_no_account(kind, targets):
    """Columns that move together with their ids change nothing."""
    features = power(voltage(channels=6)[0])
    options = {"epochs": 2} if kind is CNNDecoder else {}
    decoder = kind(window=8, **options).fit(features, targets)
    moved = features.isel(channel=np.random.default_rng(0).permutation(6))
    one, other = (decoder.predict(x)["amplitude"] for x in (features, moved))
    np.testing.assert_allclose(one, other, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_a_channel_is_told_from_others_by_its_embedding_alone(channels, seed):
    torch.manual_seed(seed)
    net = Compact(3, channels, [2, 1], window=10, before=5).eval()
    x, order = torch.randn(1, 20, 3, channels), torch.randperm(channels)
    before = net(x)
    with torch.no_grad():
        net.channels.embedding.copy_(net.channels.embedding[order])
    for one, other in zip(before, net(x[..., order]), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_channels_under_each_others_ids_mislead_where_only_the_channel_tells_places_apart():
    """Left of the middle one channel is active, right of it another; both as much in sum."""
    samples, place = voltage(channels=2)
    mirrored = voltage(channels=2, seed=5)[0]
    time = np.arange(len(samples)) / 200
    left = np.interp(time, np.arange(len(place)) / 50, place)
    tone = np.sin(2 * np.pi * 10 * time)
    samples = np.stack([left * tone, (1 - left) * tone], axis=1) + 0.1 * mirrored
    features = power(samples.astype(np.float32))
    aligned = align({"place": target(place)}, features)
    decoder = CNNDecoder(window=8, epochs=6, lags=0).fit(features, aligned)
    swapped = features.isel(channel=[1, 0]).assign_coords(channel=features["channel"])
    truth = aligned["place"][10:-10]
    score = [
        np.corrcoef(decoder.predict(x)["place"][10:-10], truth)[0, 1] for x in (features, swapped)
    ]
    assert score[0] > 0.8
    assert score[1] < 0


def test_every_target_has_convolutions_of_its_own():
    """Spoiling one target's stream leaves the other's output alone."""
    net = Compact(3, 4, [2, 1], window=10, before=5, hidden=8).eval()
    x = torch.randn(1, 20, 3, 4)
    first, second = net(x)
    with torch.no_grad():
        for block in net.blocks:
            block.over_time.weight[8:] = 0
    assert torch.equal(net(x)[0], first)
    assert not torch.allclose(net(x)[1], second)


@pytest.mark.parametrize("decode_at", ["center", "end"])
def test_the_linear_path_alone_is_the_ridge(decode_at, features, targets):
    decoder = CNNDecoder(window=9, epochs=1, lags=4, decode_at=decode_at).fit(features, targets)
    decoder.network_.linear.share.fill_(1.0)
    ridge = RidgeDecoder(window=9, lags=4, decode_at=decode_at).fit(features, targets)
    xr.testing.assert_allclose(decoder.predict(features), ridge.predict(features), rtol=1e-3)


def test_without_lags_there_are_convolutions_alone(features, targets):
    decoder = CNNDecoder(window=9, epochs=1, lags=0).fit(features, targets)
    assert decoder.network_.linear is None
    assert not hasattr(decoder, "ridge_")


def test_each_target_takes_as_much_of_the_linear_path_as_serves_it(features, targets):
    """Convolutions that were never trained know nothing: the linear path must carry it all."""
    decoder = CNNDecoder(window=9, epochs=1, learning_rate=1e-12).fit(features, targets)
    assert decoder.network_.linear.share.item() >= 0.9
    score = np.corrcoef(
        decoder.predict(features)["amplitude"][10:-10], targets["amplitude"][10:-10]
    )[0, 1]
    assert score > 0.5


def test_the_share_of_the_linear_path_is_judged_without_the_bins_that_judge_it(features, targets):
    """Held bins may choose the penalty; the weights they judge were not fitted on them."""
    held = RidgeDecoder(window=8)._begin(features, targets, None).held
    changed = targets.copy(deep=True)
    changed["amplitude"][held] *= 1 + 1e-5
    one, two = (RidgeDecoder(window=8).fit(features, t) for t in (targets, changed))
    assert one.alphas_ == two.alphas_
    np.testing.assert_array_equal(one.inner_weights_, two.inner_weights_)
    assert not np.array_equal(one.weights_, two.weights_)


def test_decoding_the_end_reads_nothing_after_it(features, targets):
    decoder = CNNDecoder(window=8, epochs=1, decode_at="end").fit(features, targets)
    changed = features.copy(deep=True)
    changed[301:] = 1e3
    before, after = decoder.predict(features), decoder.predict(changed)
    np.testing.assert_array_equal(before["amplitude"][:301], after["amplitude"][:301])


def test_training_is_reproducible_and_leaves_global_state_alone(features, targets):
    state = torch.random.get_rng_state()
    one, two = (CNNDecoder(window=8, epochs=2).fit(features, targets) for _ in range(2))
    other = CNNDecoder(window=8, epochs=2, random_state=1).fit(features, targets)
    assert weights_of(one) == weights_of(two) != weights_of(other)
    assert torch.equal(state, torch.random.get_rng_state())


def test_the_default_network_takes_one_thread_and_gives_back_those_that_were(
    features, targets, monkeypatch, two_threads
):
    forward, threads = Compact.forward, []

    def watched(self, x):
        threads.append((self.training, torch.get_num_threads()))
        return forward(self, x)

    monkeypatch.setattr(Compact, "forward", watched)
    CNNDecoder(window=8, epochs=1).fit(features, targets).predict(features)
    assert set(threads) == {(True, 1), (False, 1)}
    assert torch.get_num_threads() == 2


def test_missing_targets_do_not_enter_the_loss(features, targets):
    """Training must not see what is masked: other values under the mask, same weights."""
    hidden = targets.copy(deep=True)
    hidden["amplitude"][100:300] = np.nan
    one = CNNDecoder(window=8, epochs=1).fit(features, hidden)
    assert np.isfinite(one.predict(features)["amplitude"][10:-10]).all()
    assert np.isfinite(one.history_.train).all()


def test_early_stopping_watches_bins_that_are_purged_from_training(features, targets):
    decoder = CNNDecoder(window=8, epochs=40, patience=2).fit(features, targets)
    assert len(decoder.history_.train) < 40
    assert np.isfinite(decoder.history_.validation).all()


def test_angles_are_learned_across_the_wrap():
    samples, values = voltage(seed=2)
    # Angles around pi: their plain mean, zero, is as wrong as can be.
    angle = np.angle(np.exp(1j * (np.pi + (values - 0.5))))
    features = power(samples)
    aligned = align({"angle": target(angle, kind="circular")}, features)
    for decoder in (CNNDecoder(window=8, epochs=4), RidgeDecoder(window=8)):
        predicted = decoder.fit(features, aligned).predict(features)["angle"].to_numpy()
        known = np.isfinite(predicted)
        error = np.angle(np.exp(1j * (predicted - aligned["angle"].to_numpy())))[known]
        assert np.abs(error).mean() < 0.2


def test_features_of_other_bands_or_channels_are_refused(features, targets):
    decoder = RidgeDecoder(window=8).fit(features, targets)
    with pytest.raises(NWBDecodeError, match="4 bands and 2 channels"):
        decoder.predict(features[:, :, :1])
    with pytest.raises(NWBDecodeError, match="bands are not those"):
        decoder.predict(features.assign_coords(frequency=features["frequency"] * 2))


def test_targets_off_the_bins_are_refused(features, targets):
    with pytest.raises(NWBDecodeError, match="different time bins"):
        RidgeDecoder().fit(features, targets.assign_coords(time=targets["time"] + 1))


def test_no_whole_window_is_an_early_clear_error(features, targets):
    with pytest.raises(NWBDecodeError, match="no whole window of 64 bins"):
        CNNDecoder().fit(features, targets, np.arange(20))


def test_a_stored_decoder_of_wrong_shape_or_name_is_refused(features, targets):
    stored = CNNDecoder(window=8, epochs=1).fit(features, targets).to_stored()
    with pytest.raises(NWBDecodeError, match="do not fit"):
        from_stored(StoredDecoder({**stored.config, "channels": [0, 1, 2]}, stored.weights))
    with pytest.raises(NWBDecodeError, match="unknown decoder"):
        from_stored(StoredDecoder({**stored.config, "decoder": "os.system"}, stored.weights))


def test_units_of_the_signal_do_not_matter(targets):
    samples, _ = voltage()
    counts, volts = power(samples), power(samples * np.float32(2.0**-20))
    one = RidgeDecoder(window=8).fit(counts, targets).predict(counts)
    two = RidgeDecoder(window=8).fit(volts, targets).predict(volts)
    xr.testing.assert_allclose(one, two, rtol=1e-3)


def test_channels_never_seen_are_learned_from_little_with_all_else_as_it_was():
    """Two channels tell left from right; in the other session new ones do, the other way round."""

    def session(order, labels, share=1.0):
        samples, place = voltage(channels=2)
        time = np.arange(len(samples)) / 200
        left = np.interp(time, np.arange(len(place)) / 50, place)
        tone = np.sin(2 * np.pi * 10 * time)
        noise = 0.1 * voltage(channels=2, seed=5)[0]
        samples = np.stack([left * tone, (1 - left) * tone], axis=1) + noise
        features = power(samples[:, order].astype(np.float32)).assign_coords(channel=labels)
        features = features.isel(time=slice(None, int(len(features) * share)))
        return features, align({"place": target(place)}, features)

    taught = CNNDecoder(window=8, epochs=6, lags=0).fit(*session([0, 1], ["a", "b"]))
    other, truth = session([1, 0], ["c", "d"])
    few, known = session([1, 0], ["c", "d"], share=0.25)
    begun = {"window": 8, "lags": 0, "init": taught.to_stored()}
    calibrated = CNNDecoder(**begun, calibrate=True).fit(few, known)
    untouched = CNNDecoder(**begun, calibrate=True, learning_rate=1e-12).fit(few, known)
    rest = slice(len(few) + 10, -10)
    one, none = (d.predict(other)["place"][rest] for d in (calibrated, untouched))
    assert np.corrcoef(one, truth["place"][rest])[0, 1] > 0.8
    # Until they are taught to, new channels count for nothing.
    assert float(none.std()) < 1e-3 * float(truth["place"].std())
