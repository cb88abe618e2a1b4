"""The demonstration: a simulated recording with known content, decoded end to end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nwbdecode.decoding import METRICS
from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    import os

    import pandas as pd

    from nwbdecode.config import FitConfig
    from nwbdecode.decoding import Decoding

RECORDING, DECODED, REPORT = "recording.nwb", "decoded.nwb", "report.html"
_SCRATCH = ".features-"

TARGETS = {
    "position": "processing/behavior/Position/position",
    "head_direction": "processing/behavior/CompassDirection/head_direction",
    "speed": "processing/behavior/Position/position:speed",
}


@dataclass(frozen=True)
class Modality:
    """How one modality is demonstrated.

    Attributes
    ----------
    write : str
        The simulation, a function of `nwbdecode.simulate`.
    duration : float
        Seconds that are simulated if nothing else is asked for.
    targets : mapping of str to str
    settings : mapping
        As for `FitConfig`.
    signals : mapping of str to (str or None, mapping)
        What the recording is decoded from: a name (empty if there is one
        alone), the path in the file, and settings that only this signal takes.
    shortest : float, default 60
        Seconds below which a training block may lack a class.
    """

    write: str
    duration: float
    targets: Mapping[str, str]
    settings: Mapping[str, Any]
    signals: Mapping[str, tuple[str | None, Mapping[str, Any]]]
    shortest: float = 60.0


MODALITIES = {
    "ephys": Modality(
        write="write_ca1",
        duration=600.0,
        targets=TARGETS,
        settings={"evaluation": {"repeats": 2}},
        signals={"": (None, {})},
    ),
    "ophys": Modality(
        write="write_ophys",
        duration=480.0,
        targets={
            "tone": "stimulus/presentation/tone",
            "speed": "processing/behavior/BehavioralTimeSeries/running_speed",
        },
        # Frames are few, and one row at 0 Hz is no axis to compare bands on.
        settings={
            "decoder": {"window": 32, "epochs": 4, "hidden": 32},
            "evaluation": {"importance": ["channel"], "repeats": 2},
        },
        signals={
            "masks": (
                "acquisition/TwoPhotonSeries",
                {"signal.regions": "masks", "signal.neuropil": 0.7},
            ),
            "grid": (
                "acquisition/TwoPhotonSeries",
                {"signal.regions": "grid", "signal.grid": (12, 14)},
            ),
            "traces": ("processing/ophys/Fluorescence/RoiResponseSeries", {}),
        },
    ),
    "ecog": Modality(
        write="write_ecog",
        duration=420.0,
        targets={
            "flexion": "processing/behavior/BehavioralTimeSeries/flexion",
            "finger": "processing/behavior/BehavioralTimeSeries/finger",
        },
        settings={
            "features": {
                "bin": 0.05,
                "lowest": 4.0,
                "highest": 200.0,
                "n_bands": 12,
                "reference": "average",
                "notch": 60.0,
                "remainder": True,
            },
            "decoder": {"window": 32, "epochs": 5, "hidden": 32},
            "evaluation": {"repeats": 2},
        },
        signals={"": (None, {})},
        shortest=90.0,
    ),
}


def run(
    folder: str | os.PathLike[str], *, modality: str = "ephys", **options: Any
) -> tuple[Decoding, dict[str, str]]:
    """Simulate a recording, decode it, write the result and a report.

    Parameters
    ----------
    folder : path
        Made if missing; files of an earlier demonstration in it are replaced.
    modality : {"ephys", "ecog"}, default "ephys"
        Tetrodes in CA1 of a rat that forages, or a grid of electrodes over the
        hand area of a person whose fingers move.
    **options
        As for `run_each`.

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
    chosen = _modality(modality)
    if len(chosen.signals) > 1:
        raise NWBDecodeError(
            f"{modality!r} is decoded from {', '.join(chosen.signals)}; `run_each` gives a result "
            "of each"
        )
    results, files = run_each(folder, modality=modality, **options)
    return results[""], files


