"""The report: a whole result in one HTML file that needs no network and asks for none."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs

from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError
from nwbdecode.explore import figures, tables
from nwbdecode.explore.arena import positions
from nwbdecode.explore.importance import located_by
from nwbdecode.explore.style import standing
from nwbdecode.explore.thinning import bin_width
from nwbdecode.explore.widgets import loaded

_HERE = Path(__file__).parent
_CLOSER = 60.0
_MOST = 2000


def report(decoding: Decoding | str | os.PathLike[str], output: str | os.PathLike[str]) -> Path:
    """Write a result as one HTML file: scores, traces, importance, settings, provenance.

    The file holds everything, plotly.js included, and forbids the browser to
    fetch anything. Long recordings are drawn thinned, so it stays a few MB.

    Parameters
    ----------
    decoding : Decoding, or path of a decoded NWB file
    output : path
        Ends in ``.html``; an earlier report there is replaced.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    NWBDecodeError
        If there is no result to show, or `output` is no HTML file's name or
        lies in a folder that does not exist.

    Examples
    --------
    >>> import nwbdecode.explore
    >>> nwbdecode.explore.report("session_decoded.nwb", "report.html")  # doctest: +SKIP
    """
    path = Path(output)
    if path.suffix.lower() not in (".html", ".htm"):
        raise NWBDecodeError(
            f"a report is an HTML file: name it like 'report.html', not {path.name!r}"
        )
    if not path.parent.is_dir():
        raise NWBDecodeError(f"there is no folder {str(path.parent)!r}; make it first")
    page = _page(loaded(decoding))
    # Written aside first: a full disk must not cost the report that was there.
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.write_text(page, encoding="utf-8")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return path


class _Figures:
    """Figures of a page: each leaves a place in the text and goes to one block of JSON."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self._next = count(1)

    def place(self, figure: go.Figure, label: str, *, narrow: bool = False) -> str:
        name = f"figure-{next(self._next)}"
        self._held[name] = plotly.io.to_json(figure, validate=False)
        shape = "nd-figure nd-narrow" if narrow else "nd-figure"
        height = figure.layout.height or 400
        return (
            f'<div id="{name}" class="{shape}" style="height:{height}px" role="img" '
            f'aria-label="{tables.escaped(label)}"></div>'
        )

    def json(self) -> str:
        inside = ",".join(f"{json.dumps(name)}:{held}" for name, held in self._held.items())
        # Nothing in the data may look like a tag to the HTML parser.
        return "{" + inside.replace("<", "\\u003c") + "}"


def _page(decoding: Decoding) -> str:
    drawn = _Figures()
    body = "\n".join(_sections(decoding, drawn))
    data = drawn.json()
    # Only scripts with this page's own token run: text from the file never does.
    token = hashlib.sha256((data + body).encode()).hexdigest()[:32]
    policy = (
        f"default-src 'none'; script-src 'nonce-{token}'; style-src 'unsafe-inline'; "
        "img-src data: blob:; form-action 'none'; base-uri 'none'"
    )
    style, script = (
        (_HERE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js")
    )
    title = tables.escaped(f"Decoded: {', '.join(decoding.targets)}")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n{body}\n"
        f'</main>\n<script nonce="{token}" type="application/json" id="figures">{data}</script>\n'
        f'<script nonce="{token}">{get_plotlyjs()}</script>\n'
        f'<script nonce="{token}">\n{script}</script>\n</body>\n</html>\n'
    )


def _sections(decoding: Decoding, drawn: _Figures) -> Iterator[str]:
    yield f"<h1>{tables.headline(decoding)}</h1>"
    known = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in tables.facts(decoding))
    yield f'<dl class="nd-facts">{known}</dl>'
    yield tables.target_table(decoding)
    yield from _scores(decoding, drawn)
    yield from _traces(decoding, drawn)
    yield from _arena(decoding, drawn)
    yield from _training(decoding, drawn)
    yield from _importance(decoding, drawn)
    yield from _recipe(decoding)
    yield from _provenance(decoding)


def _scores(decoding: Decoding, drawn: _Figures) -> Iterator[str]:
    yield "<h2>Scores</h2>"
    yield (
        f'<p class="nd-note">Scores are pooled over {standing(decoding)}. Intervals are 95 % by '
        "block bootstrap. Chance is the 95 % point of what the same predictions score on "
        "circularly shifted targets.</p>"
    )
    yield tables.score_table(decoding)
    if any(figures.headline(decoding, name) for name in decoding.targets):
        yield drawn.place(figures.scores(decoding), "Scores with intervals, beside chance")
    for name in decoding.targets:
        if decoding.kind(name) == "categorical":
            yield drawn.place(
                figures.confusion(decoding, name), f"Confusion of {name}", narrow=True
            )


