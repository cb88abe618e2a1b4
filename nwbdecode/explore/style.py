"""How every figure looks and speaks: colors, units, plain names, inert text."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    from nwbdecode.decoding import Decoding

# Okabe and Ito (2008), Color Universal Design: told apart with any color vision.
INK = "#1a1a1a"
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
GRAY = "#8a8a8a"
FAINT = "#d9d9d9"
GRID = "#eeeeee"
PALE_TO_BLUE = [[0, "#ffffff"], [1, SKY]]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

_DECODERS = {"cnn": ("network", BLUE), "ridge": ("ridge", ORANGE)}
_OTHERS = (GREEN, PURPLE, VERMILION, SKY)

_UNITS = {
    "meter": "m",
    "meters": "m",
    "metres": "m",
    "centimeters": "cm",
    "millimeters": "mm",
    "meters/second": "m/s",
    "meters per second": "m/s",
    "centimeters/second": "cm/s",
    "radians": "rad",
    "radian": "rad",
    "radians/second": "rad/s",
    "degrees": "°",
    "seconds": "s",
    "volts": "V",
    "newtons": "N",
    "hertz": "Hz",
}
NO_UNIT = "unit not given"
_NO_UNITS = {"", "unknown", "n.a.", "n/a", "na", "none"}

_METRICS = {
    "r": "Correlation",
    "r2": "R²",
    "error": "Mean error",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
}

_AXIS = {"gridcolor": GRID, "linecolor": "#bbbbbb", "zeroline": False, "automargin": True}
# A template of its own, small: each move of the explorer's window sends it along.
_TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 12, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "title": {
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 10, "l": 12},
            "font": {"size": 14},
            "subtitle": {"font": {"size": 11.5, "color": "#555555"}},
        },
        "hoverlabel": {"namelength": -1, "font": {"family": FONT}},
        "legend": {
            "orientation": "h",
            "x": 1,
            "xanchor": "right",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "bgcolor": "rgba(255,255,255,0)",
            "traceorder": "reversed",
        },
        "xaxis": {
            **_AXIS,
            "showline": True,
            "ticks": "outside",
            "tickcolor": "#bbbbbb",
            "ticklen": 4,
            "title": {"standoff": 8},
        },
        "yaxis": {**_AXIS, "title": {"standoff": 8}},
    }
)


def safe(name: object, *, most: int = 60) -> str:
    """Make text from a file inert in plotly, which reads tags, TeX and templates.

    Names longer than `most` characters are cut, or they would push the data
    out of the figure.

    Examples
    --------
    >>> safe("<b>x</b> $y$ %{z}")
    '&lt;b&gt;x&lt;/b&gt; &#36;y&#36; %&#123;z}'
    """
    text = " ".join(str(name).split())
    text = text if len(text) <= most else text[: most - 1] + "…"
    return html.escape(text, quote=False).replace("$", "&#36;").replace("%{", "%&#123;")


def decoder_name(decoder: str) -> str:
    """Name a decoder plainly: ``"cnn"`` is the network."""
    return _DECODERS.get(decoder, (decoder, ""))[0]


def decoder_color(decoder: str, others: list[str] | None = None) -> str:
    """Color of a decoder, the same in every figure."""
    if decoder in _DECODERS:
        return _DECODERS[decoder][1]
    place = others.index(decoder) if others and decoder in others else 0
    return _OTHERS[place % len(_OTHERS)]


def faded(color: str, alpha: float) -> str:
    """Give a ``#rrggbb`` color an opacity.

    Examples
    --------
    >>> faded("#0072B2", 0.2)
    'rgba(0, 114, 178, 0.2)'
    """
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha:g})"


def short_unit(units: str) -> str:
    """Abbreviate a unit's name as axes do; empty where the file gives none.

    Examples
    --------
    >>> short_unit("meters/second"), short_unit("n.a.")
    ('m/s', '')
    """
    plain = " ".join(str(units).split())
    return "" if plain.lower() in _NO_UNITS else _UNITS.get(plain.lower(), plain)


def title_case(name: str) -> str:
    """Write a name as a heading: first letter large, underscores as spaces."""
    plain = " ".join(str(name).replace("_", " ").split())
    return plain[:1].upper() + plain[1:]


def quantity(name: str, units: str) -> str:
    """Label an axis with a quantity and its unit; inert in plotly.

    Examples
    --------
    >>> quantity("speed", "meters/second")
    'Speed (m/s)'
    """
    return f"{safe(title_case(name), most=24)} ({safe(short_unit(units), most=24) or NO_UNIT})"


def metric_name(decoding: Decoding, target: str, metric: str) -> str:
    """Name a metric, with the target's unit where it has one (not inert: escape on use)."""
    name = _METRICS.get(metric, title_case(metric))
    if metric == "r" and decoding.kind(target) == "circular":
        name = "Circular correlation"
    if metric == "error":
        unit = short_unit(decoding.predictions[target].attrs.get("units", ""))
        name += f" ({unit or NO_UNIT})"
    return name


def standing(decoding: Decoding) -> str:
    """Say what the predictions are worth: held out, of a new recording, or in-sample."""
    made = decoding.recipe.get("prediction") or {}
    if decoding.predictions.attrs.get("in_sample") or made.get("in_sample"):
        return "in-sample predictions: trained on these very data, no result"
    if made and made.get("use") != "out-of-fold":
        return "predictions of a recording that training never saw"
    return "held-out (out-of-fold) predictions"


def check_target(decoding: Decoding, target: str) -> None:
    """Raise `NWBDecodeError` for a target that was not decoded."""
    if target not in decoding.targets:
        raise NWBDecodeError(
            f"no target {target!r} was decoded. {suggest(target, decoding.targets)}"
        )


def finish(
    figure: go.Figure, title: str, *, subtitle: str = "", height: int, panels: bool = False
) -> go.Figure:
    """Give a figure its title (already inert) and the common look; returns it.

    With `panels` it also leaves room for the panels' titles and aligns them.
    """
    heading: dict[str, Any] = {"text": f"<b>{title}</b>"}
    if subtitle:
        heading["subtitle"] = {"text": subtitle}
    figure.update_layout(
        template=_TEMPLATE,
        title=heading,
        height=height,
        margin={"l": 74, "r": 16, "t": (62 if subtitle else 44) + 28 * panels, "b": 48},
    )
    if panels:
        figure.update_annotations(xanchor="left", x=0, yshift=2, font={"size": 12.5, "color": INK})
    return figure


def stack(panels: int, *, each: int, between: int) -> tuple[dict[str, Any], int]:
    """Spacing and height of panels below one another, measured in pixels.

    Returns
    -------
    tuple of dict and int
        Options for `plotly.subplots.make_subplots`, and the figure's height
        with the margins that `finish` leaves above and below panel titles.
    """
    inside = panels * each + (panels - 1) * between
    spacing = between / inside if panels > 1 else 0
    return {"rows": panels, "cols": 1, "vertical_spacing": spacing}, inside + 138
