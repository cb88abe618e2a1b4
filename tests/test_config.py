"""Settings: what they are told, and what they say to a wrong one."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields
from pathlib import Path

import pytest

from nwbdecode import CNNDecoder, NWBDecodeError, wavelet_power
from nwbdecode.config import DecoderConfig, EpochConfig, FeatureConfig, FitConfig, SignalConfig
from nwbdecode.load import Source
from nwbdecode.load.imaging import ImagingOptions


def test_toml_and_json_files_say_the_same(tmp_path: Path) -> None:
    toml, js = tmp_path / "run.toml", tmp_path / "run.json"
    toml.write_text('seed = 3\n[features]\nbin = 0.1\nreference = "average"\n')
    js.write_text(json.dumps({"seed": 3, "features": {"bin": 0.1, "reference": "average"}}))
    assert FitConfig.of(toml) == FitConfig.of(js)
    assert FitConfig.of(toml).features.bin == 0.1


def test_settings_written_in_a_result_can_be_given_again() -> None:
    config = FitConfig.of({"decoder": {"window": 9}, "evaluation": {"gap": 3.5}})
    assert FitConfig.of(json.loads(json.dumps(config.model_dump(mode="json")))) == config


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"features": {"bins": 0.1}}, r"unknown setting features\.bins\. Did you mean 'bin'"),
        ({"featurs": {}}, "unknown setting featurs. Did you mean 'features'"),
        ({"features": {"bin": -1}}, r"features\.bin is -1; expected greater than 0"),
        ({"features": {"reference": "avrage"}}, r"did you mean 'average'"),
        ({"features": 3}, "features is 3; expected a section"),
        ({"evaluation": {"gap": "wide"}}, r"evaluation\.gap is 'wide'; expected 'auto' or"),
        ({"evaluation": {"folds": 1}}, r"evaluation\.folds is 1; expected greater than or equal"),
        ({"signal": {"dff": "both"}}, r"signal\.dff is 'both'; expected"),
        ({"signal": {"grid": [0, 4]}}, r"signal\.grid\.0 is 0"),
        ({"seed": 1.5, "cache": 3}, "seed is 1.5.*cache is 3"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_found_and_expected(
    settings: dict[str, object], said: str
) -> None:
    with pytest.raises(NWBDecodeError, match=said):
        FitConfig.of(settings)


def test_the_file_of_a_wrong_setting_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[features]\nbins = 1\n")
    with pytest.raises(NWBDecodeError, match=r"run\.toml"):
        FitConfig.of(path)


@pytest.mark.parametrize(("name", "text"), [("a.toml", "seed ="), ("a.json", "{"), ("b.json", "3")])
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(NWBDecodeError, match=name):
        FitConfig.of(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NWBDecodeError, match="cannot be read"):
        FitConfig.of(tmp_path / "none.toml")


def test_sections_mirror_the_functions_that_they_reach() -> None:
    decoder = CNNDecoder().get_params()
    own = {"random_state", "init", "progress"}
    assert {k: v for k, v in decoder.items() if k not in own} == DecoderConfig().model_dump()
    taken = inspect.signature(wavelet_power).parameters
    given = FeatureConfig().model_dump()
    assert {name: taken[name].default for name in given} == given
    taken = inspect.signature(Source.signal).parameters
    given, times = SignalConfig().model_dump(), EpochConfig().model_dump()
    assert {name: taken[name].default for name in given} == given
    own = {"self", "path", "channels", "time", "cache"}
    assert set(taken) - own - set(times) == set(given)
    assert given.pop("modality") is None
    assert set(given) == {field.name for field in fields(ImagingOptions)}
    assert set(times) < set(taken)
    assert ImagingOptions(**given) == ImagingOptions()
