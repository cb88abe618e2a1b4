"""Write a result to a new NWB file, or into one that the user owns, whole or not at all."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
from pynwb import NWBHDF5IO

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.hdf5 import first_line
from nwbdecode.results.module import add_decoding
from nwbdecode.results.recording import add_links, check_linkable, recording_of
from nwbdecode.results.refusing import check_appendable, check_output, is_run
from nwbdecode.results.repack import repack
from nwbdecode.results.rois import copy_rois
from nwbdecode.results.room import create, reserve
from nwbdecode.results.runs import (
    Exists,
    check_exists,
    check_run,
    module_name,
    not_ours,
    settle,
)
from nwbdecode.results.safe import Busy, copy, replacing
from nwbdecode.results.session import new_file
from nwbdecode.results.soundness import (
    cached_specifications,
    check_sound,
    forget_unused,
    prune_specifications,
)

if TYPE_CHECKING:
    from nwbdecode.decoding import Decoding

#: Specifications and the skeleton of groups, tables and attributes.
_SKELETON_BYTES = 2 << 20


def write(
    decoding: Decoding,
    path: str | os.PathLike[str],
    *,
    exists: Exists = "error",
    run: str | None = None,
    links: bool = False,
    source: Any = None,
) -> Path:
    """Write a result to a new NWB file that needs nothing beside it.

    The file has a new identifier and names its source; session, subject and
    electrodes or regions of interest are copied, so any NWB reader opens it alone. It is written
    aside in the same folder, validated, and moved into place when it is
    complete: a crash half-way leaves whatever was there before.

    Parameters
    ----------
    decoding : Decoding
    path : path-like
        Where the file shall be, by custom with the suffix ``.nwb``.
    exists : {"error", "replace", "new"}, default "error"
        If there is such a file: refuse, replace it, or take the next free name
        (``NAME_2.nwb``). Only a result that was written so is replaced: no
        recording, nor a file that holds other runs.
    run : str, optional
        Name of the run in the file.
    links : bool, default False
        Link to the signal in its recording, a local HDF5 file, by a relative path.
        The file then opens only as long as the way from one to the other is the same.
    source : Source, NWBFile or path, optional
        The recording, from which regions of interest are copied with their masks.
        By default the file that the result names, if it is on this machine.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    NWBDecodeError
        When the file exists, is no result, has no folder, is being written by
        another run, does not fit on the disk, or something in the result cannot
        be stored.

    Examples
    --------
    >>> from nwbdecode.results import read, write  # doctest: +SKIP
    >>> path = write(result, "session_decoded.nwb")  # doctest: +SKIP
    >>> read(path).identical(result)  # doctest: +SKIP
    True
    """
    check_exists(exists)
    name = check_run(run)
    if links:
        check_linkable(decoding)
    for place in _places(Path(path), exists):
        check_output(place, exists=exists, source=decoding.source, run=name)

        def check(place: Path = place) -> None:
            check_output(place, exists="error" if exists == "new" else exists, run=name)

        try:
            with replacing(_real(place), need=_size(decoding), check=check) as aside:
                with recording_of(decoding, source) as recording:
                    nwbfile = new_file(decoding.source)
                    if recording is not None:
                        copy_rois(nwbfile, decoding, recording)
                    add_decoding(nwbfile, decoding, run=name)
                    create(aside)
                    reserve(aside, _size(decoding))
                    with _hdf5(aside, str(place)) as file:
                        NWBHDF5IO(file=file, mode="w").write(nwbfile)
                        forget_unused(file)
                        if links:
                            add_links(file, decoding, _real(place))
                check_sound(aside, label=str(place))
        except Busy:
            if exists != "new":
                raise
        else:
            return place
    raise AssertionError("there is always another name")


def append(
    decoding: Decoding,
    path: str | os.PathLike[str],
    *,
    exists: Exists = "error",
    run: str | None = None,
) -> str:
    """Add a result to an NWB file that is there, such as the recording itself.

    It is added to a copy in the same folder, which is validated and takes the
    file's place when it is complete: a crash half-way leaves the file as it
    was. That takes as much free space as the file is large. Programs that still
    use pynwb 2.8 or older cannot open a file that pynwb 4 has added to.

    Parameters
    ----------
    decoding : Decoding
    path : path-like
    exists : {"error", "replace", "new"}, default "error"
        If the file holds that run: refuse, replace it, or take the next free
        name (``NAME_2``).
    run : str, optional
        Name of the run.

    Returns
    -------
    str
        The name of the run, for `read`.

    Raises
    ------
    NWBDecodeError
        When there is no such file, it is no NWB file, is read-only, holds the
        run already, is open for writing or changes meanwhile, does not fit twice
        on the disk, would not be valid, or something in the result cannot be
        stored. The file then is what it was.

    Examples
    --------
    >>> import nwbdecode as nd
    >>> nd.append(result, "session.nwb", run="theta")  # doctest: +SKIP
    'theta'
    """
    check_exists(exists)
    name = check_run(run)
    path = Path(path)
    check_appendable(path)
    real = _real(path)
    stamp = _stamp(real)

    def check() -> None:
        if _stamp(real) != stamp:
            raise NWBDecodeError(
                f"{str(path)!r} was changed by another program while the result was added to a "
                "copy of it, which was thrown away; append again when nothing writes to it"
            )

    # What is replaced leaves holes, which a second copy is rid of.
    copies = 2 if exists == "replace" else 1
    need = copies * (real.stat().st_size + _size(decoding))
    with replacing(real, need=need, check=check) as aside:
        copy(real, aside)
        reserve(aside, _size(decoding))
        with _hdf5(aside, str(path)) as file:
            name, replaced = _make_room(file, name, exists)
            known = list(cached_specifications(file))
            with NWBHDF5IO(file=file, mode="r+") as io:
                nwbfile = io.read()
                add_decoding(nwbfile, decoding, run=name)
                io.write(nwbfile)
                prune_specifications(file)
                forget_unused(file, known)
        if replaced:
            repack(aside)
        check_sound(aside, real, label=str(path))
    return name


def _places(path: Path, exists: Exists) -> Iterator[Path]:
    """Paths to write to, the first that can be had counts."""
    if exists != "new":
        yield path
        return
    for count in itertools.count(1):
        place = path if count == 1 else path.with_name(f"{path.stem}_{count}{path.suffix}")
        if not place.exists():
            yield place


def _real(path: Path) -> Path:
    """The file itself where the path is a link to it: links stay links."""
    return Path(os.path.realpath(path))


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _size(decoding: Decoding) -> int:
    """Bytes that a result takes uncompressed, which it never exceeds by much."""
    datasets = [
        decoding.predictions, decoding.truth, decoding.scores, decoding.folds, decoding.history,
        decoding.channels, *decoding.baselines.values(), *decoding.importance.values(),
    ]  # fmt: skip
    weights = sum(len(held.weights) for held in decoding.decoders.values())
    return _SKELETON_BYTES + weights + sum(int(dataset.nbytes) for dataset in datasets)


@contextmanager
def _hdf5(path: Path, label: str) -> Iterator[h5py.File]:
    """Open a file to add to it, and tell whatever HDF5, hdmf and pynwb say as one error."""
    try:
        with h5py.File(path, mode="r+") as file:
            yield file
    except NWBDecodeError:
        raise
    except Exception as error:  # each of the three has its own, and hdmf raises bare Exceptions
        cause = error if not isinstance(error.__cause__, OSError) else error.__cause__
        raise NWBDecodeError(
            f"{label!r} could not be written ({first_line(cause)}); check permissions and free "
            "space. Nothing was changed"
        ) from error


def _make_room(file: h5py.File, run: str, exists: Exists) -> tuple[str, bool]:
    """Settle a run's name in an open file, and take out one that it replaces."""
    modules = file.get("processing", {})
    name = settle(run, exists, modules)
    place = module_name(name)
    if place not in modules:
        return name, False
    if not is_run(modules[place]):
        raise not_ours(place)
    del modules[place]
    return name, True
