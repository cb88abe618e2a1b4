"""One function for each figure; each takes a `Decoding` and returns a plotly figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from nwbdecode.decoding import METRICS, Decoding
from nwbdecode.errors import NWBDecodeError
from nwbdecode.explore import style
from nwbdecode.explore.arena import arena, error_map
from nwbdecode.explore.importance import importance
from nwbdecode.explore.traces import class_names, held_out, traces

__all__ = ["arena", "confusion", "error_map", "importance", "losses", "scores", "traces"]

_FOLDS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY, style.VERMILION)


def scores(decoding: Decoding) -> go.Figure:
    """Draw each target's headline score with its 95 % interval, beside chance.

    Parameters
    ----------
    decoding : Decoding

    Returns
    -------
    plotly.graph_objects.Figure
        One panel a target: a dot and interval for the network and each baseline,
        a bar at the 95 % point of what circularly shifted targets score.

    Raises
    ------
    NWBDecodeError
        If the result holds no scores.
    """
    panels = [(name, metric) for name in decoding.targets if (metric := headline(decoding, name))]
    if not panels:
        raise NWBDecodeError(
            "this result holds no scores to draw; `cross_validate` makes one that does"
        )
    layout, height = style.stack(len(panels), each=62, between=82)
    titles = [style.safe(style.title_case(target)) for target, _ in panels]
    figure = make_subplots(subplot_titles=titles, **layout)
    for row, (target, metric) in enumerate(panels, start=1):
        _score_panel(figure, row, decoding, target, metric)
    style.finish(
        figure,
        "Scores",
        subtitle=f"pooled over {style.standing(decoding)}; bars: 95 % interval",
        height=height,
        panels=True,
    )
    return figure


def headline(decoding: Decoding, target: str) -> str:
    """First metric of the target's kind that has a value; empty for none."""
    if "value" not in decoding.scores or target not in decoding.scores["target"].to_numpy():
        return ""
    values = decoding.scores["value"].sel(target=target)
    held = [str(m) for m in values["metric"].to_numpy()]
    for metric in METRICS[decoding.kind(target)]:
        if metric in held and bool(np.isfinite(values.sel(metric=metric)).any()):
            return metric
    return ""


def _score_panel(figure: go.Figure, row: int, decoding: Decoding, target: str, metric: str) -> None:
    table = decoding.scores.sel(target=target, metric=metric)
    decoders = [str(name) for name in table["decoder"].to_numpy()]
    others = [name for name in decoders if name not in ("cnn", "ridge")]
    for place, decoder in enumerate(decoders):
        one = table.sel(decoder=decoder)
        value, low, high = (float(one[name]) for name in ("value", "low", "high"))
        name = style.safe(style.decoder_name(decoder))
        figure.add_trace(
            go.Scatter(
                x=[value],
                y=[place],
                name=name,
                mode="markers",
                showlegend=False,
                marker={"color": style.decoder_color(decoder, others), "size": 10},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [high - value],
                    "arrayminus": [value - low],
                    "thickness": 2,
                    "width": 0,
                },
                hovertemplate=f"{name}: %{{x:.3f}} [{low:.3f}, {high:.3f}]<extra></extra>",
            ),
            row=row,
            col=1,
        )
        legend = row == 1 and place == 0
        figure.add_trace(_chance_mark(float(one["chance"]), place, legend), row=row, col=1)
    better = "higher" if METRICS[decoding.kind(target)][metric] else "lower"
    label = style.safe(style.metric_name(decoding, target, metric))
    figure.update_xaxes(
        title_text=f"{label}, {better} is better", rangemode="tozero", row=row, col=1
    )
    figure.update_yaxes(
        tickvals=list(range(len(decoders))),
        range=[len(decoders) - 0.4, -0.6],
        ticktext=[style.safe(style.decoder_name(name)) for name in decoders],
        row=row,
        col=1,
    )


def _chance_mark(chance: float, place: int, legend: bool) -> go.Scatter:
    return go.Scatter(
        x=[chance],
        y=[place],
        mode="markers",
        name="chance, 95 % point",
        legendgroup="chance",
        showlegend=legend,
        marker={"symbol": "line-ns", "size": 16, "line": {"color": style.GRAY, "width": 2.5}},
        hovertemplate="chance, 95 % point: %{x:.3f}<extra></extra>",
    )


