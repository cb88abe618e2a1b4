"""Threads of the compiled engine: as many as the environment allows, gone when it is done.

Compiled loops hold no lock, so plain threads run them side by side. They take the next
part whenever they are done with one: on a machine that does other things too, none waits
for the slowest. OpenMP, which PyTorch counts its own threads by, is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

import numpy as np

#: Parts a thread: one which is held up leaves little to wait for, and each costs a wakening.
_PARTS = 4
#: The same where threads take parts themselves.
_TURNS = 16

_open: ContextVar[tuple[ThreadPoolExecutor, int] | None] = ContextVar("_open", default=None)


@contextmanager
def engine_threads() -> Iterator[None]:
    """Run compiled loops on ``OMP_NUM_THREADS`` threads, or on as many as there are processors."""
    threads = _asked()
    if threads < 2 or _open.get() is not None:
        yield
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="nwbdecode-engine") as pool:
        token = _open.set((pool, threads))
        try:
            yield
        finally:
            _open.reset(token)


def in_parts(work: Callable[..., None], count: int, *given: Any, least: int = 1) -> None:
    """Call ``work(begin, end, *given)`` for parts of ``range(count)``, on the threads there are.

    Parameters
    ----------
    work : callable
        Its parts may run in any order and at the same time.
    count : int
    *given
        All that it takes besides.
    least : int, default 1
        Below so many, a part is not worth a thread's while.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.zeros(100)
    >>> def work(begin: int, end: int, out: np.ndarray) -> None:
    ...     out[begin:end] += np.arange(begin, end)
    >>> with engine_threads():
    ...     in_parts(work, 100, out)
    >>> bool((out == np.arange(100)).all())
    True
    """
    found = _open.get()
    parts = 1 if found is None else min(_PARTS * found[1], count // least)
    if found is None or parts < 2:
        if count:
            work(0, count, *given)
        return
    edges = [count * part // parts for part in range(parts + 1)]
    _finish([found[0].submit(work, *span, *given) for span in pairwise(edges)])


def shared(
    work: Callable[..., None], count: int, *given: Any, least: int = 1
) -> Callable[[], None]:
    """Begin compiled work that threads share among themselves, and give a function that ends it.

    Whoever is done with one part needs Python's lock to begin the next where parts are handed
    out as by `in_parts`, and another thread may hold that for milliseconds. Here each thread is
    called once and takes parts until none are left; the one that ends the work is one of them.

    Parameters
    ----------
    work : callable
        Called ``work(turn, count, grain, *given)`` on each thread at the same time. It calls
        ``begin = take(turn, grain)`` (see `lanes.take`) and does ``begin`` to ``begin + grain``
        until it gets a `count`.
    count, *given, least
        As for `in_parts`.
    """
    found = _open.get()
    threads = 1 if found is None else max(1, min(found[1], count // least))
    turn = np.zeros(1, dtype=np.int64)
    grain = max(1, least, count // (_TURNS * threads)) if threads > 1 else max(count, 1)
    doing = []
    if found is not None:
        doing = [found[0].submit(work, turn, count, grain, *given) for _ in range(threads - 1)]

    def finish() -> None:
        try:
            if count:
                work(turn, count, grain, *given)
        finally:
            # Nothing is left for those that other work kept from beginning.
            begun = [one for one in doing if not one.cancel()]
            wait(begun)
        _finish(begun)

    return finish


def _finish(doing: list[Future[None]]) -> None:
    """Wait until all are done; only then raise what one of them raised."""
    wait(doing)
    for done in doing:
        done.result()


def _asked() -> int:
    """Threads that the environment asks for, else processors that this process may use."""
    # A list gives one number for each level of nesting.
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isdigit() and int(first):
        return int(first)
    import joblib

    return joblib.cpu_count()