def run_each(
    folder: str | os.PathLike[str],
    *,
    modality: str = "ophys",
    duration: float | None = None,
    seed: int = 0,
    config: dict[str, Any] | None = None,
    simulation: Mapping[str, Any] | None = None,
    announce: Callable[[dict[str, Any]], None] = lambda expected: None,
    progress: bool = True,
) -> tuple[dict[str, Decoding], dict[str, str]]:
    """Simulate a recording and decode it from each signal that it holds.

    Parameters
    ----------
    folder : path
        Made if missing; files of an earlier demonstration in it are replaced.
    modality : {"ephys", "ophys", "ecog"}, default "ophys"
    duration : float, optional
        Seconds; by default what the modality's `MODALITIES` entry says.
    seed : int, default 0
        Of the simulation and of the decoder.
    config : dict, optional
        Settings in place of the modality's own, as for `FitConfig`.
    simulation : mapping, optional
        More options of the simulation, such as ``{"size": (64, 64)}``.
    announce : callable, optional
        Is told what to expect, as `nwbdecode.estimate.estimate` says it, once a signal.
    progress : bool, default True

    Returns
    -------
    results : dict of str to Decoding
        By signal; the name is empty where there is one alone.
    files : dict of str to str
        Absolute paths of the ``recording`` and, by signal, of its ``decoded``
        file and ``report``, such as ``decoded_masks``.

    Raises
    ------
    NWBDecodeError
        If the folder holds files that no demonstration wrote, or the duration
        is too short to be decoded.
    """
    from nwbdecode import simulate
    from nwbdecode.config import FitConfig

    chosen = _modality(modality)
    duration = chosen.duration if duration is None else duration
    if not duration >= chosen.shortest:
        raise NWBDecodeError(
            f"a duration of {duration:g} s is too short for {modality!r}, whose classes would be "
            f"missing from some folds; ask for {chosen.shortest:g} s at least"
        )
    place = _own(Path(folder))
    for left in place.glob(f"{_SCRATCH}*"):  # of a demonstration that was killed
        shutil.rmtree(left)
    names = {name: (_named(DECODED, name), _named(REPORT, name)) for name in chosen.signals}
    # Results of another modality would tell of a recording that is about to be replaced.
    for stale in _everything() - {RECORDING, *sum(names.values(), ())}:
        (place / stale).unlink(missing_ok=True)
    recording = place / RECORDING
    getattr(simulate, chosen.write)(
        recording,
        overwrite=True,
        duration=duration,
        seed=seed,
        progress=progress,
        **(simulation or {}),
    )
    results, files = {}, {"recording": str(recording)}
    # A new simulation would never find the features of an older one: keep none.
    with tempfile.TemporaryDirectory(dir=place, prefix=_SCRATCH) as scratch:
        settings = FitConfig.of(config or dict(chosen.settings))
        settings = settings.changed({"seed": seed, "cache": scratch})
        for name, (path, own) in chosen.signals.items():
            decoded, shown = (place / file for file in names[name])
            how = settings.changed(own)
            told = announce if not name else _naming(name, announce)
            results[name] = _decode(chosen, recording, path, decoded, how, told, progress)
            files |= _reported(name, decoded, shown)
    return results, files


def side_by_side(results: Mapping[str, Decoding]) -> pd.DataFrame:
    """Set the scores of one recording's signals beside each other.

    Parameters
    ----------
    results : mapping of str to Decoding

    Returns
    -------
    pandas.DataFrame
        A row for each target, metric and decoder, and one for chance (the 95 %
        point of shifted targets, of whichever decoder has the better one); a
        column for each signal.
    """
    import pandas as pd

    rows: dict[tuple[str, str, str], dict[str, float]] = {}
    for signal, result in results.items():
        for (target, metric), scored in result.score_table().groupby(
            ["target", "metric"], sort=False
        ):
            for decoder, value in zip(scored["decoder"], scored["value"], strict=True):
                rows.setdefault((target, metric, decoder), {})[signal] = value
            larger = METRICS[result.kind(target)][metric]
            chance = scored["chance"].max() if larger else scored["chance"].min()
            rows.setdefault((target, metric, "chance"), {})[signal] = chance
    labels = pd.DataFrame(list(rows), columns=["target", "metric", "decoder"])
    return pd.concat([labels, pd.DataFrame(list(rows.values()))], axis=1)


def _modality(name: str) -> Modality:
    if name not in MODALITIES:
        raise NWBDecodeError(f"unknown modality {name!r}. {suggest(name, MODALITIES)}")
    return MODALITIES[name]


def _named(file: str, signal: str) -> str:
    """Give the file of a signal its name: decoded.nwb, decoded_masks.nwb."""
    stem, suffix = file.split(".")
    return f"{stem}_{signal}.{suffix}" if signal else file


def _everything() -> set[str]:
    """Names of all files that any demonstration writes."""
    signals = {name for modality in MODALITIES.values() for name in modality.signals}
    return {RECORDING, *(_named(file, name) for file in (DECODED, REPORT) for name in signals)}


def _naming(
    name: str, announce: Callable[[dict[str, Any]], None]
) -> Callable[[dict[str, Any]], None]:
    return lambda expected: announce({**expected, "signal": name})


def _decode(
    chosen: Modality,
    recording: Path,
    path: str | None,
    decoded: Path,
    settings: FitConfig,
    announce: Callable[[dict[str, Any]], None],
    progress: bool,
) -> Decoding:
    from nwbdecode import pipeline
    from nwbdecode.estimate import estimate
    from nwbdecode.load import open as open_source

    with open_source(recording) as source:
        taken = source.signal(path, **settings.signal.model_dump(), cache=settings.cache)
        announce(estimate(taken, settings, n_targets=len(chosen.targets)))
        return pipeline.fit(
            source,
            path,
            dict(chosen.targets),
            decoded,
            config=settings,
            exists="replace",
            n_jobs="auto",
            progress=progress,
        )


def _reported(name: str, decoded: Path, shown: Path) -> dict[str, str]:
    """Write the report of a decoded file, and say where both are."""
    from nwbdecode.explore import report

    suffix = f"_{name}" if name else ""
    return {f"decoded{suffix}": str(decoded), f"report{suffix}": str(report(decoded, shown))}


def _own(folder: Path) -> Path:
    """Make the folder, and refuse one with somebody else's files."""
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NWBDecodeError(f"{str(folder)!r} is a file; give the name of a folder") from None
    names = (path.name for path in folder.iterdir())
    mine = _everything()
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
    from nwbdecode.load.hdf5 import unlocked

    if not recording.exists():
        return True
    try:
        with unlocked(str(recording)) as file:
            return "processing/ground_truth" in file
    except OSError:
        return False
