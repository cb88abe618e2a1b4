"""Features are tested away from the user's cache folder, and on one thread."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder where features are kept that are given no store."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NWBDECODE_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short signals gain nothing from more, and a busy machine makes them wait for each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
