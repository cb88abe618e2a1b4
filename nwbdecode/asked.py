"""Whether what is asked for is there already: the same recording, settings and decoders."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.blocks import versions
from nwbdecode.decoding import IDENTITY, NO_IMPORTANCE, Decoding
from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.config import FitConfig
    from nwbdecode.load.signal import Signal

#: Parts of a request that change with the recording's file, and with movies beside it.
_STATE, _MOVIES = "recording", "movies"


def fit_request(
    signal: Signal,
    targets: Mapping[str, xr.DataArray],
    settings: FitConfig,
    init: Mapping[str, Any] | None,
    movies: Sequence[str] = (),
) -> dict[str, Any]:
    """Say what a fit is asked to do, as JSON values that its result keeps.

    Two requests that are equal give the same result, by the same version of the
    package. `movies` are the files of `Source.movie_files`.
    """
    place = signal.source.get("signal", {})
    return _plain(
        {
            "source": _identity(signal.source),
            **_state(signal.source, movies),
            "signal": {
                "path": signal.path,
                "object_id": signal.object_id,
                "channels": [_number(label) for label in signal.channels.index],
                "time": [[s.start_time, s.stop_time] for s in signal.segments],
                "rate": signal.rate,
                "imaging": place.get("imaging"),
            },
            "targets": {
                str(name): [
                    held.attrs.get("spec") or _content(held),
                    held.attrs.get("kind", "linear"),
                ]
                for name, held in targets.items()
            },
            "settings": _asked_for(settings),
            "init": None if init is None else [init["sha256"], init.get("match")],
        }
    )


def _asked_for(settings: FitConfig) -> dict[str, Any]:
    """Settings but for where features are kept, and what was not asked for in earlier versions."""
    told = settings.model_dump(mode="json", exclude={"cache"})
    if told["signal"].get("modality") is None:
        told["signal"].pop("modality", None)
    return told


def predict_request(
    result: Decoding,
    facts: Mapping[str, Any],
    choice: Mapping[str, Any],
    movies: Sequence[str] = (),
) -> dict[str, Any]:
    """Say what a prediction is asked to do, as JSON values that its result keeps."""
    decoders = {name: result.decoders[name].sha256 for name in result.decoders}
    asked = {"source": _identity(facts), "decoders": decoders, "choice": dict(choice)}
    return _plain(asked | _state(facts, movies))


def state_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Say in which state a recording is: one that was changed or replaced has another.

    Of a folder all files count, wherever they lie in it. The state stays where the
    recording is moved, or copied with its times.

    Parameters
    ----------
    path : path of a file or folder

    Returns
    -------
    dict
        ``bytes`` and ``changed`` (the last time) for people; ``state``, a hash of the sizes
        and times of all files.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "session.nwb"
    ...     _ = file.write_text("as recorded")
    ...     before = state_of(file)
    ...     os.utime(file, (0, 0))
    ...     print(before["bytes"], state_of(file)["changed"], state_of(file) == before)
    11 1970-01-01T00:00:00+00:00 False
    """
    path = os.path.abspath(path)
    return _state_of(versions(path), path)


def _state_of(files: Sequence[tuple[str, int, int]], folder: str) -> dict[str, Any]:
    held = [(os.path.relpath(name, folder), size, ns) for name, size, ns in files]
    last = datetime.fromtimestamp(max((ns for *_, ns in held), default=0) / 1e9, UTC)
    digest = hashlib.blake2b(json.dumps(held).encode(), digest_size=16).hexdigest()
    size = sum(size for _, size, _ in held)
    return {"bytes": size, "changed": last.isoformat(timespec="seconds"), "state": digest}


