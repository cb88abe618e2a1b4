"""What lies where in an NWB file: its time series, named by their paths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    from pynwb import NWBFile, TimeSeries

#: Groups of an NWB file that hold time series, and where pynwb keeps them.
_GROUPS = {
    "acquisition": "acquisition",
    "processing": "processing",
    "stimulus/presentation": "stimulus",
    "stimulus/templates": "stimulus_template",
    "analysis": "analysis",
    "scratch": "scratch",
}


@dataclass(frozen=True)
class Index:
    """Time series by path, as the HDF5 file spells it.

    Attributes
    ----------
    signals : dict of str to TimeSeries
        What can be decoded from.
    targets : dict of str to TimeSeries
        What can be decoded.
    aliases : dict of str to str
        Links inside the file: their path to the path of what they point at.
    """

    signals: dict[str, TimeSeries]
    targets: dict[str, TimeSeries]
    aliases: dict[str, str]


def index(nwbfile: NWBFile) -> Index:
    """List the time series of a file."""
    signals: dict[str, TimeSeries] = {}
    targets: dict[str, TimeSeries] = {}
    links: list[tuple[str, TimeSeries]] = []
    for group, attribute in _GROUPS.items():
        for item in (getattr(nwbfile, attribute, None) or {}).values():
            for path, found, parent in _walk(item, f"{group}/{item.name}", nwbfile):
                if found.parent is not parent:
                    links.append((path, found))
                elif is_signal(found):
                    signals[path] = found
                elif is_target(found):
                    targets[path] = found
    where = {found.object_id: path for path, found in {**signals, **targets}.items()}
    aliases = {path: where[f.object_id] for path, f in links if f.object_id in where}
    return Index(signals, targets, aliases)


def _walk(item: Any, path: str, parent: Any) -> Iterator[tuple[str, TimeSeries, Any]]:
    from hdmf.utils import LabelledDict
    from pynwb import TimeSeries

    if isinstance(item, TimeSeries):
        yield path, item, parent
        return
    seen = set()
    for value in getattr(item, "fields", {}).values():
        # A container's own dictionary also holds links, which its children leave out.
        for child in value.values() if isinstance(value, LabelledDict) else ():
            if hasattr(child, "fields"):
                seen.add(id(child))
                yield from _walk(child, f"{path}/{child.name}", item)
    for child in getattr(item, "children", ()):
        if id(child) not in seen and child.name:
            yield from _walk(child, f"{path}/{child.name}", item)


def is_signal(series: TimeSeries) -> bool:
    """Whether a series is continuous neural data that this package decodes from."""
    from pynwb.ecephys import ElectricalSeries, SpikeEventSeries
    from pynwb.ophys import RoiResponseSeries

    from nwbdecode.load.imaging.movie import is_movie

    # Spike snippets are cut out around events: there is no continuous signal in them.
    if isinstance(series, SpikeEventSeries):
        return False
    return isinstance(series, ElectricalSeries | RoiResponseSeries) or is_movie(series)


def is_target(series: TimeSeries) -> bool:
    """Whether a series could be a target: one or more values at each time, no images."""
    from pynwb.ecephys import SpikeEventSeries
    from pynwb.image import ImageSeries, IndexSeries
    from pynwb.misc import IntervalSeries

    if isinstance(series, SpikeEventSeries | ImageSeries | IndexSeries | IntervalSeries):
        return False
    return len(shape_of(series)) <= 2


def shape_of(series: TimeSeries) -> tuple[int, ...]:
    """Shape of a series' data, without reading it."""
    import numpy as np

    from nwbdecode.load.memory import unwrapped

    data = series.fields.get("data")
    if data is None:
        return (0,)
    data = unwrapped(series.data)
    shape = getattr(data, "shape", None)
    return tuple(np.shape(data)) if shape is None else tuple(int(n) for n in shape)


def find(path: str, among: dict[str, TimeSeries], listed: Index, *, what: str) -> str:
    """Resolve a path, or the unique end of one, to the full path of a series.

    Raises
    ------
    NWBDecodeError
        If nothing or more than one series fits; the message lists them.
    """
    wanted = path.strip().strip("/")
    names = {name: name for name in among}
    names |= {link: to for link, to in listed.aliases.items() if to in among}
    if wanted in names:
        return names[wanted]
    fits = sorted({to for name, to in names.items() if wanted and name.endswith("/" + wanted)})
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise NWBDecodeError(
            f"{path!r} fits {len(fits)} {what}s: {', '.join(map(repr, fits))}. "
            "Give more of the path"
        )
    everything = {**listed.signals, **listed.targets}
    other = [name for name in everything if name == wanted or name.endswith("/" + wanted)]
    if other:
        kind = type(everything[other[0]]).__name__
        raise NWBDecodeError(f"{other[0]!r} is a {kind}, no {what}. {suggest(path, among)}")
    raise NWBDecodeError(f"there is no {what} {path!r} in the file. {suggest(path, among)}")
