"""A fit begins from another session's decoder, and never from one that has seen its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load

import nwbdecode as nd
from nwbdecode.decoder import CNNDecoder, from_stored
from nwbdecode.decoder.compact import Compact
from nwbdecode.decoding import Decoding, StoredDecoder
from nwbdecode.features import align
from tests.arrays import CONFIG, SIGNAL, recording

SETTINGS = {"window": 8, "hidden": 4, "epochs": 1}


def fitted(identifier: str, **how: object) -> Decoding:
    begin = {name: how.pop(name) for name in ("init", "match", "config") if name in how}
    target = str(how.get("target", "effort"))
    begin.setdefault("config", CONFIG)
    return nd.fit(recording(identifier, **how), targets=target, progress=False, **begin)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def monday() -> Decoding:
    return fitted("monday")


def trained_alone(init: StoredDecoder, **how: object) -> CNNDecoder:
    """Train so slowly that what was begun from stays."""
    source = nd.open(recording("tuesday", like=1, **how))  # type: ignore[arg-type]
    power = nd.wavelet_power(source.signal(SIGNAL), **CONFIG["features"], progress=False)
    targets = align(source.targets(str(how.get("target", "effort"))), power)
    decoder = CNNDecoder(**SETTINGS, learning_rate=1e-12, init=init)  # type: ignore[arg-type]
    return decoder.fit(power, targets)


def trainable(decoder: CNNDecoder) -> dict[str, np.ndarray]:
    held = decoder.network_.named_parameters()
    return {name: weight.detach().numpy() for name, weight in held if weight.requires_grad}


def test_all_weights_are_taken_over_where_everything_is_the_same(monday: Decoding) -> None:
    decoder = trained_alone(monday.decoders["final"])
    stored = load(monday.decoders["final"].weights)
    for name, weight in trainable(decoder).items():
        np.testing.assert_allclose(weight, stored[f"network.{name}"], atol=1e-6, err_msg=name)
    assert decoder.transfer_ == {
        "channels": 5, "of": 5, "targets": ["effort"], "fresh_targets": [], "share": 1.0
    }  # fmt: skip


def test_weights_follow_their_channels(monday: Decoding) -> None:
    decoder = trained_alone(monday.decoders["final"], ids=[4, 9, 0, 1])
    before, after = (
        {n: w.detach() for n, w in net.named_parameters()}
        for net in (from_stored(monday.decoders["final"]).network_, decoder.network_)  # type: ignore[attr-defined]
    )
    followed = []
    for name, axes in decoder.network_.named_axes().items():
        sizes = [axis if isinstance(axis, int) else -1 for axis in axes if axis != "target"]
        old, new = (held[name].reshape(sizes).numpy() for held in (before, after))
        if "channel" not in axes:  # what belongs to the target, which is the same
            np.testing.assert_allclose(new, old, atol=1e-6)
            continue
        axis = axes.index("channel")
        followed.append(name)
        known = np.take(new, [0, 2, 3], axis=axis)
        np.testing.assert_allclose(known, np.take(old, [4, 0, 1], axis=axis), atol=1e-6)
        assert not np.isclose(np.take(new, 1, axis=axis), np.take(old, 1, axis=axis)).all()
    assert followed
    assert (decoder.transfer_["channels"], decoder.transfer_["of"]) == (3, 4)


def test_a_target_that_was_not_decoded_before_begins_anew(monday: Decoding) -> None:
    decoder = trained_alone(monday.decoders["final"], target="pull")
    stored = load(monday.decoders["final"].weights)
    for name, weight in trainable(decoder).items():
        same = np.allclose(weight, stored[f"network.{name}"], atol=1e-6)
        if name.startswith("heads") and name.endswith("weight"):
            assert not same, name
    assert decoder.transfer_["fresh_targets"] == ["pull"]


def test_every_weight_that_depends_on_the_channels_says_how() -> None:
    shapes = [
        {n: w.shape for n, w in Compact(3, n, [2, 1], window=8, before=4).named_parameters()}
        for n in (5, 6)
    ]
    net = Compact(3, 5, [2, 1], window=8, before=4)
    differing = {n for n in shapes[0] if shapes[0][n] != shapes[1][n]}
    assert differing == {n for n, axes in net.named_axes().items() if "channel" in axes}


def test_a_result_says_what_it_began_from(monday: Decoding, tmp_path: Path) -> None:
    path = nd.write(monday, tmp_path / "monday_decoded.nwb")
    told = fitted("tuesday", like=1, init=path, ids=[0, 1, 2, 3]).recipe["init"]
    assert told["file"] == "monday_decoded.nwb"
    assert told["sha256"] == monday.decoders["final"].sha256
    assert [session["identifier"] for session in told["sessions"]] == ["monday"]
    assert (told["channels"], told["of"], told["missing_channels"]) == (4, 4, [4])


def test_channels_may_be_found_by_place(monday: Decoding) -> None:
    moved = {"ids": [10, 11, 12, 13, 14], "places": [80.0, 20.0, 0.0, 40.0, 60.0]}
    result = fitted("tuesday", like=1, init=monday, match="position", **moved)
    assert result.recipe["init"]["channels"] == 5
    with pytest.raises(nd.NWBDecodeError, match="lacks 5 of them by id"):
        fitted("tuesday", like=1, init=monday, **moved)


def test_a_decoder_of_the_same_session_is_refused_before_anything_is_computed(
    monday: Decoding,
) -> None:
    with pytest.raises(nd.NWBDecodeError, match=r"trained on this very session \('monday'\)"):
        fitted("monday", init=monday)
    # Also where the estimator is used alone, and where an exported copy has another object_id.
    source = nd.open(recording("monday"))
    power = nd.wavelet_power(source.signal(SIGNAL), **CONFIG["features"], progress=False)
    targets = source.targets("effort")
    begun = CNNDecoder(**SETTINGS, init=monday.decoders["final"])  # type: ignore[arg-type]
    with pytest.raises(nd.NWBDecodeError, match="trained on this very session"):
        nd.cross_validate(begun, power, targets, progress=False)


def test_what_earlier_sessions_taught_is_never_tested_on_them(monday: Decoding) -> None:
    tuesday = fitted("tuesday", like=1, init=monday)
    with pytest.raises(nd.NWBDecodeError, match="trained on this very session"):
        fitted("monday", init=tuesday)
    with pytest.raises(nd.NWBDecodeError, match="began from one that was trained on this session"):
        nd.predict(tuesday, recording("monday"), progress=False)
    made = nd.predict(tuesday, recording("monday"), use="final", progress=False)
    assert made.recipe["prediction"]["in_sample"]
    assert made.predictions.attrs["in_sample"]
    assert not made.scores.data_vars


def test_a_decoder_that_does_not_know_its_sessions_needs_its_file(monday: Decoding) -> None:
    stored = monday.decoders["final"]
    config = {key: value for key, value in stored.config.items() if key != "sessions"}
    bare = StoredDecoder(config, stored.weights)
    with pytest.raises(nd.NWBDecodeError, match="does not say which session"):
        fitted("tuesday", like=1, init=bare)
    with pytest.raises(nd.NWBDecodeError, match="trained on this very session"):
        fitted("monday", init=monday.replace(decoders={"final": bare}))


def test_what_was_trained_on_a_bare_array_might_have_seen_any_session(monday: Decoding) -> None:
    source = nd.open(recording("tuesday", like=1))
    power = nd.wavelet_power(source.signal(SIGNAL), **CONFIG["features"], progress=False)
    targets = align(source.targets("effort"), power)
    bare = power.copy()
    del bare.attrs["source"]
    began = CNNDecoder(**SETTINGS, init=monday.decoders["final"]).fit(bare, targets).to_stored()  # type: ignore[arg-type]
    for unknown in (CNNDecoder(**SETTINGS).fit(bare, targets).to_stored(), began):  # type: ignore[arg-type]
        with pytest.raises(nd.NWBDecodeError, match="does not say which session"):
            CNNDecoder(**SETTINGS, init=unknown).fit(power, targets)  # type: ignore[arg-type]
        with pytest.raises(nd.NWBDecodeError, match="does not say which session"):
            fitted("tuesday", like=1, init=unknown)


def test_what_the_estimator_began_from_is_never_tested_either(monday: Decoding) -> None:
    source = nd.open(recording("tuesday", like=1))
    power = nd.wavelet_power(source.signal(SIGNAL), **CONFIG["features"], progress=False)
    begun = CNNDecoder(**SETTINGS, init=monday.decoders["final"])  # type: ignore[arg-type]
    tuesday = nd.cross_validate(begun, power, source.targets("effort"), progress=False, n_shifts=20)
    with pytest.raises(nd.NWBDecodeError, match="began from one that was trained on this session"):
        nd.predict(tuesday, recording("monday"), progress=False)
    made = nd.predict(tuesday, recording("monday"), use="final", progress=False)
    assert made.predictions.attrs["in_sample"]
    assert not made.scores.data_vars


@pytest.mark.parametrize(
    ("section", "changes", "said"),
    [
        ("features", {"n_bands": 4}, "reads 3 bands from 10 to 80 Hz, the features have 4 bands"),
        ("decoder", {"architecture": "frey2021", "window": 16}, "is a 'compact' network"),
    ],
)
def test_what_does_not_fit_is_refused(
    monday: Decoding, section: str, changes: dict[str, object], said: str
) -> None:
    config = {**CONFIG, section: {**CONFIG[section], **changes}}
    with pytest.raises(nd.NWBDecodeError, match=said):
        fitted("tuesday", like=1, init=monday, config=config)


# Half the width divides the old streams evenly, and the halves are no streams.
@pytest.mark.parametrize("hidden", [2, 6, 8])
def test_of_another_width_what_fits_is_taken_over_and_told(monday: Decoding, hidden: int) -> None:
    config = {**CONFIG, "decoder": {**CONFIG["decoder"], "hidden": hidden}}
    told = fitted("tuesday", like=1, init=monday, config=config).recipe["init"]
    assert 0 < told["share"] < 0.5


def test_predictions_alone_are_nothing_to_begin_from(monday: Decoding) -> None:
    only = monday.replace(decoders={"fold0": monday.decoders["fold0"]})
    with pytest.raises(nd.NWBDecodeError, match="no decoder refitted on all data"):
        fitted("tuesday", like=1, init=only)


def test_global_state_is_left_alone(monday: Decoding) -> None:
    state = torch.random.get_rng_state()
    trained_alone(monday.decoders["final"])
    assert torch.equal(state, torch.random.get_rng_state())


def test_calibrating_changes_what_channels_own_and_nothing_else(monday: Decoding) -> None:
    source = nd.open(recording("tuesday", like=1, ids=[4, 9, 0, 1]))  # type: ignore[arg-type]
    power = nd.wavelet_power(source.signal(SIGNAL), **CONFIG["features"], progress=False)
    init = monday.decoders["final"]
    decoder = CNNDecoder(**SETTINGS, init=init, calibrate=True)  # type: ignore[arg-type]
    decoder.fit(power, align(source.targets("effort"), power))
    stored = load(init.weights)
    for name, weight in trainable(decoder).items():
        if name != "channels.embedding":
            np.testing.assert_array_equal(weight, stored[f"network.{name}"], err_msg=name)
    new, old = trainable(decoder)["channels.embedding"], stored["network.channels.embedding"]
    np.testing.assert_array_equal(new[[0, 2, 3]], old[[4, 0, 1]])
    assert not np.isclose(new[1], old).all(axis=1).any()


def test_channels_that_are_all_known_are_all_calibrated(monday: Decoding) -> None:
    source = nd.open(recording("tuesday", like=1))
    power = nd.wavelet_power(source.signal(SIGNAL), **CONFIG["features"], progress=False)
    init = monday.decoders["final"]
    decoder = CNNDecoder(**SETTINGS, init=init, calibrate=True)  # type: ignore[arg-type]
    decoder.fit(power, align(source.targets("effort"), power))
    old = load(init.weights)["network.channels.embedding"]
    assert not np.isclose(trainable(decoder)["channels.embedding"], old).all(axis=1).any()


def test_calibrating_needs_a_decoder_to_begin_from() -> None:
    with pytest.raises(nd.NWBDecodeError, match=r"begins from the decoder.*give `init`"):
        fitted("tuesday", config={**CONFIG, "decoder": {**CONFIG["decoder"], "calibrate": True}})


def test_calibrating_teaches_no_target(monday: Decoding) -> None:
    config = {**CONFIG, "decoder": {**CONFIG["decoder"], "calibrate": True}}
    with pytest.raises(nd.NWBDecodeError, match=r"never decoded 'pull'.*leave out `calibrate`"):
        fitted("tuesday", like=1, config=config, init=monday, target="pull")


def test_the_published_network_has_no_channels_to_calibrate(monday: Decoding) -> None:
    changes = {"architecture": "frey2021", "window": 16, "calibrate": True}
    config = {**CONFIG, "decoder": {**CONFIG["decoder"], **changes}}
    with pytest.raises(nd.NWBDecodeError, match=r"'frey2021' has no weights that channels own"):
        fitted("tuesday", like=1, init=monday, config=config)


def test_calibrating_with_another_window_is_refused_before_anything_is_computed(
    monday: Decoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nwbdecode.features.wavelet_power", None)
    config = {**CONFIG, "decoder": {**CONFIG["decoder"], "calibrate": True, "window": 12}}
    with pytest.raises(nd.NWBDecodeError, match=r"has window=8 where 12 was asked for"):
        fitted("tuesday", like=1, init=monday, config=config)
