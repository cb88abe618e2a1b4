"""Whether a result can be stored, found out in memory before there is anything to lose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
from pynwb import NWBHDF5IO

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.hdf5 import first_line
from nwbdecode.results.module import add_decoding
from nwbdecode.results.session import new_file

if TYPE_CHECKING:
    from nwbdecode.decoding import Decoding


def rehearse(decoding: Decoding, run: str | None = None) -> None:
    """Write a result to an NWB file in memory, and forget it.

    Parameters
    ----------
    decoding : Decoding
        Small: such as the outline of what will be made.
    run : str, optional

    Raises
    ------
    NWBDecodeError
        When something in it cannot be stored; the message says what.
    """
    try:
        nwbfile = new_file(decoding.source)
        add_decoding(nwbfile, decoding, run=run)
        with h5py.File("rehearsal", "w", driver="core", backing_store=False) as file:
            NWBHDF5IO(file=file, mode="w").write(nwbfile)
    except Exception as error:  # pynwb, hdmf and HDF5 have no common class
        why = str(error) if isinstance(error, NWBDecodeError) else first_line(error)
        raise NWBDecodeError(
            f"the result could not be stored in the end, so nothing was trained: {why}"
        ) from error
