"""The documentation's examples run as written."""

from __future__ import annotations

import doctest
from pathlib import Path


def test_the_examples_in_the_documentation_hold() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "imaging.md"
    found = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 5
    assert found.failed == 0
