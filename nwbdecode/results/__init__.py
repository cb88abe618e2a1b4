"""Results in NWB: write what a run found to a file, and read it back equal."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nwbdecode.results.module import add_decoding
    from nwbdecode.results.reading import read
    from nwbdecode.results.writing import append, write

__all__ = ["add_decoding", "append", "read", "write"]

_HOMES = {"add_decoding": "module", "append": "writing", "read": "reading", "write": "writing"}


def __getattr__(name: str) -> Any:
    # pynwb takes seconds to import: pay for it on first use, not with the package.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
