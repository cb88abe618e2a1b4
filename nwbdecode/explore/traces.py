"""True and decoded behavior over time."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nwbdecode.decoding import Decoding
from nwbdecode.explore import style
from nwbdecode.explore.thinning import averaged, bin_width, broken, extremes, span, strided

Window = tuple[float, float] | None

_TURN = [-np.pi, -np.pi / 2, 0, np.pi / 2, np.pi]
_TURN_NAMES = ["\N{MINUS SIGN}π", "\N{MINUS SIGN}π/2", "0", "π/2", "π"]


def traces(
    decoding: Decoding, target: str, window: Window = None, *, most: int = 3000
) -> go.Figure:
    """Draw a target as it was and as it was decoded on held-out data.

    Linear targets are lines, one row a component; angles are lines in radians
    that break where they wrap; classes are a map of decoded probabilities with
    the true class drawn over it. Bins that no fold's decoder predicted stay
    empty.

    Parameters
    ----------
    decoding : Decoding
    target : str
    window : (start, stop) in seconds, optional
        What to show; None for the whole recording.
    most : int, default 3000
        Most points a line; a longer window keeps the smallest and largest value
        of each stretch (every n-th bin for angles and true classes, the mean
        for probabilities).

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    NWBDecodeError
        If `target` was not decoded.
    """
    style.check_target(decoding, target)
    kind = decoding.kind(target)
    if kind == "categorical":
        figure = _classes(decoding, target, window, most)
        inside = 108 + 30 * len(class_names(decoding, target))
    else:
        figure = _lines(decoding, target, window, most, circular=kind == "circular")
        inside = 120 * max(len(component_names(decoding, target)), 1)
    shown = span(decoding.time, window)
    bins = shown.stop - shown.start
    note = style.standing(decoding)
    if kind == "categorical":
        note += "; shade: decoded probability, white 0 to blue 1"
    if bins > most:
        note += f", {bins:,} bins drawn as at most {most:,} points"
    title = style.safe(style.title_case(target))
    style.finish(figure, title, subtitle=note, height=108 + inside)
    first, last = window or (decoding.time[0], decoding.time[-1])
    # Heights a reader zoomed to outlive a move of the window; its old times must not.
    ends = [float(first), float(last)]
    figure.update_xaxes(range=ends, uirevision=str(ends), hoverformat=".2f")
    figure.update_layout(
        hovermode="closest" if kind == "categorical" else "x unified", uirevision=target
    )
    return figure


def held_out(decoding: Decoding, target: str, decoder: str = "cnn") -> np.ndarray:
    """Predictions of a target with NaN wherever no fold's decoder made one."""
    data = decoding.predictions if decoder == "cnn" else decoding.baselines[decoder]
    values = data[target].to_numpy()
    fold = fold_of_bins(decoding)
    if fold is None or not (fold < 0).any():
        return values
    unseen = (fold < 0).reshape(-1, *[1] * (values.ndim - 1))
    return np.where(unseen, np.nan, values)


def fold_of_bins(decoding: Decoding) -> np.ndarray | None:
    """Fold whose decoder predicted each bin, -1 for none; None where no folds were used.

    A new recording's predictions come from no fold: there, -1 in every bin
    does not mean that none was made.
    """
    if "fold" not in decoding.predictions.coords:
        return None
    fold = decoding.predictions["fold"].to_numpy()
    return fold if (fold >= 0).any() else None


def component_names(decoding: Decoding, target: str) -> list[str]:
    """Names of a vector target's components; empty for a scalar."""
    data = decoding.predictions[target]
    if data.ndim == 1:
        return []
    other = next(dim for dim in data.dims if dim != "time")
    return [str(name) for name in data[other].to_numpy()]


def class_names(decoding: Decoding, target: str) -> list[str]:
    """Names of a categorical target's classes."""
    named = decoding.predictions[target].attrs.get("classes")
    return component_names(decoding, target) if named is None else [str(name) for name in named]


def wrapped(angles: np.ndarray) -> np.ndarray:
    """Angles in [-pi, pi]; those already there are untouched, to the bit."""
    outside = np.abs(angles) > np.pi
    if not outside.any():
        return angles
    return np.where(outside, np.angle(np.exp(1j * angles)), angles)


def everyone(decoding: Decoding, target: str) -> list[tuple[str, np.ndarray, dict[str, Any]]]:
    """Name, values and line style of each decoder and the truth, the faintest first."""
    others = [name for name in decoding.baselines if name != "ridge"]
    drawn = [
        (
            style.safe(style.decoder_name(name)),
            held_out(decoding, target, name),
            {"color": style.faded(style.decoder_color(name, others), 0.55), "width": 1.2},
        )
        for name in decoding.baselines
    ]
    truth = decoding.truth[target].to_numpy()
    drawn.append(("network", held_out(decoding, target), {"color": style.BLUE, "width": 1.5}))
    drawn.append(("true", truth, {"color": style.INK, "width": 1.5}))
    return drawn


