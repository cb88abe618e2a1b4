"""Reading what the user wrote of a place on the network; nothing is asked of it here."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from nwbdecode.errors import NWBDecodeError

_ID = r"(?P<dandiset>\d{6})"
_VERSION = r"(?P<version>\d+\.\d+\.\d+|draft)"
_UUID = r"(?P<asset>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
_SERVER = r"(?P<instance>https?://[^/]+)"

# What archives write of themselves, from the most to the least exact.
_DANDI = [
    re.compile(pattern)
    for pattern in (
        # dandi://dandi/000552@draft/sub-1/, also with a whole address for the instance
        rf"(?i:dandi)://(?P<instance>https?://[^/]+(?:/api)?|[^/]+)/{_ID}(?:@{_VERSION})?"
        r"(?:/(?P<path>.*))?",
        # DANDI:000552@draft/sub-1/, and the client's own DANDI:000552/draft
        rf"(?P<instance>[A-Za-z][\w-]*):{_ID}(?:[@/]{_VERSION}(?=/|$))?(?:/(?P<path>.*))?",
        # https://dandiarchive.org/dandiset/000552/draft/files?location=sub-1
        rf"{_SERVER}/(?:#/)?dandiset/{_ID}(?:/{_VERSION})?"
        r"(?:/(?:files(?:\?(?:location=(?P<location>[^&]*))?(?:&.*)?)?)?)?",
        # https://api.dandiarchive.org/api/dandisets/000552/versions/draft/assets/UUID/download/
        rf"{_SERVER}/api/dandisets/{_ID}/versions/{_VERSION}/assets/{_UUID}(?:/(?:download/?)?)?",
        rf"{_SERVER}/api/dandisets/{_ID}/versions/{_VERSION}/assets/?"
        r"\?(?:path=(?P<prefix>[^&]+)|glob=(?P<glob>[^&]+))",
        rf"{_SERVER}/api/dandisets/{_ID}(?:/versions/{_VERSION})?/?",
        rf"{_SERVER}/api/assets/{_UUID}(?:/(?:download/?)?)?",
    )
]
# Parts of a query that give leave to read; what remains names the file.
_SIGNING = re.compile(
    r"(?i)x-amz-.*|x-goog-.*|awsaccesskeyid|googleaccessid|signature|expires|policy|key-pair-id"
    r"|response-content-.*|(access_?)?token|api_?key"
)
# Azure's are short words, and signing ones only beside "sig".
_AZURE = re.compile(r"s(ig|e|p|v|r|s|t|rt|kt|ke|koid|ktid|ks|kv|ip|pr)")


@dataclass(frozen=True)
class DandiAddress:
    """A dandiset, or one or several of its assets.

    Attributes
    ----------
    instance : str
        Name of an archive or its address; empty for the one of the environment.
    dandiset : str
        Six digits; empty where only an asset's id was given.
    version : str
        Empty for the latest published one or, failing that, the draft.
    path : str
        Of an asset; a folder if it ends in ``/``, a pattern if it has ``*`` or ``?``.
    asset : str
        Id of an asset.
    """

    instance: str
    dandiset: str = ""
    version: str = ""
    path: str = ""
    asset: str = ""

    @property
    def is_one(self) -> bool:
        """Whether it names a single asset rather than a set, a folder or a pattern."""
        return bool(self.asset) or bool(
            self.path and not self.path.endswith("/") and not set("*?") & set(self.path)
        )

    def __str__(self) -> str:
        where = f"dandi://{self.instance or 'dandi'}"
        if not self.dandiset:
            return f"{where} asset {self.asset}"
        version = f"@{self.version}" if self.version else ""
        return f"{where}/{self.dandiset}{version}/{self.path or self.asset}".rstrip("/")


def is_remote(text: str) -> bool:
    """Whether a source given as text lies on the network rather than on disk.

    Examples
    --------
    >>> [is_remote(text) for text in ("DANDI:000552", "s3://bucket/key.nwb", "C:/a.nwb", "a.nwb")]
    [True, True, False, False]
    """
    archive = r"[\w-]*dandi[\w-]*:|[a-z][\w-]+:\d{6}(?=$|[/@])"
    return bool(re.match(rf"(?i)(https?|s3)://|{archive}", text))


def dandi_address(text: str) -> DandiAddress | None:
    """Read text as an address on a DANDI archive; None if it is none.

    Raises
    ------
    NWBDecodeError
        If it begins like one and goes on otherwise.

    Examples
    --------
    >>> found = dandi_address("DANDI:000552@0.230630.2304/sub-x/y.nwb")
    >>> found.dandiset, found.version, found.path, found.is_one
    ('000552', '0.230630.2304', 'sub-x/y.nwb', True)
    """
    for pattern in _DANDI:
        found = pattern.fullmatch(text)
        if found:
            return _taken({k: v for k, v in found.groupdict().items() if v})
    if text.lower().startswith("dandi:") or not text.lower().startswith(("http", "s3:")):
        raise NWBDecodeError(
            f"{text!r} is no address on a DANDI archive; expected such as 'DANDI:000552', "
            "'DANDI:000552@0.230630.2304/sub-x/y.nwb', 'DANDI:000552/sub-*/*.nwb' or "
            "'dandi://INSTANCE/000552@draft/sub-x/y.nwb'"
        )
    return None


def _taken(parts: dict[str, str]) -> DandiAddress:
    instance = parts["instance"]
    path = parts.get("path", "")
    if "location" in parts:
        # The web pages name folders and files alike; only a file has a suffix.
        path = unquote(parts["location"]).strip("/")
        path += "" if re.search(r"\.(nwb|zarr)$", path) or not path else "/"
    path = unquote(parts["prefix"]) + "*" if "prefix" in parts else path
    path = unquote(parts["glob"]) if "glob" in parts else path
    return DandiAddress(
        # DANDI: before a number is the usual archive, unless the environment names another.
        instance="" if instance == "DANDI" or instance == "dandi:" else _lower(instance),
        dandiset=parts.get("dandiset", ""),
        version=parts.get("version", ""),
        path=path.lstrip("/"),
        asset=parts.get("asset", "").lower(),
    )


def _lower(instance: str) -> str:
    return instance if "://" in instance else instance.lower()


def s3_address(text: str) -> str:
    """Web address of an object in a public bucket.

    ``AWS_ENDPOINT_URL_S3`` or ``AWS_ENDPOINT_URL`` name another store than
    Amazon's, ``AWS_REGION`` or ``AWS_DEFAULT_REGION`` a region.

    Raises
    ------
    NWBDecodeError
        If the bucket or the key is missing.
    """
    bucket, _, key = text[len("s3://") :].partition("/")
    if not bucket or not key:
        raise NWBDecodeError(f"{text!r} names no object; expected 's3://BUCKET/KEY'")
    key = quote(key, safe="/~")
    given = os.environ.get
    endpoint = given("AWS_ENDPOINT_URL_S3") or given("AWS_ENDPOINT_URL")
    region = given("AWS_REGION") or given("AWS_DEFAULT_REGION")
    if endpoint:
        return f"{endpoint.rstrip('/')}/{bucket}/{key}"
    host = f"s3.{region}.amazonaws.com" if region else "s3.amazonaws.com"
    # A certificate for *.s3.amazonaws.com does not cover a bucket with dots in its name.
    return f"https://{host}/{bucket}/{key}" if "." in bucket else f"https://{bucket}.{host}/{key}"


def unsigned(url: str) -> str:
    """Take passwords, signatures and tokens off an address, so that it may be written down.

    Examples
    --------
    >>> unsigned("https://me:secret@host/a.nwb?versionId=3&X-Amz-Signature=f00&X-Amz-Expires=60")
    'https://host/a.nwb?versionId=3'
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, urlencode(_named(parts.query)[0]), ""))


def veiled(url: str) -> str:
    """Put words in place of what gives leave to read an address; empty where nothing does.

    Examples
    --------
    >>> veiled("https://host/a.nwb?versionId=3&X-Amz-Signature=f00&X-Amz-Expires=60")
    'https://host/a.nwb?versionId=3&SIGNATURE'
    >>> veiled("https://me:secret@host/a.nwb"), veiled("https://host/a.nwb?versionId=3")
    ('https://USER:PASSWORD@host/a.nwb', '')
    """
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    kept, signing = _named(parts.query)
    if not login and not signing:
        return ""
    query = "&".join(filter(None, [urlencode(kept), "SIGNATURE" if signing else ""]))
    host = f"USER:PASSWORD@{host}" if login else host
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def _named(query: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Parts of a query that name the file, and those that give leave to read it."""
    asked = parse_qsl(query, keep_blank_values=True)
    azure = any(name == "sig" for name, _ in asked)
    signing = [
        (name, value)
        for name, value in asked
        if _SIGNING.fullmatch(name) or (azure and _AZURE.fullmatch(name))
    ]
    return [one for one in asked if one not in signing], signing
