"""A result brought to what NWB can store, where something in it cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.decoding import Decoding, StoredDecoder
from nwbdecode.errors import NWBDecodeError
from nwbdecode.results.jsontext import to_text

if TYPE_CHECKING:
    import xarray as xr


def storable(decoding: Decoding) -> Decoding:
    """Give a result of which text stands for all that has no place in NWB.

    Attributes, settings and labels that are no JSON values, and times as dates, become
    text. Values, predictions and weights stay as they are.
    """
    return decoding.replace(
        predictions=_dataset(decoding.predictions),
        truth=_dataset(decoding.truth),
        scores=_dataset(decoding.scores),
        folds=_dataset(decoding.folds),
        history=_dataset(decoding.history),
        channels=_dataset(decoding.channels),
        baselines={name: _dataset(part) for name, part in decoding.baselines.items()},
        importance={name: _dataset(part) for name, part in decoding.importance.items()},
        decoders={
            name: StoredDecoder(_plain(held.config), held.weights)
            for name, held in decoding.decoders.items()
        },
        recipe=_plain(decoding.recipe),
        source=_plain(decoding.source),
    )


def _dataset(part: xr.Dataset) -> xr.Dataset:
    mended = part.copy()
    mended.attrs = _plain(part.attrs)
    for name, variable in part.variables.items():
        values = variable.to_numpy()
        if values.dtype.kind not in "biufUO":
            values = values.astype(str)
        elif values.dtype.kind == "O":
            values = values.copy()
            for at in np.ndindex(values.shape):
                values[at] = _plain(values[at])
        mended[name] = (variable.dims, values, _plain(variable.attrs))
    return mended


def _plain(value: Any) -> Any:
    """The value itself where it can be stored, else the same with text where it cannot."""
    try:
        to_text(value, "")
    except (NWBDecodeError, RecursionError):
        if isinstance(value, Mapping):
            return {str(key): _plain(held) for key, held in value.items()}
        if isinstance(value, list | tuple):
            return [_plain(held) for held in value]
        return str(value)
    return value