def closer_look(decoding: Decoding, length: float = _CLOSER) -> tuple[float, float]:
    """Stretch to show in detail: whole in truth and prediction, near the middle.

    It is chosen for being complete, never for its score.
    """
    time = decoding.time
    half = bin_width(time) / 2
    if time[-1] - time[0] <= length:
        return float(time[0] - half), float(time[-1] + half)
    complete = np.ones(len(time), dtype=bool)
    for name in decoding.targets:
        for part in (decoding.truth, decoding.predictions):
            values = part[name].to_numpy()
            complete &= np.isfinite(values.reshape(len(time), -1)).all(axis=1)
    block = ((time - time[0]) // length).astype(np.int64)
    whole = np.bincount(block, weights=complete)
    off_middle = np.abs(np.arange(len(whole)) - (len(whole) - 1) / 2)
    best = np.lexsort((off_middle, -whole))[0]
    start = float(time[0] - half + best * length)
    return start, start + length


def _traces(decoding: Decoding, drawn: _Figures) -> Iterator[str]:
    window = closer_look(decoding)
    ends = f"{window[0]:.1f} to {window[1]:.1f} s"
    yield "<h2>True and decoded over time</h2>"
    long = decoding.time[-1] - decoding.time[0] > window[1] - window[0]
    chosen = ", a stretch with few missing values near the middle, chosen blind to its scores"
    yield f'<p class="nd-note">From {ends}{chosen if long else ""}.</p>'
    for name in decoding.targets:
        figure = figures.traces(decoding, name, window, most=_MOST)
        yield drawn.place(figure, f"{name}, true and decoded, {ends}")
    if long:
        yield "<h3>The whole recording</h3>"
        for name in decoding.targets:
            figure = figures.traces(decoding, name, most=_MOST)
            yield drawn.place(figure, f"{name}, true and decoded, whole recording")


def _arena(decoding: Decoding, drawn: _Figures) -> Iterator[str]:
    window = closer_look(decoding)
    if positions(decoding):
        yield "<h2>Arena</h2>"
        yield (
            f'<p class="nd-note">Paths of seconds {window[0]:.1f} to {window[1]:.1f}; the error '
            "map is over all bins predicted.</p>"
        )
    for name in positions(decoding):
        yield '<div class="nd-pair">'
        for figure, label in (
            (figures.arena(decoding, name, window, most=_MOST), "paths in the arena"),
            (figures.error_map(decoding, name), "error over the arena"),
        ):
            yield drawn.place(figure, f"{name}: {label}", narrow=True)
        yield "</div>"


def _training(decoding: Decoding, drawn: _Figures) -> Iterator[str]:
    if decoding.history.sizes.get("epoch") and "train_loss" in decoding.history:
        yield "<h2>Training</h2>"
        yield drawn.place(figures.losses(decoding), "Loss over epochs")


def _importance(decoding: Decoding, drawn: _Figures) -> Iterator[str]:
    if not decoding.importance:
        return
    yield "<h2>Importance</h2>"
    yield (
        '<p class="nd-note">How much held-out error rises when one feature is replaced by a '
        "circularly shifted copy of itself. Two features that carry the same information can "
        "each look unimportant.</p>"
    )
    for axis in decoding.importance:
        yield drawn.place(figures.importance(decoding, axis), f"Importance by {axis}")
        if axis == "channel" and len(located_by(decoding)) == 2:
            figure = figures.importance(decoding, axis, by="position")
            yield drawn.place(figure, "Importance of channels where they lie", narrow=True)


def _recipe(decoding: Decoding) -> Iterator[str]:
    yield "<h2>Recipe</h2>"
    yield '<p class="nd-note">How features, targets and decoder were made.</p>'
    yield tables.settings(decoding.recipe)
    whole = json.dumps(dict(decoding.recipe), indent=2, ensure_ascii=False, default=str)
    yield (
        "<details><summary>The same as JSON, nothing shortened</summary>"
        f"<pre>{tables.escaped(whole)}</pre></details>"
    )


def _provenance(decoding: Decoding) -> Iterator[str]:
    yield "<h2>Provenance</h2>"
    yield tables.settings(decoding.source)
    rows = [
        [
            tables.escaped(name),
            tables.escaped(held.config.get("decoder", "")),
            f"{len(held.weights) / 1e6:.2f} MB",
            f"<code>{held.sha256}</code>",
        ]
        for name, held in decoding.decoders.items()
    ]
    if rows:
        yield "<p>Decoders kept in the file, with the SHA-256 of their weights:</p>"
        yield tables.table(["Decoder", "Kind", "Size", "SHA-256"], rows)
