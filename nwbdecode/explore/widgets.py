"""The explorer: one time window over everything that was decoded, in Jupyter."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw
import plotly.graph_objects as go

from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError
from nwbdecode.explore import figures, tables
from nwbdecode.explore.arena import positions
from nwbdecode.explore.board import Board, Library, Panel
from nwbdecode.explore.importance import located_by
from nwbdecode.explore.thinning import bin_width
from nwbdecode.explore.traces import fold_of_bins

if TYPE_CHECKING:
    from pathlib import Path

ALL = "all targets"
_WIDE = ipw.Layout(width="100%")
_STYLE = (
    "<style>.nd-table{border-collapse:collapse;line-height:1.5}"
    ".nd-table th,.nd-table td{padding:3px 12px 3px 0;text-align:left;"
    "border-bottom:1px solid #ddd;vertical-align:top}"
    ".nd-table .nd-number{text-align:right;font-variant-numeric:tabular-nums}"
    ".nd-wide{overflow-x:auto}</style>"
)


def explore(
    decoding: Decoding | str | Path, *, window: float = 30.0, start: float | None = None
) -> Explorer:
    """Explore a result in Jupyter; it needs nothing but the result.

    Parameters
    ----------
    decoding : Decoding, or path of a decoded NWB file
    window : float, default 30
        Length of the time window shown first, in seconds.
    start : float, optional
        Where it starts, in seconds; the first held-out prediction for None.

    Returns
    -------
    Explorer
        A widget; left as a cell's last line, Jupyter shows it.

    Raises
    ------
    NWBDecodeError
        If the file holds no result, or the result no bins.

    Examples
    --------
    >>> import nwbdecode as nd
    >>> nd.explore("session_decoded.nwb")  # doctest: +SKIP
    """
    return Explorer(loaded(decoding), window=window, start=start)


def loaded(decoding: Decoding | str | os.PathLike[str]) -> Decoding:
    """Take a result as it is, or read it from its file; refuse an empty one."""
    if isinstance(decoding, (str, os.PathLike)):
        from nwbdecode.results import read

        decoding = read(decoding)
    if not isinstance(decoding, Decoding):
        raise NWBDecodeError(
            f"found {type(decoding).__name__}; expected a Decoding or the path of a decoded "
            "NWB file, as `cross_validate` returns and `write` makes"
        )
    if not len(decoding.time) or not decoding.targets:
        raise NWBDecodeError("this result holds no bins or no targets: there is nothing to show")
    return decoding


class Explorer(ipw.VBox):
    """Controls, traces and arena over one window, and details below them.

    Attributes
    ----------
    decoding : Decoding
    start, length : ipywidgets number widgets
        The window's start and length in seconds.
    target : ipywidgets.Dropdown
        Which target's figures are shown; all by default.
    detail : ipywidgets.ToggleButtons
        Which details are shown below.
    live, below : Board
        Figures of the window, and of the details.
    """

    def __init__(
        self, decoding: Decoding, *, window: float = 30.0, start: float | None = None
    ) -> None:
        self.decoding = decoding
        time = decoding.time
        half = bin_width(time) / 2
        self._ends = float(time[0] - half), float(time[-1] + half)
        self._still = False
        self._make_controls(window, start)
        self.live, self.below, self.text = Board(), Board(), ipw.HTML(layout=_WIDE)
        super().__init__(
            [
                ipw.HTML(_STYLE + _header(decoding), layout=_WIDE),
                ipw.HBox(
                    [self.target, self.length, self.earlier, self.later],
                    layout=ipw.Layout(flex_flow="row wrap"),
                ),
                self.start,
                self.live,
                self.detail,
                self.text,
                self.below,
                Library(),
            ],
            layout=_WIDE,
        )
        self.live.observe(self._pick, "picked")
        self._draw_window()
        self._draw_detail()

    @property
    def window(self) -> tuple[float, float]:
        """Start and stop of what is shown, in seconds."""
        stop = min(self.start.value + self.length.value, self._ends[1])
        return max(stop - self.length.value, self._ends[0]), stop

    def _make_controls(self, window: float, start: float | None) -> None:
        first, last = self._ends
        names = {"description_width": "initial"}
        self.target = ipw.Dropdown(
            options=[ALL, *self.decoding.targets], description="Target", style=names
        )
        self.length = ipw.BoundedFloatText(
            value=min(window, last - first),
            min=min(0.1, last - first),
            max=last - first,
            step=1,
            description="Window length (s)",
            style=names,
        )
        self.start = ipw.FloatSlider(
            min=first,
            max=last,
            readout_format=".1f",
            description="Window start (s)",
            style=names,
            layout=_WIDE,
        )
        self.earlier = ipw.Button(
            description="Earlier", icon="arrow-left", tooltip="One window back"
        )
        self.later = ipw.Button(description="Later", icon="arrow-right", tooltip="One window on")
        self.detail = ipw.ToggleButtons(
            options=list(self._details()), description="Details", style={"button_width": "auto"}
        )
        self._fit_slider()
        self.start.value = self._first_prediction() if start is None else start
        self.start.observe(lambda _: self._draw_window(), "value")
        self.length.observe(lambda _: self._resized(), "value")
        self.target.observe(lambda _: self._draw_window(picked=True), "value")
        self.detail.observe(lambda _: self._draw_detail(), "value")
        self.earlier.on_click(lambda _: self._step(-1))
        self.later.on_click(lambda _: self._step(1))

    def _first_prediction(self) -> float:
        fold = fold_of_bins(self.decoding)
        if fold is None:
            return self._ends[0]
        return float(self.decoding.time[(fold >= 0).argmax()])

    def _fit_slider(self) -> None:
        first, last = self._ends
        room = last - first - self.length.value
        step = max(self.length.value / 10, bin_width(self.decoding.time))
        # A slider needs some room to exist, even where the window fills it.
        self.start.max = max(last - self.length.value, first + step)
        self.start.step = step
        self.start.disabled = room < step

    def _resized(self) -> None:
        self._still = True
        try:
            self._fit_slider()
        finally:
            self._still = False
        self._draw_window()

    def _step(self, windows: int) -> None:
        moved = self.start.value + windows * self.length.value
        self.start.value = min(max(moved, self.start.min), self.start.max)

    def _pick(self, change: dict[str, Any]) -> None:
        if len(change["new"]) != 2:
            return
        low = max(min(change["new"]), self._ends[0])
        high = min(max(change["new"]), self._ends[1])
        if high <= low:
            return
        self._still = True
        try:
            self.length.value = high - low
            self._fit_slider()
            self.start.value = low
        finally:
            self._still = False
        self._draw_window()

    def _shown(self) -> list[str]:
        return self.decoding.targets if self.target.value == ALL else [self.target.value]

    def _draw_window(self, *, picked: bool = False) -> None:
        if self._still:
            return
        shown, window = self._shown(), self.window
        panels = [
            Panel(
                f"traces:{name}",
                figures.traces(self.decoding, name, window),
                f"{name}, true and decoded over time",
            )
            for name in shown
        ]
        panels += [
            Panel(
                f"arena:{name}",
                figures.arena(self.decoding, name, window),
                f"{name}, true and decoded in the arena",
                "side",
            )
            for name in positions(self.decoding)
            if name in shown
        ]
        self.live.show(panels)
        if picked:
            self._draw_detail()

    def _details(self) -> dict[str, Callable[[], list[go.Figure]]]:
        decoding = self.decoding
        offered: dict[str, Callable[[], list[go.Figure]]] = {"Scores": self._scores}
        for axis in decoding.importance:
            offered[f"Importance: {axis}"] = partial(self._importance, axis)
            if axis == "channel" and len(located_by(decoding)) == 2:
                offered["Channel map"] = partial(self._importance, axis, by="position")
        if any(decoding.kind(name) == "categorical" for name in decoding.targets):
            offered["Confusion"] = self._confusion
        if positions(decoding):
            offered["Error map"] = self._error_map
        if decoding.history.sizes.get("epoch"):
            offered["Training"] = lambda: [figures.losses(decoding)]
        offered["Settings"] = list
        return offered

    def _scores(self) -> list[go.Figure]:
        scored = any(figures.headline(self.decoding, name) for name in self.decoding.targets)
        return [figures.scores(self.decoding)] if scored else []

    def _importance(self, axis: str, **options: Any) -> list[go.Figure]:
        return [figures.importance(self.decoding, axis, targets=self._shown(), **options)]

    def _confusion(self) -> list[go.Figure]:
        return [
            figures.confusion(self.decoding, name)
            for name in self.decoding.targets
            if self.decoding.kind(name) == "categorical"
        ]

    def _error_map(self) -> list[go.Figure]:
        return [figures.error_map(self.decoding, name) for name in positions(self.decoding)]

    def _draw_detail(self) -> None:
        chosen = self.detail.value
        self.text.value = {
            "Scores": tables.score_table(self.decoding),
            "Settings": tables.target_table(self.decoding) + tables.settings(self.decoding.recipe),
        }.get(chosen, "")
        drawn = self._details()[chosen]()
        self.below.show(
            Panel(f"{chosen}:{place}", figure, chosen) for place, figure in enumerate(drawn)
        )


def _header(decoding: Decoding) -> str:
    known = "".join(
        f"<span style='margin-right:1.6em'><b>{name}</b> {value}</span>"
        for name, value in tables.facts(decoding)
    )
    return (
        f"<div style='font-size:1.15em;margin:4px 0'>{tables.headline(decoding)}</div>"
        f"<div style='line-height:1.6;opacity:.75'>{known}</div>"
    )
