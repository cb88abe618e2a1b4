"""Decoders: from features to targets, fitted on indices of whole arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwbdecode.decoder.cnn import CNNDecoder
from nwbdecode.decoder.ridge import RidgeDecoder
from nwbdecode.decoder.sound import check_parts, checked_settings, soundness
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
        If the decoder's name is unknown, a setting is beyond reason, a weight is no
        number, or the weights do not fit the settings; nothing of the sizes that the
        settings ask for is allocated before.
    """
    from safetensors.numpy import load

    name = str(stored.config.get("decoder"))
    if name not in _KNOWN:
        raise NWBDecodeError(f"unknown decoder {name[:60]!r}. {suggest(name[:60], _KNOWN)}")
    decoder = _KNOWN[name]()
    known = decoder.get_params()
    with soundness(name):
        settings = checked_settings(name, stored.config["settings"], known)
        if "device" in known:
            settings["device"] = device
        decoder.set_params(**settings)
        arrays = load(stored.weights)
        check_parts(name, stored.config, arrays)
        decoder._restore(stored.config, arrays)
    return decoder
