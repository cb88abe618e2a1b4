"""Decode behavior from raw neural signals in NWB files, and write the decoders back.

Examples
--------
>>> import nwbdecode as nd
>>> source = nd.open("session.nwb")  # doctest: +SKIP
>>> signal = source.signal("acquisition/ElectricalSeries")  # doctest: +SKIP
>>> targets = source.targets({"speed": "behavior/Position/pos:speed"})  # doctest: +SKIP
>>> power = nd.wavelet_power(signal)  # doctest: +SKIP
>>> result = nd.cross_validate(nd.CNNDecoder(), power, targets)  # doctest: +SKIP
>>> nd.write(result, "session_decoded.nwb")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nwbdecode.decoder import CNNDecoder, RidgeDecoder
    from nwbdecode.decoding import Decoding
    from nwbdecode.errors import NWBDecodeError
    from nwbdecode.evaluate import PurgedKFold, cross_validate
    from nwbdecode.explore import explore, report
    from nwbdecode.features import align, traces, wavelet_power
    from nwbdecode.load import Signal, as_signal, open
    from nwbdecode.many import fit_many
    from nwbdecode.onward import importance, predict
    from nwbdecode.pipeline import fit
    from nwbdecode.results import add_decoding, append, read, write

__version__ = "0.1.0"

# What each public name comes from. Each is imported on first use: torch, pynwb
# and plotly take seconds that a script using one of them should not pay thrice.
_HOMES = {
    "CNNDecoder": "decoder",
    "Decoding": "decoding",
    "NWBDecodeError": "errors",
    "PurgedKFold": "evaluate",
    "RidgeDecoder": "decoder",
    "Signal": "load",
    "add_decoding": "results",
    "align": "features",
    "append": "results",
    "as_signal": "load",
    "cross_validate": "evaluate",
    "fit": "pipeline",
    "fit_many": "many",
    "importance": "onward",
    "open": "load",
    "predict": "onward",
    "read": "results",
    "report": "explore",
    "traces": "features",
    "wavelet_power": "features",
    "write": "results",
}

__all__ = [
    "CNNDecoder",
    "Decoding",
    "NWBDecodeError",
    "PurgedKFold",
    "RidgeDecoder",
    "Signal",
    "__version__",
    "add_decoding",
    "align",
    "append",
    "as_signal",
    "cross_validate",
    "explore",
    "fit",
    "fit_many",
    "importance",
    "open",
    "predict",
    "read",
    "report",
    "traces",
    "wavelet_power",
    "write",
]


def __getattr__(name: str) -> Any:
    if name == "explore":
        # The verb is the room itself, which answers to the call.
        return import_module("nwbdecode.explore")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"nwbdecode.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
