"""Any result that the container allows, small enough to write many of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from hypothesis import strategies as st
from safetensors.numpy import save

from nwbdecode.decoding import METRICS, Decoding, StoredDecoder
from tests import made

NAMES = st.one_of(
    st.sampled_from(["a/b", "größe", "左手", ".", "x:y", "speed (cm/s)", "run", "id", "scores"]),
    st.text(min_size=1, max_size=8),
).filter(lambda name: name not in ("time", "fold"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
UNITS = {
    "linear": ["meters", "cm", "meters/second", "", "N"],
    "circular": ["radians", "degrees"],
    "categorical": [""],
}


@st.composite
def importances(draw: Any, whole: Mapping[str, xr.Dataset], names: list[str]) -> Any:
    """Draw tables of importance, or none; any may lack rows, targets or values."""
    held = {}
    for axis in draw(st.sets(st.sampled_from(sorted(whole)))):
        table = whole[axis].isel(
            {"target": slice(draw(st.integers(0, 4))), axis: slice(draw(st.integers(0, 4)))}
        )
        labels = [*names, *table["target"].to_numpy()][: table.sizes["target"]]
        table = table.assign_coords(target=np.array(labels, dtype=object))
        held[axis] = table if draw(st.booleans()) else table * np.nan
    return held


@st.composite
def decodings(draw: Any) -> Decoding:
    """Draw targets of any kind and name, folds, gaps in time, missing values, parts left out."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bins = draw(st.integers(1, 40))
    steps = np.full(bins, 1 / 30)
    if draw(st.booleans()):
        steps = rng.uniform(0.01, 1, size=bins)
    time = draw(st.floats(-10, 1e5)) + np.cumsum(steps)
    folds = draw(st.integers(1, 4))
    fold = np.sort(rng.integers(-1, folds, size=bins)).astype(np.int16)
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    kinds = {name: draw(st.sampled_from(sorted(METRICS))) for name in names}
    widths = {name: draw(st.integers(0, 4)) for name in names}
    missing = draw(st.floats(0, 1))
    attrs: dict[str, dict[str, Any]] = {}
    for name, kind in kinds.items():
        attrs[name] = {"kind": kind, "units": draw(st.sampled_from(UNITS[kind]))}
        attrs[name] |= draw(st.dictionaries(st.text(max_size=4), JSON, max_size=2))
        attrs[name]["kind"] = kind
        if kind == "categorical":
            attrs[name]["classes"] = draw(st.sampled_from([["a", "b"], [0, 1, 7], ["", "ü"]]))

    def dataset(*, predicted: bool) -> xr.Dataset:
        held = {}
        for name, kind in kinds.items():
            labels: list[Any] = []
            if kind == "categorical" and predicted:
                axis, labels = f"{name}_class", attrs[name]["classes"]
            elif kind == "linear" and widths[name]:
                axis, labels = f"{name}_component", ["x", "y", "z", "w"][: widths[name]]
            values = rng.normal(size=(bins, len(labels)) if labels else bins).astype(np.float32)
            values[rng.uniform(size=bins) < missing] = np.nan
            dims, coords = (("time", axis), {axis: labels}) if labels else (("time",), {})
            held[name] = xr.DataArray(values, dims=dims, coords=coords, attrs=attrs[name])
        return xr.Dataset(held, coords={"time": time, "fold": ("time", fold)})

    simple = made.decoding(bins=30, folds=folds, channels=draw(st.integers(1, 3)))
    relabelled = {"target": [*names, *simple.targets][: len(simple.targets)]}
    weights = save({"w": rng.normal(size=draw(st.integers(0, 5))).astype(np.float32)})
    return simple.replace(
        predictions=dataset(predicted=True),
        truth=dataset(predicted=False),
        baselines={name: dataset(predicted=True) for name in draw(st.sets(NAMES, max_size=2))},
        scores=draw(st.sampled_from([xr.Dataset(), simple.scores.assign_coords(relabelled)])),
        history=draw(st.sampled_from([xr.Dataset(), simple.history])),
        importance=draw(importances(simple.importance, names)),
        decoders={
            name: StoredDecoder({"settings": draw(JSON)}, weights)
            for name in draw(st.sets(NAMES, max_size=2))
        },
        recipe=draw(st.dictionaries(st.text(max_size=5), JSON, max_size=3)),
        source=draw(st.sampled_from([{}, made.source(), {"signal": {"modality": "imaging"}}])),
    )
