"""Labels of features: time, bands and channels, their units, and what they were made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.features.plan import Plan


def labelled(values: Any, plan: Plan, digest: str) -> xr.DataArray:
    """Give features their axes, and say what they were made of.

    Parameters
    ----------
    values : array, shape (bin, frequency, channel)
    plan : Plan
    digest : str
        Hash that the store of the values is kept under; empty if they are in memory.
    """
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
    place.update(stop=float(bins.end[-1]), channels=[plain(c) for c in signal.channels.index])
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


def plain(label: Any) -> Any:
    """A label as Python has it, for JSON."""
    return label.item() if isinstance(label, np.generic) else label
