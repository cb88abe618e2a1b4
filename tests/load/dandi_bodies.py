"""What a DANDI archive answers, as the recorded contract has it: JSON bodies of its API."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

CREATED = "2026-11-23T03:27:16.564968Z"
MODIFIED = "2026-11-23T03:29:19.259638Z"
_PERSON = "Doe, Jane"


@lru_cache
def _digests(path: Path, version: int) -> tuple[str, str]:
    from dandi.support.digests import get_dandietag

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), get_dandietag(path).as_str()


@dataclass
class Content:
    """Bytes that are served: a file on disk."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def sha256(self) -> str:
        return _digests(self.path, self.path.stat().st_mtime_ns)[0]

    @property
    def dandi_etag(self) -> str:
        return _digests(self.path, self.path.stat().st_mtime_ns)[1]

    @property
    def etag(self) -> str:
        status = self.path.stat()
        return f'"{status.st_size:x}-{status.st_mtime_ns:x}"'


@dataclass
class Asset:
    path: str
    content: Content
    digests: bool = True
    asset_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    blob: str = field(default_factory=lambda: str(uuid.uuid4()))
    is_zarr: bool = False

    def listed(self) -> dict[str, Any]:
        return {
            "asset_id": self.asset_id,
            "blob": None if self.is_zarr else self.blob,
            "zarr": self.blob if self.is_zarr else None,
            "path": self.path,
            "size": self.content.size,
            "created": CREATED,
            "modified": MODIFIED,
        }

    def place(self, store: str) -> str:
        if self.is_zarr:
            return f"{store}/files/zarr/{self.blob}/"
        return f"{store}/blobs/{self.blob[:3]}/{self.blob[3:6]}/{self.blob}"

    def info(self, api: str, store: str) -> dict[str, Any]:
        return {**self.listed(), "metadata": self.metadata(api, store)}

    def metadata(self, api: str, store: str) -> dict[str, Any]:
        digest = {"dandi:dandi-etag": self.content.dandi_etag}
        if self.digests:
            digest["dandi:sha2-256"] = self.content.sha256
        return {
            "id": f"dandiasset:{self.asset_id}",
            "path": self.path,
            "access": [{"schemaKey": "AccessRequirements", "status": "dandi:OpenAccess"}],
            "digest": digest,
            "@context": "https://raw.githubusercontent.com/dandi/schema/0.7.0/context.json",
            "approach": [{"name": "behavioral approach", "schemaKey": "ApproachType"}],
            "keywords": ["decoding"],
            "schemaKey": "Asset",
            "contentUrl": [f"{api}/assets/{self.asset_id}/download/", self.place(store)],
            "identifier": self.asset_id,
            "repository": store,
            "contentSize": self.content.size,
            "publishedBy": _activity("DANDI publish", "PublishActivity"),
            "dateModified": MODIFIED,
            "blobDateModified": MODIFIED,
            "datePublished": MODIFIED,
            "schemaVersion": "0.7.0",
            "encodingFormat": "application/x-nwb",
            "wasGeneratedBy": [],
            "wasAttributedTo": [],
            "variableMeasured": [],
            "measurementTechnique": [],
        }


@dataclass
class Version:
    name: str
    assets: list[Asset]

    def summary(self, *, short: bool = False) -> dict[str, Any]:
        told = {
            "version": self.name,
            "name": "nwbdecode test",
            "asset_count": len(self.assets),
            "active_uploads": 0,
            "size": sum(asset.content.size for asset in self.assets),
            "status": "Published" if self.name == "draft" else "Valid",
            "created": CREATED,
            "modified": MODIFIED,
            "release_notes": "",
        }
        # The list of all dandisets leaves two fields out.
        left_out = ("active_uploads", "release_notes") if short else ()
        return {name: value for name, value in told.items() if name not in left_out}


@dataclass
class Dandiset:
    identifier: str
    versions: dict[str, Version]
    embargoed: bool = False

    def facts(self) -> dict[str, Any]:
        return {
            "identifier": self.identifier,
            "created": CREATED,
            "modified": MODIFIED,
            "contact_person": _PERSON,
            "embargo_status": "EMBARGOED" if self.embargoed else "OPEN",
            "star_count": 0,
            "is_starred": False,
        }

    def body(self, *, short: bool = False) -> dict[str, Any]:
        published = [v for v in self.versions.values() if v.name != "draft"]
        latest = max(published, key=lambda v: v.name) if published else None
        return {
            **self.facts(),
            "most_recent_published_version": latest and latest.summary(short=short),
            "draft_version": self.versions["draft"].summary(short=short),
        }

    def version(self, name: str) -> dict[str, Any]:
        return {**self.versions[name].summary(), "dandiset": self.facts()}

    def version_info(self, name: str, site: str) -> dict[str, Any]:
        return {
            **self.version(name),
            "asset_validation_errors": [],
            "version_validation_errors": [],
            "metadata": self.metadata(name, site),
            "contact_person": _PERSON,
        }

    def metadata(self, name: str, site: str) -> dict[str, Any]:
        assets = self.versions[name].assets
        return {
            "id": f"DEV-DANDI:{self.identifier}/{name}",
            "doi": f"10.80507/dev-dandi.{self.identifier}/{name}",
            "url": f"{site}/dandiset/{self.identifier}/{name}",
            "name": "nwbdecode test",
            "access": [{"status": "dandi:OpenAccess", "schemaKey": "AccessRequirements"}],
            "license": ["spdx:CC0-1.0"],
            "version": name,
            "@context": "https://raw.githubusercontent.com/dandi/schema/0.7.0/context.json",
            "citation": f"{_PERSON} (2026) nwbdecode test",
            "schemaKey": "Dandiset",
            "identifier": f"DEV-DANDI:{self.identifier}",
            "repository": site,
            "contributor": [],
            "dateCreated": CREATED,
            "description": "d",
            "publishedBy": _activity("DANDI publish", "PublishActivity"),
            "assetsSummary": {
                "species": [],
                "approach": [],
                "schemaKey": "AssetsSummary",
                "dataStandard": [],
                "numberOfBytes": sum(asset.content.size for asset in assets),
                "numberOfFiles": len(assets),
                "numberOfSubjects": 1,
                "variableMeasured": [],
                "measurementTechnique": [],
            },
            "datePublished": MODIFIED,
            "schemaVersion": "0.7.0",
            "manifestLocation": [f"{site}/dandisets/{self.identifier}/{name}/assets.yaml"],
        }


def _activity(name: str, key: str) -> dict[str, Any]:
    return {
        "id": f"urn:uuid:{uuid.uuid4()}",
        "name": name,
        "endDate": MODIFIED,
        "schemaKey": key,
        "startDate": CREATED,
        "wasAssociatedWith": [],
    }


def info(api: str, site: str) -> dict[str, Any]:
    return {
        "instance_config": {
            "instance_name": "DEV-DANDI",
            "instance_identifier": "RRID:ABC_123456",
            "instance_url": f"{site}/",
            "doi_prefix": "10.80507",
            "licenses": ["spdx:CC0-1.0", "spdx:CC-BY-4.0"],
        },
        "schema_version": "0.7.0",
        "schema_url": f"{api}/schemas/?model=Dandiset",
        "allowed_schema_versions": ["0.6.10", "0.7.0"],
        "version": "0.0.1",
        "services": {
            "api": {"url": api},
            "webui": {"url": site},
            "jupyterhub": {"url": "https://hub.dandiarchive.org/"},
        },
        "cli-minimal-version": "0.74.0",
        "cli-requires-python": ">=3.10",
        "cli-bad-versions": [],
    }
