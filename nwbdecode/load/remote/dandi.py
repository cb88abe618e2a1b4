"""DANDI archives by their own client: which assets there are, and where their bytes lie."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.load.remote.address import DandiAddress, dandi_address
from nwbdecode.load.remote.http import PatientSession

if TYPE_CHECKING:
    from dandi.consts import DandiInstance
    from dandi.dandiapi import BaseRemoteAsset, DandiAPIClient, RemoteDandiset

_NWB = re.compile(r"\.nwb(\.zarr)?$|\.zarr$")


@dataclass(frozen=True)
class Asset:
    """An NWB file on a DANDI archive.

    Attributes
    ----------
    path : str
        In its dandiset.
    size : int
        Bytes.
    asset_id : str
    dandiset, version : str
        Empty where only the asset's id is known.
    api : str
        Address of the archive's API.
    instance : str
        Name of the archive.
    is_zarr : bool
    sha256, dandi_etag : str
        Empty where the archive does not know them (yet).
    """

    path: str
    size: int
    asset_id: str
    dandiset: str
    version: str
    api: str
    instance: str
    is_zarr: bool = False
    sha256: str = ""
    dandi_etag: str = ""

    @property
    def url(self) -> str:
        """Address that redirects to the bytes, each time to a fresh one."""
        return f"{self.api.rstrip('/')}/assets/{self.asset_id}/download/"

    @property
    def home(self) -> str:
        """Address within its dandiset; `nwbdecode.open` takes it."""
        if not self.dandiset:
            return self.url
        return (
            f"{self.api.rstrip('/')}/dandisets/{self.dandiset}/versions/{self.version}"
            f"/assets/{self.asset_id}/download/"
        )

    @property
    def label(self) -> str:
        """Address that opens it, as short as can be."""
        return label_of(**{name: getattr(self, name) for name in _LABELLED}) or self.home

    @property
    def content(self) -> str:
        """What the bytes are: an asset's id never comes to mean others."""
        if self.sha256:
            return f"sha256:{self.sha256}"
        return f"dandi:{self.api}:{self.asset_id}:{self.dandi_etag}:{self.size}"

    def facts(self) -> dict[str, Any]:
        """The asset as JSON values, with the address that opens it."""
        return {**dataclasses.asdict(self), "url": self.home, "address": self.label}

    def origin(self) -> dict[str, Any]:
        """What a result keeps of the asset, without keys."""
        facts = ("instance", "api", "dandiset", "version", "asset_id", "path", "sha256")
        told = {name: getattr(self, name) for name in facts if getattr(self, name)}
        return {"file_name": self.path.rsplit("/", 1)[-1], "url": self.home, "dandi": told}

    def folder(self) -> str:
        """Address of a Zarr asset's own folder; empty where the archive does not tell it."""
        address = f"{self.api.rstrip('/')}/assets/{self.asset_id}/"
        told: Any = None
        with (
            PatientSession().get(address, headers=self.headers()) as response,
            contextlib.suppress(ValueError),
        ):
            told = response.json()
        places = told.get("contentUrl") if isinstance(told, dict) else None
        own = [str(place).rstrip("/") for place in places or [] if "/zarr/" in str(place)]
        return own[0] if own else ""

    def headers(self) -> dict[str, str]:
        key = token(self.instance)
        return {"Authorization": f"token {key}"} if key else {}

    def refused(self, status: int) -> NWBDecodeError:
        if status in (401, 403):
            return _forbidden(self.label, self.instance, status)
        if status in (404, 410):
            return NWBDecodeError(
                f"the archive no longer has asset {self.asset_id} ({self.label}); it was replaced "
                "or deleted. Open the dandiset's path again for what is there now"
            )
        return NWBDecodeError(f"{self.label} cannot be read: the archive answers HTTP {status}")


_LABELLED = ("instance", "api", "dandiset", "version", "path")


def label_of(
    *, instance: str, api: str, path: str, dandiset: str = "", version: str = "", **_: Any
) -> str:
    """Address by which `nwbdecode.open` finds an asset; empty where it has no such one.

    Examples
    --------
    >>> where = {"dandiset": "000552", "version": "draft", "path": "sub-x/y.nwb"}
    >>> label_of(instance="dandi", api="https://api.dandiarchive.org/api", **where)
    'dandi://dandi/000552@draft/sub-x/y.nwb'
    >>> label_of(instance="dandi.lab.org:8000", api="https://dandi.lab.org:8000/api", **where)
    'dandi://https://dandi.lab.org:8000/api/000552@draft/sub-x/y.nwb'
    """
    # An archive of one's own goes by its address; only those that the client knows have names.
    archive = instance if is_known(instance) else api.rstrip("/")
    label = f"dandi://{archive}/{dandiset}@{version}/{path}"
    try:
        return label if dandiset and dandi_address(label) else ""
    except NWBDecodeError:
        return ""


