"""How a source shows itself in a terminal and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nwbdecode.load.remote.dandi import Asset

_SIGNALS = ("path", "type", "shape", "rate", "duration", "units", "gaps and problems")
_TARGETS = (
    "path",
    "type",
    "shape",
    "rate",
    "kind",
    "units",
    "missing",
    "derivations",
    "remarks",
)


def as_text(found: Mapping[str, Any]) -> str:
    """Write a catalog as aligned text."""
    title, lines = _heading(found["source"])
    out = [f"<nwbdecode.Source {title}>", *(f"  {line}" for line in lines)]
    for name, columns, rows in _tables(found):
        if not rows:
            out += ["", f"  no {name}"]
            continue
        cells = [columns, *rows]
        widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
        out += ["", f"  {name}"]
        for row in cells:
            line = "  ".join(v.ljust(w) for v, w in zip(row, widths, strict=True))
            out.append(f"    {line}".rstrip())
    note = _note(found)
    return "\n".join([*out, "", f"  {note}"] if note else out)


def as_html(found: Mapping[str, Any]) -> str:
    """Write a catalog as HTML; everything from the file is escaped."""
    title, lines = _heading(found["source"])
    parts = [f"<b>{html.escape(title)}</b>", *(html.escape(line) for line in lines)]
    out = [f"<div>{'<br>'.join(parts)}"]
    for name, columns, rows in _tables(found):
        if not rows:
            out.append(f"<p>no {name}</p>")
            continue
        head = "".join(f"<th style='text-align:left'>{html.escape(c)}</th>" for c in columns)
        body = "".join(
            "<tr>"
            + "".join(f"<td style='text-align:left'>{html.escape(c)}</td>" for c in row)
            + "</tr>"
            for row in rows
        )
        out.append(
            f"<table><caption style='text-align:left'>{name}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )
    note = _note(found)
    return "".join([*out, f"<small>{note}</small>" if note else "", "</div>"])


def listed_assets(found: Sequence[Asset]) -> str:
    """Write the NWB files of a dandiset as aligned text."""
    first = found[0]
    sizes = [f"{asset.size / 1e6:.1f} MB" for asset in found]
    path, size = max(len(asset.path) for asset in found), max(map(len, sizes))
    total = sum(asset.size for asset in found)
    lines = [
        f"dandiset {first.dandiset}@{first.version} on {first.instance}: "
        f"{len(found)} NWB file{'s' if len(found) != 1 else ''}, {total / 1e9:.3g} GB",
        "",
    ]
    for asset, shown in zip(found, sizes, strict=True):
        kind = "  Zarr: not streamed" if asset.is_zarr else ""
        lines.append(f"  {asset.path.ljust(path)}  {shown.rjust(size)}  {asset.asset_id}{kind}")
    return "\n".join([*lines, "", f"  look into one: nwbdecode inspect '{first.label}'"])


def _heading(source: Mapping[str, Any]) -> tuple[str, list[str]]:
    title = source["file_name"] or "NWBFile in memory"
    size = f"{source['bytes'] / 1e6:.1f} MB, " if source.get("bytes") else ""
    where = source["path"] or source.get("url") or "not in a local file"
    lines = [f"{where} ({size}NWB {source['nwb_version']})"]
    subject = source["subject"]
    known = [subject[k] for k in ("subject_id", "species", "sex", "age") if k in subject]
    lines.append(f"subject: {', '.join(known) or 'not stated'}")
    about = " ".join(source["session_description"].split())
    about = about if len(about) <= 80 else about[:77] + "..."
    lines.append(f"session: {source['identifier']}, {source['session_start_time']}; {about}")
    return title, lines


_Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def _tables(found: Mapping[str, Any]) -> list[_Table]:
    signals: list[tuple[str, ...]] = [
        (
            s["path"],
            s["type"],
            _shape(s),
            _unit(s["rate"], "Hz"),
            _unit(s["duration"], "s"),
            s["units"],
            _remarks(s),
        )
        for s in found["signals"]
    ]
    targets: list[tuple[str, ...]] = [
        (
            t["path"],
            t["type"],
            _shape(t),
            _unit(t["rate"], "Hz"),
            t["kind"],
            t["units"],
            "?" if t["missing"] is None else f"{100 * t['missing']:.3g} %",
            ", ".join(t["derivations"]),
            _remarks(t, told=t["kind_reason"] if t["kind"] == "categorical" else ""),
        )
        for t in found["targets"]
    ]
    return [("signals", _SIGNALS, signals), ("targets", _TARGETS, targets)]


def _shape(entry: Mapping[str, Any]) -> str:
    return " x ".join(map(str, entry["shape"]))


def _unit(value: float | None, unit: str) -> str:
    return "?" if value is None else f"{value:.6g} {unit}"


def _remarks(entry: Mapping[str, Any], *, told: str = "") -> str:
    least = "at least " if entry["clock_read"] == "probed" else ""
    gaps = entry["gaps"]
    said = [f"{least}{gaps} gap{'s' if gaps != 1 else ''}"] if gaps else []
    return "; ".join([*said, *([told] if told else []), *_regions(entry), *entry["problems"]])


def _regions(entry: Mapping[str, Any]) -> list[str]:
    """Say which masks a movie has; without any, a grid is laid on it."""
    if "regions" not in entry:
        return []
    masks = [f"{count} ROIs in {path!r}" for path, count in entry["regions"].items()]
    return masks or ["no masks: a grid of pixels"]


def _note(found: Mapping[str, Any]) -> str:
    entries = [*found["signals"], *found["targets"]]
    clocks = sum(e["clock_read"] == "probed" for e in entries)
    values = sum(e.get("missing_read") == "probed" for e in entries)
    if not clocks + values:
        return ""
    return (
        f"probed, not read whole: {clocks} long clock(s), {values} long target(s); "
        "catalog(full=True) reads all"
    )
