"""A conversion that builds an NWBFile, adds what its own signal tells, and writes it all once.

The way of neuroconv: interfaces fill an `NWBFile` in memory (`create_nwbfile`, or
`add_to_nwbfile` of each interface), and one call writes it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pynwb import NWBHDF5IO, NWBFile

import nwbdecode as nd


def add_decoding_to_nwbfile(
    nwbfile: NWBFile, *, target: str, run: str = "run", config: object = None
) -> bool:
    """Decode a target from the file's own signal, and add the result to it.

    Returns
    -------
    bool
        False where the file holds that run already: a conversion may be run again.
    """
    module = "decoding" if run == "run" else f"decoding_{run}"
    if module in nwbfile.processing:
        return False
    result = nd.fit(nwbfile, targets=target, config=config, progress=False)
    nd.add_decoding(nwbfile, result, run=run)
    return True


def convert(nwbfile: NWBFile, path: Path, *, target: str, config: object = None) -> Path:
    """Write a converted session with its decoding; a file that is there is left as it is."""
    if path.exists():
        return path
    add_decoding_to_nwbfile(nwbfile, target=target, config=config)
    aside = path.with_suffix(".partial")
    try:
        with NWBHDF5IO(str(aside), mode="w") as io:
            io.write(nwbfile)
        shutil.move(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return path
