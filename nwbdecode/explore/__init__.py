"""Show what a run found: figures, an explorer in Jupyter and a report in one HTML file."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nwbdecode.explore.reporting import report
    from nwbdecode.explore.widgets import explore

__all__ = ["explore", "report"]

_HOMES = {"explore": "widgets", "report": "reporting"}


def __getattr__(name: str) -> Any:
    # plotly and ipywidgets take a second to import: pay for them on first use.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__


class _Room(ModuleType):
    # `nwbdecode.explore` is the user's verb and this room's name: importing any
    # module of the room puts the room in the verb's place, so it answers to the call.
    def __call__(self, *args: Any, **options: Any) -> Any:
        return __getattr__("explore")(*args, **options)


sys.modules[__name__].__class__ = _Room
