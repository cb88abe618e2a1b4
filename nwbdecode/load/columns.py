"""Reading a series' values, or the columns of them that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.load.electrodes import text
from nwbdecode.load.filters import check_filters
from nwbdecode.load.links import check_present
from nwbdecode.load.series import shape_of

if TYPE_CHECKING:
    from pynwb import TimeSeries

#: Values of one target that are read at most; the bins of a session need far fewer.
MOST_VALUES = 100_000_000


def read_columns(
    series: TimeSeries, path: str, picked: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """Read stored values: all of them, or the columns picked and nothing beside them.

    Parameters
    ----------
    series : pynwb.TimeSeries
    path : str
        For messages.
    picked : sequence of str
        Of two-dimensional data the columns, by number or name. Of
        three-dimensional data an index on each further axis, ``*`` for all.

    Returns
    -------
    values : array, shape (time,) or (time, component)
    labels : list of str
        Of the components; empty for one value at each time.

    Raises
    ------
    NWBDecodeError
        If a column does not exist, or more would be read than memory should hold.
    """
    from nwbdecode.load.memory import unwrapped

    shape = shape_of(series)
    if 0 in shape:
        check_present(series, path)
    if len(shape) not in (1, 2, 3) or 0 in shape:
        what = "holds no samples" if 0 in shape else f"has shape {shape}"
        raise NWBDecodeError(f"{path!r} {what}; a target has one to three dimensions, time first")
    places, labels = _places(series, path, shape, picked)
    count = shape[0] * len(places)
    if count > MOST_VALUES:
        raise NWBDecodeError(
            f"{path!r} would give {count:.3g} values; at most {MOST_VALUES:.0e} are read as a "
            "target. Pick columns, as in 'PATH[0]', or store it at a lower rate"
        )
    data = unwrapped(series.data)
    check_filters(data)
    if isinstance(data, list | tuple):
        data = np.asarray(data)
    if not picked:
        values = np.asarray(data[:])
        return (values[:, 0], []) if shape[1:] == (1,) else (values, labels)
    read = [np.asarray(data[(slice(None), *place)]) for place in places]
    return (read[0], []) if len(read) == 1 else (np.stack(read, axis=1), labels)


def components(series: TimeSeries, n: int) -> list[str]:
    """Names of a series' columns."""
    from pynwb.behavior import SpatialSeries

    features = getattr(series, "features", None)
    if features is not None and len(features) == n:
        return [text(name) for name in features[:]]
    if isinstance(series, SpatialSeries) and n <= 3:
        return list("xyz"[:n])
    return [str(i) for i in range(n)]


def _places(
    series: TimeSeries, path: str, shape: tuple[int, ...], picked: Sequence[str]
) -> tuple[list[tuple[int, ...]], list[str]]:
    """Indices on the axes after time of what to read, and a label for each."""
    if len(shape) == 3:
        return _cells(path, shape, picked)
    width = shape[1] if len(shape) == 2 else 1
    names = components(series, width)
    if not picked:
        return [(i,) for i in range(width)], names if width > 1 else []
    if len(shape) == 1:
        raise NWBDecodeError(f"{path!r} has one value at each time; it has no columns to pick")
    places: list[tuple[int, ...]] = []
    for one in picked:
        at = names.index(one) if one in names else _number(one, width)
        if at is None:
            raise NWBDecodeError(
                f"{path!r} has no column {one!r} among its {width}. {suggest(one, names)}"
            )
        places.append((at,))
    if len(set(places)) < len(places):
        raise NWBDecodeError(f"the columns [{','.join(picked)}] of {path!r} name one twice")
    return places, [names[at] for (at,) in places]


def _cells(
    path: str, shape: tuple[int, ...], picked: Sequence[str]
) -> tuple[list[tuple[int, ...]], list[str]]:
    if not picked or len(picked) > 2:
        raise NWBDecodeError(
            f"{path!r} has shape {shape}; name an index on each axis after time, as in "
            "'PATH[3,1]', or '*' for all of one, as in 'PATH[3,*]'"
        )
    axes: list[list[int]] = []
    for one, size in zip([*picked, "*"], shape[1:], strict=False):
        at = _number(one, size)
        if at is None and one != "*":
            raise NWBDecodeError(
                f"{path!r} has shape {shape}: {one!r} is no index below {size}, nor '*'"
            )
        axes.append(list(range(size)) if at is None else [at])
    places: list[tuple[int, ...]] = [(a, b) for a in axes[0] for b in axes[1]]
    single = [len(axis) == 1 for axis in axes]
    labels = [
        ",".join(str(i) for i, alone in zip(place, single, strict=True) if not alone)
        for place in places
    ]
    return places, labels


def _number(written: str, size: int) -> int | None:
    digits = written.isascii() and written.isdigit()
    return int(written) if digits and int(written) < size else None


def sample_of(series: TimeSeries, n: int = 1 << 14) -> np.ndarray:
    """Some of a series' stored values, from blocks spread over it: enough to tell its kind."""
    from nwbdecode.load.memory import unwrapped

    shape = shape_of(series)
    data: Any = unwrapped(series.data)
    check_filters(data)
    if isinstance(data, list | tuple):
        data = np.asarray(data)
    blocks = 16
    if shape[0] <= n:
        return np.asarray(data[:])
    length = max(1, n // blocks)
    starts = np.linspace(0, shape[0] - length, blocks).astype(int)
    return np.concatenate([np.asarray(data[int(a) : int(a) + length]) for a in starts])
