"""What a run found: one labelled container that evaluate makes, results stores, explore shows."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

KINDS = ("linear", "circular", "categorical")

#: Facts by which a session is known.
IDENTITY = ("object_id", "identifier", "session_start_time")

#: Part of a recipe that says why the importance that was asked for is missing.
NO_IMPORTANCE = "no_importance"

#: Metrics by kind of target, the headline first, and whether a larger value is better.
METRICS: dict[str, dict[str, bool]] = {
    "linear": {"r": True, "r2": True, "error": False},
    "circular": {"error": False, "r": True},
    "categorical": {"balanced_accuracy": True, "accuracy": True},
}


def same_session(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two sessions are one; a copy that a program exported has a new object_id.

    Examples
    --------
    >>> same_session({"object_id": "a"}, {"object_id": "b"}), same_session({}, {})
    (False, False)
    """
    same = [
        one.get(name) and one.get(name) == other.get(name) for name in ("object_id", "identifier")
    ]
    started = one.get("session_start_time") == other.get("session_start_time")
    return bool(same[0] or (same[1] and started))


@dataclass(frozen=True)
class StoredDecoder:
    """A trained decoder as plain data: settings as JSON values, weights as safetensors bytes.

    Attributes
    ----------
    config : dict
        Everything needed to build the decoder again; only JSON values.
    weights : bytes
        A safetensors buffer: raw arrays, nothing that can run.
    """

    config: Mapping[str, Any]
    weights: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.weights).hexdigest()

    def __repr__(self) -> str:
        name = self.config.get("decoder", "decoder")
        return f"<StoredDecoder {name}, {len(self.weights) / 1e6:.2f} MB>"


