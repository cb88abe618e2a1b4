"""Whether what is asked for is there already: the same recording, settings and decoders."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.decoding import IDENTITY, Decoding
from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.config import FitConfig
    from nwbdecode.load.signal import Signal


def fit_request(
    signal: Signal,
    targets: Mapping[str, xr.DataArray],
    settings: FitConfig,
    init: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Say what a fit is asked to do, as JSON values that its result keeps.

    Two requests that are equal give the same result, by the same version of the
    package, as long as nobody changed the recording.
    """
    place = signal.source.get("signal", {})
    return _plain(
        {
            "source": _identity(signal.source),
            "signal": {
                "path": signal.path,
                "object_id": signal.object_id,
                "channels": [_number(label) for label in signal.channels.index],
                "time": [[s.start_time, s.stop_time] for s in signal.segments],
                "rate": signal.rate,
                "imaging": place.get("imaging"),
            },
            "targets": {
                str(name): [held.attrs.get("spec") or _content(held), held.attrs["kind"]]
                for name, held in targets.items()
            },
            "settings": settings.model_dump(mode="json", exclude={"cache"}),
            "init": None if init is None else [init["sha256"], init.get("match")],
        }
    )


def predict_request(
    result: Decoding, facts: Mapping[str, Any], choice: Mapping[str, Any]
) -> dict[str, Any]:
    """Say what a prediction is asked to do, as JSON values that its result keeps."""
    decoders = {name: result.decoders[name].sha256 for name in result.decoders}
    return _plain({"source": _identity(facts), "decoders": decoders, "choice": dict(choice)})


def standing(
    file: str | os.PathLike[str],
    request: Mapping[str, Any],
    *,
    run: str | None = None,
    recording: str | None = None,
) -> Decoding | None:
    """Give the result that is there already, if it is the one asked for.

    Parameters
    ----------
    file : path
    request : dict
        From `fit_request` or `predict_request`.
    run : str, optional
    recording : str, optional
        Path of the recording, empty if it is not on disk: one that changed after the
        result was written is not the same. None where `file` is the recording.

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
    if not path.exists() or (recording is None and (run or RUN) not in run_names(path)):
        return None
    found = read(path, run=run or (RUN if recording is None else None), lazy=True)
    before = found.recipe.get("request") or {}
    if "prediction" in found.recipe:
        before = found.recipe["prediction"].get("request") or {}
    differing = [name for name in request if request[name] != before.get(name)]
    if differing:
        raise NWBDecodeError(
            f"{str(path)!r} is there and was made otherwise: {_told(differing, before, request)}. "
            "Give another output, or exists='replace'"
        )
    if recording and os.path.getmtime(recording) > path.stat().st_mtime:
        raise NWBDecodeError(
            f"{str(path)!r} is older than {recording!r}, which was changed since; choose "
            "exists='replace' to make it anew"
        )
    return found


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