def _lines(
    decoding: Decoding, target: str, window: Window, most: int, *, circular: bool
) -> go.Figure:
    parts = component_names(decoding, target)
    rows = max(len(parts), 1)
    figure = make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.12 / rows)
    units = decoding.predictions[target].attrs.get("units", "")
    shown = span(decoding.time, window)
    for name, values, pen in everyone(decoding, target):
        if name == "true" and shown.stop - shown.start > most:
            # A thinned line is an envelope: solid, it would hide what lies below.
            pen = {"color": style.faded(style.INK, 0.55), "width": 1}
        for row in range(rows):
            column = values[:, row] if parts else values
            x, y = _line(decoding.time, column, window, most, circular=circular)
            figure.add_trace(
                go.Scatter(
                    x=x,
                    y=y,
                    name=name,
                    mode="lines",
                    line=pen,
                    legendgroup=name,
                    showlegend=row == 0,
                    connectgaps=False,
                    hovertemplate="%{y:.3g}",
                ),
                row=row + 1,
                col=1,
            )
    figure.update_xaxes(title_text="Time (s)", row=rows, col=1)
    for row in range(rows):
        label = style.quantity(parts[row] if parts else target, units)
        figure.update_yaxes(title_text=label, row=row + 1, col=1)
        if circular:
            figure.update_yaxes(
                range=[-np.pi * 1.05, np.pi * 1.05],
                tickvals=_TURN,
                ticktext=_TURN_NAMES,
                title_text=style.quantity(target, "rad"),
                row=row + 1,
                col=1,
            )
        else:
            both = [held_out(decoding, target), decoding.truth[target].to_numpy()]
            decoded, truth = (values[:, row] if parts else values for values in both)
            figure.update_yaxes(range=value_range(truth, decoded), row=row + 1, col=1)
    return figure


def _line(
    time: np.ndarray, values: np.ndarray, window: Window, most: int, *, circular: bool
) -> tuple[np.ndarray, np.ndarray]:
    shown = span(time, window)
    time, values = time[shown], values[shown]
    step = bin_width(time)
    if circular:
        values = wrapped(values)
        kept = strided(len(time), most)
    else:
        kept = extremes(values, most)
    # Extremes may lie as far apart as two stretches do.
    reach = 1.5 if len(kept) == len(time) else 4.0 * len(time) / most
    return broken(time[kept], values[kept], longest=reach * step, wraps=circular)


def value_range(truth: np.ndarray, decoded: np.ndarray) -> list[float] | None:
    """Axis range for any window: every true value, and decoded ones but for outliers."""
    finite = truth[np.isfinite(truth)]
    sample = decoded[strided(len(decoded), 20_000)]
    sample = sample[np.isfinite(sample)]
    if not len(finite) and not len(sample):
        return None
    held = [*np.quantile(sample, [0.005, 0.995])] if len(sample) else []
    if len(finite):
        held += [finite.min(), finite.max()]
    low, high = float(min(held)), float(max(held))
    margin = 0.08 * ((high - low) or abs(high) or 1.0)
    return [low - margin, high + margin]


def _classes(decoding: Decoding, target: str, window: Window, most: int) -> go.Figure:
    shown = span(decoding.time, window)
    time = decoding.time[shown]
    names = class_names(decoding, target)
    x, probability = averaged(time, held_out(decoding, target)[shown], most)
    step = bin_width(x)
    x, probability = broken(x, probability, longest=1.5 * step)
    kept = strided(len(time), most)
    true_x, true_y = broken(
        time[kept], decoding.truth[target].to_numpy()[shown][kept], longest=1.5 * step
    )
    figure = go.Figure()
    figure.add_trace(
        go.Heatmap(
            x=x,
            y=np.arange(len(names)),
            z=probability.T,
            zmin=0,
            zmax=1,
            colorscale=style.PALE_TO_BLUE,
            hoverongaps=False,
            name="network",
            hovertemplate="decoded probability %{z:.2f} at %{x} s<extra></extra>",
            # A color bar would narrow this time axis against those above and below it.
            showscale=False,
        )
    )
    figure.add_trace(
        go.Scatter(
            x=true_x,
            y=true_y,
            name="true class",
            mode="lines",
            connectgaps=False,
            line={"color": style.INK, "width": 2.2, "shape": "hvh"},
            text=[style.safe(names[int(k)]) if np.isfinite(k) else "" for k in true_y],
            hovertemplate="true: %{text} at %{x} s<extra></extra>",
            showlegend=True,
        )
    )
    figure.update_xaxes(title_text="Time (s)")
    figure.update_yaxes(
        title_text=style.quantity(target, "class"),
        tickvals=list(range(len(names))),
        ticktext=[style.safe(name, most=20) for name in names],
        range=[-0.6, len(names) - 0.4],
    )
    return figure
