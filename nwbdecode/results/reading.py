"""Read a result back from an NWB file, equal to what was written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pynwb import NWBHDF5IO

from nwbdecode.decoding import Decoding, StoredDecoder
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.hdf5 import unlocked
from nwbdecode.results.arrays import Entry, restore
from nwbdecode.results.jsontext import from_text
from nwbdecode.results.module import SCHEMA_VERSION
from nwbdecode.results.runs import choose_run
from nwbdecode.results.series import TIME, stored_order
from nwbdecode.results.tables import from_table
from nwbdecode.results.weights import check_weights

if TYPE_CHECKING:
    import xarray as xr
    from pynwb import NWBFile, ProcessingModule


def read(path: str | os.PathLike[str], *, run: str | None = None) -> Decoding:
    """Read the result that `write` stored.

    The file is opened read-only; nothing in it is executed, and torch is not
    needed. Weights are checked against their SHA-256, and their header against
    the buffer, before they are handed on.

    Parameters
    ----------
    path : path-like
        An NWB file with a processing module ``decoding``.
    run : str, optional
        Name of the run, where the file holds several.

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
        or is damaged.

    Examples
    --------
    >>> from nwbdecode.results import read  # doctest: +SKIP
    >>> read("session_decoded.nwb").score_table()  # doctest: +SKIP
    """
    path = Path(path)
    with _opened(path) as nwbfile:
        module, found = choose_run(nwbfile, run, str(path))
        _check_version(found, path)
        try:
            return _decoding(module, found)
        except NWBDecodeError:
            raise
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OSError) as error:
            raise NWBDecodeError(
                f"the decoding in {str(path)!r} is damaged or was changed by another program "
                f"({type(error).__name__}: {error}); get the file anew or fit again"
            ) from error


@contextmanager
def _opened(path: Path) -> Iterator[NWBFile]:
    if not path.is_file():
        raise NWBDecodeError(f"there is no file {str(path)!r}")
    try:
        file = unlocked(str(path))
        io = NWBHDF5IO(file=file, mode="r")
    except Exception as error:  # h5py, hdmf and pynwb each have their own for a file not theirs
        raise _unreadable(path, error) from error
    with file, io:
        try:
            nwbfile = io.read()
        except Exception as error:
            raise _unreadable(path, error) from error
        yield nwbfile


def _unreadable(path: Path, error: Exception) -> NWBDecodeError:
    return NWBDecodeError(f"{str(path)!r} cannot be read as an NWB file in HDF5 ({error})")


def _check_version(run: Any, path: Path) -> None:
    major = str(run.schema_version).split(".")[0]
    if not major.isdigit() or int(major) > int(SCHEMA_VERSION.split(".")[0]):
        raise NWBDecodeError(
            f"the decoding in {str(path)!r} has schema version {run.schema_version}, written by "
            f"{run.software}; this version reads up to {SCHEMA_VERSION}. Upgrade with "
            "`pip install --upgrade nwbdecode`"
        )


def _decoding(module: ProcessingModule, run: Any) -> Decoding:
    layout = from_text(run.layout)

    def over_time(entry: Entry) -> xr.Dataset:
        return _over_time(entry, module, run, layout["clock"])

    def column(path: str) -> Any:
        table, name = path.split("/")
        return module[table][name].data[:]

    return Decoding(
        predictions=over_time(layout["predictions"]),
        truth=over_time(layout["truth"]),
        baselines={name: over_time(held) for name, held in layout["baselines"].items()},
        scores=from_table(layout["scores"], column),
        folds=from_table(layout["folds"], column),
        history=from_table(layout["history"], column),
        channels=from_table(layout["channels"], column),
        importance={axis: from_table(held, column) for axis, held in layout["importance"].items()},
        decoders={label: _decoder(run, label, name) for label, name in layout["decoders"].items()},
        recipe=from_text(run.recipe),
        source=from_text(run.source),
    )


def _over_time(entry: Entry, module: ProcessingModule, run: Any, clock: str | None) -> xr.Dataset:
    import xarray as xr

    def variable(held: Entry) -> xr.Variable:
        if "at" not in held:
            return restore(held)
        if held["at"] == TIME:
            time = run.time if clock is None else _series(module, clock).timestamps
            return restore(held, np.asarray(time[:]))
        values = np.asarray(_series(module, held["at"]).data[:])
        return restore(held, values.transpose(stored_order(held["dims"])))

    return xr.Dataset(
        {name: variable(held) for name, held in entry["variables"].items()},
        {name: variable(held) for name, held in entry["coords"].items()},
        entry["attrs"],
    )


def _series(module: ProcessingModule, path: str) -> Any:
    home, _, name = path.rpartition("/")
    return module[home][name] if home else module[name]


def _decoder(run: Any, label: str, name: str) -> StoredDecoder:
    held = run.decoders[name]
    weights = np.asarray(held.weights[:], dtype=np.uint8).tobytes()
    if hashlib.sha256(weights).hexdigest() != held.sha256:
        raise NWBDecodeError(
            f"the weights of decoder {label!r} do not match their SHA-256: the file is damaged. "
            "Get it anew or fit again"
        )
    check_weights(weights, label)
    return StoredDecoder(config=from_text(held.config), weights=weights)
