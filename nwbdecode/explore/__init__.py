"""Show what a run found: figures, an explorer in Jupyter and a report in one HTML file."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nwbdecode.explore import figures
    from nwbdecode.explore.report import report
    from nwbdecode.explore.widgets import explore

__all__ = ["explore", "figures", "report"]

_HOMES = {"explore": "widgets", "report": "report"}


class _Room(ModuleType):
    # `nwbdecode.explore` is the user's verb and this room's name: importing any
    # module of the room would put the room in the verb's place, so it answers for both.
    def __call__(self, *args: Any, **options: Any) -> Any:
        return import_module(f"{__name__}.widgets").explore(*args, **options)

    def __getattribute__(self, name: str) -> Any:
        # The module `report.py` must not hide the function of the same name.
        if name in _HOMES:
            return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        if name == "figures":
            return import_module(f"{__name__}.figures")
        return super().__getattribute__(name)

    def __dir__(self) -> list[str]:
        return __all__


sys.modules[__name__].__class__ = _Room
