"""Several runs in one file: each has a name, and a processing module of its own."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Literal, TypeAlias, get_args

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.results.schema import MODULE, RUN

#: What happens to a file or a run of that name that is there already.
Exists: TypeAlias = Literal["error", "replace", "new"]


def module_name(run: str) -> str:
    """Processing module that a run lives in.

    Examples
    --------
    >>> module_name("run"), module_name("theta")
    ('decoding', 'decoding_theta')
    """
    return MODULE if run == RUN else f"{MODULE}_{run}"


def check_run(run: str | None) -> str:
    """Give the run's name, refusing one that HDF5 and NWB could not hold.

    Raises
    ------
    NWBDecodeError
    """
    if run is None:
        return RUN
    if not isinstance(run, str) or not re.fullmatch(r"\w[\w-]*", run):
        raise NWBDecodeError(
            f"a run cannot be named {run!r}; expected letters, digits, '_' and '-', such as 'theta'"
        )
    return run


def check_exists(exists: str) -> None:
    """Refuse a choice that there is not.

    Raises
    ------
    NWBDecodeError
    """
    choices = get_args(Exists)
    if exists not in choices:
        raise NWBDecodeError(
            f"exists={exists!r} is no choice; expected {', '.join(map(repr, choices))}. "
            f"{suggest(str(exists), choices)}"
        )


def settle(run: str, exists: Exists, modules: Container[str]) -> str:
    """Name under which a run is added to a file that has modules already.

    Raises
    ------
    NWBDecodeError
        When the run's module is there and `exists` is ``"error"``.

    Examples
    --------
    >>> settle("run", "new", ["decoding", "decoding_run_2", "behavior"])
    'run_3'
    """
    if module_name(run) not in modules or exists == "replace":
        return run
    if exists == "error":
        raise NWBDecodeError(
            f"the NWB file has a processing module {module_name(run)!r} already, which holds run "
            f"{run!r}; name another with `run`, or choose exists='replace' or exists='new'"
        )
    count = 2
    while module_name(f"{run}_{count}") in modules:
        count += 1
    return f"{run}_{count}"


def not_ours(module: str) -> NWBDecodeError:
    """Refuse to replace a module that someone else made."""
    return NWBDecodeError(
        f"the processing module {module!r} holds no decoding run, so it is not replaced; name "
        "another run"
    )
