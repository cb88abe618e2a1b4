"""The corridor walked in one call: from a recording to a decoded NWB file, and on from there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from nwbdecode.decoding import Decoding, StoredDecoder
from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    import xarray as xr
    from pynwb import NWBFile

    from nwbdecode.beginning import Init
    from nwbdecode.config import FitConfig
    from nwbdecode.load.signal import Signal
    from nwbdecode.load.source import Source
    from nwbdecode.load.targets import Asked
    from nwbdecode.matching import Match
    from nwbdecode.results.runs import Exists

    AnySource: TypeAlias = str | Path | NWBFile | Source
    AnyConfig: TypeAlias = FitConfig | Mapping[str, Any] | str | os.PathLike[str] | None
    Span: TypeAlias = tuple[float | None, float | None]

# Seconds on two cores of a small server. Machines differ by a factor of two or
# three, which an estimate is allowed to.
_PER_SAMPLE_AND_BAND = 2e-8
_PER_BIN_AND_BAND = 1.8e-5
_PER_STEP = (0.025, 0.02)  # and for each target
_PER_STEP_PUBLISHED = (0.15, 0.018)  # and for each channel
_PER_PERTURBED_BIN = 7e-6
_EARLY_STOP = 0.7


def fit(
    source: AnySource,
    signal: str | None = None,
    targets: Asked | Mapping[str, xr.DataArray] | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    config: AnyConfig = None,
    channels: Any = None,
    time: Span | None = None,
    only: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] | None = None,
    init: Init | None = None,
    match: Match = "id",
    append: bool = False,
    exists: Exists | Literal["skip"] = "error",
    run: str | None = None,
    progress: bool = True,
) -> Decoding:
    """Decode a recording: features, cross-validated decoders, scores, importance, NWB file.

    Parameters
    ----------
    source : path, open NWBFile or Source
    signal : str, optional
        Path of the signal in the file; may be left out if there is only one.
    targets : str, list of str, or dict of name to str
        As for `Source.targets`, such as ``"behavior/Position/led1:speed"``; or what
        it gave.
    output : path, optional
        NWB file to write; nothing is written by default.
    config : FitConfig, mapping, or path of a TOML or JSON file, optional
    channels, time, only, exclude
        As for `Source.signal`; `only` and `exclude` win over the settings' section ``epochs``.
    init : path, Decoding or StoredDecoder, optional
        A result of another session whose refitted decoder training begins from:
        its weights are taken over where bands and settings are the same, channels
        and targets are found again. ``recipe["init"]`` says which were.
    match : {"id", "position", "order"}, default "id"
        How the channels of `init` are found, as for `predict`.
    append : bool, default False
        Add the result to the recording's own file instead; see `append`.
    exists : {"error", "replace", "new", "skip"}, default "error"
        If `output` is there, or the run in the recording's file: refuse, replace
        it, or take the next free name. With "skip" it is read and given back if it
        was made of the same recording by the same settings; else it is an error.
    run : str, optional
        Name of the run, where a file shall hold several.
    progress : bool, default True

    Returns
    -------
    Decoding

    Raises
    ------
    NWBDecodeError
        If a path, setting or target is wrong, `output` exists, `init` was
        trained on this session, or the recording is too short; before any long
        work wherever that can be known.

    Examples
    --------
    >>> import nwbdecode as nd
    >>> nd.fit("session.nwb", targets="behavior/Position/led1:speed")  # doctest: +SKIP
    """
    from nwbdecode import results
    from nwbdecode.asked import fit_request
    from nwbdecode.beginning import begin_from
    from nwbdecode.config import FitConfig
    from nwbdecode.evaluate import importance as measure
    from nwbdecode.features import align
    from nwbdecode.load import open as open_source

    settings = with_epochs(FitConfig.of(config), only=only, exclude=exclude)
    if exists != "skip":
        _check_output(output, exists)
    opened = open_source(source)
    taken = opened.signal(
        signal,
        channels=channels,
        time=time,
        **settings.signal.model_dump(),
        **settings.epochs.model_dump(),
        cache=settings.cache,
    )
    if not targets:
        paths = [entry["path"] for entry in opened.catalog()["targets"]]
        raise NWBDecodeError(f"no target was given; name at least one. {suggest('', paths)}")
    read = _read_targets(opened, targets, keep_invalid=settings.epochs.keep_invalid)
    begun, about = (None, None) if init is None else begin_from(init, taken, match)
    request = fit_request(taken, read, settings, about)
    if exists == "skip":
        there = _there(opened, output, request, append=append, run=run)
        if there is not None:
            return there
        exists = "error"
    check_place(opened, output, append=append, exists=exists, run=run)
    power = _features(taken, settings, progress=progress)
    decoding = _cross_validated(settings, power, align(read, power), begun, progress=progress)
    span = [taken.segments[0].start_time, taken.segments[-1].stop_time]
    told = settings.model_dump(mode="json", exclude={"cache"})
    made = {"path": taken.path, "time": span}
    if "imaging" in taken.source["signal"]:
        made["imaging"] = taken.source["signal"]["imaging"]
    recipe = {**decoding.recipe, "signal": made, "config": told, "request": request}
    if about is not None:
        recipe["init"] = {**about, **next(iter(decoding.decoders.values())).config["transfer"]}
    decoding = decoding.replace(recipe=recipe)
    evaluation = settings.evaluation
    if evaluation.importance:
        decoding = measure(
            decoding,
            power,
            by=evaluation.importance,
            repeats=evaluation.repeats,
            random_state=settings.seed,
            progress=progress,
        )
    if append:
        results.append(decoding, _own_file(opened), exists=exists, run=run)
    elif output is not None:
        results.write(decoding, output, exists=exists, run=run, source=opened)
    return decoding


def predict(
    decoded: Decoding | str | os.PathLike[str],
    source: AnySource,
    output: str | os.PathLike[str] | None = None,
    *,
    use: Literal["auto", "final", "ensemble"] = "auto",
    match: Match = "id",
    signal: str | None = None,
    channels: Any = None,
    time: Span | None = None,
    only: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] | None = None,
    keep_invalid: bool = False,
    exists: Exists | Literal["skip"] = "error",
    progress: bool = True,
) -> Decoding:
    """Decode a recording with the decoders of an earlier result.

    On the recording that they were trained on, each bin is predicted by the
    decoder of its own fold, which never saw it: the result's out-of-fold
    predictions again. Any other recording, or a time of the same one that no
    training touched, is predicted by the decoder refitted on all data, or by
    the mean of the fold decoders where there is none.

    Parameters
    ----------
    decoded : Decoding, or path of a file that `fit` wrote
    source : path, open NWBFile or Source
    output : path, optional
        NWB file to write; nothing is written by default.
    use : {"auto", "final", "ensemble"}, default "auto"
        Ask for the refitted decoder, or the mean of the fold decoders. On the
        recording trained on, their predictions are marked ``in_sample`` and
        carry no score.
    match : {"id", "position", "order"}, default "id"
        How the channels of training are found in another recording: by id, by
        nearest place (at most half the least distance between two of them), or
        one after the other. Up to a quarter may be missing and are then taken to
        be as in the middle of training.
    signal : str, optional
        Path of the signal in `source`, if it differs from the one trained on.
    channels, time, only, exclude, keep_invalid
        As for `Source.signal`; by default the channels trained on and, for
        another recording, all of it but its invalid times. What training kept or
        excluded is not looked for in another recording: name it again.
    exists : {"error", "replace", "new", "skip"}, default "error"
        If `output` is there: refuse, replace it, or take the next free name; "skip"
        as for `fit`.
    progress : bool, default True

    Returns
    -------
    Decoding
        With predictions, truth and scores where `source` holds the targets,
        and without decoders. ``recipe["prediction"]`` says what predicted
        (``use``), ``in_sample``, what it was ``trained_on``, why a target
        is ``unscored``, and how channels were found: ``match``, ``channels``
        where their ids differ, and ``missing_channels``.

    Raises
    ------
    NWBDecodeError
        If the result holds no decoders, or `source` has another modality, other
        units, too few of the channels, or too low a rate for the features.

    Examples
    --------
    >>> import nwbdecode as nd
    >>> nd.predict("monday_decoded.nwb", "tuesday.nwb", "tuesday_decoded.nwb")  # doctest: +SKIP
    """
    from nwbdecode import prediction
    from nwbdecode.asked import predict_request
    from nwbdecode.load import open as open_source
    from nwbdecode.matching import check_match
    from nwbdecode.results import write

    if use not in ("auto", "final", "ensemble"):
        raise NWBDecodeError(f"unknown use {use!r}. {suggest(use, ['auto', 'final', 'ensemble'])}")
    check_match(match)
    if exists != "skip":
        _check_output(output, exists)
    result = _with_decoders(decoded)
    kept, left_out = ([v] if isinstance(v, str) else list(v or []) for v in (only, exclude))
    chosen = prediction.Choice(signal, channels, time, kept, left_out, keep_invalid, match)
    opened = open_source(source)
    request = predict_request(result, opened.facts, {"use": use, **vars(chosen)})
    if exists == "skip":
        there = _there(opened, output, request, append=False, run=None)
        if there is not None:
            return there
        exists = "error"
    made = prediction.decode(result, opened, chosen, use=use, progress=progress)
    about = {**made.recipe["prediction"], "request": request}
    made = made.replace(recipe={**made.recipe, "prediction": about})
    if output is not None:
        write(made, output, exists=exists, source=opened)
    return made


def importance(
    decoded: Decoding | str | os.PathLike[str],
    power: xr.DataArray | None = None,
    *,
    source: AnySource | None = None,
    by: Sequence[str] = ("frequency", "channel"),
    repeats: int = 5,
    random_state: int = 0,
    progress: bool = True,
) -> Decoding:
    """Measure which bands and channels carry the information, on held-out bins.

    Parameters
    ----------
    decoded : Decoding, or path of a decoded NWB file
    power : DataArray, optional
        The features it was made from. By default they are computed again from
        `source` by the result's recipe, or found in the cache.
    source : path, open NWBFile or Source, optional
        The recording that was decoded; by default the path the result recorded.
    by : sequence of {"frequency", "channel"}
    repeats : int, default 5
        Shifts drawn for each feature and fold.
    random_state : int, default 0
    progress : bool, default True

    Returns
    -------
    Decoding
        The result with its ``importance``; `nwbdecode.write` stores it.

    Raises
    ------
    NWBDecodeError
        If the recording is not where the result says, or is another one.

    Examples
    --------
    >>> import nwbdecode as nd
    >>> nd.importance("session_decoded.nwb", by="frequency")  # doctest: +SKIP
    """
    from nwbdecode import prediction
    from nwbdecode.evaluate import importance as measure

    result = _with_decoders(decoded)
    if power is None:
        opened = prediction.trained_source(result, source)
        power = prediction.trained_features(result, opened, progress=progress)
    return measure(
        result, power, by=by, repeats=repeats, random_state=random_state, progress=progress
    )


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

    settings = FitConfig.of(config)
    recipe = make_recipe(signal, **settings.features.model_dump())
    bins, bands = len(make_bins(signal, recipe["bin"])), len(recipe["frequencies"])
    rows = bands + recipe.get("remainder", False)
    network = _streamed(signal)
    return {
        "bytes_read": int(signal.nbytes),
        "bytes_stored": int(4 * bins * rows * signal.n_channels),
        "cache": str(_cache(settings)),
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
    network, evaluation = settings.decoder, settings.evaluation
    samples = signal.n_samples * signal.n_channels
    features = rows * (samples * _PER_SAMPLE_AND_BAND + bins * _PER_BIN_AND_BAND)
    if network.architecture == "frey2021":
        steps = 250 * (network.epochs or 20)
        step = _PER_STEP_PUBLISHED[0] + _PER_STEP_PUBLISHED[1] * signal.n_channels
    else:
        steps, step = 50 * (network.epochs or 12), _PER_STEP[0] + _PER_STEP[1] * n_targets
    training = (evaluation.folds + evaluation.refit) * steps * step * _EARLY_STOP
    counts = {"frequency": rows, "channel": signal.n_channels}
    perturbed = evaluation.repeats * sum(counts[axis] for axis in evaluation.importance)
    return float(features + training + perturbed * bins * _PER_PERTURBED_BIN)


def with_epochs(
    settings: FitConfig,
    *,
    only: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] | None = None,
) -> FitConfig:
    """Give settings in which the times asked for stand in place of the file's."""
    asked = {"epochs.only": only, "epochs.exclude": exclude}
    given = {k: [v] if isinstance(v, str) else list(v) for k, v in asked.items() if v is not None}
    return settings.changed(given) if given else settings


