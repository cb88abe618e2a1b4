"""On from a result: its decoders predict a recording, and their importance is measured."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from nwbdecode.decoding import NO_IMPORTANCE, Decoding
from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.keeping import files_of

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.cluster import Cluster
    from nwbdecode.keeping import Announce
    from nwbdecode.matching import Match
    from nwbdecode.pipeline import AnySource, Span
    from nwbdecode.results.runs import Exists


def predict(
    decoded: Decoding | str | os.PathLike[str],
    source: AnySource,
    output: str | os.PathLike[str] | None = None,
    *,
    use: Literal["auto", "final", "ensemble"] = "auto",
    match: Match = "id",
    run: str | None = None,
    signal: str | None = None,
    channels: Any = None,
    time: Span | None = None,
    only: str | Sequence[str] | None = None,
    exclude: str | Sequence[str] | None = None,
    keep_invalid: bool | None = None,
    modality: Literal["ephys", "ecog"] | None = None,
    exists: Exists | Literal["skip"] = "error",
    client: Cluster | None = None,
    announce: Announce | None = None,
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
    source : path, open NWBFile, Source, or a signal as for `fit`
        A signal has no targets beside it, so what is predicted of it has no score.
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
    run : str, optional
        Which run of `decoded`, a file that holds several.
    signal : str, optional
        Path of the signal in `source`, if it differs from the one trained on.
    channels, time, only, exclude, keep_invalid, modality
        As for `Source.signal`; by default the channels trained on and, for
        another recording, all of it, with or without its invalid times as in
        training, and of the modality that training was told. What else training chose
        or excluded is not looked for in another recording: name it again.
    exists : {"error", "replace", "new", "skip"}, default "error"
        If `output` is there: refuse, replace it, or take the next free name; "skip"
        as for `fit`.
    client : distributed.Client or str, optional
        Where the features are made, as for `fit`.
    announce : callable, optional
        As for `fit`.
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
    from nwbdecode.cluster import connected
    from nwbdecode.keeping import Destination
    from nwbdecode.load import open as open_source
    from nwbdecode.matching import check_match

    if use not in ("auto", "final", "ensemble"):
        raise NWBDecodeError(f"unknown use {use!r}. {suggest(use, ['auto', 'final', 'ensemble'])}")
    check_match(match)
    place = Destination(output, exists=exists, announce=announce, decoders=files_of(decoded))
    if exists != "skip":
        place.check()
    result = _with_decoders(decoded, run)
    kept, left_out = ([v] if isinstance(v, str) else list(v or []) for v in (only, exclude))
    chosen = prediction.Choice(
        signal, channels, time, kept, left_out, keep_invalid, match, modality
    )
    opened = open_source(source)
    choice = {"use": use, **vars(chosen)}
    # What is left to the file or to training was not asked for by those of earlier versions.
    choice = {name: held for name, held in choice.items() if name != "modality" or held}
    request = predict_request(result, opened.facts, choice, opened.movie_files)
    there = place.standing(opened, request)
    if there is not None:
        return there
    place.check(opened)
    with connected(client) as cluster:
        made = prediction.decode(result, opened, chosen, use=use, client=cluster, progress=progress)
    about = {**made.recipe["prediction"], "request": request}
    made = made.replace(recipe={**made.recipe, "prediction": about})
    place.keep(made, opened)
    return made


def importance(
    decoded: Decoding | str | os.PathLike[str],
    power: xr.DataArray | None = None,
    *,
    source: AnySource | None = None,
    by: Sequence[str] = ("frequency", "channel"),
    repeats: int = 5,
    random_state: int = 0,
    n_jobs: int | None = None,
    client: Cluster | None = None,
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
    n_jobs, client
        Where features are perturbed, as for `cross_validate` where folds are trained.
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
    from nwbdecode.cluster import connected
    from nwbdecode.evaluate import importance as measure
    from nwbdecode.trained import trained_features, trained_source

    result = _with_decoders(decoded)
    with connected(client) as cluster:
        if power is None:
            opened = trained_source(result, source)
            power = trained_features(result, opened, client=cluster, progress=progress)
        measured = measure(
            result, power, by=by, repeats=repeats, random_state=random_state, n_jobs=n_jobs,
            client=cluster, progress=progress,
        )  # fmt: skip
    recipe = {name: told for name, told in result.recipe.items() if name != NO_IMPORTANCE}
    return measured.replace(recipe=recipe)


def _with_decoders(decoded: Decoding | str | os.PathLike[str], run: str | None = None) -> Decoding:
    from nwbdecode.results import read

    if isinstance(decoded, Decoding) and run is not None:
        raise NWBDecodeError(f"a result in memory is one run; run={run!r} chooses in a file")
    result = decoded if isinstance(decoded, Decoding) else read(decoded, run=run)
    if not result.decoders:
        raise NWBDecodeError(
            "the result holds predictions and no decoders; give the file that `fit` wrote"
        )
    return result
