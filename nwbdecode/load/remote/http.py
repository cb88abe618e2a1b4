"""Asking web servers with patience: ranges, redirects that expire, and answers that break off."""

from __future__ import annotations

import random
import re
import threading
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

import requests
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import InvalidURL, SSLError, Timeout

from nwbdecode.errors import NWBDecodeError, UnreachableError
from nwbdecode.load.remote.address import unsigned

#: Tries for one request before giving up, and the seconds before the second; each wait doubles.
TRIES = 7
FIRST_WAIT = 0.25
#: A server that asks for more seconds than this is taken at its word, and left.
LONGEST_WAIT = 120.0
#: Seconds to wait for a connection, and for the next bytes.
TIMEOUT = (10.0, 60.0)
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_EXPIRED = {400, 401, 403, 404, 410}
_MOVED = {301, 302, 303, 307, 308}


class PatientSession(requests.Session):
    """A session that waits and asks again where a fault may pass.

    Busy (429) and failing (5xx) servers are asked again after the time they
    name, or after waits that double; so are broken connections.

    Raises
    ------
    NWBDecodeError
        If a server cannot be reached, or stays busy.
    """

    def __init__(self) -> None:
        super().__init__()
        self.headers["User-Agent"] = "nwbdecode"
        self.reached: set[str] = set()

    def request(  # type: ignore[override]
        self, method: str, url: str, *args: Any, **options: Any
    ) -> requests.Response:
        options.setdefault("timeout", TIMEOUT)
        host = urlsplit(url).netloc.rpartition("@")[2]
        for tried in range(1, TRIES + 1):
            # A host that never answered is more likely absent than busy.
            last = tried >= (TRIES if host in self.reached else min(TRIES, 3))
            try:
                response = super().request(method, url, *args, **options)
            except (SSLError, InvalidURL) as error:
                raise _unreached(host, error) from error
            except (NoConnection, Timeout) as error:
                if last:
                    raise _unreached(host, error) from error
                wait_before(tried)
                continue
            self.reached.add(host)
            if response.status_code not in _PASSING:
                return response
            asked = retry_after(response.headers.get("Retry-After"))
            response.close()
            if tried == TRIES or (asked or 0) > LONGEST_WAIT:
                later = f"; it asks to wait {asked:.0f} s" if asked else ""
                raise NWBDecodeError(
                    f"{host} is busy or failing: it answered {response.status_code} "
                    f"{response.reason} to {tried} tries{later}. Try again later"
                )
            wait_before(tried, asked)
        raise AssertionError("unreachable")


def wait_before(tried: int, asked: float | None = None) -> None:
    """Wait before another try: what the server asked for, or twice as long each time."""
    # Spread by chance, so that many readers do not come back at once.
    own = FIRST_WAIT * 2 ** (tried - 1) * random.uniform(0.75, 1.25)
    time.sleep(own if asked is None else asked)


