"""How a target becomes numbers that a decoder fits, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Coding:
    """One target's encoding, learned from training bins alone.

    Linear targets are standardized, angles become unit vectors, classes
    indicator columns. `chance` is the loss of the best constant prediction on
    the training bins: divided by it every target's loss starts near one, so no
    weights between targets need setting.

    Attributes
    ----------
    name, kind : str
    width : int
        Encoded columns.
    center, scale : tuple of float
        Of linear targets.
    chance : float
    labels : tuple of str
        Components or classes; empty for a scalar.
    attrs : mapping
        The target's own attributes, handed on to predictions.
    """

    name: str
    kind: str
    width: int
    center: tuple[float, ...]
    scale: tuple[float, ...]
    chance: float
    labels: tuple[str, ...]
    attrs: Mapping[str, Any]

    @classmethod
    def learn(cls, target: xr.DataArray, train: np.ndarray) -> Coding:
        """Learn the encoding from the bins marked in `train`."""
        name, kind = str(target.name), str(target.attrs["kind"])
        values = target.to_numpy().astype(np.float64).reshape(target.sizes["time"], -1)[train]
        values = values[np.isfinite(values).all(axis=1)]
        if len(values) < 2:
            raise NWBDecodeError(
                f"target {name!r} has {len(values)} values in the training bins; "
                "at least two are needed. Use fewer folds, or a longer recording"
            )
        attrs = {k: v for k, v in target.attrs.items() if k not in ("missing",)}
        width = values.shape[1]
        center, scale = np.zeros(width), np.ones(width)
        labels: tuple[str, ...] = ()
        if target.ndim == 2:
            labels = tuple(str(v) for v in target[target.dims[1]].to_numpy())
        if kind == "linear":
            center, scale = values.mean(axis=0), values.std(axis=0)
            if (scale == 0).any():
                raise NWBDecodeError(
                    f"target {name!r} never changes in the training bins: nothing can be learned"
                )
            chance = 1.0
        elif kind == "circular":
            width *= 2
            unit = np.concatenate([np.cos(values), np.sin(values)], axis=1)
            chance = float(unit.var(axis=0).mean())
        else:
            labels = tuple(str(c) for c in attrs.get("classes", []))
            labels = labels or tuple(str(i) for i in range(int(values.max()) + 1))
            attrs["classes"] = list(labels)
            width = len(labels)
            share = np.bincount(values[:, 0].astype(int), minlength=width) / len(values)
            if (share == 1).any():
                raise NWBDecodeError(
                    f"target {name!r} holds one class alone in the training bins: "
                    f"{labels[int(share.argmax())]!r}. Use fewer folds, or fold by trials"
                )
            chance = float(-(share[share > 0] * np.log(share[share > 0])).sum())
        return cls(
            name,
            kind,
            width,
            tuple(center.tolist()),
            tuple(scale.tolist()),
            max(chance, 1e-6),
            labels,
            attrs,
        )

    def encode(self, target: xr.DataArray) -> np.ndarray:
        """Encode values, shape (time, width) float32; NaN rows where missing."""
        values = target.to_numpy().astype(np.float64).reshape(target.sizes["time"], -1)
        if self.kind == "linear":
            out = (values - self.center) / self.scale
        elif self.kind == "circular":
            out = np.concatenate([np.cos(values), np.sin(values)], axis=1)
        else:
            codes = values[:, 0]
            present = np.isfinite(codes)
            out = np.full((len(codes), self.width), np.nan)
            out[present] = np.eye(self.width)[codes[present].astype(int)]
        out[~np.isfinite(out).all(axis=1)] = np.nan
        return out.astype(np.float32)

    def decode(self, outputs: np.ndarray, *, logits: bool = True) -> np.ndarray:
        """Turn a decoder's outputs (time, width) into predictions.

        Class outputs are log odds of a network (`logits`) or estimates of the
        indicator columns; either becomes probabilities.
        """
        outputs = outputs.astype(np.float64)
        if self.kind == "linear":
            out = outputs * self.scale + self.center
        elif self.kind == "circular":
            half = self.width // 2
            out = np.arctan2(outputs[:, half:], outputs[:, :half])
        elif logits:
            out = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            out /= out.sum(axis=1, keepdims=True)
        else:
            out = np.clip(outputs, 1e-6, None)
            out /= out.sum(axis=1, keepdims=True)
        if self.kind != "categorical" and not self.labels:
            out = out[:, 0]
        return out.astype(np.float32)

    def labelled(self, values: np.ndarray) -> xr.DataArray:
        """Give predictions their dims, labels and attributes."""
        import xarray as xr

        dims: tuple[str, ...] = ("time",)
        coords: dict[str, Any] = {}
        if values.ndim == 2:
            last = f"{self.name}_{'class' if self.kind == 'categorical' else 'component'}"
            dims, coords = ("time", last), {last: list(self.labels)}
        return xr.DataArray(values, dims=dims, coords=coords, attrs=dict(self.attrs))

    def as_json(self) -> dict[str, Any]:
        """Everything `from_json` needs, as JSON values."""
        return {
            "name": self.name, "kind": self.kind, "width": self.width,
            "center": list(self.center), "scale": list(self.scale), "chance": self.chance,
            "labels": list(self.labels), "attrs": dict(self.attrs),
        }  # fmt: skip

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Coding:
        return cls(
            str(stored["name"]), str(stored["kind"]), int(stored["width"]),
            tuple(stored["center"]), tuple(stored["scale"]), float(stored["chance"]),
            tuple(stored["labels"]), dict(stored["attrs"]),
        )  # fmt: skip
