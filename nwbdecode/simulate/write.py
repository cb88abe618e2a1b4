"""What the files of all simulated recordings share: how they are made, and the truth's tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from hdmf.common import DynamicTable
    from pynwb import NWBFile, ProcessingModule

    from nwbdecode.simulate.recording import SimulatedRecording

#: When the simulated session took place: fixed, so that a seed means one recording.
SESSION_START = datetime(2025, 1, 1, 12, 0, tzinfo=UTC)

#: Frequencies (low, high, source) in Hz that carry each variable.
Bands = Mapping[str, Sequence[tuple[float, float, str]]]


def write_new(
    path: str | os.PathLike[str], make: Callable[[], NWBFile], *, overwrite: bool
) -> Path:
    """Make a session and write it to a file that is whole or not there.

    Parameters
    ----------
    path : str or path
    make : callable
        Makes the session, once it is known that it can be written.
    overwrite : bool
        Whether a file of that name may be replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    NWBDecodeError
        If the file exists, or there is no folder for it.
    """
    from pynwb import NWBHDF5IO

    path = Path(path)
    if path.exists() and not overwrite:
        raise NWBDecodeError(f"{path} exists; pass overwrite=True to replace it")
    if not path.parent.is_dir():
        raise NWBDecodeError(f"there is no folder {path.parent} to write {path.name} into")
    nwbfile = make()
    # A run that is stopped half-way must not leave a file that looks whole.
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial.nwb")
    try:
        with NWBHDF5IO(partial, mode="w") as io:
            io.write(nwbfile)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def session(
    name: str,
    *,
    seed: int,
    shape: Sequence[int],
    description: str,
    keywords: Sequence[str],
    subject: Mapping[str, str],
) -> NWBFile:
    """Start the file of a simulated session.

    Parameters
    ----------
    name : str
        Of the simulation, such as ``"ca1"``.
    seed : int
    shape : sequence of int
        Of the signal; with the seed it identifies the session.
    description : str
    keywords : sequence of str
    subject : mapping of str to str
        Whom the simulated subject stands for: ``species``, ``age``, ...
    """
    from pynwb import NWBFile
    from pynwb.file import Subject

    about = {"sex": "U", "description": "A simulated animal.", **subject}
    return NWBFile(
        session_description=f"Simulated: {description}",
        identifier=f"nwbdecode-{name}-seed{seed}-{'x'.join(map(str, shape))}",
        session_start_time=SESSION_START,
        session_id=f"{name}-seed{seed}",
        experimenter=["Simulator, nwbdecode"],
        experiment_description="A recording with known ground truth; no animal was involved.",
        institution="none (simulated)",
        lab="none (simulated)",
        keywords=["simulated", *keywords],
        subject=Subject(subject_id=f"simulated-{seed}", **about),
    )


def samples(
    recording: SimulatedRecording, *, blocks: int, progress: bool, compress: bool = False
) -> Any:
    """Give the samples of a recording as data that are made while they are written.

    Parameters
    ----------
    recording : SimulatedRecording
    blocks : int
        Blocks of the recording written at a time; a block is a chunk of the file.
    progress : bool
        Whether to show a bar.
    compress : bool, default False
    """
    from hdmf.backends.hdf5 import H5DataIO
    from hdmf.data_utils import GenericDataChunkIterator

    class Made(GenericDataChunkIterator):
        """Makes the samples as they are written, so that they never lie in memory at once."""

        def _get_data(self, selection: tuple[slice, ...]) -> np.ndarray:
            made = recording.read(selection[0].start, selection[0].stop)
            return made[(slice(None), *selection[1:])]

        def _get_maxshape(self) -> tuple[int, ...]:
            return recording.shape

        def _get_dtype(self) -> np.dtype[Any]:
            return recording.dtype

    n, *rest = recording.shape
    chunk = min(recording.block, n)
    made = Made(
        chunk_shape=(chunk, *rest),
        buffer_shape=(min(chunk * blocks, n), *rest),
        display_progress=progress,
        progress_bar_options={"desc": "recording"},
    )
    # Bytes of samples that differ by noise compress better when sorted by significance.
    return H5DataIO(made, compression="gzip", shuffle=True) if compress else made


def table(name: str, description: str, columns: Mapping[str, tuple[str, Any]]) -> DynamicTable:
    """Make a table of named columns.

    Parameters
    ----------
    name, description : str
    columns : mapping of str to (str, values)
        What each column means, and its values, one for each row.
    """
    from hdmf.common import DynamicTable, VectorData

    return DynamicTable(
        name=name,
        description=description,
        columns=[
            VectorData(name=column, description=text, data=values)
            for column, (text, values) in columns.items()
        ],
    )


def add_sizes(
    truth: ProcessingModule, bands: Bands, parameters: Iterable[tuple[str, float, str]]
) -> None:
    """Add to the truth which frequencies carry what, and how large the effects are.

    Parameters
    ----------
    truth : ProcessingModule
    bands : mapping
        Of each variable to ``(low, high, source)``, Hz; an empty one makes no table.
    parameters : iterable of (name, value, unit)
    """
    rows = [(variable, *row) for variable, listed in bands.items() for row in listed]
    if rows:
        variable, low, high, source = zip(*rows, strict=True)
        truth.add(
            table(
                "bands",
                "Frequencies that carry each variable.",
                {
                    "variable": ("What can be decoded.", list(variable)),
                    "low": ("Lower edge, Hz.", list(low)),
                    "high": ("Upper edge, Hz.", list(high)),
                    "source": ("What carries it.", list(source)),
                },
            )
        )
    name, value, unit = zip(*parameters, strict=True)
    truth.add(
        table(
            "parameters",
            "Sizes of the planted effects.",
            {
                "parameter": ("Which effect.", list(name)),
                "value": ("Its size.", [float(v) for v in value]),
                "unit": ("The unit of its size.", list(unit)),
            },
        )
    )
