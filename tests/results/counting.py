"""A file that counts what is read of it."""

from __future__ import annotations

import io
from typing import Any


class Counting(io.FileIO):
    """A file that counts the bytes read of it."""

    count = 0

    def readinto(self, buffer: Any) -> int:
        size = super().readinto(buffer) or 0
        self.count += size
        return size
