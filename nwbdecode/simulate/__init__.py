"""Recordings with known ground truth, to try a decoder where the answer is known."""

from __future__ import annotations

from nwbdecode.simulate.ca1 import CA1Recording, simulate_ca1
from nwbdecode.simulate.ca1_file import write_ca1
from nwbdecode.simulate.ophys import OphysRecording, simulate_ophys
from nwbdecode.simulate.ophys_file import write_ophys

__all__ = [
    "CA1Recording",
    "OphysRecording",
    "simulate_ca1",
    "simulate_ophys",
    "write_ca1",
    "write_ophys",
]
