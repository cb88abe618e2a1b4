"""Decoders: from features to targets, fitted on indices of whole arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwbdecode.decoder.cnn import CNNDecoder
from nwbdecode.decoder.ridge import RidgeDecoder
from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    from nwbdecode.decoder.base import Decoder
    from nwbdecode.decoding import StoredDecoder

__all__ = ["CNNDecoder", "RidgeDecoder", "from_stored"]

_KNOWN: dict[str, type[Decoder]] = {"CNNDecoder": CNNDecoder, "RidgeDecoder": RidgeDecoder}


def from_stored(stored: StoredDecoder, *, device: str = "auto") -> Decoder:
    """Build a fitted decoder from plain data.

    Parameters
    ----------
    stored : StoredDecoder
    device : str, default "auto"

    Raises
    ------
    NWBDecodeError
        If the decoder's name is unknown or its weights do not fit its settings.
    """
    from safetensors.numpy import load

    name = str(stored.config.get("decoder"))
    if name not in _KNOWN:
        raise NWBDecodeError(f"unknown decoder {name!r}. {suggest(name, _KNOWN)}")
    decoder = _KNOWN[name]()
    known = decoder.get_params()
    settings = dict(stored.config["settings"])
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise NWBDecodeError(
            f"{name} has no setting {unknown[0]!r}. {suggest(unknown[0], known)} "
            "A newer nwbdecode may have written it"
        )
    if "device" in known:
        settings["device"] = device
    decoder.set_params(**settings)
    decoder._restore(stored.config, load(stored.weights))
    return decoder
