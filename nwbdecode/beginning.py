"""Beginning a fit from a decoder that another session trained."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

from nwbdecode.decoding import IDENTITY, Decoding, StoredDecoder
from nwbdecode.errors import NWBDecodeError
from nwbdecode.matching import Match, check_match, match_channels

if TYPE_CHECKING:
    from nwbdecode.load.signal import Signal

#: What a fit may begin from.
Init: TypeAlias = StoredDecoder | Decoding | str | os.PathLike[str]

#: Share of the channels trained on that may be missing: what is missing begins anew.
_MOST_MISSING = 0.75


def begin_from(
    init: Init, signal: Signal, match: Match, run: str | None = None
) -> tuple[StoredDecoder, dict[str, Any]]:
    """Bring a stored decoder to the channels of another recording.

    Parameters
    ----------
    init : StoredDecoder, Decoding, or path of a decoded NWB file
        Of a result, its decoder refitted on all data.
    signal : Signal
        That the fit shall read.
    match : {"id", "position", "order"}
        As for `nwbdecode.predict`.
    run : str, optional
        Which run of `init`, a file that holds several.

    Returns
    -------
    StoredDecoder
        As `CNNDecoder` takes it for ``init``: its channels by their new ids.
    dict
        What a result keeps of it: ``sha256``, ``match``, ``sessions`` it has seen,
        ``missing_channels``, and ``file`` and its ``run``.

    Raises
    ------
    NWBDecodeError
        If there is no such run or no refitted decoder, it was trained on this very
        session, or too few of its channels are there.
    """
    from nwbdecode.decoder.transfer import refuse_same_session

    check_match(match)
    told: dict[str, Any] = {}
    if isinstance(init, str | os.PathLike):
        told["file"] = os.path.basename(os.fspath(init))
        told |= {} if run is None else {"run": run}
        init = _read(init, run)
    elif run is not None:
        raise NWBDecodeError(
            f"what is begun from is in memory and one run; init_run={run!r} chooses in a file"
        )
    decoder = init if isinstance(init, StoredDecoder) else _refitted(init)
    sessions = _sessions(init, decoder)
    if not any(signal.source.get(name) for name in IDENTITY):
        raise NWBDecodeError(
            "the signal does not say which session it is of, so the decoder to begin from might "
            "have seen it; take the signal from its file, or leave out `init`"
        )
    refuse_same_session(sessions, signal.source)
    config = {**decoder.config, "sessions": sessions}
    if isinstance(init, Decoding):
        config["channels"], missing = _channels(init, config["channels"], signal, match)
        told |= {"match": match, "missing_channels": missing}
    begun = StoredDecoder(config, decoder.weights)
    return begun, {**told, "sha256": begun.sha256, "sessions": sessions}


def _read(file: str | os.PathLike[str], run: str | None) -> Decoding:
    from nwbdecode.results import read
    from nwbdecode.results.reading import run_names

    there = run_names(file) if run is None else []
    if len(there) > 1:
        raise NWBDecodeError(
            f"{os.fspath(file)!r} holds {len(there)} runs: {', '.join(map(repr, there))}; name the "
            "one to begin from with `init_run` (--init-run)"
        )
    return read(file, run=run)


def _refitted(result: Decoding) -> StoredDecoder:
    if "final" not in result.decoders:
        there = ", ".join(result.decoders) or "none"
        raise NWBDecodeError(
            f"the result to begin from holds no decoder refitted on all data (decoders: {there}); "
            "give the file that `fit` wrote, with evaluation.refit on"
        )
    return result.decoders["final"]


def _sessions(init: Decoding | StoredDecoder, decoder: StoredDecoder) -> list[dict[str, Any]]:
    """Sessions that the decoder has seen, its own and those that it began from."""
    if "sessions" in decoder.config:
        return [dict(told) for told in decoder.config["sessions"]]
    if not isinstance(init, Decoding):
        return []
    return [{name: init.source[name] for name in IDENTITY if init.source.get(name)}]


def _channels(
    result: Decoding, stored: list[Any], signal: Signal, match: Match
) -> tuple[list[Any], list[Any]]:
    """Ids that the stored decoder's channels have in the new recording, None for none."""
    read = result.source.get("signal", {}).get("channels", stored)
    if len(read) != len(stored):  # pairs of electrodes are numbered, not named
        if match == "position":
            raise NWBDecodeError(
                "the decoder to begin from reads differences of neighbors, which have no place; "
                "match them by id or order"
            )
        return list(stored), []
    matched = match_channels(
        stored, result.channels, signal.channels,
        match=match, path=signal.path, most_missing=_MOST_MISSING,
    )  # fmt: skip
    return matched.found, matched.missing
