"""A loopback archive, no key in the environment, a cache of one's own, and no long waits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nwbdecode.load.remote import http
from tests.load.dandi_server import DandiServer

PATH = "sub-m1/sub-m1_ses-s1_image+ecephys.nwb"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder where streams are kept."""
    for name in [name for name in os.environ if name.endswith("_API_KEY") or "AWS_" in name]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("NWBDECODE_STREAM_CACHE_BYTES", raising=False)
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(http, "FIRST_WAIT", 0.002)
    return tmp_path / "cache"


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[DandiServer]:
    """An empty archive, which the environment names."""
    with DandiServer() as server:
        monkeypatch.setenv("DANDI_INSTANCE", server.site)
        yield server


@pytest.fixture
def url(archive: DandiServer, ephys_path: Path) -> str:
    """Address of a recording that the store serves to anyone."""
    return archive.serve("sub 1/session.nwb", ephys_path)