def losses(decoding: Decoding) -> go.Figure:
    """Draw training and validation loss of every fold's decoder and the refitted one.

    Parameters
    ----------
    decoding : Decoding

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    NWBDecodeError
        If the result holds no training history.
    """
    history = decoding.history
    if "train_loss" not in history or not history.sizes.get("epoch"):
        raise NWBDecodeError("this result holds no training history to draw")
    figure = go.Figure()
    for place, decoder in enumerate(str(name) for name in history["decoder"].to_numpy()):
        color = style.INK if decoder == "final" else _FOLDS[place % len(_FOLDS)]
        _add_losses(figure, history, decoder, color)
    style.finish(
        figure,
        "Loss",
        subtitle="solid: validation, a block inside the training data; dotted: training",
        height=380,
    )
    few = {"dtick": 1} if history.sizes["epoch"] <= 12 else {}
    figure.update_xaxes(title_text="Epoch (passes)", **few)
    figure.update_yaxes(title_text="Loss (no unit)")
    figure.update_layout(
        legend={"y": 0, "yanchor": "bottom", "x": 0.5, "xanchor": "center", "traceorder": "normal"},
        margin={"b": 92},
    )
    return figure


def _add_losses(figure: go.Figure, history: xr.Dataset, decoder: str, color: str) -> None:
    epochs = history["epoch"].to_numpy()
    label = "refitted on all data" if decoder == "final" else decoder.replace("fold", "fold ")
    for part, dash in (("validation_loss", "solid"), ("train_loss", "dot")):
        values = history[part].sel(decoder=decoder).to_numpy() if part in history else np.array([])
        run = np.isfinite(values)
        if not run.any():
            continue
        figure.add_trace(
            go.Scatter(
                x=epochs[run],
                y=values[run],
                name=style.safe(label),
                mode="lines",
                legendgroup=decoder,
                showlegend=not any(trace.legendgroup == decoder for trace in figure.data),
                line={"color": color, "width": 1.6, "dash": dash},
                hovertemplate=f"{part.split('_')[0]}: %{{y:.4g}}",
            )
        )


def confusion(decoding: Decoding, target: str) -> go.Figure:
    """Draw how often each true class was decoded as each class.

    Parameters
    ----------
    decoding : Decoding
    target : str
        A categorical target.

    Returns
    -------
    plotly.graph_objects.Figure
        Each row, a true class, adds to 1; hover shows the counts.

    Raises
    ------
    NWBDecodeError
        If `target` was not decoded or is not categorical.
    """
    style.check_target(decoding, target)
    if decoding.kind(target) != "categorical":
        raise NWBDecodeError(
            f"target {target!r} is {decoding.kind(target)}; only a categorical one has a confusion"
        )
    counts = _counts(decoding, target)
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        share = counts / total
    names = [style.safe(name, most=20) for name in class_names(decoding, target)]
    # A name may come twice in a file: places, not names, are the axes.
    places = np.arange(len(counts))
    ticks: dict[str, Any] = {"tickvals": places.tolist(), "ticktext": names}
    figure = go.Figure(
        go.Heatmap(
            x=places,
            y=places,
            z=share,
            text=[
                [f"true {names[i]}, decoded {names[j]}: {counts[i, j]:,} bins" for j in places]
                for i in places
            ],
            zmin=0,
            zmax=1,
            hoverongaps=False,
            colorscale=style.PALE_TO_BLUE,
            texttemplate="%{z:.2f}",
            hovertemplate="%{text}<extra></extra>",
            colorbar={"title": {"text": "Share of<br>true class"}, "thickness": 12},
        )
    )
    style.finish(
        figure,
        f"Confusion of {style.safe(target)}",
        subtitle=f"most probable class, {style.standing(decoding)}",
        height=170 + 60 * len(places),
    )
    figure.update_xaxes(title_text="Decoded class", **ticks)
    figure.update_yaxes(title_text="True class", autorange="reversed", **ticks)
    return figure


def _counts(decoding: Decoding, target: str) -> np.ndarray:
    probability = held_out(decoding, target)
    truth = decoding.truth[target].to_numpy()
    known = np.isfinite(truth) & np.isfinite(probability).all(axis=1)
    n = probability.shape[1]
    pairs = truth[known].astype(np.int64) * n + probability[known].argmax(axis=1)
    return np.bincount(pairs, minlength=n * n).reshape(n, n)
