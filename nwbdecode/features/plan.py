"""Everything that a recipe means for one signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features.bins import Bins, make_bins
from nwbdecode.features.labels import plain
from nwbdecode.features.notch import Notch, make_notch
from nwbdecode.features.referencing import Referencing, referencing
from nwbdecode.features.transform import Transform, make_transform
from nwbdecode.load.signal import Signal


@dataclass(frozen=True)
class Plan:
    """Everything that a recipe means for one signal."""

    signal: Signal
    recipe: dict[str, Any]
    bins: Bins
    reference: Referencing
    notch: Notch | None
    transform: Transform

    @property
    def before(self) -> int:
        """Samples before a bin's own that its value depends on."""
        return self.transform.before + (0 if self.notch is None else self.notch.before)

    @property
    def after(self) -> int:
        return self.transform.after + (0 if self.notch is None else self.notch.after)

    @property
    def near(self) -> int | None:
        """Samples before the end of a piece that the next one reads again; see `Transform`."""
        if self.transform.near is None or self.notch is None:
            return self.transform.near
        return self.transform.near + self.notch.before + self.notch.after

    @property
    def rows(self) -> list[float]:
        remainder = [0.0] if self.recipe.get("remainder") else []
        return remainder + list(self.recipe["frequencies"])

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.bins), len(self.rows), len(self.reference.channels)


def make_plan(signal: Signal, recipe: dict[str, Any]) -> Plan:
    """Plan what a recipe makes of the good channels of a signal."""
    signal, bad = _good_channels(signal)
    return planned(signal, {**recipe, "excluded": bad})


def planned(signal: Signal, recipe: dict[str, Any]) -> Plan:
    """Plan what a recipe makes of a signal of good channels alone."""
    by = recipe.get("reference_by")
    line = recipe.get("notch")
    bins = make_bins(signal, recipe["bin"])
    return Plan(
        signal,
        recipe,
        bins,
        referencing(signal.channels, recipe.get("reference", "none"), by),
        None if line is None else make_notch(line, signal.rate, causal=recipe["causal"]),
        make_transform(signal, recipe, int((bins.stop - bins.first).max(initial=1))),
    )


def _good_channels(signal: Signal) -> tuple[Signal, list[Any]]:
    """Leave out the channels marked bad, and name them."""
    if "bad" not in signal.channels:
        return signal, []
    good = ~signal.channels["bad"].to_numpy(dtype=bool)
    if not good.any():
        raise NWBDecodeError(
            f"all {len(good)} channels of {signal.path!r} are marked bad; unmark some"
        )
    bad = [plain(label) for label in signal.channels.index[~good]]
    return (signal.select(channels=list(signal.channels.index[good])) if bad else signal), bad
