"""Features are tested away from the user's cache folder, and on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numba
import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder where features are kept that are given no store."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NWBDECODE_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Short signals gain nothing from more, and a busy machine makes them wait for each other."""
    usual = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(usual)
