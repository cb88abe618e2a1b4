"""True and decoded positions in the plane."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError
from nwbdecode.explore import style
from nwbdecode.explore.thinning import bin_width, broken, span, strided
from nwbdecode.explore.traces import (
    Window,
    component_names,
    everyone,
    held_out,
    value_range,
)


def positions(decoding: Decoding) -> list[str]:
    """Targets that can be drawn in the plane: linear, two components or more."""
    return [
        name
        for name in decoding.targets
        if decoding.kind(name) == "linear" and len(component_names(decoding, name)) >= 2
    ]


def arena(decoding: Decoding, target: str, window: Window = None, *, most: int = 3000) -> go.Figure:
    """Draw true and decoded paths in a plane, over everywhere the subject went.

    Parameters
    ----------
    decoding : Decoding
    target : str
        A linear target with two components or more; the first two are drawn.
    window : (start, stop) in seconds, optional
        What to show; None for the whole recording.
    most : int, default 3000
        Most points a path; a longer window keeps every n-th bin.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    NWBDecodeError
        If `target` was not decoded or has fewer than two components.
    """
    axes = _plane(decoding, target)
    truth = decoding.truth[target].to_numpy()
    figure = go.Figure()
    whole = strided(len(truth), most)
    figure.add_trace(
        go.Scatter(
            x=truth[whole, 0],
            y=truth[whole, 1],
            name="whole recording",
            mode="lines",
            line={"color": style.FAINT, "width": 1},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    _add_paths(figure, decoding, target, window, most)
    style.finish(
        figure,
        f"{style.safe(style.title_case(target))} in the arena",
        subtitle=f"{style.standing(decoding)}; gray: whole recording",
        height=470,
    )
    _square(figure, decoding, target, axes)
    figure.update_layout(
        uirevision=target,
        legend={"y": 0, "yref": "container", "yanchor": "bottom", "x": 0.5, "xanchor": "center"},
        margin={"b": 84},
    )
    return figure


def _add_paths(
    figure: go.Figure, decoding: Decoding, target: str, window: Window, most: int
) -> None:
    shown = span(decoding.time, window)
    time = decoding.time[shown]
    kept = strided(len(time), most)
    reach = (1.5 if len(kept) == len(time) else 4.0 * len(time) / most) * bin_width(time)
    for name, values, pen in everyone(decoding, target):
        at, path = broken(time[kept], values[shown][kept][:, :2], longest=reach)
        figure.add_trace(
            go.Scatter(
                x=path[:, 0],
                y=path[:, 1],
                customdata=at,
                name=name,
                line=pen,
                connectgaps=False,
                # Decoded positions jitter: joined by lines they would hide the arena.
                mode="lines" if name == "true" else "markers",
                marker={"color": pen["color"], "size": 4, "opacity": 0.6},
                visible=True if name in ("true", "network") else "legendonly",
                hovertemplate="%{x:.3g}, %{y:.3g} at %{customdata:.2f} s",
            )
        )


def error_map(decoding: Decoding, target: str, *, cells: int = 24) -> go.Figure:
    """Map the network's mean error over the plane.

    Parameters
    ----------
    decoding : Decoding
    target : str
        A linear target with two components or more; the first two are drawn.
    cells : int, default 24
        Cells along the longer side.

    Returns
    -------
    plotly.graph_objects.Figure
        Mean distance between true and decoded position in each cell of the true
        position; cells never visited stay empty.

    Raises
    ------
    NWBDecodeError
        If `target` was not decoded or has fewer than two components.
    """
    axes = _plane(decoding, target)
    truth = decoding.truth[target].to_numpy().astype(np.float64)
    error = np.linalg.norm(held_out(decoding, target) - truth, axis=1)
    known = np.isfinite(error)
    figure = go.Figure()
    if known.any():
        x, y, mean = _mean_over_cells(truth[known], error[known], cells)
        unit = style.short_unit(decoding.predictions[target].attrs.get("units", ""))
        unit = style.safe(unit, most=24)
        figure.add_trace(
            go.Heatmap(
                x=x,
                y=y,
                z=mean.T,
                colorscale="Cividis",
                hoverongaps=False,
                zmin=0,
                zmax=np.nanmax(mean),
                colorbar={
                    "title": {"text": f"Mean error<br>({unit or style.NO_UNIT})"},
                    "thickness": 12,
                },
                hovertemplate="%{z:.3g}<extra></extra>",
            )
        )
    style.finish(
        figure,
        f"Error of {style.safe(target)} over the arena",
        subtitle=f"network, {style.standing(decoding)}",
        height=430,
    )
    _square(figure, decoding, target, axes)
    return figure


def _mean_over_cells(
    points: np.ndarray, values: np.ndarray, cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low, extent = points[:, :2].min(axis=0), np.ptp(points[:, :2], axis=0)
    side = max(float(extent.max()), 1e-12) / cells
    edges = [low[k] + side * np.arange(int(extent[k] // side) + 2) for k in (0, 1)]
    total, *_ = np.histogram2d(points[:, 0], points[:, 1], bins=edges, weights=values)
    visits, *_ = np.histogram2d(points[:, 0], points[:, 1], bins=edges)
    with np.errstate(invalid="ignore"):
        mean = total / visits
    x, y = ((edge[1:] + edge[:-1]) / 2 for edge in edges)
    return x, y, mean


def _plane(decoding: Decoding, target: str) -> list[str]:
    style.check_target(decoding, target)
    parts = component_names(decoding, target)
    if decoding.kind(target) != "linear" or len(parts) < 2:
        fit = ", ".join(repr(name) for name in positions(decoding)) or "none"
        raise NWBDecodeError(
            f"target {target!r} is no position in a plane: it is {decoding.kind(target)} with "
            f"{max(len(parts), 1)} component(s), and two are needed. Targets that fit: {fit}"
        )
    units = decoding.predictions[target].attrs.get("units", "")
    return [style.quantity(part, units) for part in parts[:2]]


def _square(figure: go.Figure, decoding: Decoding, target: str, labels: list[str]) -> None:
    truth, decoded = decoding.truth[target].to_numpy(), held_out(decoding, target)
    ranges = [value_range(truth[:, part], decoded[:, part]) for part in (0, 1)]
    # Equal scales: a distance is the same length whichever way it lies.
    figure.update_xaxes(title_text=labels[0], range=ranges[0], constrain="domain", showgrid=False)
    figure.update_yaxes(
        title_text=labels[1],
        range=ranges[1],
        constrain="domain",
        showgrid=False,
        scaleanchor="x",
        scaleratio=1,
    )
