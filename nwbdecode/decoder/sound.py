"""Whether a stored decoder could have been trained, found out before anything is built of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from nwbdecode.decoding import KINDS
from nwbdecode.errors import NWBDecodeError, suggest

#: Largest setting that is a whole number, such as a width or a window.
_MOST = 100_000
#: Constructor arguments that say nothing about a fitted decoder.
PASSING = ("init", "progress")


@contextmanager
def soundness(name: str) -> Iterator[None]:
    """Turn whatever a stored decoder that lacks its parts makes Python raise into one error."""
    try:
        yield
    except NWBDecodeError:
        raise
    except (
        KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError,
        RecursionError, MemoryError,
    ) as error:  # fmt: skip
        raise NWBDecodeError(
            f"the stored decoder {name!r} is incomplete or was changed by another program "
            f"({type(error).__name__}: {str(error)[:200]}); get its file anew or fit again"
        ) from error


def checked_settings(
    name: str, stored: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Give the settings of a stored decoder.

    Parameters
    ----------
    name : str
        Of the decoder, for messages.
    stored : mapping
        As the file has them.
    defaults : mapping
        Those of a new decoder, which tell the types.

    Raises
    ------
    NWBDecodeError
        When one is unknown, of another type, or beyond reason.
    """
    known = {key: value for key, value in defaults.items() if key not in PASSING}
    unknown = sorted(set(stored) - set(known))
    if unknown:
        raise NWBDecodeError(
            f"{name} has no setting {unknown[0]!r}. {suggest(unknown[0], known)} "
            "A newer nwbdecode may have written it"
        )
    for key, value in stored.items():
        if not _suits(value, known[key]):
            raise NWBDecodeError(
                f"the stored setting {key} of {name} is {str(value)[:60]}; expected one like "
                f"{known[key]!r}, whole numbers up to {_MOST}. The file was changed or is damaged"
            )
    return dict(stored)


def _suits(value: Any, default: Any) -> bool:
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, str):
        return isinstance(value, str) and len(value) < 100
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return abs(value) <= _MOST or default == 0 <= value < 2**64
    if isinstance(value, float):
        return math.isfinite(value) and not isinstance(default, int)
    return value is None and default is None


def check_parts(name: str, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse a decoder whose bands, channels, targets and scaling do not fit together.

    Raises
    ------
    NWBDecodeError
        When they do not, or a weight is no number.
    """
    bands, channels = config["frequencies"], config["channels"]
    if not all(isinstance(f, int | float) and math.isfinite(f) for f in bands):
        raise ValueError("a band is no frequency")
    for part in ("floor", "center", "scale"):
        found = arrays[f"scaling.{part}"].shape
        if found != (len(bands), len(channels)):
            raise ValueError(
                f"weights do not fit: scaled by shape {found} for {len(bands)} bands and "
                f"{len(channels)} channels"
            )
    if arrays["scaling.signed"].shape != (len(bands),):
        raise ValueError(f"signs of shape {arrays['scaling.signed'].shape} for {len(bands)} bands")
    if not config["targets"]:
        raise ValueError("it has no target")
    for target in config["targets"]:
        _check_target(target)
    for key, values in arrays.items():
        # A channel that never changed in training has an infinite scale.
        fine = ~np.isnan(values) if key == "scaling.scale" else np.isfinite(values)
        if not fine.all():
            raise NWBDecodeError(
                f"the weights of the stored {name} are no numbers: {int((~fine).sum())} of "
                f"{values.size} in {key!r} are NaN or infinite. It cannot predict; fit again"
            )


def _check_target(target: Mapping[str, Any]) -> None:
    kind, width = target["kind"], target["width"]
    columns = [target["center"], target["scale"]]
    if kind not in KINDS or type(width) is not int or not 0 < width <= _MOST:
        raise ValueError(f"a target is {kind!r} of width {width!r}")
    if kind == "linear" and any(len(held) != width for held in columns):
        raise ValueError(f"a linear target of width {width} is not scaled so")
    if kind == "categorical" and len(target["labels"]) != width:
        raise ValueError(f"{len(target['labels'])} classes for width {width}")
    if kind == "circular" and width % 2:
        raise ValueError(f"an angle of width {width}")
    for value in (*columns[0], *columns[1], target["chance"]):
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"a target is scaled by {value!r}")
