"""Folds trained side by side, here or on a cluster, each with one thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nwbdecode.cluster import in_tasks
from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from distributed import Client

#: Memory of a process before it holds any feature, and copies of these while it trains.
_PROCESS, _COPIES = 700 << 20, 4
#: Seconds of work below which processes are not worth their start.
_WORTH = 60.0


def job_count(n_jobs: int | None, tasks: int, client: object = None) -> int:
    """Turn ``n_jobs``, as scikit-learn understands it, into a number of processes.

    Parameters
    ----------
    n_jobs : int or None
        None is 1; -1 as many as there are processors, -2 one less, and so on.
    tasks : int
        More processes than tasks are of no use.
    client : optional
        The cluster that does the tasks instead, if there is one.

    Raises
    ------
    NWBDecodeError
        If it is 0 or no whole number, or several are asked for beside a cluster.

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
    if client is not None and n_jobs != 1:
        raise NWBDecodeError(
            f"n_jobs={n_jobs} processes of this machine and a cluster (client) are asked for; "
            "choose one of them"
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


def side_by_side(
    work: Callable[..., Any],
    given: Iterable[tuple[Any, ...]],
    n_jobs: int = 1,
    *,
    shared: tuple[Any, ...] = (),
    client: Client | None = None,
    done: Callable[[int], Any] = lambda number: None,
    failed: Callable[[int, Exception], Any] | None = None,
) -> Generator[Any, None, None]:
    """Give what `work` makes of each tuple of arguments, in their order, as it is done.

    Parameters
    ----------
    work : callable
        Of a module: processes import it.
    given : iterable of tuple
    n_jobs : int, default 1
        With 1 all is done in this process; any number of them have one thread each.
    shared : tuple
        Arguments that come first, the same each time.
    client : distributed.Client, optional
        Of a cluster whose workers do it instead, with one thread each.
    done : callable, optional
        Told the number of what is done, on a cluster out of order.
    failed : callable, optional
        On a cluster, makes a result of a number and of what the cluster raised there.

    Raises
    ------
    NWBDecodeError
        If a process was killed, or workers again and again.
    """
    if client is not None:
        made: dict[int, Any] = {}
        following = 0
        common = (work, *shared)
        for number, result in in_tasks(client, in_one_thread, given, shared=common, failed=failed):
            made[number] = result
            done(number)
            while following in made:
                yield made.pop(following)
                following += 1
        return
    results = _here(work, given, shared) if n_jobs == 1 else _joblib(work, given, shared, n_jobs)
    for number, result in enumerate(results):
        done(number)
        yield result


def _here(
    work: Callable[..., Any], given: Iterable[tuple[Any, ...]], shared: tuple[Any, ...]
) -> Generator[Any, None, None]:
    with _single_threaded():
        for one in given:
            yield work(*shared, *one)


def _joblib(
    work: Callable[..., Any], given: Iterable[tuple[Any, ...]], shared: tuple[Any, ...], n_jobs: int
) -> Generator[Any, None, None]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    # Arrays go to the processes as files mapped into memory, which all share.
    with parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=1):
        parallel = Parallel(return_as="generator")
        try:
            yield from parallel(delayed(work)(*shared, *one) for one in given)
        except TerminatedWorkerError as error:
            raise NWBDecodeError(
                f"one of {n_jobs} processes was killed, most likely because there was too little "
                "memory for all; try again with fewer (`n_jobs`, --jobs)"
            ) from error
        finally:
            # Processes that wait for more would hold their memory.
            get_reusable_executor().shutdown(wait=True)


def in_one_thread(work: Callable[..., Any], *given: Any) -> Any:
    """Do work with one thread, whatever the process has; then give it back its threads."""
    with _single_threaded():
        return work(*given)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Keep PyTorch and linear algebra to one thread, as processes that share a machine do."""
    from threadpoolctl import threadpool_limits

    from nwbdecode.decoder import threads

    with threads.one_thread(), threadpool_limits(1):
        yield
