"""How the loopback archive and its store answer one request."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

from tests.load.dandi_bodies import Asset, Content, Dandiset, info

if TYPE_CHECKING:
    from tests.load.dandi_server import DandiServer


@dataclass(frozen=True)
class Asked:
    """One request: where, for what, and how many bytes of body were sent."""

    host: str
    method: str
    path: str
    query: str
    range: str
    authorization: str
    status: int
    sent: int
    at: float


class Handler(BaseHTTPRequestHandler):
    archive: DandiServer
    role: str
    began: float
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the tests look at `asked`."""

    def do_GET(self) -> None:
        self.began = time.monotonic()
        with self.archive._lock:
            self.archive.active += 1
        try:
            self._get()
        finally:
            with self.archive._lock:
                self.archive.active -= 1

    def _get(self) -> None:
        if self.archive.latency:
            time.sleep(self.archive.latency)
        parts = urlsplit(self.path)
        fault = self.archive.fault(self.role, parts.path)
        if fault is not None and fault.kind == "reset":
            self._note(0, 0)
            self.close_connection = True
            return
        if fault is not None and fault.kind.isdigit():
            extra = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self.answer({"detail": "Try later."}, int(fault.kind), extra)
            return
        self.route(parts.path, dict(parse_qsl(parts.query)), cut=fault is not None)

    do_HEAD = do_GET

    def route(self, path: str, query: dict[str, str], *, cut: bool) -> None:
        raise NotImplementedError

    def answer(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send JSON, or nothing where `body` is None."""
        data = b"" if body is None else json.dumps(body).encode()
        given = {"Content-Type": "text/html; charset=utf-8" if body is None else "application/json"}
        self.send_all(status, {**given, **(headers or {})}, data)

    def send_all(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self._note(status, len(data))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _note(self, status: int, sent: int) -> None:
        parts = urlsplit(self.path)
        get = self.headers.get
        self.archive.answered.append(
            Asked(
                self.role, self.command, parts.path, parts.query, get("Range", ""),
                get("Authorization", ""), status, sent, self.began,
            )
        )  # fmt: skip


class Api(Handler):
    def route(self, path: str, query: dict[str, str], *, cut: bool) -> None:
        archive = self.archive
        key = self.headers.get("Authorization", "")
        if key and key != f"token {archive.token}":
            self.answer(
                {"detail": "Invalid token."}, 401, {"WWW-Authenticate": 'Bearer realm="api"'}
            )
            return
        parts = path.removeprefix("/api").strip("/").split("/")
        match parts:
            case ["info"]:
                self.answer(info(archive.api, archive.site))
            case ["auth", "token"]:
                self.answer({"token": archive.token}, 200 if key else 401)
            case ["assets", asset_id, *what]:
                self._asset(asset_id, archive.dandisets.values(), what)
            case ["dandisets"]:
                open_ones = [
                    d.body(short=True) for d in archive.dandisets.values() if not d.embargoed
                ]
                self._paged(open_ones, query)
            case ["dandisets", identifier, *rest] if identifier in archive.dandisets:
                self._dandiset(archive.dandisets[identifier], rest, query)
            case _:
                self._missing()

    def _dandiset(self, dandiset: Dandiset, rest: list[str], query: dict[str, str]) -> None:
        if not self._allowed(dandiset):
            return
        match rest:
            case []:
                self.answer(dandiset.body())
            case ["versions"]:
                self._paged([dandiset.version(name) for name in dandiset.versions], query)
            case ["versions", name, *_] if name not in dandiset.versions:
                self._missing()
            case ["versions", name]:
                self.answer(dandiset.metadata(name, self.archive.site))
            case ["versions", name, "info"]:
                self.answer(dandiset.version_info(name, self.archive.site))
            case ["versions", name, "assets"]:
                self._paged(_asked_for(dandiset.versions[name].assets, query), query)
            case ["versions", name, "assets", asset_id, *what]:
                one = Dandiset(dandiset.identifier, {"draft": dandiset.versions[name]})
                self._asset(asset_id, [one], what)
            case _:
                self._missing()

    def _allowed(self, dandiset: Dandiset) -> bool:
        if not dandiset.embargoed or self.headers.get("Authorization"):
            return True
        self.answer(
            {"detail": "Authentication credentials were not provided."}, 401,
            {"WWW-Authenticate": 'Bearer realm="api"'},
        )  # fmt: skip
        return False

    def _asset(self, asset_id: str, among: Iterable[Dandiset], what: list[str]) -> None:
        archive = self.archive
        for dandiset in among:
            for asset in dandiset.versions["draft"].assets:
                if asset.asset_id != asset_id:
                    continue
                if not self._allowed(dandiset):
                    return
                if what == ["download"]:
                    place = f"{archive.store}/blobs/{asset.blob[:3]}/{asset.blob[3:6]}/{asset.blob}"
                    self.answer(None, 302, {"Location": archive.sign(place)})
                elif what == ["info"]:
                    self.answer(asset.info(archive.api, archive.store))
                else:
                    self.answer(asset.metadata(archive.api, archive.store))
                return
        self._missing()

    def _paged(self, items: list[Any], query: dict[str, str]) -> None:
        size = min(int(query.get("page_size", self.archive.page)), self.archive.page)
        page = int(query.get("page", 1))
        last = -(-len(items) // size) or 1

        def address(number: int) -> str | None:
            asked = urlencode({**query, "page": number}, quote_via=quote)
            path = urlsplit(self.path).path
            return f"{self.archive.site}{path}?{asked}" if 1 <= number <= last else None

        self.answer(
            {
                "count": len(items),
                "next": address(page + 1),
                "previous": address(page - 1),
                "results": items[(page - 1) * size : page * size],
            }
        )

    def _missing(self) -> None:
        self.answer({"detail": "Not found."}, 404)


def _asked_for(assets: list[Asset], query: dict[str, str]) -> list[dict[str, Any]]:
    found = [asset for asset in assets if asset.path.startswith(query.get("path", ""))]
    if "glob" in query:
        pattern = re.escape(query["glob"]).replace(r"\*", ".*")
        found = [a for a in found if re.fullmatch(pattern, a.path, re.IGNORECASE)]
    if query.get("order") == "path":
        found = sorted(found, key=lambda asset: asset.path)
    return [asset.listed() for asset in found]


class Store(Handler):
    def route(self, path: str, query: dict[str, str], *, cut: bool) -> None:
        archive = self.archive
        # As in real stores, a signature makes an address private, and none is enough for files.
        signature = parse_qs(urlsplit(self.path).query).get("X-Amz-Signature", [""])[0]
        private = path.startswith("/blobs/") or bool(signature)
        if private and signature not in archive.signatures:
            self.send_all(403, {"Content-Type": "application/xml"}, b"<Error>AccessDenied</Error>")
            return
        content = self._content(path)
        if content is None:
            self.send_all(404, {"Content-Type": "application/xml"}, b"<Error>NoSuchKey</Error>")
            return
        self._send(content, cut=cut)

    def _content(self, path: str) -> Content | None:
        name = unquote(path.removeprefix("/files/"))
        blob = path.rsplit("/", 1)[-1]
        if path.startswith("/files/"):
            return self.archive.files.get(name)
        every = (
            asset
            for dandiset in self.archive.dandisets.values()
            for version in dandiset.versions.values()
            for asset in version.assets
        )
        return next((asset.content for asset in every if asset.blob == blob), None)

    def _send(self, content: Content, *, cut: bool) -> None:
        size, start, stop = content.size, 0, content.size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        partial = asked is not None and self.archive.ranges
        headers = {"Content-Type": "application/octet-stream"}
        if self.archive.etags:
            headers |= {"ETag": content.etag, "Last-Modified": "Mon, 23 Nov 2026 03:29:12 GMT"}
        if partial:
            assert asked is not None
            start = int(asked[1])
            stop = min(int(asked[2]) + 1 if asked[2] else size, size)
            if start >= size:
                self.send_all(416, {"Content-Range": f"bytes */{size}"}, b"")
                return
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        self._stream(content.path, start, stop, 206 if partial else 200, headers, cut=cut)

    def _stream(
        self, path: Path, start: int, stop: int, status: int, headers: dict[str, str], *, cut: bool
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(stop - start)}.items():
            self.send_header(name, value)
        self.end_headers()
        end = start + (stop - start) // 2 if cut else stop
        sent = 0
        try:
            with path.open("rb") as file:
                file.seek(start)
                while start + sent < end:
                    piece = file.read(min(1 << 18, end - start - sent))
                    self.wfile.write(piece)
                    sent += len(piece)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # whoever asked has gone
        if cut:
            self.close_connection = True
        self._note(status, sent)