def retry_after(stated: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, given as seconds or as a date."""
    if stated is None:
        return None
    try:
        return max(0.0, float(stated))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(stated).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _unreached(host: str, error: Exception) -> NWBDecodeError:
    # The error's own text holds the whole address, signature included; its cause does not.
    cause = getattr(error.args[0], "reason", None) if error.args else None
    said = f": {str(cause).rpartition(': ')[2][:160]}" if cause else ""
    return NWBDecodeError(
        f"{host} cannot be reached ({type(error).__name__}{said}). "
        "Check the address and the network connection; behind a proxy, set HTTPS_PROXY"
    )


class Door(Protocol):
    """Where a remote file is asked for; picklable, and without secrets of its own."""

    @property
    def url(self) -> str:
        """Address to ask; it may redirect to one that expires."""

    @property
    def label(self) -> str:
        """What messages call the file."""

    def headers(self) -> dict[str, str]:
        """What to send to the host of `url`, and to no other."""

    def refused(self, status: int) -> NWBDecodeError:
        """Say what an answer other than the file means."""


@dataclass(frozen=True)
class Stated:
    """What a server says of a file.

    Attributes
    ----------
    size : int
        Bytes; -1 where it does not say.
    etag, modified : str
        As in the headers; empty where there are none.
    ranges : bool
        Whether it sends parts of the file.
    """

    size: int
    etag: str = ""
    modified: str = ""
    ranges: bool = True


@dataclass
class Traffic:
    """What went over the network, in this process."""

    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, requests: int = 0, count: int = 0, seconds: float = 0.0) -> None:
        with self.lock:
            self.requests += requests
            self.bytes += count
            self.seconds += seconds


class Connection:
    """Ranges of one file, through redirects, refreshed signatures and broken answers.

    Parameters
    ----------
    door : Door
    expected : Stated, optional
        What the file was when it was opened; an answer from another one is refused.
    """

    def __init__(self, door: Door, expected: Stated | None = None) -> None:
        self.door = door
        self.expected = expected
        self.traffic = Traffic()
        self._session = PatientSession()
        self._resolved: str | None = None

    def state(self) -> Stated:
        """Ask for the first byte, which tells size, version and whether ranges are sent.

        A HEAD request would not do: signed addresses are signed for GET.
        """
        with self._ask({"Range": "bytes=0-0"}) as response:
            stated = _stated(response)
            if response.status_code == 206:
                _pour(response, bytearray(), self.traffic, most=1)
            return stated

    def fetch(self, start: int, stop: int) -> bytes:
        """Bytes ``[start, stop)``.

        Raises
        ------
        UnreachableError
            If they cannot be had, or the file is no longer the one opened.
        """
        try:
            return self._fetched(start, stop)
        except NWBDecodeError as error:
            raise UnreachableError(str(error)) from error

    def _fetched(self, start: int, stop: int) -> bytes:
        held = bytearray()
        stuck = 0
        while len(held) < stop - start:
            before = len(held)
            at = start + before
            with self._ask({"Range": f"bytes={at}-{stop - 1}"}) as response:
                self._check(response, at)
                _pour(response, held, self.traffic, most=stop - start)
            if len(held) >= stop - start:
                break
            stuck = stuck + 1 if len(held) == before else 0
            if stuck >= TRIES:
                raise NWBDecodeError(
                    f"the server of {self.door.label!r} breaks off: of bytes {start} to {stop} it "
                    f"sent {len(held)} and no more in {TRIES} tries. Try again later"
                )
            wait_before(stuck + 1)
        return bytes(held)

    def whole(self, start: int = 0) -> requests.Response:
        """Answer that holds the file from byte `start`, or all of it if ranges are ignored."""
        return self._ask({"Range": f"bytes={start}-"} if start else {})

    def _ask(self, headers: dict[str, str]) -> requests.Response:
        """Answer with status 200 or 206; its body is not read yet."""
        headers = {"Accept-Encoding": "identity", **headers}
        if self._resolved is not None:
            response = self._get(self._resolved, headers)
            if response.status_code in (200, 206):
                return response
            response.close()
            if response.status_code not in _EXPIRED | _MOVED:
                raise self.door.refused(response.status_code)
            # A signed address has expired: the door gives another.
            self._resolved = None
        url, own = self.door.url, self.door.headers()
        first = urlsplit(url)[:2]
        for _ in range(6):
            # A token is for the archive alone, never for the store it points to.
            allowed = own if urlsplit(url)[:2] == first else {}
            response = self._get(url, {**headers, **allowed})
            if response.status_code in (200, 206):
                self._resolved = url if url != self.door.url else None
                return response
            onward = _onward(response, url)
            if int(response.headers.get("Content-Length", 1 << 20)) < 1 << 16:
                _ = response.content  # so that the connection can be used again
            response.close()
            if onward is None:
                raise self.door.refused(response.status_code)
            url = onward
        raise NWBDecodeError(f"{self.door.label!r} is redirected in circles; check its address")

    def _get(self, url: str, headers: dict[str, str]) -> requests.Response:
        started = time.monotonic()
        response = self._session.get(url, headers=headers, stream=True, allow_redirects=False)
        self.traffic.add(requests=1, seconds=time.monotonic() - started)
        return response

    def _check(self, response: requests.Response, start: int) -> None:
        """Refuse an answer that is not of these bytes of this file."""
        label = self.door.label
        if response.status_code != 206:
            raise ignores_ranges(label, _stated(response).size)
        found = _stated(response)
        said = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if said is None or int(said[1]) != start:
            raise NWBDecodeError(
                f"the server of {label!r} answers with other bytes than were asked for "
                f"({response.headers.get('Content-Range')!r}). Fetch the file with download=True"
            )
        known = self.expected or found
        same_version = not known.etag or found.etag in ("", known.etag)
        if found.size not in (-1, known.size) or not same_version:
            raise NWBDecodeError(
                f"{label!r} has changed since it was opened ({known.size} bytes then, "
                f"{found.size} now). Open it again"
            )


def ignores_ranges(label: str, size: int) -> NWBDecodeError:
    """Say that a file can only be had whole."""
    much = f" of {size / 1e6:.1f} MB" if size >= 0 else ""
    return NWBDecodeError(
        f"the server of {label!r} sends no parts of files (it ignores Range), so the file cannot "
        f"be streamed. Fetch the whole{much} with download=True (--download)"
    )


def _onward(response: requests.Response, url: str) -> str | None:
    """Address that an answer redirects to, None if it does not."""
    if response.status_code not in _MOVED:
        return None
    if "Location" in response.headers:
        return urljoin(url, response.headers["Location"])
    # S3 names the bucket's region instead of an address.
    region = response.headers.get("x-amz-bucket-region")
    moved = re.sub(r"\bs3\.amazonaws\.com", f"s3.{region}.amazonaws.com", url, count=1)
    return moved if region and moved != url else None


def _stated(response: requests.Response) -> Stated:
    headers = response.headers
    if response.status_code == 206:
        total = headers.get("Content-Range", "").rpartition("/")[2]
    else:
        total = headers.get("Content-Length", "")
    return Stated(
        size=int(total) if total.isdigit() else -1,
        etag=headers.get("ETag", ""),
        modified=headers.get("Last-Modified", ""),
        ranges=response.status_code == 206,
    )


def _pour(response: requests.Response, held: bytearray, traffic: Traffic, *, most: int) -> None:
    """Add an answer's body to what is held; a body that breaks off leaves what came."""
    started, before = time.monotonic(), len(held)
    try:
        # Read to its end, the connection can be used again. In small pieces, since of a
        # piece that breaks off nothing is given.
        for piece in response.iter_content(1 << 15):
            if len(held) >= most:
                break
            held += piece[: most - len(held)]
    except (requests.RequestException, OSError):
        pass
    traffic.add(count=len(held) - before, seconds=time.monotonic() - started)


@dataclass(frozen=True)
class Web:
    """A file at an address of the web; its signature, if any, cannot be renewed.

    Parameters
    ----------
    url : str
        With its whole query.
    given : str
        What the user wrote, if it was no web address.
    """

    url: str
    given: str = ""

    @property
    def label(self) -> str:
        return self.given or unsigned(self.url)

    def headers(self) -> dict[str, str]:
        return {}

    def refused(self, status: int) -> NWBDecodeError:
        signed = unsigned(self.url) != self.url
        if status in (401, 403) or (status == 400 and signed):
            why = "its signature has expired or is wrong; ask for a fresh address"
            why = why if signed else "it is not public; give a signed address that grants access"
            return NWBDecodeError(f"{self.label!r} may not be read (HTTP {status}): {why}")
        if status in (404, 410):
            return NWBDecodeError(
                f"there is nothing at {self.label!r} (HTTP {status}). Check the address"
            )
        return NWBDecodeError(
            f"{self.label!r} cannot be read: the server answers HTTP {status}. Check the address"
        )
