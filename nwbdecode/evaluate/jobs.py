"""Folds trained side by side, each in a process of its own with one thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from typing import Any

from nwbdecode.errors import NWBDecodeError

#: Memory of a process before it holds any feature, and copies of these while it trains.
_PROCESS, _COPIES = 700 << 20, 4
#: Seconds of work below which processes are not worth their start.
_WORTH = 60.0


def job_count(n_jobs: int | None, tasks: int) -> int:
    """Turn ``n_jobs``, as scikit-learn understands it, into a number of processes.

    Parameters
    ----------
    n_jobs : int or None
        None is 1; -1 as many as there are processors, -2 one less, and so on.
    tasks : int
        More processes than tasks are of no use.

    Raises
    ------
    NWBDecodeError
        If it is 0 or no whole number.

    Examples
    --------
    >>> job_count(None, 6), job_count(4, 6), job_count(100, 6)
    (1, 4, 6)
    """
    if n_jobs is None:
        return 1
    if not isinstance(n_jobs, int) or isinstance(n_jobs, bool) or n_jobs == 0:
        raise NWBDecodeError(
            f"n_jobs is {n_jobs!r}; expected a number of processes, or -1 for as many as there "
            "are processors"
        )
    from joblib import effective_n_jobs

    return max(1, min(effective_n_jobs(n_jobs), tasks))


def suited_job_count(tasks: int, nbytes: int, seconds: float) -> int:
    """Choose a number of processes for folds of one recording.

    As many as there are processors and half the memory holds; one where there is little
    to do, or a GPU to train on.

    Parameters
    ----------
    tasks : int
    nbytes : int
        Size of the features, which each process holds.
    seconds : float
        That all tasks may take one after the other.

    Examples
    --------
    >>> suited_job_count(6, nbytes=1000, seconds=2.0)
    1
    """
    import torch

    if seconds < _WORTH or torch.cuda.is_available():
        return 1
    return max(1, min(job_count(-1, tasks), _fitting(nbytes)))


def _fitting(nbytes: int) -> int:
    """Give the number of processes that half the machine's memory holds."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not everywhere
        memory = 8 << 30
    return memory // 2 // (_PROCESS + _COPIES * nbytes)


def in_processes(
    work: Callable[..., Any], given: Iterable[tuple[Any, ...]], n_jobs: int
) -> Generator[Any, None, None]:
    """Give what `work` makes of each tuple of arguments, in their order, as it is done.

    Parameters
    ----------
    work : callable
        Of a module: processes import it.
    given : iterable of tuple
    n_jobs : int
        With 1 all is done in this process, with as many threads as it has. Several
        processes have one thread each.

    Raises
    ------
    NWBDecodeError
        If a process was killed.
    """
    if n_jobs == 1:
        for one in given:
            yield work(*one)
        return
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    # Arrays go to the processes as files mapped into memory, which all share.
    with parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=1):
        parallel = Parallel(return_as="generator")
        try:
            yield from parallel(delayed(work)(*one) for one in given)
        except TerminatedWorkerError as error:
            raise NWBDecodeError(
                f"one of {n_jobs} processes was killed, most likely because there was too little "
                "memory for all; try again with fewer (`n_jobs`, --jobs)"
            ) from error
        finally:
            # Processes that wait for more would hold their memory.
            get_reusable_executor().shutdown(wait=True)
