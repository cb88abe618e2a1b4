"""The shell command that decodes each target: the best signal for it, settings that fit both."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.spec import TargetSpec, escaped

#: Folds of cross-validation, unless told otherwise; likewise seconds a bin and bins a window.
FOLDS = 5
_BIN, _WINDOW = 1 / 30, 64
#: Samples per second that hold spikes; slower ones hold rhythms, which change more slowly than
#: the usual bins. Bin in s for them, and the usual windows' bins to each of theirs.
_SPIKES, _RHYTHM_BIN, _RHYTHM_SHRINK = 2000.0, 0.1, 0.5
#: Channels that place has to be spread over; from fewer, speed is asked for first.
_PLACE = 4
#: Lowest band in Hz and bins of a window, of which the first that a recording is long enough for.
_SCALES = ((2.0, 64), (4.0, 32), (8.0, 16))
#: Fewest bins of a window, and the part of a gapless run that one may take at most.
_SHORTEST, _OF_A_RUN = 8, 0.5
#: Seconds to both sides of a wavelet at 1 Hz.
_REACH = 11.6
#: Widest bin that is proposed for a target on a slow clock, s.
_WIDEST = 0.25
#: What was recorded comes before what others made of it.
_KINDS = {"ephys": 0, "ecog": 0, "imaging": 1, "bands": 2, "spikes": 3}
#: What traces are called, and how good they are to decode from; others are 1.
_TRACES = ((r"neuropil|background", 3), (r"event|deconv|spike", 2), (r"df.?(over)?.?f|delta", 0))


def add_commands(found: dict[str, Any]) -> None:
    """Tell of each target in a catalog which command decodes it, or why none does.

    Parameters
    ----------
    found : dict
        A catalog. Its targets are given ``signal`` (path of the signal, or None),
        ``commands`` (of the target as it is, under ``""``, and of each derivation) and
        ``undecodable`` (a reason, or empty).
    """
    usable = [entry for entry in found["signals"] if entry["usable"]]
    where = _address(found["source"])
    stem = re.sub(r"\.nwb(\.zarr)?$", "", found["source"]["file_name"]) or "recording"
    for target in found["targets"]:
        target |= {"signal": None, "commands": {}}
        reason = target.pop("undecodable", "") or next(iter(_faults(target)), "")
        if not reason and not usable:
            reason = "no signal to decode it from"
        if not reason and where is None:
            reason = "the recording lies in memory only: call nwbdecode.fit with it"
        if not reason and where is not None:
            reason = _fill(target, where, stem, usable, found["targets"])
        target["undecodable"] = reason
        target.pop("usual", "")
        target.pop("varying", [])


def _faults(target: Mapping[str, Any]) -> list[str]:
    """Problems that no derivation gets around."""
    if target["missing"] == 1:
        return ["every sample is missing"]
    # Rows without an end are decoded in a window.
    return [said for said in target["problems"] if "no stop time" not in said]


def _fill(
    target: dict[str, Any],
    where: list[str],
    stem: str,
    signals: Sequence[Mapping[str, Any]],
    others: Sequence[Mapping[str, Any]],
) -> str:
    """Add signal and commands to a target; gives the reason where there are none."""
    signal, overlap = _best(target, signals)
    if signal is None:
        return "no signal was recorded at the same time"
    settings, reason = _settings(target, signal, overlap)
    if reason:
        return reason
    target["signal"] = signal["path"]
    usual = target.get("usual", "")
    for what in _order(target, signal):
        if what and what == usual:
            target["commands"][what] = target["commands"][""]
            continue
        try:
            spec = _asked(target, what or usual, others)
        except NWBDecodeError as error:
            # A name that the grammar cannot hold.
            target |= {"signal": None, "commands": {}}
            return str(error)
        last = target["path"].rsplit("/", 1)[-1]
        folder = target["path"].rsplit("/", 2)[-2] if target["clock"] == "rows" else ""
        parts = [stem, *([folder] if folder not in ("", "intervals") else []), last, what]
        name = re.sub(r"[^\w.-]+", "_", "_".join(filter(None, parts)))
        target["commands"][what] = shlex.join(
            ["nwbdecode", "fit", *where, "--signal", signal["path"], "--target", spec,
             *settings, "--output", f"{name}_decoded.nwb"]
        )  # fmt: skip
    return ""


def _order(target: Mapping[str, Any], signal: Mapping[str, Any]) -> list[str]:
    """Derivations to tell commands of, what the signal knows best first; ``""`` is the target."""
    every = dict.fromkeys(["", *target["derivations"]])
    # Field potentials of a few channels tell how fast an animal runs, hardly where it is.
    few = signal["modality"] == "ephys" and (signal["channels"] or 0) < _PLACE
    first = ["speed"] if few and "speed" in every and (signal["rate"] or 0) < _SPIKES else []
    return list(dict.fromkeys([*first, *every]))


def _asked(target: Mapping[str, Any], what: str, others: Sequence[Mapping[str, Any]]) -> str:
    """How the target is asked for: ``--target`` of one derivation, or of none."""
    path = escaped(target["path"])
    if len(target["shape"]) == 3:
        path += "[0,*]"
    if not what and target.get("varying"):
        path += f"[{','.join(target['varying'])}]"
    paths = [path]
    if what == "head_direction":
        folder = target["path"].rpartition("/")[0]
        paths += [
            escaped(other["path"])
            for other in others
            if other["path"].rpartition("/")[0] == folder
            and other["path"] != target["path"]
            and what in other["derivations"]
        ][:1]
    # One of its columns alone might be taken for another kind than all of them.
    alone = not what and len(target.get("varying") or ()) == 1
    kind = target["kind"] if alone else ""
    return str(TargetSpec(tuple(paths), what, kind=kind))


def _best(
    target: Mapping[str, Any], signals: Sequence[Mapping[str, Any]]
) -> tuple[Mapping[str, Any] | None, float]:
    """The signal to decode a target from, and the seconds that both were recorded."""
    if target["start"] is None or target["stop"] is None:
        return None, 0.0
    shared = [
        min(target["stop"], signal["stop"]) - max(target["start"], signal["start"])
        for signal in signals
    ]
    most = max(shared)
    if most <= 0:
        return None, 0.0
    # Of those that cover as much of the target as any, the fastest with the most channels.
    fit = [k for k, seconds in enumerate(shared) if seconds >= 0.9 * most]
    best = min(fit, key=lambda k: _rank(signals[k]))
    return signals[best], shared[best]


def _rank(signal: Mapping[str, Any]) -> tuple[float, ...]:
    """Sort key: what was recorded before what was made of it, traces before their movie."""
    order = _KINDS[signal["modality"]]
    traces = 0
    if signal["modality"] == "imaging":
        name = signal["path"].lower()
        traces = next((rank for said, rank in _TRACES if re.search(said, name)), 1)
        if "regions" in signal:
            traces = 4 + signal["superseded"]
    return order, traces, -(signal["rate"] or 0), -(signal["channels"] or 0)


def _settings(
    target: Mapping[str, Any], signal: Mapping[str, Any], seconds: float
) -> tuple[list[str], str]:
    """Options that fit the clocks and the length, or why nothing fits."""
    width = max(_BIN, 1 / signal["rate"])
    sampled = target["clock"] != "rows" and target["kind"] != "categorical"
    step = 1 / target["rate"] if target["rate"] and target["clock"] != "rows" else 0.0
    wide = min(step, _WIDEST) if target["kind"] != "categorical" else 0.0
    options: list[str] = []
    shrink = 1.0
    if sampled and signal["modality"] == "ephys" and 60 <= signal["rate"] < _SPIKES:
        shrink, width = _RHYTHM_SHRINK, _RHYTHM_BIN
        options = ["--bin", f"{width:g}"]
    if wide > 1.5 * width:
        # Between two samples there is nothing to learn: one bin each, in a window as long.
        shrink, width = shrink * width / wide, float(f"{wide:.3g}")
        options = ["--bin", f"{width:g}"]
    banded = signal["modality"] in ("ephys", "ecog") and signal["rate"] >= 60
    needed = 0.0
    run = signal["run"] or seconds
    # Half of what lies in runs as long, or more, then has a whole window around it.
    most = int(_OF_A_RUN * run / width)
    if signal["gaps"] and most < _SHORTEST:
        return [], f"its signal's gapless runs are too short: {run:.2g} s on average"
    for lowest, size in _SCALES:
        window = min(max(_SHORTEST, round(size * shrink)), max(_SHORTEST, most))
        # Two gaps, of window and filters to both sides, and windows at four ends; and a margin.
        reach = _REACH / lowest if banded else 0.0
        needed = 1.25 * (4 * window * width + 2 * reach) / (0.75 - 1 / FOLDS)
        if seconds >= needed:
            longer = ["--window", str(window)] if window != _WINDOW else []
            slow = ["--lowest-frequency", f"{lowest:g}"] if banded and lowest != 2 else []
            return [*options, *longer, *slow], ""
    return [], f"too short: {seconds:.3g} of {needed:.2g} s"


def _address(source: Mapping[str, Any]) -> list[str] | None:
    """What opens the recording again in the shell, None where nothing does."""
    if source.get("url"):
        told, url = source.get("dandi", {}), str(source.get("signed") or source["url"])
        if told:
            from nwbdecode.load.remote.dandi import label_of

            url = label_of(**told) or url
        return [url, *(["--download"] if source["path"] else [])]
    if not source["path"]:
        return None
    # As short as it is from here, but never through the folder above.
    here = os.path.relpath(source["path"])
    return [str(source["path"]) if here.startswith("..") else here]
