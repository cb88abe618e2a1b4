"""The demonstration: a simulated recording with known content, decoded end to end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import os

    from nwbdecode.decoding import Decoding

RECORDING, DECODED, REPORT = "recording.nwb", "decoded.nwb", "report.html"
_SCRATCH = ".features-"

TARGETS = {
    "position": "processing/behavior/Position/position",
    "head_direction": "processing/behavior/CompassDirection/head_direction",
    "speed": "processing/behavior/Position/position:speed",
}


def run(
    folder: str | os.PathLike[str],
    *,
    duration: float = 600.0,
    seed: int = 0,
    config: dict[str, Any] | None = None,
    announce: Callable[[dict[str, Any]], None] = lambda expected: None,
    progress: bool = True,
) -> tuple[Decoding, dict[str, str]]:
    """Simulate a CA1 recording, decode it, write the result and a report.

    Parameters
    ----------
    folder : path
        Made if missing; files of an earlier demonstration in it are replaced.
    duration : float, default 600
        Seconds.
    seed : int, default 0
        Of the simulation and of the decoder.
    config : dict, optional
        Settings to change, as for `FitConfig`.
    announce : callable, optional
        Is told what to expect, as `nwbdecode.pipeline.estimate` says it.
    progress : bool, default True

    Returns
    -------
    result : Decoding
    files : dict of str to str
        Absolute paths of the ``recording``, the ``decoded`` file and the ``report``.

    Raises
    ------
    NWBDecodeError
        If the folder holds files that no demonstration wrote.
    """
    from nwbdecode import pipeline
    from nwbdecode.config import FitConfig
    from nwbdecode.explore import report
    from nwbdecode.load import open as open_source
    from nwbdecode.simulate import write_ca1

    place = _own(Path(folder))
    for left in place.glob(f"{_SCRATCH}*"):  # of a demonstration that was killed
        shutil.rmtree(left)
    recording, decoded = place / RECORDING, place / DECODED
    write_ca1(recording, overwrite=True, duration=duration, seed=seed, progress=progress)
    # A new simulation would never find the features of an older one: keep none.
    with tempfile.TemporaryDirectory(dir=place, prefix=_SCRATCH) as scratch:
        settings = FitConfig.of(config or {"evaluation": {"repeats": 2}})
        settings = settings.changed({"seed": seed, "cache": scratch})
        with open_source(recording) as source:
            announce(pipeline.estimate(source.signal(), settings))
            result = pipeline.fit(
                source, None, TARGETS, decoded, config=settings, overwrite=True, progress=progress
            )
    shown = report(decoded, place / REPORT)
    return result, {"recording": str(recording), "decoded": str(decoded), "report": str(shown)}


def _own(folder: Path) -> Path:
    """Make the folder, and refuse one with somebody else's files."""
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NWBDecodeError(f"{str(folder)!r} is a file; give the name of a folder") from None
    names = (path.name for path in folder.iterdir())
    mine = (RECORDING, DECODED, REPORT)
    foreign = sorted(n for n in names if n not in mine and not n.startswith((_SCRATCH, ".")))
    if foreign or not _is_simulated(folder / RECORDING):
        held = foreign[0] if foreign else RECORDING
        raise NWBDecodeError(
            f"the folder {str(folder)!r} holds {held!r}, which no demonstration wrote; "
            "give another with --output"
        )
    return folder


def _is_simulated(recording: Path) -> bool:
    """Whether a file of the recording's name is a simulation, or there is none."""
    import h5py

    if not recording.exists():
        return True
    try:
        with h5py.File(recording, "r") as file:
            return "processing/ground_truth" in file
    except OSError:
        return False
