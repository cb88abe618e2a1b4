"""Features are tested away from the user's cache folder, and on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numba
import pytest

from nwbdecode.features.threads import engine_threads


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder where features are kept that are given no store."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NWBDECODE_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Short signals gain nothing from more, and a busy machine makes them wait for each other."""
    # numba starts its threads when it is first asked for their number, and all of OpenMP with them.
    with engine_threads():
        usual = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(usual)
