"""The shell's options for movies and fluorescence traces, beside those of every signal."""

from __future__ import annotations

from typing import Any

import click


class Pair(click.ParamType):
    """Two numbers around a separator, such as 16x16 or 2:15."""

    def __init__(self, name: str, separator: str, number: type, expected: str):
        self.name, self.separator, self.number, self.expected = name, separator, number, expected

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Any, Any]:
        try:
            first, second = (self.number(part) for part in str(value).split(self.separator))
        except ValueError:
            self.fail(f"{value!r} is no {self.name}; write {self.expected}")
        return first, second


_GRID = Pair("grid", "x", int, "blocks along the stored axes, such as 16x16")
_RING = Pair("ring", ":", float, "where it begins and ends in pixels: 2:15")

#: As the settings in `cli`: flag, setting, and how click takes it.
IMAGING: list[tuple[str, str, dict[str, Any]]] = [
    ("--regions", "signal.regions",
     {"metavar": "auto|masks|grid|PATH",
      "help": "Movie: what its channels are; PATH of a PlaneSegmentation [auto]."}),
    ("--grid", "signal.grid", {"type": _GRID, "metavar": "AxB",
      "help": "Movie: blocks along its two axes, as stored [16x16]."}),
    ("--block", "signal.block", {"type": int, "help": "Movie: side of a block in pixels."}),
    ("--neuropil", "signal.neuropil",
     {"type": float, "help": "Movie: share of the ring around a mask to subtract, such as 0.7."}),
    ("--neuropil-ring", "signal.neuropil_ring",
     {"type": _RING, "metavar": "A:B",
      "help": "Pixels from the mask at which its ring begins and ends [2:15]."}),
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
