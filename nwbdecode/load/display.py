"""How a source shows itself in a terminal and in a notebook."""

from __future__ import annotations

import html
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nwbdecode.load.folding import More, folded

if TYPE_CHECKING:
    from nwbdecode.load.remote.dandi import Asset

_SIGNALS = ("path", "type", "modality", "shape", "rate", "duration", "units", "gaps and problems")
_TARGETS = (
    "path",
    "type",
    "shape",
    "rate",
    "duration",
    "kind",
    "units",
    "missing",
    "derivations",
    "remarks",
)


def as_text(found: Mapping[str, Any]) -> str:
    """Write a catalog as aligned text that fits on a screen, with the commands to go on."""
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
    commands, more = _commands(found)
    if commands:
        # From the left edge, so that a line can be copied whole.
        out += ["", "  decode", *commands]
    notes = [note for note in (more, _signed(found), _note(found)) if note]
    return "\n".join([*out, "", *(f"  {note}" for note in notes)] if notes else out)


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
    commands, more = _commands(found)
    if commands:
        out.append(f"<p>decode</p><pre>{html.escape(chr(10).join(commands))}</pre>")
    notes = [html.escape(note) for note in (more, _signed(found), _note(found)) if note]
    return "".join([*out, f"<small>{'<br>'.join(notes)}</small>" if notes else "", "</div>"])


def listed_assets(found: Sequence[Asset]) -> str:
    """Write the NWB files of a dandiset as aligned text."""
    from nwbdecode.load.zarr import has_hdmf_zarr

    first = found[0]
    sizes = [f"{asset.size / 1e6:.1f} MB" for asset in found]
    path, size = max(len(asset.path) for asset in found), max(map(len, sizes))
    total = sum(asset.size for asset in found)
    lines = [
        f"dandiset {first.dandiset}@{first.version} on {first.instance}: "
        f"{len(found)} NWB file{'s' if len(found) != 1 else ''}, {total / 1e9:.3g} GB",
        "",
    ]
    zarr = "  Zarr" if has_hdmf_zarr() else '  Zarr: read with "nwbdecode[zarr]"'
    for asset, shown in zip(found, sizes, strict=True):
        kind = zarr if asset.is_zarr else ""
        lines.append(f"  {asset.path.ljust(path)}  {shown.rjust(size)}  {asset.asset_id}{kind}")
    command = shlex.join(["nwbdecode", "inspect", first.label])
    return "\n".join([*lines, "", f"  look into one: {command}"])


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


#: What of a long catalog fits on a screen; the rest is counted, and in ``--json``.
_MOST_SIGNALS, _MOST_TARGETS, _MOST_COMMANDS = 8, 14, 6
_MOST_TEXT = 100

_Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def _tables(found: Mapping[str, Any]) -> list[_Table]:
    parts = (
        ("signals", _SIGNALS, found["signals"], _MOST_SIGNALS, _signal_row),
        ("targets", _TARGETS, found["targets"], _MOST_TARGETS, _target_row),
    )
    return [
        (
            name,
            columns,
            [
                (str(one), *[""] * (len(columns) - 1)) if isinstance(one, More) else row(one)
                for one in folded(entries, most)
            ],
        )
        for name, columns, entries, most, row in parts
    ]


def _signal_row(signal: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        signal["path"],
        signal["type"],
        signal["modality"] or "?",
        _shape(signal),
        _unit(signal["rate"], "Hz"),
        _unit(signal["duration"], "s"),
        signal["units"],
        _remarks(signal, lost=signal["lost"] or 0.0),
    )


def _target_row(target: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        target["path"],
        target["type"],
        _shape(target),
        _unit(target["rate"], "Hz"),
        _unit(target["duration"], "s"),
        target["kind"],
        target["units"],
        "?" if target["missing"] is None else f"{100 * target['missing']:.3g} %",
        ", ".join(target["derivations"]),
        _remarks(target, told=target["kind_reason"] if target["kind"] == "categorical" else ""),
    )


def _commands(found: Mapping[str, Any]) -> tuple[list[str], str]:
    """Command lines for the first targets and what is derived of them, and where others are."""
    targets = [target for target in found["targets"] if target["commands"]]
    first = [one for one in folded(targets, _MOST_COMMANDS) if not isinstance(one, More)]
    # The first of each target, then what else can be made of them.
    each = [list(target["commands"].values()) for target in first]
    ordered = [lines[0] for lines in each] + [line for lines in each for line in lines[1:]]
    shown = list(dict.fromkeys(ordered))[:_MOST_COMMANDS]
    more = len({line for target in targets for line in target["commands"].values()}) - len(shown)
    return shown, f"{more} more commands: nwbdecode inspect --json" if more else ""


def _shape(entry: Mapping[str, Any]) -> str:
    return " x ".join(map(str, entry["shape"]))


def _unit(value: float | None, unit: str) -> str:
    return "?" if value is None else f"{value:.6g} {unit}"


def _remarks(entry: Mapping[str, Any], *, told: str = "", lost: float = 0.0) -> str:
    least = "at least " if entry["clock_read"] == "probed" else ""
    gaps = entry["gaps"]
    said = [f"{least}{gaps} gap{'s' if gaps != 1 else ''}"] if gaps else []
    # A clock's jitter looks like a little loss.
    said += [f"{100 * lost:.2g} % lost"] if lost >= 1e-3 else []
    reason = entry.get("undecodable", "")
    # That text makes classes goes without saying where there is more to say.
    told = "" if reason and told == "it holds text" else told
    said += [*([told] if told else []), *_regions(entry), *entry["problems"]]
    if reason and reason not in entry["problems"] and "in memory only" not in reason:
        said.append(reason)
    text = "; ".join(said)
    return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 3] + "..."


def _regions(entry: Mapping[str, Any]) -> list[str]:
    """Say which masks a movie has; without any, a grid is laid on it."""
    if "regions" not in entry:
        return []
    masks = [f"{count} ROIs in {path!r}" for path, count in entry["regions"].items()]
    return masks or ["no masks: a grid of pixels"]


def _signed(found: Mapping[str, Any]) -> str:
    """Say of commands to an address without its signature what they lack."""
    if not found["source"].get("signed"):
        return ""
    return "the address was signed: give all of it again, no command holds what signs it"


def _note(found: Mapping[str, Any]) -> str:
    entries = [*found["signals"], *found["targets"]]
    clocks = sum(e["clock_read"] == "probed" for e in entries)
    values = sum(e.get("missing_read") == "probed" for e in entries)
    if not clocks + values:
        return ""
    return (
        f"probed, not read whole: {clocks} long clock(s), {values} long target(s); "
        "--full, in Python catalog(full=True), reads all"
    )
