"""What a catalog says of an entry that cannot be described: the fault, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nwbdecode.errors import NWBDecodeError, UnreachableError
from nwbdecode.load.filters import lacking
from nwbdecode.load.hdf5 import first_line
from nwbdecode.load.tables import Column


def described_or_faulty(describe: Callable[[], dict[str, Any]], path: str, item: Any) -> Any:
    """Describe one entry; a fault of it becomes its problem and costs no other entry.

    Parameters
    ----------
    describe : callable
        Gives the entry.
    path : str
    item : TimeSeries, Units or Column
        What the entry is of.
    """
    try:
        return describe()
    except (UnreachableError, MemoryError):
        # No fault of the entry: all others would meet it as well, each after many tries.
        raise
    except NWBDecodeError as error:
        return _faulty(path, item, str(error))
    except Exception as error:
        # Whatever libraries say of a file that is damaged or not as the schema has it.
        return _faulty(
            path, item, f"it cannot be described ({lacking(error) or first_line(error)})"
        )


def _faulty(path: str, item: Any, problem: str) -> dict[str, Any]:
    """Entry of a signal or target of which only the problem is known."""
    column = isinstance(item, Column)
    kind = f"{type(item.table).__name__} column" if column else type(item).__name__
    return {
        "path": path, "type": kind, "object_id": str(item.object_id), "description": "",
        "shape": [], "dtype": "", "problems": [problem], **dict.fromkeys(NO_CLOCK),
        "gaps": 0, "clock": "", "clock_read": "whole", "units": "",
        # Of signals.
        "modality": None, "channels": None, "locations": [], "bad": [], "usable": False, "bytes": 0,
        # Of targets.
        "kind": "", "kind_reason": "", "components": [], "missing": None, "missing_read": "whole",
        "derivations": [],
    }  # fmt: skip


#: What is not known without a clock.
NO_CLOCK = ("rate", "start", "stop", "duration", "lost", "run")
