"""From a source (a file, a Zarr folder, an address, an open NWBFile) to its signal and targets."""

from __future__ import annotations

from nwbdecode.load.location import assets
from nwbdecode.load.signal import Signal, as_signal
from nwbdecode.load.source import Source, open
from nwbdecode.load.spec import TargetSpec

__all__ = ["Signal", "Source", "TargetSpec", "as_signal", "assets", "open"]
