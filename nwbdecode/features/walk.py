"""Walking a recording block by block: read, reference, notch, transform, keep, label."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features.bins import Bins, make_bins
from nwbdecode.features.morlet import reflected
from nwbdecode.features.notch import Notch, make_notch
from nwbdecode.features.referencing import Referencing, referencing
from nwbdecode.features.threads import engine_threads
from nwbdecode.features.transform import Transform, make_transform
from nwbdecode.load.signal import Signal

if TYPE_CHECKING:
    import xarray as xr

#: Bytes that the computation may use, unless told otherwise.
MEMORY = 1 << 30
#: What compiling the engine leaves resident, at most.
_ENGINE = 184 << 20
#: Bytes a sample while it is read, mirrored and turned: three float32 copies.
_SAMPLE = 4 * 3
#: Bins that make it worth reading all that they reach.
_FEW = 16


@dataclass(frozen=True)
class _Plan:
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
    def rows(self) -> list[float]:
        remainder = [0.0] if self.recipe.get("remainder") else []
        return remainder + list(self.recipe["frequencies"])

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.bins), len(self.rows), len(self.reference.channels)


def compute(
    signal: Signal,
    recipe: dict[str, Any],
    *,
    store: str | Path | None = None,
    memory: int = MEMORY,
    progress: bool = True,
) -> xr.DataArray:
    """Make the features that a complete recipe describes.

    Parameters
    ----------
    signal : Signal
    recipe : dict
        From `make_recipe` or `known_recipe`.
    store, memory, progress
        As for `wavelet_power`.

    Returns
    -------
    xarray.DataArray, dims (time, frequency, channel), float32
    """
    signal, bad = _good_channels(signal)
    recipe = {**recipe, "excluded": bad}
    by = recipe.get("reference_by")
    line = recipe.get("notch")
    plan = _Plan(
        signal,
        recipe,
        make_bins(signal, recipe["bin"]),
        referencing(signal.channels, recipe.get("reference", "none"), by),
        None if line is None else make_notch(line, signal.rate, causal=recipe["causal"]),
        make_transform(signal, recipe),
    )
    with engine_threads():
        values, digest = _values(plan, store=store, memory=memory, progress=progress)
    return _labelled(values, plan, digest)


def _good_channels(signal: Signal) -> tuple[Signal, list[Any]]:
    """Leave out the channels marked bad, and name them."""
    if "bad" not in signal.channels:
        return signal, []
    good = ~signal.channels["bad"].to_numpy(dtype=bool)
    if not good.any():
        raise NWBDecodeError(
            f"all {len(good)} channels of {signal.path!r} are marked bad; unmark some"
        )
    bad = [_plain(label) for label in signal.channels.index[~good]]
    return (signal.select(channels=list(signal.channels.index[good])) if bad else signal), bad


def _values(
    plan: _Plan, *, store: str | Path | None, memory: int, progress: bool
) -> tuple[Any, str]:
    """Compute all blocks, or those that the store lacks; give the values and the store's hash."""
    from nwbdecode.blocks import cache_folder
    from nwbdecode.features.store import BLOCK, FeatureStore, recipe_hash

    signal, shape = plan.signal, plan.shape
    at_once = _bins_at_once(plan, memory)
    digest = ""
    kept: FeatureStore | None = None
    on_file = bool(signal.source.get("path") or signal.source.get("content"))
    if store is not None or on_file or 4 * np.prod(shape) > memory:
        digest = recipe_hash(plan.recipe, signal, plan.reference)
        folder = Path(store) if store is not None else cache_folder() / "features" / digest
        kept = FeatureStore(folder if store is None else folder / digest, shape, plan.recipe)
        todo = kept.missing()
        values: Any = None
    else:
        values = np.empty(shape, dtype=np.float32)
        todo = list(range(-(-shape[0] // BLOCK)))
    for block in _progress(todo, "features", progress and len(todo) > 4):
        low, high = block * BLOCK, min((block + 1) * BLOCK, shape[0])
        pieces = [(at, min(at + at_once, high)) for at in range(low, high, at_once)]
        out = np.concatenate([_block(plan, *piece) for piece in pieces])
        if kept is None:
            values[low:high] = out
        else:
            kept.write(block, out)
    return (values if kept is None else kept.lazy()), digest


def _bins_at_once(plan: _Plan, memory: int) -> int:
    """Bins whose samples fit into the memory together with all that they reach."""
    signal, bins = plan.signal, plan.bins
    columns = max(signal.n_channels * max(len(signal.frequencies), 1), plan.shape[2])
    sample_bytes = _SAMPLE * columns
    reach = plan.before + plan.after
    per_bin = max(bins.width * signal.rate, 1.0)
    if (reach + per_bin) * sample_bytes > memory:
        raise NWBDecodeError(
            f"one bin of {columns} channels and the {reach / signal.rate:.3g} s around "
            f"it need {(reach + per_bin) * sample_bytes / 1e9:.3g} GB; `memory` is "
            f"{memory / 1e9:.3g} GB. Raise it, raise the lowest band, or take fewer channels"
        )
    # The bands of a bin are held twice while they are put together.
    each = per_bin * sample_bytes + 8 * plan.shape[1] * plan.shape[2]
    room = [int((most - reach * sample_bytes) / each) for most in (memory - _ENGINE, memory)]
    # Where too little is left beside the engine, a few bins at a time are made all the same.
    return room[0] if room[0] >= _FEW else max(1, min(room[1], _FEW))


def _block(plan: _Plan, low: int, high: int) -> np.ndarray:
    """Compute bins [low, high), run by run."""
    signal, bins = plan.signal, plan.bins
    parts = []
    for run in np.unique(bins.runs[low:high]):
        inside = low + np.flatnonzero(bins.runs[low:high] == run)
        segment = signal.segments[bins.segment[inside[0]]]
        first, stop = bins.first[inside], bins.stop[inside]
        begin, end = int(first[0]) - plan.before, int(stop[-1]) + plan.after
        wanted = np.arange(begin, end) - segment.start
        if begin < segment.start or end > segment.stop:
            size = segment.stop - segment.start
            # A mirror at the start would show a causal filter the future: hold the first sample.
            causal = plan.after == 0 < plan.before
            wanted = np.clip(wanted, 0, size - 1) if causal else reflected(wanted, size)
        start = int(wanted.min())
        read = signal.read_array(segment.start + start, segment.start + int(wanted.max()) + 1)
        read = read.reshape(len(read), -1).astype(np.float32, copy=False)
        samples = np.ascontiguousarray(plan.reference.apply(read)[wanted - start])
        # The bands need its room.
        del read
        origin = begin - segment.start
        if plan.notch is not None:
            by_channel = plan.notch.apply(np.ascontiguousarray(samples.T))
            samples = np.ascontiguousarray(by_channel.T)
            origin += plan.notch.before
        make = plan.transform.make
        parts.append(make(samples, origin, first - segment.start, stop - segment.start))
    return np.concatenate(parts)


def _labelled(values: Any, plan: _Plan, digest: str) -> xr.DataArray:
    import xarray as xr

    signal, bins, recipe = plan.signal, plan.bins, plan.recipe
    channels = plan.reference.channels
    unit = signal.source.get("signal", {}).get("coordinates")
    known = {
        str(name): (
            "channel",
            channels[name].to_numpy(),
            {"units": unit} if unit and name in ("x", "y", "z") else {},
        )
        for name in channels.columns
    }
    # Bins round to whole samples: half of one more on either side.
    half = bins.width / 2 + 0.5 / signal.rate
    slowest = min(segment.rate for segment in signal.segments)
    support = [
        reach / slowest + half + own
        for reach, own in zip((plan.before, plan.after), signal.support, strict=True)
    ]
    source = dict(signal.source)
    place = dict(source.get("signal", {}))
    place.update(path=signal.path, object_id=signal.object_id, modality=signal.modality)
    place.update(units=signal.units, rate=signal.rate, start=float(bins.start[0]))
    place.update(time=[signal.segments[0].start_time, signal.segments[-1].stop_time])
    place.update(stop=float(bins.end[-1]), channels=[_plain(c) for c in signal.channels.index])
    source["signal"] = place
    squared = f"{signal.units}^2" if recipe["step"] == "wavelet_power" else signal.units
    return xr.DataArray(
        xr.Variable(("time", "frequency", "channel"), values),
        coords={
            "time": ("time", bins.center, {"units": "seconds"}),
            "bin_start": ("time", bins.start),
            "bin_end": ("time", bins.end),
            "segment": ("time", bins.runs),
            "frequency": ("frequency", np.asarray(plan.rows), {"units": "Hz"}),
            "channel": channels.index.to_numpy(),
            **known,
        },
        name="power",
        attrs={
            "units": squared,
            "modality": signal.modality,
            "bin": bins.width,
            "support": support,
            "recipe": json.loads(json.dumps(recipe)),
            "source": source,
            "hash": digest,
        },
    )


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _progress(steps: Sequence[int], label: str, shown: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(steps, desc=label, unit="block", disable=not shown, leave=False)
