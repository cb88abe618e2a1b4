"""A widget that draws plotly figures from its state alone, so that a reloaded page shows them.

Plotly's own `FigureWidget` sends updates as messages that its state never
sees, so a reloaded page shows figures as they were first made; and each one
carries 5 MB of JavaScript. Here a board's figures are its state, and one
`Library` a view carries plotly.js for all boards.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import anywidget
import plotly.graph_objects as go
import plotly.io
import traitlets
from plotly.offline import get_plotlyjs

_HERE = Path(__file__).parent


class Panel(NamedTuple):
    """A figure and where a board puts it; the label is for screen readers."""

    key: str
    figure: go.Figure
    label: str
    place: Literal["main", "side"] = "main"


class Board(anywidget.AnyWidget):
    """Figures in one or two columns.

    Attributes
    ----------
    panels : list of dict
        What is drawn; change it with `show`.
    picked : list of float
        Time range that a reader last zoomed to in a main panel, in seconds.
    """

    _esm = _HERE / "board.js"
    _css = _HERE / "board.css"
    panels: Any = traitlets.List().tag(sync=True)
    picked: Any = traitlets.List().tag(sync=True)

    def show(self, panels: Iterable[Panel]) -> None:
        """Replace what is drawn."""
        self.panels = [
            {
                "key": panel.key,
                "place": panel.place,
                "label": panel.label,
                "figure": plotly.io.to_json(panel.figure, validate=False),
            }
            for panel in panels
        ]


def _library_source() -> str:
    # plotly.js is a script that fills `module.exports`; this makes it a module.
    return (
        (_HERE / "board.js").read_text(encoding="utf-8").split("const config", 1)[0]
        + "const loaded = { exports: {} };\n(function (module) {\n"
        + get_plotlyjs()
        + "\n})(loaded);\nlibrary.resolve(loaded.exports);\n"
        + "export default { render({ el }) { el.style.display = 'none'; } };\n"
    )


class Library(anywidget.AnyWidget):
    """plotly.js for every board on the page; shows nothing itself."""

    _esm = ""

    def __init__(self, **options: Any) -> None:
        super().__init__(_esm=_library_source(), **options)
