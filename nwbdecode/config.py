"""Settings of a run: what the pipeline does, checked before anything is read."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_Share = Annotated[float, Field(ge=0, lt=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class SignalConfig(_Section):
    """What `Source.signal` may be told of electrodes (``modality``), of a movie or of traces."""

    modality: Literal["ephys", "ecog"] | None = None
    regions: str = "auto"
    grid: tuple[PositiveInt, PositiveInt] = (16, 16)
    block: PositiveInt | None = None
    neuropil: Annotated[float, Field(ge=0, le=1)] | None = None
    neuropil_ring: tuple[Annotated[float, Field(ge=0)], PositiveFloat] = (2.0, 15.0)
    dff: bool | Literal["centered", "trailing"] = False
    baseline_percentile: Annotated[float, Field(ge=0, le=100)] = 8.0
    baseline_window: PositiveFloat = 60.0
    transpose_masks: bool | None = None


class FeatureConfig(_Section):
    """Settings of `nwbdecode.wavelet_power`; None leaves the choice to the modality."""

    bin: PositiveFloat | None = None
    lowest: PositiveFloat | None = None
    highest: PositiveFloat | None = None
    n_bands: PositiveInt = 26
    frequencies: Annotated[list[PositiveFloat], Field(min_length=1)] | None = None
    reference: Literal["none", "average", "median", "bipolar"] | None = None
    reference_by: str | None = None
    notch: PositiveFloat | None = None
    remainder: bool | None = None
    causal: bool = False
    tolerance: Annotated[float, Field(ge=0, le=0.5)] = 0.0


class DecoderConfig(_Section):
    """Settings of `nwbdecode.CNNDecoder`, and of the ridge where both have them."""

    architecture: Literal["compact", "frey2021"] = "compact"
    window: PositiveInt = 64
    decode_at: Literal["center", "end"] = "center"
    hidden: PositiveInt = 64
    dropout: _Share = 0.2
    lags: NonNegativeInt = 6
    learning_rate: PositiveFloat | None = None
    epochs: PositiveInt | None = None
    patience: NonNegativeInt = 8
    validation: _Share = 0.15
    calibrate: bool = False
    device: str = "auto"


class EpochConfig(_Section):
    """Which times take part, as for `Source.signal`."""

    only: list[str] = []
    exclude: list[str] = []
    keep_invalid: bool = False


class EvaluationConfig(_Section):
    """Settings of the folds, the baselines, chance and importance."""

    folds: Annotated[int, Field(ge=2)] = 5
    gap: Literal["auto"] | Annotated[float, Field(ge=0)] = "auto"
    baselines: list[Literal["ridge"]] = ["ridge"]
    shifts: PositiveInt = 1000
    refit: bool = True
    importance: list[Literal["frequency", "channel"]] = ["frequency", "channel"]
    repeats: PositiveInt = 5


class FitConfig(_Section):
    """Everything that `nwbdecode.fit` may be told beside source, signal and targets.

    Parameters
    ----------
    signal : SignalConfig
        ``modality`` of electrodes; of imaging ``regions``, ``grid``, ``neuropil``, ``dff``,
        ``baseline_window`` (s), ...
    features : FeatureConfig
        ``bin`` (s), ``lowest``, ``highest`` and ``frequencies`` (Hz), ``n_bands``,
        ``reference``, ``reference_by``, ``notch`` (Hz), ``remainder``, ``causal``, ``tolerance``.
    decoder : DecoderConfig
        ``architecture``, ``window`` (bins), ``decode_at``, ``device``, ...
    epochs : EpochConfig
        ``only``, ``exclude`` (tables of intervals, or rows of them) and ``keep_invalid``.
    evaluation : EvaluationConfig
        ``folds``, ``gap`` (s), ``shifts``, ``importance``, ``repeats``, ...
    seed : int, default 0
        Of training, bootstrap, chance and importance.
    cache : str, optional
        Folder of features, traces of movies, streams and downloads, instead of the user's
        cache folder.

    Examples
    --------
    >>> config = FitConfig.of({"features": {"bin": 0.1}, "seed": 3})
    >>> config.features.bin, config.decoder.window
    (0.1, 64)
    >>> FitConfig.of({"features": {"bins": 0.1}})
    Traceback (most recent call last):
    nwbdecode.errors.NWBDecodeError: unknown setting features.bins. Did you mean 'bin'? ...
    """

    signal: SignalConfig = SignalConfig()
    features: FeatureConfig = FeatureConfig()
    epochs: EpochConfig = EpochConfig()
    decoder: DecoderConfig = DecoderConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    seed: NonNegativeInt = 0
    cache: str | None = None

    @classmethod
    def of(
        cls, settings: FitConfig | Mapping[str, Any] | str | os.PathLike[str] | None
    ) -> FitConfig:
        """Make settings of a mapping, of a TOML or JSON file, or of nothing.

        Raises
        ------
        NWBDecodeError
            If the file cannot be read, or a setting is unknown or out of
            range; the message lists every fault.
        """
        if isinstance(settings, FitConfig):
            return settings
        if isinstance(settings, str | os.PathLike):
            return _checked(_read(Path(settings)), where=f" in {str(settings)!r}")
        return _checked(settings or {})

    def changed(self, changes: Mapping[str, Any]) -> FitConfig:
        """Give the same settings with some replaced, named like ``"features.bin"``.

        Examples
        --------
        >>> FitConfig().changed({"decoder.window": 32}).decoder.window
        32
        """
        settings = self.model_dump()
        for name, value in changes.items():
            *sections, last = name.split(".")
            place = settings
            for section in sections:
                place = place[section]
            place[last] = value
        return _checked(settings)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NWBDecodeError(f"the settings file {str(path)!r} cannot be read ({error})") from None
    try:
        settings = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except ValueError as error:
        form = "JSON" if path.suffix.lower() == ".json" else "TOML"
        raise NWBDecodeError(f"{str(path)!r} is no valid {form}: {error}") from None
    if not isinstance(settings, dict):
        raise NWBDecodeError(
            f"{str(path)!r} holds a {type(settings).__name__}; expected sections of settings "
            "such as 'features'"
        )
    return settings


def _checked(settings: Mapping[str, Any], *, where: str = "") -> FitConfig:
    try:
        return FitConfig.model_validate(dict(settings))
    except ValidationError as error:
        raise NWBDecodeError(_told(error.errors()) + where) from None


def _told(faults: Sequence[ErrorDetails]) -> str:
    """Say every fault: which setting, what was found, what was expected."""
    unknown: list[str] = []
    found: dict[str, str] = {}
    expected: dict[str, list[str]] = {}
    for fault in faults:
        path = [str(part) for part in fault["loc"]]
        section = _section(path[:-1])
        if fault["type"] == "extra_forbidden" and section is not None:
            names = suggest(path[-1], section.model_fields)
            unknown.append(f"unknown setting {'.'.join(path)}. {names}")
            continue
        # Pydantic names the alternatives of a union in the path; the user wrote none of them.
        key = ".".join(_written(path))
        given = fault["input"]
        found[key] = "a section" if isinstance(given, Mapping) else repr(given)
        expected.setdefault(key, []).append(_expected(fault))
    wrong = [f"{key} is {found[key]}; expected {' or '.join(expected[key])}" for key in expected]
    return "; ".join([*wrong, *unknown])


def _expected(fault: ErrorDetails) -> str:
    if fault["type"] in ("model_type", "model_attributes_type"):
        return "a section of settings"
    message = fault["msg"].removeprefix("Input should be ").replace(" after validation", "")
    words = message[0].lower() + message[1:]
    given, choices = fault["input"], str(fault.get("ctx", {}).get("expected", ""))
    if fault["type"] == "literal_error" and isinstance(given, str) and " or " in choices:
        near = get_close_matches(given, re.findall("'(.*?)'", choices), n=1)
        words += f" (did you mean {near[0]!r}?)" if near else ""
    return words


def _section(path: list[str]) -> type[BaseModel] | None:
    model: type[BaseModel] = FitConfig
    for part in path:
        field = model.model_fields.get(part)
        if field is None or not (isinstance(field.annotation, type)):
            return None
        if not issubclass(field.annotation, BaseModel):
            return None
        model = field.annotation
    return model


def _written(path: list[str]) -> list[str]:
    """Keep what the user wrote of a path: section, key and position in a list."""
    kept = path[:1]
    for part in path[1:]:
        section = _section(kept)
        if (section is not None and part in section.model_fields) or part.isdigit():
            kept.append(part)
    return kept
