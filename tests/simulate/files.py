"""What the tests of simulated files share."""

from __future__ import annotations

from pathlib import Path


def inspected(path: Path) -> list[str]:
    """Messages of nwbinspector above a suggestion."""
    from nwbinspector import Importance, inspect_nwbfile

    return [
        f"{message.check_function_name}: {message.message}"
        for message in inspect_nwbfile(nwbfile_path=str(path))
        if message.importance.value > Importance.BEST_PRACTICE_SUGGESTION.value
    ]
