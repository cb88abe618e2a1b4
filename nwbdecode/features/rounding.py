"""Power with fewer bits: one relative precision for loud and faint, and a smaller store."""

from __future__ import annotations

import math

import numpy as np

#: Largest relative error that rounding may add.
COARSEST = 0.5
#: Bits of a float32 that rounding leaves alone: its sign and its exponent.
_OTHER, _MANTISSA = 9, 23


def kept_bits(tolerance: float) -> int:
    """Bits of a float32's mantissa that keep the relative error within a tolerance.

    Examples
    --------
    >>> kept_bits(0.0), kept_bits(0.004), kept_bits(0.06)
    (23, 7, 4)
    """
    if tolerance <= 0:
        return _MANTISSA
    # Rounding to k bits errs by half a unit in the last place: 2 ** -(k + 1).
    return min(_MANTISSA, max(0, math.ceil(-math.log2(tolerance)) - 1))


def stored_share(tolerance: float) -> float:
    """Share of four bytes a value that a store of rounded power takes, at most.

    Bits that are all alike vanish when they are compressed.
    """
    return (_OTHER + kept_bits(tolerance)) / 32


def rounded(values: np.ndarray, tolerance: float) -> np.ndarray:
    """Round float32 values to the bits that a tolerance asks for.

    Steps of a float's last bit are steps of its logarithm, to within a factor of two: what
    is kept is quantized log power.
    """
    from numcodecs import BitRound

    bits = kept_bits(tolerance)
    if bits == _MANTISSA:
        return values
    codec = BitRound(keepbits=bits)
    out: np.ndarray = codec.decode(codec.encode(values)).reshape(values.shape)
    return out
