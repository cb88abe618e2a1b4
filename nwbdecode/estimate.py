"""What a run will read, store and take, said before it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nwbdecode.config import FitConfig
    from nwbdecode.load.signal import Signal
    from nwbdecode.pipeline import AnyConfig

# Seconds on two cores of a small server. Machines differ by a factor of two or
# three, which an estimate is allowed to.
_PER_SAMPLE = 5e-8
_PER_BIN_AND_BAND = 1e-6
_PER_STEP = (0.013, 0.01)  # and for each target
_PER_STEP_PUBLISHED = (0.15, 0.018)  # and for each channel
_PER_PERTURBED_BIN = 7e-6
_EARLY_STOP = 0.7


def estimate(signal: Signal, config: AnyConfig = None, *, n_targets: int = 1) -> dict[str, Any]:
    """Say what a run will read, store and take, before it does.

    Parameters
    ----------
    signal : Signal
    config : FitConfig, mapping or path, optional
    n_targets : int, default 1
        Targets that will be decoded; each costs training time.

    Returns
    -------
    dict
        ``bytes_read`` (from the source, before decompression), ``bytes_stored``
        (features), ``cache`` (their folder), ``bins``, ``bands``, ``channels``,
        ``by_modality`` (the signal's ``modality`` and the ``settings`` it decides) and
        ``seconds``: a rule of thumb that may be wrong by a factor of three.
        Of a streamed recording also ``stream``: ``bytes`` over the network
        (compressed, as stored), ``held`` (bytes of the file that are in the
        cache already), ``seconds``, ``cache`` (folder), ``most_bytes`` (its
        limit) and ``host``.

    Examples
    --------
    >>> import numpy as np
    >>> from nwbdecode.load import as_signal
    >>> estimate(as_signal(np.zeros((75_000, 4), "int16"), rate=250.0))["bytes_read"]
    600000
    """
    from nwbdecode.config import FitConfig
    from nwbdecode.features.bins import make_bins
    from nwbdecode.features.recipe import make_recipe
    from nwbdecode.features.rounding import stored_share

    settings = FitConfig.of(config)
    recipe = make_recipe(signal, **settings.features.model_dump())
    bins, bands = len(make_bins(signal, recipe["bin"])), len(recipe["frequencies"])
    rows = bands + recipe.get("remainder", False)
    share = stored_share(recipe.get("tolerance", 0.0))
    network = _streamed(signal)
    return {
        "bytes_read": int(signal.nbytes),
        "bytes_stored": int(4 * bins * rows * signal.n_channels * share),
        "cache": str(feature_folder(settings)),
        "bins": bins,
        "bands": bands,
        "channels": signal.n_channels,
        "by_modality": recipe["by_modality"],
        "seconds": round(_seconds(settings, signal, bins, rows, n_targets), 1),
        **({"stream": network} if network else {}),
    }


def _streamed(signal: Signal) -> dict[str, Any] | None:
    """What reading the signal asks of the network, None where it is at hand."""
    reader: Any = signal.reader
    # Traces are made of frames and counts of spike times: the dataset lies beneath them.
    beneath = ("traces", "frames", "times", "reader")
    while not hasattr(reader, "expected"):
        reader = next((getattr(reader, name) for name in beneath if hasattr(reader, name)), None)
        if reader is None:
            return None
    columns = signal.columns if reader is signal.reader else None
    spans = [(part.start, part.stop) for part in signal.segments]
    if reader.shape[0] != signal.reader.shape[0]:
        spans = [(0, reader.shape[0])]
    parts = [reader.expected(*span, columns) for span in spans]
    first = parts[0]
    # Chunks that two segments share are counted once at most.
    needed = min(sum(part["bytes"] for part in parts), first.pop("stored"))
    # What is held may be other parts of the file: the wait is then longer.
    seconds = max(0, needed - first["held"]) / first.pop("speed")
    return first | {"bytes": needed, "seconds": round(seconds, 1)}


def _seconds(settings: FitConfig, signal: Signal, bins: int, rows: int, n_targets: int) -> float:
    evaluation = settings.evaluation
    samples = signal.n_samples * signal.n_channels
    features = samples * _PER_SAMPLE + bins * rows * _PER_BIN_AND_BAND
    counts = {"frequency": rows, "channel": signal.n_channels}
    perturbed = evaluation.repeats * sum(counts[axis] for axis in evaluation.importance)
    training = training_seconds(settings, signal, n_targets)
    return float(features + training + perturbed * bins * _PER_PERTURBED_BIN)


def training_seconds(settings: FitConfig, signal: Signal, n_targets: int) -> float:
    """Say how long all folds and the final decoder may train, one after the other.

    Parameters
    ----------
    settings : FitConfig
    signal : Signal
    n_targets : int
    """
    network, evaluation = settings.decoder, settings.evaluation
    if network.architecture == "frey2021":
        steps = 250 * (network.epochs or 20)
        step = _PER_STEP_PUBLISHED[0] + _PER_STEP_PUBLISHED[1] * signal.n_channels
    else:
        steps, step = 50 * (network.epochs or 24), _PER_STEP[0] + _PER_STEP[1] * n_targets
    return (evaluation.folds + evaluation.refit) * steps * step * _EARLY_STOP


def feature_folder(settings: FitConfig) -> Path:
    """Folder that the features of a run are kept in."""
    from nwbdecode.blocks import cache_folder

    folder = cache_folder() if settings.cache is None else Path(settings.cache)
    return folder / "features"
