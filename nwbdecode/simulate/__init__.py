"""Recordings with known ground truth, to try a decoder where the answer is known."""

from __future__ import annotations

from nwbdecode.simulate.ca1 import CA1Recording, simulate_ca1
from nwbdecode.simulate.ca1_file import write_ca1
from nwbdecode.simulate.ecog import ECoGRecording, simulate_ecog
from nwbdecode.simulate.ecog_file import write_ecog
from nwbdecode.simulate.ophys import OphysRecording, simulate_ophys
from nwbdecode.simulate.ophys_file import write_ophys

__all__ = [
    "CA1Recording",
    "ECoGRecording",
    "OphysRecording",
    "simulate_ca1",
    "simulate_ecog",
    "simulate_ophys",
    "write_ca1",
    "write_ecog",
    "write_ophys",
]
