"""What lies where in an NWB file: its time series, named by their paths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
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
    targets : dict of str to TimeSeries or Column
        What can be decoded: series, and tables of intervals or events with their columns.
    aliases : dict of str to str
        Links inside the file: their path to the path of what they point at.
    tables : dict of str to DynamicTable
        Tables of intervals and events.
    """

    signals: dict[str, TimeSeries]
    targets: dict[str, Any]
    aliases: dict[str, str]
    tables: dict[str, Any] = field(default_factory=dict)


def index(nwbfile: NWBFile) -> Index:
    """List the time series of a file, and its tables of intervals and events."""
    from nwbdecode.load.tables import columns_of

    signals: dict[str, TimeSeries] = {}
    targets: dict[str, Any] = {}
    tables: dict[str, Any] = dict(_top_tables(nwbfile))
    links: list[tuple[str, TimeSeries]] = []
    if nwbfile.units is not None and is_signal(nwbfile.units):
        signals["units"] = nwbfile.units
    for group, attribute in _GROUPS.items():
        for item in (getattr(nwbfile, attribute, None) or {}).values():
            for path, found, parent in _walk(item, f"{group}/{item.name}", nwbfile):
                if found.parent is not parent:
                    links.append((path, found))
                elif is_signal(found):
                    signals[path] = found
                elif not hasattr(found, "rate"):
                    tables[path] = found
                elif is_target(found):
                    targets[path] = found
    where = {found.object_id: path for path, found in {**signals, **targets}.items()}
    aliases = {path: where[f.object_id] for path, f in links if f.object_id in where}
    for path, table in tables.items():
        targets |= columns_of(table, path)
    return Index(signals, targets, aliases, tables)


def _top_tables(nwbfile: NWBFile) -> Iterator[tuple[str, Any]]:
    """Tables of the groups made for them, in the order of the file format."""
    named = [getattr(nwbfile, name, None) for name in ("trials", "epochs", "invalid_times")]
    held = getattr(nwbfile, "intervals", None) or {}
    seen: set[int] = set()
    for table in (*named, *held.values()):
        if table is not None and id(table) not in seen:
            seen.add(id(table))
            yield f"intervals/{table.name}", table
    for table in (getattr(nwbfile, "events", None) or {}).values():
        yield f"events/{table.name}", table


def _walk(item: Any, path: str, parent: Any) -> Iterator[tuple[str, Any, Any]]:
    from hdmf.utils import LabelledDict
    from pynwb import TimeSeries
    from pynwb.misc import Units

    from nwbdecode.load.tables import is_table

    if isinstance(item, TimeSeries | Units) or is_table(item):
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


def is_signal(series: Any) -> bool:
    """Whether something is neural data that this package decodes from."""
    from pynwb.ecephys import ElectricalSeries, SpikeEventSeries
    from pynwb.misc import DecompositionSeries
    from pynwb.ophys import RoiResponseSeries

    from nwbdecode.load.imaging.movie import is_movie
    from nwbdecode.load.units import holds_spikes

    if holds_spikes(series):
        return True

    # Spike snippets are cut out around events: there is no continuous signal in them.
    if isinstance(series, SpikeEventSeries):
        return False
    known = isinstance(series, ElectricalSeries | RoiResponseSeries | DecompositionSeries)
    return known or is_movie(series)


def is_target(series: TimeSeries) -> bool:
    """Whether a series could be a target: one or more values at each time, no images."""
    from pynwb.ecephys import SpikeEventSeries
    from pynwb.image import ImageSeries
    from pynwb.misc import Units

    if isinstance(series, SpikeEventSeries | ImageSeries | Units):
        return False
    return len(shape_of(series)) <= 3


def shape_of(series: TimeSeries) -> tuple[int, ...]:
    """Shape of a series' data, without reading it."""
    from nwbdecode.load.memory import stated_shape

    data = series.fields.get("data")
    return (0,) if data is None else stated_shape(series.data)


def only_signal(listed: Index, label: str) -> str:
    """Path of the one signal that is meant where none is named.

    Raises
    ------
    NWBDecodeError
        If there are none or several; the message lists them.
    """
    from nwbdecode.load.bands import is_decomposition
    from nwbdecode.load.units import holds_spikes

    # Units and band power were made of a signal: where that lies beside them, it is meant.
    recorded = [
        path
        for path, series in listed.signals.items()
        if not holds_spikes(series) and not is_decomposition(series)
    ]
    for paths in (list(listed.signals), recorded):
        if len(paths) == 1:
            return paths[0]
    names = ", ".join(map(repr, sorted(listed.signals))) or "none"
    raise NWBDecodeError(
        f"{label} holds {len(listed.signals)} signals; name the one to use: {names}"
    )


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
