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


def free_run(run: str, modules: Container[str]) -> str:
    """Name a run as asked, or with the first number whose module is not there.

    Examples
    --------
    >>> free_run("run", ["decoding", "decoding_run_2", "behavior"])
    'run_3'
    """
    name, count = run, 1
    while module_name(name) in modules:
        count += 1
        name = f"{run}_{count}"
    return name
