"""Files that several tests of loading open; made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nwbdecode.load import Source
from nwbdecode.load import open as open_source
from tests.load import recordings


@pytest.fixture(scope="session")
def ephys_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recordings.save(recordings.ephys(), tmp_path_factory.mktemp("ephys"))


@pytest.fixture
def source(ephys_path: Path) -> Iterator[Source]:
    with open_source(ephys_path) as opened:
        yield opened
