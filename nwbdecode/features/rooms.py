"""Room for samples that compiled loops work on."""

from __future__ import annotations

import numpy as np

from nwbdecode.features.lanes import LANES

#: Bytes of a cache line.
_LINE = 64


def room_for(rows: int, columns: int, old: np.ndarray | None = None) -> np.ndarray:
    """Make an uninitialized float32 array that begins where a cache line does.

    A vector that straddles two lines takes two loads, and numpy begins large arrays 16
    bytes into a line. Where `old`, an array that nothing uses any more, lies in enough
    memory, that is taken: memory that was never touched is slower than all that is done
    to a sample here.
    """
    needed = rows * columns + _LINE // 4
    spare = None if old is None else old if old.base is None else old.base
    if spare is None or spare.size < needed:
        spare = np.empty(needed, dtype=np.float32)
    flat = spare.ravel()
    begin = -flat.ctypes.data % _LINE // 4
    return flat[begin : begin + rows * columns].reshape(rows, columns)


def lanes_for(blocks: int, rows: int, old: np.ndarray | None = None) -> np.ndarray:
    """Make room for so many rows of blocks of channels: (block, row, LANES); see `room_for`."""
    return room_for(blocks * rows, LANES, old).reshape(blocks, rows, LANES)
