"""The shell's options for movies and fluorescence traces, beside those of every signal."""

from __future__ import annotations

from typing import Any

import click


class Sides(click.ParamType):
    """ROWSxCOLUMNS, such as 16x16."""

    name = "AxB"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        try:
            first, second = (int(part) for part in str(value).lower().split("x"))
        except ValueError:
            self.fail(f"{value!r} is no grid; write blocks along x and y, such as 16x16")
        return first, second


class Ring(click.ParamType):
    """INNER:OUTER in pixels, such as 2:15."""

    name = "A:B"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        try:
            inner, outer = (float(part) for part in str(value).split(":"))
        except ValueError:
            self.fail(f"{value!r} is no ring; write where it begins and ends in pixels: 2:15")
        return inner, outer


#: As the settings in `cli`: flag, setting, and how click takes it.
IMAGING: list[tuple[str, str, dict[str, Any]]] = [
    ("--regions", "signal.regions",
     {"metavar": "auto|masks|grid|PATH",
      "help": "Movie: what its channels are; PATH of a PlaneSegmentation [auto]."}),
    ("--grid", "signal.grid", {"type": Sides(), "help": "Movie: blocks along x and y [16x16]."}),
    ("--block", "signal.block", {"type": int, "help": "Movie: side of a block in pixels."}),
    ("--neuropil", "signal.neuropil",
     {"type": float, "help": "Movie: share of the ring around each mask to subtract, such as 0.7."}),
    ("--neuropil-ring", "signal.neuropil_ring",
     {"type": Ring(), "help": "Pixels from the mask at which its ring begins and ends [2:15]."}),
    ("--dff", "signal.dff",
     {"type": click.Choice(["centered", "trailing"]),
      "help": "Imaging: relative to a rolling baseline; trailing reads no later frame."}),
    ("--baseline-percentile", "signal.baseline_percentile",
     {"type": float, "help": "Percentile of that baseline [8]."}),
    ("--baseline-window", "signal.baseline_window",
     {"type": float, "help": "Window of that baseline, s [60]."}),
    ("--transpose-masks/--no-transpose-masks", "signal.transpose_masks",
     {"default": None, "help": "Whether masks have the movie's axes swapped [by their shapes]."}),
]  # fmt: skip
