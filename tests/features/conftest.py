"""No test of the features writes into the user's cache folder."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder where features are kept that are given no store."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NWBDECODE_CACHE", str(folder))
    return folder
