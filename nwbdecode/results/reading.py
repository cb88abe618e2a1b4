"""Read a result back from an NWB file, equal to what was written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.results.arrays import Entry, restore, type_of
from nwbdecode.results.checked import Checked
from nwbdecode.results.jsontext import from_text
from nwbdecode.results.layout import TIME, from_entry, from_table, time_first
from nwbdecode.results.lazy import StoredArray, StoredDecoders, damage_told
from nwbdecode.results.place import Place, place_of
from nwbdecode.results.schema import MODULE, RUN, check_version, migrated

if TYPE_CHECKING:
    import xarray as xr

#: Bytes of series and weights beyond which a file at hand is read lazily too.
_LONG = 64 << 20


def read(
    file: str | os.PathLike[str] | BinaryIO, *, run: str | None = None, lazy: bool | None = None
) -> Decoding:
    """Read the result that `write` stored.

    The file is opened read-only; nothing in it is executed, and neither torch nor
    pynwb is needed. No link out of the file is followed, and nothing is allocated
    that the file does not hold. Weights are checked against their SHA-256, and
    their header against the buffer, before they are handed on.

    Parameters
    ----------
    file : path, address or binary file object
        An NWB file that nwbdecode wrote or appended to: a path, ``https://``,
        ``s3://`` or a DANDI address, such as for `nwbdecode.open`.
    run : str, optional
        Name of the run, where the file holds several.
    lazy : bool, optional
        Whether predictions, truth, baselines and decoders are read when they are
        asked for; `Decoding.load` reads all of them. By default they are where
        the file is on the network, or holds more than 64 MiB of them.

    Returns
    -------
    Decoding
        Equal to what was written; tuples in settings and attributes have
        become lists, and NumPy scalars there Python numbers.

    Raises
    ------
    NWBDecodeError
        When there is no such file, it is not NWB, holds no decoding, none of
        that name or several and none was named, was written by a later version,
        is damaged, or holds what nwbdecode does not write. Of what is read
        lazily, when it is asked for.

    Examples
    --------
    >>> from nwbdecode.results import read  # doctest: +SKIP
    >>> read("session_decoded.nwb").score_table()  # doctest: +SKIP
    """
    place = place_of(file)
    with place.opened() as held, damage_told(place.label):
        module = _chosen(held, run)
        found = _Run(held, place, module)
        decoding = found.decoding()
        wait = found.n_bytes > _LONG or place.far if lazy is None else lazy
    return decoding if wait else decoding.load()


def run_names(file: str | os.PathLike[str] | BinaryIO) -> list[str]:
    """Names of the runs that a file holds, for `read`; none where it holds no decoding.

    Raises
    ------
    NWBDecodeError
        When there is no such file, or it is not NWB.
    """
    place = place_of(file)
    with place.opened() as held, damage_told(place.label):
        return list(_there(held))


def _there(held: Checked) -> dict[str, str]:
    """Runs of a file, the unnamed one first, and the paths of their modules."""
    return {
        RUN if name == MODULE else name.removeprefix(f"{MODULE}_"): f"processing/{name}"
        for name in held.names("processing")
        if name == MODULE or (name.startswith(f"{MODULE}_") and _runs_in(held, name))
    }


def _chosen(held: Checked, run: str | None) -> str:
    """Path of the module that holds the run asked for."""
    there = _there(held)
    if not there:
        listed = ", ".join(map(repr, held.names("processing"))) or "none"
        raise NWBDecodeError(
            f"{held.label!r} holds no decoding: it has no processing module {MODULE!r}. "
            f"Its processing modules: {listed}. Give a file written by nwbdecode"
        )
    if run is None and len(there) > 1:
        names = ", ".join(map(repr, there))
        raise NWBDecodeError(
            f"{held.label!r} holds {len(there)} runs: {names}; name one with `run`"
        )
    if run is not None and run not in there:
        raise NWBDecodeError(f"{held.label!r} holds no run {run!r}. {suggest(str(run), there)}")
    return there[next(iter(there)) if run is None else run]


def _runs_in(held: Checked, module: str) -> list[str]:
    """Names of the decoding runs in a processing module."""
    path = f"processing/{module}"
    return [name for name in held.names(path) if _type(held, f"{path}/{name}") == "DecodingRun"]


def _type(held: Checked, path: str) -> str:
    try:
        return held.attribute(path, "neurodata_type")
    except (KeyError, NWBDecodeError):
        return ""


class _Run:
    """One run of an open file.

    Parameters
    ----------
    held : Checked
        Open while the run is put together.
    place : Place
        Where lazy parts find the file later.
    module : str
        Path of the run's processing module.
    """

    def __init__(self, held: Checked, place: Place, module: str) -> None:
        runs = _runs_in(held, module.removeprefix("processing/"))
        if len(runs) != 1:
            name = module.removeprefix("processing/")
            raise NWBDecodeError(
                f"the module {name!r} of {held.label!r} holds {len(runs)} decoding runs; expected "
                "one, as nwbdecode writes it"
            )
        self.held, self.place, self.module = held, place, module
        self.path = f"{module}/{runs[0]}"
        version = held.attribute(self.path, "schema_version")
        software = held.attribute(self.path, "software")
        # Before anything of a later version is looked at.
        check_version(version, held.label, software)
        parts = {
            n: from_text(held.text(f"{self.path}/{n}")) for n in ("layout", "recipe", "source")
        }
        self.parts = migrated(parts, version)
        self.layout: dict[str, Any] = self.parts["layout"]
        self.n_bytes = 0
        self.time = self._read_time()

    def decoding(self) -> Decoding:
        """Put the result together; series and decoders are read later."""
        layout = self.layout
        return Decoding(
            predictions=from_entry(layout["predictions"], self._over_time),
            truth=from_entry(layout["truth"], self._over_time),
            baselines={
                name: from_entry(entry, self._over_time)
                for name, entry in layout["baselines"].items()
            },
            scores=from_table(layout["scores"], self._column),
            folds=from_table(layout["folds"], self._column),
            history=from_table(layout["history"], self._column),
            channels=from_table(layout["channels"], self._column),
            importance={
                axis: from_table(entry, self._column)
                for axis, entry in layout["importance"].items()
            },
            decoders=self._decoders(),
            recipe=_object(self.parts["recipe"], "recipe"),
            source=_object(self.parts["source"], "source"),
        )

    def _read_time(self) -> np.ndarray | None:
        """Bin centers to the last bit; None where the layout holds them itself."""
        clock = self.layout["clock"]
        path = f"{self.path}/time" if clock is None else f"{self.module}/{clock}/timestamps"
        if not self.held.has(path):
            return None
        return np.asarray(self.held.numbers(path)[()])

    def _over_time(self, entry: Entry) -> xr.Variable:
        import xarray as xr

        if "at" not in entry:
            return restore(entry)
        if self.time is None:
            raise ValueError("the times of the bins are missing")
        if entry["at"] == TIME:
            return restore(entry, self.time)
        path = f"{self.module}/{entry['at']}/data"
        data, dims = self.held.numbers(path), list(entry["dims"])
        if data.ndim != len(dims) or data.shape[0] != len(self.time):
            raise ValueError(f"{path} has shape {data.shape} on {len(self.time)} bins")
        self.n_bytes += data.nbytes
        stored = StoredArray(self.place, path, data.shape, type_of(entry))
        lazily = xr.Variable(time_first(dims), stored.variable_data(), entry["attrs"])
        return lazily.transpose(*dims)

    def _column(self, at: str) -> np.ndarray:
        return self.held.column(f"{self.module}/{at}")

    def _decoders(self) -> StoredDecoders:
        paths = {label: f"{self.path}/{name}" for label, name in self.layout["decoders"].items()}
        for path in paths.values():
            self.n_bytes += self.held.numbers(f"{path}/weights").nbytes
        return StoredDecoders(self.place, paths, self.parts.get("sessions"))


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"the {name} is no JSON object")
    return value
