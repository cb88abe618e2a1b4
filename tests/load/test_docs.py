"""What the page on targets shows is what happens, and what the page on recordings names exists."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from nwbdecode import load
from tests.load import recordings

ROOT = Path(__file__).resolve().parents[2]


def test_the_examples_on_targets_run() -> None:
    nwbfile = recordings.ephys()
    nwbfile.add_trial_column(name="choice", description="side")
    nwbfile.add_trial_column(name="block", description="of trials")
    for row, choice in enumerate(("left", "right", "left", "right")):
        start = 2.0 + 3 * row
        nwbfile.add_trial(start_time=start, stop_time=start + 2, choice=choice, block=row // 2)
    page = str(ROOT / "docs" / "targets.md")
    failed, tried = doctest.testfile(
        page, module_relative=False, globs={"source": load.open(nwbfile)},
        optionflags=doctest.NORMALIZE_WHITESPACE,
    )  # fmt: skip
    assert (failed, tried > 0) == (0, True)


#: A test in a row of the table: its folder, its file and its name, each of which may be left out.
_TEST = r"`(?:(tests/[a-z_/0-9]*/)?([a-z_0-9]+\.py))?(?:::([a-z_0-9]+))?`"


def named(line: str) -> list[tuple[str, str]]:
    """Each file and test that a row names; one without a file is in that of the one before."""
    found: list[tuple[str, str]] = []
    for folder, file, name in re.findall(_TEST, line):
        if file or name:
            before = found[-1][0] if found else ""
            place = (folder or f"{before.rpartition('/')[0]}/") + file if file else before
            found.append((place, name))
    return found


def test_every_file_and_test_of_a_row_is_looked_for() -> None:
    row = "| a `Type` | b | `tests/load/test_a.py::test_one`, `::test_two`, `test_b.py` |"
    assert named(row) == [
        ("tests/load/test_a.py", "test_one"),
        ("tests/load/test_a.py", "test_two"),
        ("tests/load/test_b.py", ""),
    ]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (file, name)
        for line in (ROOT / "docs" / "recordings.md").read_text().splitlines()
        for file, name in named(line)
    ],
)
def test_the_tests_that_the_table_of_recordings_names_exist(file: str, name: str) -> None:
    text = (ROOT / file).read_text()
    assert not name or f"def {name}(" in text
