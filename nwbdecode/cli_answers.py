"""What the shell's commands say: expectations on stderr, results as a table or JSON on stdout."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nwbdecode.caching import Kept
    from nwbdecode.decoding import Decoding


def failed(error: BaseException, *, as_json: bool) -> None:
    """Say why a command failed: on stderr, and where JSON was asked for on stdout too."""
    click.echo(f"error: {error}", err=True)
    if as_json:
        click.echo(as_json_text({"status": "failed", "error": str(error)}))


def is_done(output: str | None, source: str, run: str | None, exists: str) -> bool:
    """Whether what `--exists skip` may skip is there."""
    if exists != "skip":
        return False
    if output is not None:
        return os.path.exists(output)
    from nwbdecode.results.reading import run_names
    from nwbdecode.results.schema import RUN

    return (run or RUN) in run_names(source)


class Whereabouts:
    """Remembers where a result lies, as it is announced."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    def __call__(self, file: str, run: str) -> None:
        self.told = {"output": file, "run": run}


def announce(expected: dict[str, Any]) -> None:
    """Say on stderr what is about to happen, before it takes long."""
    seconds = expected["seconds"]
    about = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 1):.0f} s"
    heading = f"{expected['signal']}: " if "signal" in expected else ""
    network = expected.get("stream")
    if network:
        click.echo(
            f"streams about {network['bytes'] / 1e6:.1f} MB from {network['host']}, in about "
            f"{max(network['seconds'], 1):.0f} s ({network['held'] / 1e6:.1f} MB of the file are "
            f"held), and keeps them in {network['cache']} (at most "
            f"{network['most_bytes'] / 1e9:.1f} GB; --time and --channels ask for less)",
            err=True,
        )
    click.echo(
        f"{heading}reads {expected['bytes_read'] / 1e6:.1f} MB: {expected['channels']} channels, "
        f"{expected['bands']} bands, {expected['bins']} bins\n"
        f"keeps {expected['bytes_stored'] / 1e6:.1f} MB of features in {expected['cache']}\n"
        f"takes about {about} (an estimate; it can be off by a factor of three)\n"
        f"{_by_modality(expected['by_modality'])}",
        err=True,
    )


def _by_modality(decided: dict[str, Any]) -> str:
    """Say which settings the kind of signal decided."""
    settings = decided["settings"]
    words = {True: "on", False: "off"}
    told = [
        f"{name} {words[value] if isinstance(value, bool) else value}"
        for name, value in settings.items()
    ]
    return f"taken as {decided['modality']}; its defaults: {', '.join(told) or 'none needed'}"


def tell(result: Decoding, facts: dict[str, Any], *, as_json: bool) -> None:
    """Print the scores and the files: a table, or JSON."""
    scored = bool(result.scores.data_vars)
    table = result.score_table() if scored else None
    rows = records(table, index=False) if scored else []
    print_scores(table, rows, facts, as_json=as_json)


def print_scores(
    table: Any, rows: list[dict[str, Any]], facts: dict[str, Any], *, as_json: bool
) -> None:
    """Print a table of scores and what else is to be said, or both as JSON."""
    if as_json:
        click.echo(as_json_text({"status": "done", **facts, "scores": rows}))
        return
    if table is not None:
        click.echo(table.to_string(index=False, float_format=lambda v: f"{v:.3f}"))
        click.echo("chance: what 95 % of circularly shifted targets do not beat", err=True)
    for name, value in facts.items():
        if value not in ({}, [], False, "done"):
            click.echo(f"{name}: {value}")


def tell_kept(folder: str, left: list[Kept], removed: list[Kept], *, as_json: bool) -> None:
    """Print what the cache holds and what was removed: a line a kind, or JSON."""
    if as_json:
        sides = {
            side: [
                {"kind": e.kind, "path": str(e.path), "bytes": e.nbytes, "used": _when(e.used)}
                for e in entries
            ]
            for side, entries in (("kept", left), ("removed", removed))
        }
        click.echo(as_json_text({"status": "done", "cache": folder, **sides}))
        return
    click.echo(f"cache: {folder}")
    for kind in dict.fromkeys(entry.kind for entry in left):
        of_kind = [entry for entry in left if entry.kind == kind]
        size = sum(entry.nbytes for entry in of_kind) / 1e6
        used = max(entry.used for entry in of_kind)
        click.echo(f"{kind:<10}{len(of_kind):>6}{size:>12.1f} MB   last used {_when(used)}")
    if not left:
        click.echo("nothing is kept")
    if removed:
        size = sum(entry.nbytes for entry in removed) / 1e6
        click.echo(f"removed {len(removed)}, {size:.1f} MB")


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="minutes")


def records(table: Any, *, index: bool = True) -> list[dict[str, Any]]:
    table = table.reset_index() if index else table
    return json.loads(table.to_json(orient="records", double_precision=15))


def as_json_text(value: Any) -> str:
    # Strict JSON has no NaN: pipelines in other languages would stumble over it.
    return json.dumps(_strict(value), indent=2, ensure_ascii=False, allow_nan=False, default=str)


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value
