"""What the documentation shows is what happens."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from nwbdecode.results import write
from tests import made

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("page", ["results.md", "ndx-decoding.md"])
def test_the_examples_run(page: str, tmp_path: Path) -> None:
    result = made.decoding()
    path = write(result, tmp_path / "decoded.nwb")
    names = {"result": result, "folder": tmp_path, "path": path}
    failed, tried = doctest.testfile(str(DOCS / page), module_relative=False, globs=names)
    assert (failed, tried > 0) == (0, True)
