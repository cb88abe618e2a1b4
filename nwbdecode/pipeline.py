"""The corridor walked in one call: from a recording to a decoded NWB file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from nwbdecode.decoding import NO_IMPORTANCE, Decoding, StoredDecoder
from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.keeping import files_of

if TYPE_CHECKING:
    import xarray as xr
    from pynwb import NWBFile

    from nwbdecode.beginning import Init
    from nwbdecode.cluster import Cluster
    from nwbdecode.config import FitConfig
    from nwbdecode.decoder import CNNDecoder
    from nwbdecode.keeping import Announce
    from nwbdecode.load.signal import Signal
    from nwbdecode.load.source import Source
    from nwbdecode.load.targets import Asked
    from nwbdecode.matching import Match
    from nwbdecode.results.runs import Exists

    #: A recording, or a signal in its place as `as_signal` takes it.
    AnySource: TypeAlias = str | Path | NWBFile | Source | Signal | xr.DataArray | Any
    AnyConfig: TypeAlias = FitConfig | Mapping[str, Any] | str | os.PathLike[str] | None
    Span: TypeAlias = tuple[float | None, float | None]


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
    init_run: str | None = None,
    match: Match = "id",
    append: bool = False,
    exists: Exists | Literal["skip"] = "error",
    run: str | None = None,
    announce: Announce | None = None,
    n_jobs: int | Literal["auto"] | None = None,
    client: Cluster | None = None,
    progress: bool = True,
) -> Decoding:
    """Decode a recording: features, cross-validated decoders, scores, importance, NWB file.

    Parameters
    ----------
    source : path, open NWBFile, Source, or a signal
        A signal as `as_signal` takes or gives it: a Signal, a DataArray with a time, or a
        SpikeInterface recording. It has no targets beside it: they are arrays then.
    signal : str, optional
        Path of the signal in the file; may be left out if there is only one.
    targets : str, list of str, or dict of name to str or DataArray
        As for `Source.targets`, such as ``"behavior/Position/led1:speed"``; or what
        it gave, or arrays like it: a ``time`` in seconds, ``attrs["kind"]``.
    output : path, optional
        NWB file to write; nothing is written by default.
    config : FitConfig, mapping, or path of a TOML or JSON file, optional
    channels, time, only, exclude
        As for `Source.signal`; `only` and `exclude` win over the settings' section ``epochs``.
    init : path, Decoding or StoredDecoder, optional
        A result of another session whose refitted decoder training begins from:
        its weights are taken over where bands and settings are the same, channels
        and targets are found again. ``recipe["init"]`` says which were.
    init_run : str, optional
        Which run of `init`, a file that holds several.
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
    announce : callable, optional
        Called with the file and the run that the result went to, which with
        ``exists="new"`` may be others than those asked for.
    n_jobs : int or "auto", optional
        Processes that folds are trained and importance is measured in side by side, as for
        `cross_validate`; "auto" takes as many as there are processors and half the memory
        holds, and one where there is little to do, or a GPU.
    client : distributed.Client or str, optional
        Dask cluster that does it all instead, or the address of its scheduler. All its
        machines must see the recording and the cache's folder under the same path.
    progress : bool, default True

    Returns
    -------
    Decoding

    Raises
    ------
    NWBDecodeError
        If a path, setting or target is wrong, `output` exists, `init` was
        trained on this session, or the recording is too short; before any long
        work wherever that can be known. When what was made cannot be written
        in the end, it is written elsewhere and the message says where.

    Warns
    -----
    UserWarning
        If importance cannot be measured: the result is written and given without it.

    Examples
    --------
    >>> import nwbdecode as nd
    >>> nd.fit("session.nwb", targets="behavior/Position/led1:speed")  # doctest: +SKIP
    """
    from nwbdecode.asked import fit_request
    from nwbdecode.beginning import begin_from
    from nwbdecode.cluster import connected
    from nwbdecode.config import FitConfig
    from nwbdecode.keeping import Destination
    from nwbdecode.load import open as open_source

    if init is None and init_run is not None:
        raise NWBDecodeError(
            f"init_run={init_run!r} names a run of `init` (--init), which was not given"
        )
    settings = with_epochs(FitConfig.of(config), only=only, exclude=exclude)
    if settings.decoder.calibrate and init is None:
        # A decoder that was stored has no `init` any more, so it cannot ask for one itself.
        from nwbdecode.decoder.calibration import NOTHING_TO_CALIBRATE

        raise NWBDecodeError(NOTHING_TO_CALIBRATE)
    evaluation = settings.evaluation
    if n_jobs != "auto":
        from nwbdecode.evaluate.jobs import job_count

        job_count(n_jobs, evaluation.folds, client)
    place = Destination(output, append, exists, run, announce, files_of(init))
    if exists != "skip":
        place.check()
    opened = open_source(source, cache=settings.cache)
    taken = opened.signal(
        signal,
        channels=channels,
        time=time,
        **settings.signal.model_dump(),
        **settings.epochs.model_dump(),
        cache=settings.cache,
    )
    read = _read_targets(opened, targets, keep_invalid=settings.epochs.keep_invalid)
    begun, about = (None, None) if init is None else begin_from(init, taken, match, init_run)
    request = fit_request(taken, read, settings, about, opened.movie_files)
    there = place.standing(opened, request)
    if there is not None:
        return there
    place.check(opened)
    # Only now: importing what trains takes longer than finding out that nothing is to be done.
    from nwbdecode import evaluate
    from nwbdecode.estimate import training_seconds
    from nwbdecode.evaluate.cross_validation import outline
    from nwbdecode.evaluate.foreseen import foresee
    from nwbdecode.evaluate.jobs import suited_job_count
    from nwbdecode.features import align, power_labels

    made: dict[str, Any] = {
        "signal": _told(taken),
        "config": settings.model_dump(mode="json", exclude={"cache"}),
        "request": request,
    }
    decoder = _decoder(settings, begun)
    decoder.check_settings()
    cv = evaluate.PurgedKFold(evaluation.folds, gap=evaluation.gap)
    # Bins, bands and channels are known before features are, and with them most that can go wrong.
    labels = power_labels(taken, **settings.features.model_dump())
    aligned = align(read, labels)
    foresee(decoder, labels, aligned, cv, refit=evaluation.refit)
    known = outline(decoder, labels, aligned, cv)
    place.rehearse(known.replace(recipe={**known.recipe, **made, "init": about}))
    with connected(client) as cluster:
        power = _features(taken, settings, client=cluster, progress=progress)
        if n_jobs == "auto":
            tasks = evaluation.folds + evaluation.refit
            seconds = training_seconds(settings, taken, len(read))
            n_jobs = 1 if client is not None else suited_job_count(tasks, power.nbytes, seconds)
        decoding = evaluate.cross_validate(
            decoder,
            power,
            aligned,
            cv=cv,
            refit=evaluation.refit,
            baselines=evaluation.baselines,
            n_shifts=evaluation.shifts,
            random_state=settings.seed,
            n_jobs=n_jobs,
            client=cluster,
            progress=progress,
        )
        if about is not None:
            made["init"] = {**about, **next(iter(decoding.decoders.values())).config["transfer"]}
        decoding = decoding.replace(recipe={**decoding.recipe, **made})
        if evaluation.importance:
            decoding = _with_importance(
                decoding, power, settings, n_jobs=n_jobs, client=cluster, progress=progress
            )
    place.keep(decoding, opened)
    return decoding


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
    if (
        isinstance(targets, Mapping)
        and targets
        and all(hasattr(t, "dims") for t in targets.values())
    ):
        return targets
    if not targets and not opened.is_signal:
        paths = [entry["path"] for entry in opened.catalog()["targets"]]
        raise NWBDecodeError(f"no target was given; name at least one. {suggest('', paths)}")
    return opened.targets(targets, keep_invalid=keep_invalid)


def _features(
    signal: Signal, settings: FitConfig, *, client: Cluster | None, progress: bool
) -> xr.DataArray:
    from nwbdecode.estimate import feature_folder
    from nwbdecode.features import wavelet_power

    store = None if settings.cache is None else feature_folder(settings)
    return wavelet_power(
        signal, **settings.features.model_dump(), store=store, client=client, progress=progress
    )


def _decoder(settings: FitConfig, init: StoredDecoder | None) -> CNNDecoder:
    from nwbdecode.decoder import CNNDecoder

    return CNNDecoder(**settings.decoder.model_dump(), random_state=settings.seed, init=init)


def _told(taken: Signal) -> dict[str, Any]:
    """What a result's recipe says of the signal that was taken."""
    span = [taken.segments[0].start_time, taken.segments[-1].stop_time]
    told = {"path": taken.path, "time": span}
    if imaging := taken.source.get("signal", {}).get("imaging"):
        told["imaging"] = imaging
    return told


def _with_importance(
    decoding: Decoding, power: xr.DataArray, settings: FitConfig, **how: Any
) -> Decoding:
    """Measure importance; where that fails, say so and give what hours have made without it."""
    from nwbdecode import evaluate

    evaluation = settings.evaluation
    try:
        return evaluate.importance(
            decoding,
            power,
            by=evaluation.importance,
            repeats=evaluation.repeats,
            random_state=settings.seed,
            **how,
        )
    except Exception as error:  # whatever it was, such as too little memory
        why = f"{type(error).__name__}: {error}"
        warnings.warn(
            f"importance could not be measured ({why}); the result is kept without it, and "
            "`nwbdecode.importance` measures it later",
            stacklevel=3,
        )
        return decoding.replace(recipe={**decoding.recipe, NO_IMPORTANCE: why})