def _read_targets(
    opened: Source, targets: Any, *, keep_invalid: bool
) -> Mapping[str, xr.DataArray]:
    if isinstance(targets, Mapping) and all(hasattr(t, "dims") for t in targets.values()):
        return targets
    return opened.targets(targets, keep_invalid=keep_invalid)


def _features(signal: Signal, settings: FitConfig, *, progress: bool) -> xr.DataArray:
    from nwbdecode.features import wavelet_power

    store = None if settings.cache is None else _cache(settings)
    return wavelet_power(signal, **settings.features.model_dump(), store=store, progress=progress)


def _cache(settings: FitConfig) -> Path:
    from nwbdecode.blocks import cache_folder

    folder = cache_folder() if settings.cache is None else Path(settings.cache)
    return folder / "features"


def _cross_validated(
    settings: FitConfig,
    power: xr.DataArray,
    targets: xr.Dataset,
    init: StoredDecoder | None,
    *,
    progress: bool,
) -> Decoding:
    from nwbdecode.decoder import CNNDecoder
    from nwbdecode.evaluate import PurgedKFold, cross_validate

    evaluation = settings.evaluation
    network = settings.decoder.model_dump()
    decoder = CNNDecoder(**network, random_state=settings.seed, init=init)
    return cross_validate(
        decoder,
        power,
        targets,
        cv=PurgedKFold(evaluation.folds, gap=evaluation.gap),
        refit=evaluation.refit,
        baselines=evaluation.baselines,
        n_shifts=evaluation.shifts,
        random_state=settings.seed,
        progress=progress,
    )


