"""Recipes: every setting that features depend on, decided before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.features.bins import make_bins
from nwbdecode.features.defaults import SLOWEST_FOR_WAVELETS, defaults_of
from nwbdecode.features.morlet import (
    HIGHEST_SHARE,
    N_BANDS,
    TRUNCATE,
    W0,
    band_frequencies,
    check_frequencies,
)
from nwbdecode.features.rounding import COARSEST
from nwbdecode.load.signal import Signal

#: What a recipe holds by step, and the values that older recipes, which lack a setting, had.
_SETTINGS: dict[str, dict[str, Any]] = {
    "wavelet_power": {
        "bin": None,
        "frequencies": None,
        "w0": W0,
        "truncate": TRUNCATE,
        "reference": "none",
        "reference_by": None,
        "notch": None,
        "remainder": False,
        "causal": False,
        "engine": "filterbank",
        "tolerance": 0.0,
    },
    "traces": {"bin": None, "frequencies": [0.0], "reference": "none", "reference_by": None},
    "bands": {"bin": None, "frequencies": None},
}
#: Entries that say how a recipe came about and change no value.
REMARKS = ("by_modality", "excluded")


def make_recipe(
    signal: Signal,
    *,
    wavelets: bool = True,
    bin: float | None = None,
    lowest: float | None = None,
    highest: float | None = None,
    n_bands: int = N_BANDS,
    frequencies: Sequence[float] | None = None,
    w0: float = W0,
    truncate: float = TRUNCATE,
    reference: str | None = None,
    reference_by: str | None = None,
    notch: float | None = None,
    remainder: bool | None = None,
    causal: bool = False,
    engine: str = "filterbank",
    tolerance: float = 0.0,
) -> dict[str, Any]:
    """Decide how a signal becomes features; the settings are those of `wavelet_power`.

    Parameters
    ----------
    signal : Signal
    wavelets : bool, default True
        Whether bands may be made at all.

    Returns
    -------
    dict
        JSON values. ``by_modality`` tells the modality and the settings that it
        decided.

    Raises
    ------
    NWBDecodeError
        If a band is too fast for the rate, a bin shorter than a sample, or a setting
        has no meaning for this kind of signal.
    """
    asked: dict[str, Any] = {"lowest": lowest, "highest": highest, "frequencies": frequencies}
    asked = {name: value for name, value in asked.items() if value is not None}
    usual = defaults_of(signal)
    if signal.frequencies:
        # A firm "none" or False is what bands get anyway.
        of_bands = {"notch": notch, "remainder": remainder, "tolerance": tolerance}
        unfit = asked | {name: value for name, value in of_bands.items() if value}
        unfit |= {"reference": reference} if reference not in (None, "none") else {}
        _refuse(unfit, f"{signal.path!r} holds power in bands already")
        return _recipe("bands", signal, bin, {"frequencies": sorted(signal.frequencies)}, {})
    settings: dict[str, Any] = {
        "reference": usual.reference if reference is None else reference,
        "reference_by": reference_by,
    }
    left: dict[str, Any] = {} if reference is not None else {"reference": usual.reference}
    suited = wavelets and usual.wavelets and signal.rate >= SLOWEST_FOR_WAVELETS
    if not asked and not suited:
        why = f"a {signal.modality} signal of {signal.rate:g} Hz is not cut into bands"
        of_bands = {"notch": notch, "tolerance": tolerance}
        _refuse({name: value for name, value in of_bands.items() if value}, why)
        return _recipe("traces", signal, bin, {"frequencies": [0.0], **settings}, left)
    if remainder is None:
        remainder = left["remainder"] = usual.remainder
    if frequencies is None:
        if lowest is None:
            lowest = left["lowest"] = usual.lowest
        if highest is None:
            highest = left["highest"] = min(usual.highest, HIGHEST_SHARE * signal.rate)
        bands = band_frequencies(signal.rate, lowest=lowest, highest=highest, n_bands=n_bands)
    else:
        bands = _given(frequencies, signal.rate)
    settings |= {
        "frequencies": bands.tolist(),
        "w0": float(w0),
        "truncate": float(truncate),
        "notch": None if not notch else float(notch),
        "remainder": bool(remainder),
        "causal": bool(causal),
        "engine": engine,
        "tolerance": _share(tolerance),
    }
    return _recipe("wavelet_power", signal, bin, settings, left)


def _recipe(
    step: str,
    signal: Signal,
    bin: float | None,
    settings: dict[str, Any],
    left: dict[str, Any],
) -> dict[str, Any]:
    width = make_bins(signal, bin).width
    about = {"modality": signal.modality, "settings": left}
    return {"step": step, "bin": width, **settings, "by_modality": about}


def _refuse(unfit: dict[str, Any], why: str) -> None:
    if unfit:
        names = ", ".join(f"{name}={value!r}" for name, value in unfit.items())
        raise NWBDecodeError(f"{why}; leave out {names}")


def _share(tolerance: float) -> float:
    if not 0 <= tolerance <= COARSEST:
        raise NWBDecodeError(
            f"`tolerance` is the largest relative error of a stored power, from 0 (none) to "
            f"{COARSEST:g}; found {tolerance:g}"
        )
    return float(tolerance)


def _given(frequencies: Sequence[float], rate: float) -> np.ndarray:
    bands = np.asarray(frequencies, dtype=np.float64)
    if bands.ndim != 1 or not bands.size or (np.diff(bands) <= 0).any():
        raise NWBDecodeError("`frequencies` must be ascending, without repeats, and not empty")
    check_frequencies(bands, rate)
    return bands


def known_recipe(recipe: dict[str, Any], signal: Signal) -> dict[str, Any]:
    """Complete a recipe that was made for another signal, refusing what cannot be followed.

    Raises
    ------
    NWBDecodeError
        If this version knows no such step or setting, or the signal does not suit it.
    """
    step = recipe.get("step")
    if step not in _SETTINGS:
        raise NWBDecodeError(
            f"unknown feature step {step!r}; this version knows "
            f"{', '.join(map(repr, _SETTINGS))}. A newer nwbdecode may have written it"
        )
    known = _SETTINGS[step]
    for name in recipe:
        if name not in (*known, "step", *REMARKS):
            raise NWBDecodeError(
                f"unknown setting {name!r} of the recipe. {suggest(name, known)} "
                "A newer nwbdecode may have written it"
            )
    held = list(signal.frequencies)
    if (step == "bands") != bool(held) or (held and sorted(held) != recipe["frequencies"]):
        found = f"bands at {held} Hz" if held else "no bands of its own"
        raise NWBDecodeError(
            f"the recipe's features are {step!r} at {recipe['frequencies']} Hz, "
            f"{signal.path!r} has {found}"
        )
    full = {**known, **recipe}
    if step == "wavelet_power":
        full["frequencies"] = _given(
            [f for f in full["frequencies"] if f > 0], signal.rate
        ).tolist()
    return full
