"""How fluorescence is taken out of a movie, and what is subtracted and divided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from nwbdecode.errors import NWBDecodeError, suggest

DFF = ("centered", "trailing")


@dataclass(frozen=True)
class ImagingOptions:
    """What `Source.signal` may be told of an imaging signal.

    Parameters
    ----------
    regions : str, default "auto"
        ``"masks"``: the file's PlaneSegmentation of the movie's plane;
        ``"grid"``: blocks of pixels; the path of a PlaneSegmentation; or
        ``"auto"``: masks where there are any, else the grid.
    grid : (int, int), default (16, 16)
        Blocks along the movie's first and second spatial axis.
    block : int, optional
        Side of a block in pixels, instead of `grid`.
    neuropil : float, optional
        Share of the surrounding neuropil that is subtracted from each region;
        0.7 in Chen et al. 2013 (Nature 499:295).
    neuropil_ring : (float, float), default (2, 15)
        Pixels from a region at which its ring begins and ends.
    dff : bool, "centered" or "trailing", default False
        Give ``(F - F0) / F0``; True is "centered". The baseline F0 of
        "trailing" reads no later frame.
    baseline_percentile : float, default 8
    baseline_window : float, default 60
        Percentile and seconds of the rolling baseline F0.
    transpose_masks : bool, optional
        Whether masks have the first two spatial axes of the movie, as it is
        stored, swapped; by default their shapes tell, and where both fit the
        schema: x is the first axis in the NWB file, the columns of a picture file.

    Raises
    ------
    NWBDecodeError
        If a setting is out of range.
    """

    regions: str = "auto"
    grid: tuple[int, int] = (16, 16)
    block: int | None = None
    neuropil: float | None = None
    neuropil_ring: tuple[float, float] = (2.0, 15.0)
    dff: bool | Literal["centered", "trailing"] = False
    baseline_percentile: float = 8.0
    baseline_window: float = 60.0
    transpose_masks: bool | None = None

    def __post_init__(self) -> None:
        self._set("grid", _pair("grid", self.grid, int))
        self._set("neuropil_ring", _pair("neuropil_ring", self.neuropil_ring, float))
        self._set("dff", "centered" if self.dff is True else self.dff)
        if not isinstance(self.regions, str) or not self.regions.strip("/"):
            raise NWBDecodeError(
                f"regions is {self.regions!r}; expected 'auto', 'masks', 'grid' or the path of a "
                "PlaneSegmentation"
            )
        if min(self.grid) < 1 or (self.block is not None and self.block < 1):
            raise NWBDecodeError(
                f"grid is {self.grid} and block is {self.block}; expected at least 1 of each"
            )
        if self.neuropil is not None and not 0 <= self.neuropil <= 1:
            raise NWBDecodeError(
                f"neuropil is {self.neuropil}; expected a coefficient from 0 to 1, such as 0.7"
            )
        inner, outer = self.neuropil_ring
        if not 0 <= inner < outer or not math.isfinite(outer):
            raise NWBDecodeError(
                f"neuropil_ring is {self.neuropil_ring}; expected where the ring begins and ends, "
                "in pixels from the region, such as (2, 15)"
            )
        if self.dff and self.dff not in DFF:
            raise NWBDecodeError(
                f"dff is {self.dff!r}; expected False, True or one of these. "
                f"{suggest(str(self.dff), DFF)}"
            )
        if not 0 <= self.baseline_percentile <= 100:
            raise NWBDecodeError(
                f"baseline_percentile is {self.baseline_percentile}; expected 0 to 100"
            )
        if not 0 < self.baseline_window < math.inf:
            raise NWBDecodeError(
                f"baseline_window is {self.baseline_window}; expected seconds, such as 60"
            )

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def changed(self) -> list[str]:
        """Names of the settings that are not at their defaults."""
        return [f.name for f in fields(self) if getattr(self, f.name) != f.default]

    def refuse(self, path: str, kind: str, *, but: Sequence[str] = ()) -> None:
        """Refuse settings that mean nothing to a signal, rather than ignore them."""
        names = [name for name in self.changed() if name not in but]
        if names:
            raise NWBDecodeError(
                f"{', '.join(names)} cannot apply to {path!r}, {kind}; leave out "
                f"{'it' if len(names) == 1 else 'them'}, or name a movie"
            )

    def told(self, **resolved: Any) -> dict[str, Any]:
        """Give the settings as JSON values, some as they were resolved."""
        held: Mapping[str, Any] = asdict(self) | resolved
        return {k: list(v) if isinstance(v, tuple) else v for k, v in held.items()}


def _pair(name: str, value: Any, kind: type) -> tuple[Any, Any]:
    try:
        first, second = value
        pair = kind(first), kind(second)
        if pair != (first, second):
            raise ValueError
    except (TypeError, ValueError):
        raise NWBDecodeError(f"{name} is {value!r}; expected two numbers") from None
    return pair
