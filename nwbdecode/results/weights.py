"""Whether bytes are the safetensors buffer they claim to be."""

from __future__ import annotations

import json
import math
from typing import Any

from nwbdecode.errors import NWBDecodeError

#: The limit of the safetensors library itself.
LARGEST_HEADER = 100_000_000

_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2,
    "BF16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


def check_weights(weights: bytes, name: str) -> None:
    """Check the header of a safetensors buffer before anyone allocates by it.

    The layout is 8 bytes of little-endian header length, a JSON object that
    gives each array's type, shape and byte range, and the arrays, which must
    fill the rest without gap or overlap.

    Parameters
    ----------
    weights : bytes
    name : str
        The decoder they belong to, for the error message.

    Raises
    ------
    NWBDecodeError
        When the header is missing, too long, or points outside the buffer.
    """
    length = int.from_bytes(weights[:8], "little")
    if len(weights) < 8 or length > min(LARGEST_HEADER, len(weights) - 8):
        raise _refused(name, f"a header of {length} bytes in a buffer of {len(weights)}")
    try:
        header = json.loads(weights[8 : 8 + length], object_pairs_hook=_unique)
        if not isinstance(header, dict):
            raise TypeError("the header is no JSON object")
        header.pop("__metadata__", None)
        ranges = sorted(_range(tensor) for tensor in header.values())
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _refused(name, f"a header that cannot be read ({error})") from error
    end = 0
    for start, stop in ranges:
        if start != end:
            raise _refused(name, f"an array at byte {start}, expected at {end}")
        end = stop
    if end != len(weights) - 8 - length:
        raise _refused(name, f"arrays of {end} bytes in {len(weights) - 8 - length}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _range(tensor: dict[str, Any]) -> tuple[int, int]:
    start, stop = tensor["data_offsets"]
    shape = tensor["shape"]
    if any(type(n) is not int or n < 0 for n in (start, stop, *shape)):
        raise ValueError("a size or offset is no whole number")
    if stop - start != math.prod(shape) * _BYTES[tensor["dtype"]]:
        raise ValueError(f"{stop - start} bytes for shape {shape} of {tensor['dtype']}")
    return start, stop


def _refused(name: str, found: str) -> NWBDecodeError:
    return NWBDecodeError(
        f"the weights of decoder {name!r} are not a sound safetensors buffer: found {found}. "
        "They are left unread; get the file anew or fit again"
    )
