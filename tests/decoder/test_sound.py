"""A stored decoder from a stranger is measured before anything is built of it."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

import nwbdecode as nd
from nwbdecode.decoder import from_stored
from nwbdecode.decoding import Decoding, StoredDecoder
from tests.arrays import CONFIG, recording


@pytest.fixture(scope="module")
def trained() -> Decoding:
    return nd.fit(recording("monday"), targets="effort", config=CONFIG, progress=False)


def refused(trained: Decoding, decoder: StoredDecoder, said: str) -> None:
    """Through the public door: the file's decoder is asked to predict another recording."""
    stranger = trained.replace(decoders={"final": decoder})
    tracemalloc.start()
    try:
        with pytest.raises(nd.NWBDecodeError, match=said) as caught:
            nd.predict(stranger, recording("tuesday", like=1), progress=False)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 500


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "absurdly wide": ({"hidden": 10**9}, "setting hidden of CNNDecoder is 1000000000"),
    "absurdly long": ({"window": 10**12}, "setting window"),
    "wide as reason allows": ({"hidden": 100_000}, "do not fit the stored settings"),
    "text for a number": ({"hidden": "64"}, "setting hidden of CNNDecoder is 64"),
    "a list": ({"window": [8] * 1000}, "setting window"),
    "negative": ({"hidden": -4}, "is incomplete or was changed|do not fit"),
    "infinite": ({"dropout": float("inf")}, "setting dropout"),
    "unknown": ({"callback": "os.system"}, "no setting 'callback'"),
    "a way in": ({"init": "decoder.nwb"}, "no setting 'init'"),
    "another network": ({"architecture": "__import__('os')"}, "unknown architecture"),
    "lags": ({"lags": 3}, "do not fit the stored settings"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_beyond_reason_are_refused(trained: Decoding, name: str) -> None:
    changes, said = SETTINGS[name]
    stored = trained.decoders["final"]
    config = {**stored.config, "settings": {**stored.config["settings"], **changes}}
    refused(trained, StoredDecoder(config, stored.weights), said)


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "no such class": ({"decoder": "subprocess.Popen"}, "unknown decoder 'subprocess.Popen'"),
    "a class of another kind": ({"decoder": "RidgeDecoder"}, "no setting|incomplete"),
    "no settings": ({"settings": None}, "is incomplete or was changed"),
    "no targets": ({"targets": []}, "is incomplete or was changed"),
    "text for targets": ({"targets": ["effort"]}, "is incomplete or was changed"),
    "fewer channels": ({"channels": [0]}, "weights do not fit"),
    "bands of text": ({"frequencies": ["ten", "20", "80"]}, "is incomplete or was changed"),
    "bands without end": ({"frequencies": [10.0, 20.0, float("inf")]}, "incomplete"),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_parts_that_do_not_fit_together_are_refused(trained: Decoding, name: str) -> None:
    changes, said = CONFIGS[name]
    stored = trained.decoders["final"]
    refused(trained, StoredDecoder({**stored.config, **changes}, stored.weights), said)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 10**9}, {"width": 2}, {"kind": "spiral"}, {"kind": "circular"},
        {"kind": "categorical"}, {"scale": [float("nan")]}, {"center": []}, {"chance": None},
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_is_refused(trained: Decoding, changes: dict[str, Any]) -> None:
    stored = trained.decoders["final"]
    target = {**stored.config["targets"][0], **changes}
    refused(
        trained, StoredDecoder({**stored.config, "targets": [target]}, stored.weights), "incomplete"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frequencies": list(range(1, 100_000))}, "makes 99999 bands, decoder 'fold0' reads 3"),
        ({"truncate": 1e12}, "truncate=1000000000000.0"),
        ({"bin": 1e-9}, "shorter than one sample"),
        ({"step": "os.system"}, "unknown feature step"),
        ({"run": "rm"}, "unknown setting 'run'"),
    ],
)
def test_a_recipe_beyond_reason_is_not_followed(
    trained: Decoding, changes: dict[str, Any], said: str
) -> None:
    features = {**trained.recipe["features"], **changes}
    stranger = trained.replace(recipe={**trained.recipe, "features": features})
    with pytest.raises(nd.NWBDecodeError, match=said):
        nd.predict(stranger, recording("tuesday", like=1), progress=False)


def test_a_result_without_recipe_predicts_nothing(trained: Decoding) -> None:
    with pytest.raises(nd.NWBDecodeError, match="does not say how its features were made"):
        nd.predict(trained.replace(recipe={}), recording("tuesday", like=1), progress=False)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(trained: Decoding, value: float) -> None:
    stored = trained.decoders["final"]
    arrays = {name: held.copy() for name, held in load(stored.weights).items()}
    name = next(name for name in arrays if name.startswith("network."))
    arrays[name].ravel()[0] = value
    refused(trained, StoredDecoder(stored.config, save(arrays)), "1 of .* are NaN or infinite")


def test_a_flat_channel_of_training_is_sound(trained: Decoding) -> None:
    """Its scale is infinite, so that it never counts."""
    stored = trained.decoders["final"]
    arrays = {name: held.copy() for name, held in load(stored.weights).items()}
    arrays["scaling.scale"][:, 2] = np.inf
    made = from_stored(StoredDecoder(stored.config, save(arrays)))
    assert np.isinf(made.scaling_.scale[:, 2]).all()


@pytest.mark.parametrize("lost", ["scaling.center", "network.channels.project.bias"])
def test_a_weight_that_is_missing_is_named(trained: Decoding, lost: str) -> None:
    stored = trained.decoders["final"]
    arrays = load(stored.weights)
    assert lost in arrays
    kept = {name: held for name, held in arrays.items() if name != lost}
    refused(trained, StoredDecoder(stored.config, save(kept)), lost.removeprefix("network."))


def test_a_ridge_of_another_shape_is_refused() -> None:
    source = nd.open(recording("monday"))
    power = nd.wavelet_power(
        source.signal("acquisition/ElectricalSeries"), **CONFIG["features"], progress=False
    )
    targets = nd.align(source.targets("effort"), power)
    stored = nd.RidgeDecoder(window=8, lags=2).fit(power, targets).to_stored()
    assert from_stored(stored).weights_.shape == (31, 1)
    config = {**stored.config, "settings": {**stored.config["settings"], "lags": 5}}
    with pytest.raises(nd.NWBDecodeError, match="do not fit the stored settings"):
        from_stored(StoredDecoder(config, stored.weights))
