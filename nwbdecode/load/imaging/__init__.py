"""From a movie, or from traces others took out of one, to a signal: one channel a region."""

from __future__ import annotations

from nwbdecode.load.imaging.options import ImagingOptions

__all__ = ["ImagingOptions"]