def is_known(instance: str) -> bool:
    """Whether an archive has a name that the DANDI client knows."""
    from dandi.consts import known_instances

    return instance in known_instances


def token_variables(instance: str) -> list[str]:
    """Environment variables that may hold the key for an archive, the first one set counts.

    ``DANDI_API_KEY`` goes to the main archive and to the one that the user's
    own ``DANDI_INSTANCE`` names, never to any other that an address names.

    Examples
    --------
    >>> token_variables("ember-dandi"), token_variables("dandi.lab.org:8000")
    (['EMBER_DANDI_API_KEY'], ['DANDI_LAB_ORG_8000_API_KEY'])
    >>> token_variables("127.0.0.1:8000")  # no shell exports a name that begins with a digit
    ['DANDI_127_0_0_1_8000_API_KEY']
    """
    name = re.sub(r"[^A-Z0-9]", "_", instance.upper()) + "_API_KEY"
    names = [f"DANDI_{name}" if not name[0].isalpha() else name]
    chosen = os.environ.get("DANDI_INSTANCE", "dandi").rstrip("/")
    if instance == chosen or instance == re.sub(r"^https?://|/.*$", "", chosen):
        names.append("DANDI_API_KEY")
    return list(dict.fromkeys(names))


def token(instance: str) -> str:
    """The user's key for an archive, from the environment; empty if there is none."""
    return next((os.environ[v] for v in token_variables(instance) if os.environ.get(v)), "")


def _forbidden(label: str, instance: str, status: int) -> NWBDecodeError:
    names = " or ".join(token_variables(instance))
    held = token(instance)
    what = "the key given there may not see it" if held else "it may be embargoed"
    return NWBDecodeError(
        f"{label} may not be read (HTTP {status}): {what}. Set {names} to the API key of an "
        "account that owns the dandiset (the archive shows it under your initials)"
    )


def assets(address: DandiAddress) -> list[Asset]:
    """NWB files that an address stands for, in the order of their paths.

    Parameters
    ----------
    address : DandiAddress
        Of one asset, a folder, a pattern or a whole dandiset.

    Returns
    -------
    list of Asset
        With checksums where one asset was asked for.

    Raises
    ------
    NWBDecodeError
        If the archive, the dandiset, its version or the asset does not exist,
        or may not be seen; the message names the nearest that do.
    """
    with _client(address) as client:
        return _guarded(client, address, lambda: _assets(client, address))


def _assets(client: DandiAPIClient, address: DandiAddress) -> list[Asset]:
    from dandi.exceptions import NotFoundError

    dandiset = _dandiset(client, address) if address.dandiset else None
    if address.asset:
        try:
            found = (dandiset or client).get_asset(address.asset)
        except NotFoundError:
            raise NWBDecodeError(
                f"there is no asset {address.asset} in {_where(address, client, dandiset)}. "
                f"{_others(dandiset, '') if dandiset else 'Check the id'}"
            ) from None
        return [_described(client, found, dandiset)]
    assert dandiset is not None
    if address.is_one:
        try:
            found = dandiset.get_asset_by_path(address.path)
        except NotFoundError:
            raise NWBDecodeError(
                f"there is no asset {address.path!r} in {_where(address, client, dandiset)}. "
                f"{_others(dandiset, address.path)}"
            ) from None
        # The listing leaves out checksums; the asset's own page has them.
        return [_described(client, dandiset.get_asset(found.identifier), dandiset)]
    held = _listed(dandiset, address.path)
    if not held:
        raise NWBDecodeError(
            f"no NWB file matches {address.path or 'anything'!r} in "
            f"{_where(address, client, dandiset)}. {_others(dandiset, address.path)}"
        )
    return [_described(client, one, dandiset) for one in held]


def _dandiset(client: DandiAPIClient, address: DandiAddress) -> RemoteDandiset:
    from dandi.exceptions import NotFoundError

    dandiset = client.get_dandiset(address.dandiset, address.version or None)
    try:
        _ = dandiset.version_id if not address.version else dandiset.version
    except NotFoundError:
        pass
    else:
        return dandiset
    try:
        known = [version.identifier for version in dandiset.get_versions()]
    except NotFoundError:
        raise NWBDecodeError(
            f"there is no dandiset {address.dandiset} on {client.dandi_instance.name} "
            f"({client.api_url}). Check its number, and the archive"
        ) from None
    raise NWBDecodeError(
        f"dandiset {address.dandiset} on {client.dandi_instance.name} has no version "
        f"{address.version!r}. {suggest(address.version, known)}"
    )


