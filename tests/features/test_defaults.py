"""What is done to each kind of recording unless it is asked for otherwise."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import from_recipe, wavelet_power
from nwbdecode.features.defaults import BY_MODALITY
from nwbdecode.load import as_signal
from nwbdecode.load.signal import Modality, Signal
from tests.features.recordings import field_potential


def _signal(modality: Modality, rate: float = 1000.0, channels: int = 3) -> Signal:
    return as_signal(field_potential(rate, 8.0, channels=channels), rate=rate, modality=modality)


def test_every_modality_has_its_defaults() -> None:
    assert set(BY_MODALITY) == set(get_args(Modality))


def test_ecog_is_referenced_to_its_average_and_keeps_the_slow_signal() -> None:
    signal = _signal("ecog")
    power = wavelet_power(signal, progress=False)
    asked = wavelet_power(
        signal, reference="average", remainder=True, highest=200.0, progress=False
    )
    np.testing.assert_array_equal(power, asked)
    recipe = power.attrs["recipe"]
    assert recipe["by_modality"] == {
        "modality": "ecog",
        "settings": {"reference": "average", "remainder": True, "lowest": 2.0, "highest": 200.0},
    }
    assert (recipe["reference"], recipe["remainder"]) == ("average", True)
    # Of what was asked for, nothing was left to the modality but the lowest band.
    assert asked.attrs["recipe"]["by_modality"]["settings"] == {"lowest": 2.0}


@pytest.mark.parametrize("rate", [600.0, 1000.0, 2000.0, 24_414.0625])
def test_high_gamma_is_covered_without_a_hole(rate: float) -> None:
    samples = np.zeros((round(rate), 2), np.float32)
    power = wavelet_power(as_signal(samples, rate=rate, modality="ecog"), progress=False)
    bands = power.frequency.to_numpy()[1:]
    assert bands[-1] == pytest.approx(200.0)
    # A Morlet band's gain halves 1.18 SD, f / 6, beside its center: neighbors meet above that.
    meeting = np.sqrt(bands[:-1] * bands[1:])
    gain = np.exp(-0.5 * ((meeting - bands[:-1]) / (bands[:-1] / 6)) ** 2)
    assert gain.min() > 0.5
    assert ((bands >= 70) & (bands <= 200)).sum() >= 5


def test_a_slow_grid_goes_as_high_as_its_rate_allows() -> None:
    power = wavelet_power(_signal("ecog", 250.0), progress=False)
    assert power.frequency[-1] == pytest.approx(100.0)


def test_other_electrodes_stay_as_recorded() -> None:
    signal = _signal("ephys")
    power = wavelet_power(signal, progress=False)
    plain = wavelet_power(signal, reference="none", remainder=False, progress=False)
    np.testing.assert_array_equal(power, plain)
    assert power.attrs["recipe"]["by_modality"]["settings"]["reference"] == "none"


def test_one_channel_of_ecog_is_not_referenced_to_itself() -> None:
    power = wavelet_power(_signal("ecog", channels=1), progress=False)
    assert power.attrs["recipe"]["reference"] == "none"
    assert (power > 0).any()


@pytest.mark.parametrize(
    ("asked", "setting"),
    [
        ({"reference": "none"}, "reference"),
        ({"remainder": False}, "remainder"),
        ({"highest": 300.0}, "highest"),
        ({"lowest": 5.0}, "lowest"),
    ],
)
def test_what_is_asked_for_wins(asked: dict[str, Any], setting: str) -> None:
    recipe = wavelet_power(_signal("ecog"), progress=False, **asked).attrs["recipe"]
    assert setting not in recipe["by_modality"]["settings"]
    bands = recipe["frequencies"]
    found = {**recipe, "lowest": bands[0], "highest": pytest.approx(bands[-1])}
    assert found[setting] == asked[setting]


def test_spikes_have_no_bands_unless_asked() -> None:
    counts = np.random.default_rng(0).poisson(0.02, size=(5000, 3)).astype(np.float32)
    signal = as_signal(counts, rate=1000.0, units="spikes/second", modality="spikes")
    rates = wavelet_power(signal, bin=0.1, progress=False)
    assert rates.attrs["recipe"]["step"] == "traces"
    assert rates.attrs["units"] == "spikes/second"
    np.testing.assert_allclose(rates[:, 0], counts.reshape(50, 100, 3).mean(axis=1), rtol=1e-5)
    assert wavelet_power(signal, frequencies=[8.0], progress=False).frequency.values == [8.0]
    with pytest.raises(NWBDecodeError, match="leave out notch=60"):
        wavelet_power(signal, notch=60.0)


def test_a_recipe_keeps_what_was_decided_on_a_signal_of_another_modality() -> None:
    made = wavelet_power(_signal("ecog"), progress=False)
    other = from_recipe(_signal("ephys"), made.attrs["recipe"], progress=False)
    np.testing.assert_array_equal(other, made)
    assert other.attrs["recipe"] == made.attrs["recipe"]


def test_a_recipe_without_the_newer_settings_does_what_it_did() -> None:
    signal = _signal("ecog")
    older = {
        "step": "wavelet_power",
        "bin": 0.1,
        "frequencies": [10.0, 20.0],
        "w0": 6.0,
        "truncate": 5.0,
        "reference": "none",
        "remainder": False,
        "causal": False,
        "engine": "filterbank",
    }
    plain = wavelet_power(
        signal, bin=0.1, frequencies=[10.0, 20.0], reference="none", remainder=False, progress=False
    )
    np.testing.assert_array_equal(from_recipe(signal, older, progress=False), plain)


def test_a_setting_from_the_future_is_refused() -> None:
    recipe = wavelet_power(_signal("ephys"), progress=False).attrs["recipe"]
    with pytest.raises(NWBDecodeError, match=r"unknown setting 'nootch'.*Did you mean 'notch'"):
        from_recipe(_signal("ephys"), {**recipe, "nootch": 60.0})