def _with_decoders(decoded: Decoding | str | os.PathLike[str]) -> Decoding:
    from nwbdecode.results import read

    result = decoded if isinstance(decoded, Decoding) else read(decoded)
    if not result.decoders:
        raise NWBDecodeError(
            "the result holds predictions and no decoders; give the file that `fit` wrote"
        )
    return result


def _check_output(
    output: str | os.PathLike[str] | None, exists: Exists, source: Mapping[str, Any] | None = None
) -> None:
    """Refuse an output that cannot be written, before hours are spent on it."""
    from nwbdecode.results.refusing import check_output

    if output is not None:
        check_output(output, exists=exists, source=source)


def check_place(
    opened: Source,
    output: str | os.PathLike[str] | None,
    *,
    append: bool,
    exists: Exists,
    run: str | None,
) -> None:
    """Refuse a place where the result of a recording cannot go, before hours are spent on it.

    Raises
    ------
    NWBDecodeError
    """
    from nwbdecode.results.refusing import check_appendable
    from nwbdecode.results.runs import check_run

    if append and output is not None:
        raise NWBDecodeError(
            "the result goes into the recording's own file (append) or into a new one (output); "
            "choose one of them"
        )
    check_run(run)
    _check_output(output, exists, opened.facts)
    if append:
        check_appendable(_own_file(opened), run=run, exists=exists)


def _there(
    opened: Source,
    output: str | os.PathLike[str] | None,
    request: Mapping[str, Any],
    *,
    append: bool,
    run: str | None,
) -> Decoding | None:
    """Give the result asked for, where it is there already."""
    from nwbdecode.asked import standing

    if append:
        return standing(_own_file(opened), request, run=run)
    if output is None:
        return None
    path = opened.facts.get("path")
    return standing(output, request, run=run, recording=path or "")


def _own_file(opened: Source) -> str:
    """Path of the file that a recording was opened from, where a result can be added."""
    path = opened.facts.get("path")
    if not path or not Path(path).is_file():
        raise NWBDecodeError(
            "a result can be added to a local HDF5 file alone, and this recording is none; give "
            "an output, or `add_decoding` to an NWBFile that you write yourself"
        )
    return str(path)