def _listed(dandiset: RemoteDandiset, path: str) -> list[BaseRemoteAsset]:
    """Assets that are NWB files by their names, under a folder or matching a pattern."""
    if set("*?") & set(path):
        # Archives know no ?, so they are asked for more and the rest is sorted out here.
        found: Any = dandiset.get_assets_by_glob(path.replace("?", "*"), order="path")
        # As archives match: case aside, and * also across folders.
        parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in path)
        fits = re.compile("".join(parts), re.IGNORECASE).fullmatch
    elif path:
        found, fits = dandiset.get_assets_with_path_prefix(path, order="path"), re.compile("").match
    else:
        found, fits = dandiset.get_assets(order="path"), re.compile("").match
    return [one for one in found if fits(one.path) and _NWB.search(one.path)]


def _others(dandiset: RemoteDandiset, wrong: str) -> str:
    """Name the paths nearest to a wrong one: those of its folder, else all."""
    folder = wrong.rpartition("/")[0].split("*")[0]
    near = _listed(dandiset, f"{folder}/") if folder else []
    near = near or _listed(dandiset, "")
    return suggest(wrong, [one.path for one in near], most=6)


def _where(address: DandiAddress, client: DandiAPIClient, dandiset: RemoteDandiset | None) -> str:
    name = client.dandi_instance.name
    return f"dandiset {address.dandiset}@{dandiset.version_id} on {name}" if dandiset else name


def _described(
    client: DandiAPIClient, found: BaseRemoteAsset, dandiset: RemoteDandiset | None
) -> Asset:
    digest = (found._metadata or {}).get("digest") or {}
    return Asset(
        path=found.path,
        size=found.size,
        asset_id=found.identifier,
        dandiset=dandiset.identifier if dandiset else "",
        version=dandiset.version_id if dandiset else "",
        api=client.api_url,
        instance=client.dandi_instance.name,
        is_zarr=found.asset_type.name == "ZARR",
        sha256=str(digest.get("dandi:sha2-256", "")),
        dandi_etag=str(digest.get("dandi:dandi-etag", "")),
    )


def _guarded(client: DandiAPIClient, address: DandiAddress, ask: Any) -> Any:
    """Ask, with the user's key only where it is needed, and say faults in the user's words."""
    import requests

    name = client.dandi_instance.name
    label = str(address)
    try:
        try:
            return ask()
        except requests.HTTPError as error:
            key = token(name)
            if _status(error) not in (401, 403) or not key:
                raise
        # Not client.authenticate(): what is asked for will show whether the key is good.
        client.session.headers["Authorization"] = f"token {key}"
        return ask()
    except requests.HTTPError as error:
        status = _status(error)
        if status in (401, 403):
            raise _forbidden(label, name, status) from error
        raise NWBDecodeError(
            f"{name} answered HTTP {status} when asked for {label}. Check the address, or try later"
        ) from error


def _status(error: Any) -> int:
    return error.response.status_code if error.response is not None else 0


@contextlib.contextmanager
def _client(address: DandiAddress) -> Iterator[DandiAPIClient]:
    """Open a client for an address' archive, quiet and patient."""
    # The client would otherwise ask a third party for its newest version.
    os.environ.setdefault("DANDI_NO_ET", "1")
    from dandi.dandiapi import DandiAPIClient

    log = logging.getLogger("dandi")
    level = log.level
    # It logs as errors what is told here in one sentence.
    log.setLevel(logging.CRITICAL + 1)
    try:
        client = DandiAPIClient(dandi_instance=_instance(address.instance))
        patient = PatientSession()
        patient.headers.update({"User-Agent": str(client.session.headers["User-Agent"])})
        client.session = patient
        with client:
            yield client
    finally:
        log.setLevel(level)


def _instance(named: str) -> DandiInstance:
    """The archive of a name or address, or the environment's; unknown addresses are asked."""
    from dandi.consts import known_instances, known_instances_rev
    from dandi.utils import get_instance

    named = (named or os.environ.get("DANDI_INSTANCE") or "dandi").rstrip("/")
    if "://" not in named:
        if named.lower() not in known_instances:
            raise NWBDecodeError(
                f"there is no DANDI archive named {named!r}. {suggest(named, known_instances)} "
                "Give the address of your own, as in 'dandi://https://dandi.lab.org/000001/'"
            )
        return known_instances[named.lower()]
    known = known_instances_rev.get(named) or known_instances_rev.get(f"{named}/api")
    if known:
        return known_instances[known]
    try:
        return get_instance(named)
    except Exception as error:
        raise NWBDecodeError(
            f"{named} does not answer as a DANDI archive does ({type(error).__name__}: "
            f"{str(error)[:160]}). Check the address and the network connection"
        ) from error
