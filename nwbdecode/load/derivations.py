"""What a target can be made into, by the name that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nwbdecode.load import events
from nwbdecode.load.derive import MAX_GAP, head_direction, heading, speed
from nwbdecode.load.turning import MAX_GAP_TURN, acceleration, turn

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Derivation:
    """A function that makes one target of one or more series, or of events.

    Attributes
    ----------
    function : callable
    kind : str
        Of the result; empty where it keeps that of what it is made of.
    sources : tuple of int
        How many series it may take.
    defaults : mapping of str to float
        Its options and what they are if not given.
    signed : tuple of str
        Options that may be negative.
    of_events : bool
        Whether it is made of events or intervals rather than of a series.
    """

    function: Callable[..., xr.DataArray]
    kind: str
    sources: tuple[int, ...] = (1,)
    defaults: Mapping[str, float] = field(default_factory=dict)
    signed: tuple[str, ...] = ()
    of_events: bool = False


_SMOOTH = {"median": 0.3, "gaussian": 0.2, "max_gap": MAX_GAP}
_WINDOW = ("start", "stop")

DERIVATIONS: dict[str, Derivation] = {
    "speed": Derivation(speed, "linear", defaults=_SMOOTH),
    "acceleration": Derivation(acceleration, "linear", defaults=_SMOOTH),
    "heading": Derivation(heading, "circular", defaults={**_SMOOTH, "min_speed": 0.0}),
    "head_direction": Derivation(head_direction, "circular", sources=(1, 2)),
    "turn": Derivation(
        turn, "linear", sources=(1, 2),
        defaults={**_SMOOTH, "max_gap": MAX_GAP_TURN, "min_speed": 0.02},
    ),
    "window": Derivation(
        events.window, "", sources=(1, 2), signed=_WINDOW, of_events=True,
        defaults={"start": 0.0, "stop": 1.0, "relative": 0.0},
    ),
    "near": Derivation(
        events.near, "categorical", signed=_WINDOW, of_events=True,
        defaults={"start": 0.0, "stop": 0.5},
    ),
    "since": Derivation(
        events.since, "linear", of_events=True, defaults={"most": 1.0, "step": 0.01}
    ),
    "until": Derivation(
        events.until, "linear", of_events=True, defaults={"most": 1.0, "step": 0.01}
    ),
    "rate": Derivation(events.rate, "linear", of_events=True, defaults={"gaussian": 0.2}),
}  # fmt: skip
