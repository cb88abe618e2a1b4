"""Decode behavior from raw neural signals in NWB files."""

__version__ = "0.1.0"
