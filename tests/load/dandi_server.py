"""A DANDI archive and its store on this machine's loopback, with the faults that real ones show.

Two servers on 127.0.0.1: the archive's API, which redirects to signed
addresses, and the store of blobs behind it, which also serves plain files.
Both count what is asked of them.
"""

from __future__ import annotations

import gc
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from tests.load.dandi_bodies import Asset, Content, Dandiset, Version
from tests.load.dandi_handlers import Api, Asked, Store

PAGE = 100
TOKEN = "a-secret-key"


@dataclass
class Fault:
    """Something that goes wrong a number of times where a path matches."""

    kind: str  # a status such as "503", or "cut", "reset"
    times: int
    match: str = ""
    retry_after: str = ""
    where: str = "store"


@dataclass
class DandiServer:
    """Serve dandisets until the context ends.

    Attributes
    ----------
    latency : float
        Seconds before each answer.
    ranges : bool
        Whether the store heeds ``Range``.
    etags : bool
        Whether the store sends ``ETag`` and ``Last-Modified``.
    page : int
        Most items of a page.
    answered : list of Asked
        Every request that has ended, in order; `asked` waits for the others.
    """

    latency: float = 0.0
    ranges: bool = True
    etags: bool = True
    page: int = PAGE
    token: str = TOKEN
    dandisets: dict[str, Dandiset] = field(default_factory=dict)
    files: dict[str, Content] = field(default_factory=dict)
    answered: list[Asked] = field(default_factory=list)
    active: int = 0
    faults: list[Fault] = field(default_factory=list)
    signatures: set[str] = field(default_factory=set)

    def __enter__(self) -> DandiServer:
        # A collection in one of the servers' threads may meet an HDF5 object, and then wait for
        # HDF5's lock, which the reader that waits for this server holds.
        gc.disable()
        self._lock = threading.Lock()
        self._servers = [_server(self, "api"), _server(self, "store")]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        gc.enable()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._servers[0].server_port}"

    @property
    def api(self) -> str:
        return f"http://{self.host}/api"

    @property
    def site(self) -> str:
        return f"http://{self.host}"

    @property
    def store(self) -> str:
        return f"http://127.0.0.1:{self._servers[1].server_port}"

    def add(
        self, identifier: str, files: dict[str, Path], *, published: Iterable[str] = (),
        embargoed: bool = False, digests: bool = True,
    ) -> dict[str, Asset]:  # fmt: skip
        """Make a dandiset with these files in its draft and its published versions."""
        assets = {path: Asset(path, Content(file), digests) for path, file in files.items()}
        versions = {name: Version(name, list(assets.values())) for name in ("draft", *published)}
        self.dandisets[identifier] = Dandiset(identifier, versions, embargoed)
        return assets

    def serve(self, name: str, file: Path) -> str:
        """Serve a file without an archive; gives its address."""
        self.files[name] = Content(file)
        return f"{self.store}/files/{quote(name)}"

    def sign(self, address: str) -> str:
        """An address with a signature that `expire` ends."""
        signature = f"{len(self.signatures):064x}"
        self.signatures.add(signature)
        query = {
            "response-content-disposition": 'attachment; filename="x.nwb"',
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": "key/20261123/us-east-1/s3/aws4_request",
            "X-Amz-Date": "20261123T033012Z",
            "X-Amz-Expires": "21600",
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Signature": signature,
        }
        return f"{address}?{urlencode(query, quote_via=quote)}"

    def expire(self) -> None:
        """End every signature given so far."""
        with self._lock:
            self.signatures = {f"ended {len(self.signatures)} {s}" for s in self.signatures}

    def fail(self, kind: str, times: int = 1, **options: Any) -> None:
        self.faults.append(Fault(kind, times, **options))

    @property
    def asked(self) -> list[Asked]:
        """Every request so far, once none is under way."""
        until = time.monotonic() + 5
        while self.active and time.monotonic() < until:
            time.sleep(0.001)
        return sorted(self.answered, key=lambda one: one.at)

    def count(self, host: str = "store") -> tuple[int, int]:
        """Requests and bytes of bodies so far, at the store or the API."""
        mine = [one for one in self.asked if one.host == host]
        return len(mine), sum(one.sent for one in mine)

    def forget(self) -> None:
        _ = self.asked
        self.answered.clear()

    def fault(self, where: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fault.where == where and re.search(fault.match, path):
                    fault.times -= 1
                    return fault
        return None


def _server(archive: DandiServer, role: str) -> ThreadingHTTPServer:
    kind = type("Handler", (Api if role == "api" else Store,), {"archive": archive, "role": role})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server
