"""Several runs in one file: each has a name, and a processing module of its own."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.results.ndx import DecodingRun

if TYPE_CHECKING:
    from pynwb import NWBFile, ProcessingModule

#: What happens to a file or a run of that name that is there already.
Exists: TypeAlias = Literal["error", "replace", "new"]

#: Module of the run that was given no name.
MODULE = "decoding"
#: Name of that run, and of the `DecodingRun` in every run's module.
RUN = "run"


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


def runs_of(nwbfile: NWBFile) -> dict[str, ProcessingModule]:
    """Runs that an NWB file holds: their modules by name, the unnamed one first."""
    found = {}
    for name, module in sorted(nwbfile.processing.items()):
        if name == MODULE or (name.startswith(f"{MODULE}_") and decoding_runs(module)):
            found[RUN if name == MODULE else name[len(MODULE) + 1 :]] = module
    return found


def decoding_runs(module: ProcessingModule) -> list[Any]:
    """Every `DecodingRun` of a module: one in those that this package wrote."""
    return [held for held in module.data_interfaces.values() if isinstance(held, DecodingRun)]


def choose_run(nwbfile: NWBFile, run: str | None, label: str) -> tuple[ProcessingModule, Any]:
    """Find one run of a file: its module and its `DecodingRun`.

    Parameters
    ----------
    nwbfile : pynwb.NWBFile
    run : str or None
        None where there is only one.
    label : str
        Names the file in the error message.

    Raises
    ------
    NWBDecodeError
        When the file holds none, several and none was named, or none of that name.
    """
    there = runs_of(nwbfile)
    if not there:
        modules = ", ".join(repr(str(name)) for name in sorted(nwbfile.processing)) or "none"
        raise NWBDecodeError(
            f"{label!r} holds no decoding: it has no processing module {MODULE!r}. "
            f"Its processing modules: {modules}. Give a file written by nwbdecode"
        )
    if run is None and len(there) > 1:
        names = ", ".join(map(repr, there))
        raise NWBDecodeError(f"{label!r} holds {len(there)} runs: {names}; name one with `run`")
    if run is not None and run not in there:
        raise NWBDecodeError(f"{label!r} holds no run {run!r}. {suggest(str(run), there)}")
    module = there[next(iter(there)) if run is None else run]
    held = decoding_runs(module)
    if len(held) != 1:
        raise NWBDecodeError(
            f"the module {module.name!r} of {label!r} holds {len(held)} decoding runs; expected "
            "one, as nwbdecode writes it"
        )
    return module, held[0]