def standing(
    file: str | os.PathLike[str],
    request: Mapping[str, Any],
    *,
    run: str | None = None,
    appended: bool = False,
) -> Decoding | None:
    """Give the result that is there already, if it is the one asked for.

    Parameters
    ----------
    file : path
    request : dict
        From `fit_request` or `predict_request`.
    run : str, optional
    appended : bool, default False
        Whether `file` is the recording itself, which adding a result has changed: its
        state is not compared, that of movies beside it is.

    Returns
    -------
    Decoding or None
        None where there is no such file, or no such run in it.

    Raises
    ------
    NWBDecodeError
        When what is there was made otherwise; the message says what differs.
    """
    from nwbdecode.results import read
    from nwbdecode.results.reading import run_names
    from nwbdecode.results.schema import RUN

    path = Path(file)
    # A recording of its own holds other runs, or none yet.
    if not path.exists() or (appended and (run or RUN) not in run_names(path)):
        return None
    found = read(path, run=run or (RUN if appended else None), lazy=True)
    before = found.recipe.get("request") or {}
    if "prediction" in found.recipe:
        before = found.recipe["prediction"].get("request") or {}
    asked = {name: held for name, held in request.items() if not (appended and name == _STATE)}
    differing = [name for name in asked if asked[name] != before.get(name)]
    missing = found.recipe.get(NO_IMPORTANCE)
    if not differing and missing and "prediction" not in found.recipe:
        raise NWBDecodeError(
            f"{str(path)!r} is there without the importance that was asked for, which could not "
            f"be measured ({missing}). `nwbdecode importance` adds it, exists='replace' makes all "
            "of it anew"
        )
    if not differing:
        return found
    states = [name for name in differing if name in (_STATE, _MOVIES)]
    if differing == states:
        raise NWBDecodeError(_changed(path, states[0], before, asked))
    differing = [name for name in differing if name not in states]
    raise NWBDecodeError(
        f"{str(path)!r} is there and was made otherwise: {_told(differing, before, asked)}. "
        "Give another output, or exists='replace'"
    )


def _changed(path: Path, part: str, before: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Say that a recording is not what it was when a result was made of it."""
    what = "recording" if part == _STATE else "movie beside the recording"
    was, now = before.get(part), asked[part]
    if not isinstance(was, Mapping):
        why = f"does not say in which state the {what} was that it was made of"
    else:
        then, today = (f"{one['bytes']} bytes, of {one['changed']}" for one in (was, now))
        why = f"was made of a {what} which was changed or replaced since (then {then}; now {today})"
    return f"{str(path)!r} {why}; choose exists='replace' to make it anew"


def _told(differing: list[str], before: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    if not before:
        return "it does not say what it was asked for"
    parts = []
    for name in differing[:3]:
        mine, theirs = asked[name], before.get(name)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            keys = [key for key in {**theirs, **mine} if mine.get(key) != theirs.get(key)]
            mine, theirs = ({k: held.get(k) for k in keys} for held in (mine, theirs))
        parts.append(f"{name} was {_short(theirs)}, asked is {_short(mine)}")
    return "; ".join(parts)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."


def _identity(facts: Mapping[str, Any]) -> dict[str, Any]:
    # What is on a network also has its content named; a local file may be moved.
    return {k: facts[k] for k in (*IDENTITY, "content") if facts.get(k)}


def _state(facts: Mapping[str, Any], movies: Sequence[str]) -> dict[str, Any]:
    """State of a recording on disk, unless its bytes are known by what is named."""
    path = facts.get("path")
    if not path or not os.path.exists(path):
        return {}
    state = {} if facts.get("content") else {_STATE: state_of(path)}
    if movies:
        beside = [held for name in movies for held in versions(name)]
        state[_MOVIES] = _state_of(beside, os.path.dirname(os.path.abspath(path)))
    return state


def _content(target: xr.DataArray) -> str:
    """What a target that no file holds is known by."""
    digest = hashlib.sha256()
    for part in (target["time"], target):
        digest.update(np.ascontiguousarray(part.to_numpy()).tobytes())
    return digest.hexdigest()


def _number(label: Any) -> Any:
    return label.item() if hasattr(label, "item") else label


def _plain(value: Any) -> Any:
    """Bring to what JSON gives back, so that what is stored compares equal."""
    return json.loads(json.dumps(value, default=str))
