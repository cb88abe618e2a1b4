"""Which frequencies, channels or moments carry the information."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from plotly.subplots import make_subplots

from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.explore import style

_LABELS = {
    "frequency": "Frequency (Hz)",
    "lag": "Lag (s)",
    "channel": "Channel (id)",
    "group": "Group (name)",
}
_RISE = "Rise of error (%)"


def importance(
    decoding: Decoding,
    axis: str,
    *,
    by: Literal["id", "position"] = "id",
    targets: list[str] | None = None,
) -> go.Figure:
    """Draw how much held-out error rises when a feature is replaced by a shifted copy.

    Parameters
    ----------
    decoding : Decoding
    axis : str
        Such as ``"frequency"`` (logarithmic) or ``"channel"``.
    by : {"id", "position"}, default "id"
        For channels: along their ids, or on a map of where they are.
    targets : list of str, optional
        Which targets; all for None.

    Returns
    -------
    plotly.graph_objects.Figure
        One panel a target: the rise as a share of the unperturbed error, its
        95 % interval, and in gray the band where a feature without information
        would lie.

    Raises
    ------
    NWBDecodeError
        If importance was not measured over `axis`, or channels have no known
        positions to draw them by.
    """
    if axis not in decoding.importance:
        raise NWBDecodeError(
            f"importance over {axis!r} was not measured. {suggest(axis, decoding.importance)}"
        )
    data = decoding.importance[axis]
    measured = [str(name) for name in data["target"].to_numpy()]
    for name in targets or ():
        style.check_target(decoding, name)
    shown = [name for name in measured if targets is None or name in targets]
    return _map(decoding, data, axis, shown) if by == "position" else _profiles(data, axis, shown)


def located_by(decoding: Decoding) -> list[str]:
    """Coordinates that tell channels apart, the two most spread first; empty if unknown."""
    spread = {}
    for name in ("rel_x", "rel_y", "rel_z", "x", "y", "z"):
        if name in decoding.channels.coords or name in decoding.channels:
            values = decoding.channels[name].to_numpy()
            if (
                values.dtype.kind in "iuf"
                and len(values)
                and np.isfinite(values).all()
                and np.ptp(values) > 0
            ):
                spread[name] = float(np.ptp(values))
    relative = {name: width for name, width in spread.items() if name.startswith("rel_")}
    chosen = relative or spread
    return sorted(sorted(chosen, key=lambda name: -chosen[name])[:2])


def _titles(shown: list[str]) -> list[str]:
    return [style.safe(style.title_case(name)) for name in shown]


def _profiles(data: xr.Dataset, axis: str, shown: list[str]) -> go.Figure:
    labels = data[axis].to_numpy()
    numeric = np.issubdtype(labels.dtype, np.number) and axis not in ("channel", "group")
    x, ticks = _places(labels, axis, numeric)
    layout, height = style.stack(max(len(shown), 1), each=124, between=34)
    figure = make_subplots(subplot_titles=_titles(shown), shared_xaxes=True, **layout)
    for row, target in enumerate(shown, start=1):
        _profile(figure, row, data.sel(target=target), x, labels, joined=numeric)
    style.finish(
        figure,
        f"Importance by {style.safe(axis)}",
        subtitle="rise of held-out error when it is replaced by a circularly shifted copy; "
        "95 % interval",
        height=height,
        panels=True,
    )
    figure.update_xaxes(**ticks)
    figure.update_xaxes(title_text=_axis_label(axis), row=max(len(shown), 1), col=1)
    figure.update_yaxes(
        title={"text": _RISE, "font": {"size": 11}}, tickformat=".0%", rangemode="tozero"
    )
    return figure


def _axis_label(axis: str) -> str:
    return _LABELS.get(axis, f"{style.safe(style.title_case(axis))} (label)")


def _places(labels: np.ndarray, axis: str, numeric: bool) -> tuple[np.ndarray, dict[str, Any]]:
    if not numeric:
        step = max(1, len(labels) // 40)
        every = np.arange(0, len(labels), step)
        names = [style.safe(labels[i], most=20) for i in every]
        return np.arange(len(labels)), {
            "tickvals": every.tolist(),
            "ticktext": names,
            "range": [-0.6, len(labels) - 0.4],
        }
    if axis != "frequency":
        return labels, {}
    # 0 Hz, the slow remainder, has no place on a logarithmic axis: it gets one
    # an octave below the lowest band.
    positive = labels[labels > 0]
    slow = positive.min() / 2 if len(positive) else 1.0
    ticks = [f"{m * 10.0**k:g}" for k in range(-3, 6) for m in (1, 2, 5)]
    inside = [t for t in ticks if len(positive) and slow < float(t) <= positive.max() * 1.01]
    values, names = [float(t) for t in inside], list(inside)
    if (labels <= 0).any():
        values, names = [float(slow), *values], ["slow", *names]
    return np.where(labels > 0, labels, slow), {
        "type": "log",
        "tickvals": values,
        "ticktext": names,
    }


def _profile(
    figure: go.Figure,
    row: int,
    one: xr.Dataset,
    x: np.ndarray,
    labels: np.ndarray,
    *,
    joined: bool,
) -> None:
    value, low, high = (one[name].to_numpy() for name in ("value", "low", "high"))
    place = {"row": row, "col": 1}
    null, across = one["null"].to_numpy(), x
    if not joined and len(x):
        # A band beneath separate dots reaches half a place beyond the outer ones.
        null, across = np.pad(null, 1, mode="edge"), np.r_[x[0] - 0.5, x, x[-1] + 0.5]
    edge = {"mode": "lines", "hoverinfo": "skip", "line": {"width": 0}}
    figure.add_trace(
        go.Scatter(
            x=across,
            y=null,
            fill="tozeroy",
            fillcolor=style.faded(style.GRAY, 0.25),
            name="no information (95 %)",
            legendgroup="null",
            showlegend=row == 1,
            **edge,
        ),
        **place,
    )
    bars = None
    if joined:
        fill = {"fill": "tonexty", "fillcolor": style.faded(style.BLUE, 0.2)}
        figure.add_trace(go.Scatter(x=x, y=low, showlegend=False, **edge), **place)
        figure.add_trace(go.Scatter(x=x, y=high, showlegend=False, **fill, **edge), **place)
    else:
        apart = {"array": high - value, "arrayminus": value - low}
        bars = {"type": "data", "symmetric": False, "thickness": 1.5, "width": 0, **apart}
    figure.add_trace(
        go.Scatter(
            x=x,
            y=value,
            name="network",
            legendgroup="network",
            showlegend=row == 1,
            mode="lines+markers" if joined else "markers",
            line={"color": style.BLUE, "width": 1.8},
            marker={"color": style.BLUE, "size": 5 if joined else 8},
            error_y=bars,
            text=[style.safe(label) for label in labels],
            customdata=np.stack([low, high], axis=-1),
            hovertemplate="%{text}: %{y:.1%} [%{customdata[0]:.1%}, %{customdata[1]:.1%}]"
            "<extra></extra>",
        ),
        **place,
    )


def _map(decoding: Decoding, data: xr.Dataset, axis: str, shown: list[str]) -> go.Figure:
    where = located_by(decoding) if axis == "channel" else []
    if len(where) < 2:
        raise NWBDecodeError(
            f"no map of importance by {axis!r}: the channel table gives "
            f"{', '.join(where) or 'no'} coordinate that differs between channels, two are "
            "needed. Use by='id'"
        )
    channels = decoding.channels.sel(channel=data["channel"].to_numpy())
    x, y = (channels[name].to_numpy().astype(np.float64) for name in where)
    rows = -(-max(len(shown), 1) // 2)
    cells, height = style.stack(rows, each=220, between=86)
    figure = make_subplots(
        subplot_titles=_titles(shown),
        horizontal_spacing=0.16,
        **cells | {"cols": min(len(shown), 2)},
    )
    for place, target in enumerate(shown):
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="markers",
                showlegend=False,
                marker={
                    "color": data["value"].sel(target=target).to_numpy(),
                    "size": 13,
                    "coloraxis": "coloraxis",
                    "line": {"color": style.GRAY, "width": 1},
                },
                text=[style.safe(name) for name in data["channel"].to_numpy()],
                hovertemplate="channel %{text}: %{marker.color:.1%}<extra></extra>",
            ),
            row=place // 2 + 1,
            col=place % 2 + 1,
        )
    titles = [note.x for note in figure.layout.annotations]
    style.finish(
        figure,
        "Importance by channel, where it lies",
        subtitle="rise of held-out error when a channel is replaced by a circularly shifted copy",
        height=height,
        panels=True,
    )
    for note, middle in zip(figure.layout.annotations, titles, strict=True):
        note.update(x=middle, xanchor="center")
    figure.update_layout(coloraxis=_shades(data["value"].sel(target=shown).to_numpy()))
    unit = _position_unit(decoding, where[0])
    figure.update_xaxes(title_text=f"{where[0]} ({unit})")
    figure.update_yaxes(title_text=f"{where[1]} ({unit})")
    return figure


def _shades(values: np.ndarray) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    return {
        "colorscale": "Cividis",
        "cmin": 0,
        "cmax": max(float(finite.max()), 0.01) if len(finite) else 1,
        "colorbar": {
            "title": {"text": "Rise of<br>error (%)"},
            "tickformat": ".0%",
            "thickness": 12,
        },
    }


def _position_unit(decoding: Decoding, name: str) -> str:
    told = style.short_unit(decoding.channels[name].attrs.get("units", ""))
    if told:
        return style.safe(told)
    modality = decoding.source.get("signal", {}).get("modality")
    # NWB asks for micrometers; ECoG grids are mostly written in millimeters.
    return {"ephys": "µm", "imaging": "pixels"}.get(str(modality), "as stored")