@dataclass(frozen=True, eq=False)
class Decoding:
    """The result of a run, the same in memory and read back from NWB.

    Attributes
    ----------
    predictions : xarray.Dataset
        One variable a target on ``time`` (bin centers, seconds): linear scalars
        and angles (radians) ``(time,)``; vectors ``(time, <target>_component)``;
        classes ``(time, <target>_class)`` as probabilities. NaN where no
        prediction can be made. Each variable's attrs hold ``kind``, ``units``
        and, for classes, ``classes``. Coordinate ``fold (time)`` tells which
        fold's decoder predicted a bin, -1 for none.
    truth : xarray.Dataset
        The targets on the same bins, same variables; classes are codes
        ``(time,)`` into ``attrs["classes"]``. NaN where missing.
    baselines : mapping of str to xarray.Dataset
        Predictions of other decoders on the same bins (``"ridge"``).
    scores : xarray.Dataset
        Dims ``(decoder, target, metric)``: ``value`` pooled over all
        out-of-fold bins, ``low`` and ``high`` (95 % block bootstrap),
        ``chance`` (95 % point of circular shifts), ``p_value``;
        ``fold_value`` adds dim ``fold``, ``null`` adds dim ``shift``;
        ``bins (target)`` counts the bins scored. NaN where a metric does not
        apply to a target. The network is decoder ``"cnn"``.
    folds : xarray.Dataset
        Dim ``fold``: ``start`` and ``stop`` of the test block in seconds (edges
        of its first and last bin), ``gap`` (s), ``train_bins``, ``test_bins``.
    history : xarray.Dataset
        Dims ``(decoder, epoch)``: ``train_loss`` and ``validation_loss``, NaN
        after a decoder stopped; decoders ``"fold0" ... "final"``.
    decoders : mapping of str to StoredDecoder
        ``"fold0" ...`` and ``"final"``, refitted on all data.
    channels : xarray.Dataset
        Dim ``channel``: ids and whichever of x, y, z, location, group, bad.
    importance : mapping of str to xarray.Dataset
        By feature axis (``"frequency"``, ``"channel"``): dims ``(target, <axis>)``,
        ``value`` (rise of held-out error over the unperturbed error, a
        fraction), ``low``, ``high`` (95 % over repeats and blocks), ``null``
        (95 % point of no information).
    recipe : dict
        How the features, targets and decoder were made (JSON values).
    source : dict
        What the signal was and which session it came from (JSON values).
    """

    predictions: xr.Dataset
    truth: xr.Dataset
    scores: xr.Dataset
    folds: xr.Dataset
    history: xr.Dataset
    decoders: Mapping[str, StoredDecoder]
    channels: xr.Dataset
    baselines: Mapping[str, xr.Dataset] = field(default_factory=dict)
    importance: Mapping[str, xr.Dataset] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, part in {"truth": self.truth, **self.baselines}.items():
            if not np.array_equal(part["time"], self.predictions["time"]):
                raise NWBDecodeError(f"{name} and predictions must lie on the same time bins")
            if set(part.data_vars) != set(self.predictions.data_vars):
                raise NWBDecodeError(
                    f"{name} holds targets {sorted(map(str, part.data_vars))}, "
                    f"predictions {sorted(map(str, self.predictions.data_vars))}"
                )
        for name in self.targets:
            kind = self.predictions[name].attrs.get("kind")
            if kind not in KINDS:
                raise NWBDecodeError(
                    f"target {name!r} has kind {kind!r}; expected one of {', '.join(KINDS)}"
                )

    @property
    def targets(self) -> list[str]:
        """Names of the decoded targets."""
        return [str(name) for name in self.predictions.data_vars]

    @property
    def time(self) -> np.ndarray:
        """Bin centers in seconds."""
        return self.predictions["time"].to_numpy()

    def kind(self, target: str) -> str:
        return str(self.predictions[target].attrs["kind"])

    def replace(self, **changes: Any) -> Decoding:
        """Return a copy with some parts replaced."""
        return replace(self, **changes)

    def load(self) -> Decoding:
        """Return the same result with all of it in memory, also what was read lazily."""
        return replace(
            self,
            predictions=self.predictions.load(),
            truth=self.truth.load(),
            baselines={name: part.load() for name, part in self.baselines.items()},
            decoders={name: self.decoders[name] for name in self.decoders},
        )

    def identical(self, other: Decoding) -> bool:
        """Whether every part is equal: values, labels, attributes, weights."""
        return not self.differences(other)

    def differences(self, other: Decoding) -> list[str]:
        """Name the parts that differ from another result."""
        found = [
            name
            for name in ("predictions", "truth", "scores", "folds", "history", "channels")
            if not getattr(self, name).identical(getattr(other, name))
        ]
        for name in ("baselines", "importance"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if set(mine) != set(theirs) or any(not mine[k].identical(theirs[k]) for k in mine):
                found.append(name)
        found += [
            name
            for name in ("decoders", "recipe", "source")
            if dict(getattr(self, name)) != dict(getattr(other, name))
        ]
        return found

    def score_table(self) -> pd.DataFrame:
        """One row for each target, metric and decoder: value, interval, chance, p value."""
        columns = ["value", "low", "high", "chance", "p_value"]
        table = self.scores[columns].to_dataframe().dropna(subset=["value"]).reset_index()
        order = {name: i for i, name in enumerate(self.targets)}
        table = table.sort_values(
            ["target", "metric"],
            key=lambda c: c.map(order) if c.name == "target" else c,
            kind="stable",
        )
        return table[["target", "metric", "decoder", *columns]].reset_index(drop=True)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} ({self.kind(name)})" for name in self.targets)
        time = self.time
        span = f"{time[0]:.1f} to {time[-1]:.1f} s" if len(time) else "no bins"
        lines = [
            f"<nwbdecode.Decoding of {shown}>",
            f"  {len(time)} bins, {span}; {self.folds.sizes.get('fold', 0)} folds; "
            f"decoders: {', '.join(self.decoders) or 'none'}",
        ]
        if self.source.get("signal"):
            lines.append(f"  from {self.source['signal'].get('path', '')}")
        if self.scores.data_vars:
            table = self.score_table().to_string(index=False, float_format=lambda v: f"{v:.3f}")
            lines += ["  " + line for line in table.splitlines()]
        if self.importance:
            lines.append(f"  importance by {', '.join(self.importance)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head, *rest = repr(self).splitlines()
        facts = "<br>".join(html.escape(line.strip()) for line in rest[:2])
        table = ""
        if self.scores.data_vars:
            table = self.score_table().to_html(index=False, float_format=lambda v: f"{v:.3f}")
        return f"<div><b>{html.escape(head.strip('<>'))}</b><br>{facts}{table}</div>"
