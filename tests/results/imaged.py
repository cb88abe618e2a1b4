"""A small imaging session on disk, and a result as if it had been decoded from some regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pynwb
from pynwb.ophys import Fluorescence, RoiResponseSeries

import nwbdecode as nd
from nwbdecode.decoding import Decoding
from tests import made
from tests.load.imaging import movies

#: Regions 10, 11 and 12 are in the file; these were decoded, in this order.
DECODED = (12, 10)
TRACES = "processing/ophys/Fluorescence/traces"


def recorded(path: Path, kind: str = "image_mask") -> Path:
    """Write a session with three regions whose masks are of a kind, and their traces."""
    nwbfile, plane = movies.session()
    held = np.zeros((3, 6, 8, 4) if kind == "voxel_mask" else (3, 6, 8))
    for row in range(3):
        held[row, row : row + 2, 2 : 5 + row] = 0.25 * (row + 1)
    cells = movies.add_masks(nwbfile, plane, kind, held)
    region = cells.create_roi_table_region(region=[0, 1, 2], description="all")
    values = np.random.default_rng(0).normal(size=(200, 3))
    fluorescence = Fluorescence()
    nwbfile.processing["ophys"].add(fluorescence)
    fluorescence.add_roi_response_series(
        RoiResponseSeries(
            name="traces", data=values, rois=region, unit="n.a.", rate=10.0, starting_time=0.0
        )
    )
    with pynwb.NWBHDF5IO(str(path), mode="w") as io:
        io.write(nwbfile)
    return path


def decoded(recording: Path, *, bins: int = 90, seed: int = 0) -> Decoding:
    """A result that names the recording and two of its regions."""
    with nd.open(recording) as source:
        facts = source.signal(TRACES, channels=list(DECODED)).source
    plain = made.decoding(bins=bins, channels=len(DECODED), seed=seed)
    bare = plain.channels.drop_vars(["location", "group"]).assign_coords(channel=list(DECODED))
    by_channel = plain.importance["channel"].assign_coords(channel=list(DECODED))
    return plain.replace(
        channels=bare, source=facts, importance={**plain.importance, "channel": by_channel}
    )
