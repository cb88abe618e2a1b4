"""Reading ahead and writing behind: one thread for each, and neither outlives its work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from threading import Event
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


class Halted(Exception):
    """What is being made is no longer wanted."""


@contextmanager
def ahead(
    make: Callable[[Item, Callable[[], None]], Made], items: Iterable[Item]
) -> Iterator[Iterator[Made]]:
    """Make each thing on another thread while the one before it is used.

    Parameters
    ----------
    make : callable
        Takes an item and a function to be called now and then, which raises `Halted`
        once the result is no longer wanted.
    items : iterable

    Yields
    ------
    iterator
        What is made of the items, in their order, and not kept. What `make` raises is
        raised by the iterator. After the context the thread has ended.

    Examples
    --------
    >>> with ahead(lambda item, check: item**2, range(4)) as squares:
    ...     list(squares)
    [0, 1, 4, 9]
    """
    halted = Event()

    def check() -> None:
        if halted.is_set():
            raise Halted

    def results() -> Iterator[Made]:
        waiting: list[Future[Made]] = []
        for item in items:
            waiting.append(pool.submit(copy_context().run, make, item, check))
            if len(waiting) > 1:
                # Popped, not named: nothing here holds on to what is in use.
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop().result()

    pool = ThreadPoolExecutor(1, thread_name_prefix="nwbdecode-ahead")
    try:
        yield results()
    finally:
        halted.set()
        pool.shutdown(wait=True, cancel_futures=True)


class Behind:
    """Does one thing at a time on another thread; the next waits until it is done.

    As a context, it ends when all is done. What an action raises is raised by the next
    call, or by the end of the context; if the context itself fails, the action that
    was begun is still finished.

    Examples
    --------
    >>> done = []
    >>> with Behind() as behind:
    ...     behind.do(done.append, 1)
    ...     behind.do(done.append, 2)
    >>> done
    [1, 2]
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="nwbdecode-behind")
        self._doing: Future[Any] | None = None

    def do(self, action: Callable[..., Any], *given: Any) -> None:
        """Begin an action as soon as the one before it is done."""
        self._settle()
        self._doing = self._pool.submit(action, *given)

    def _settle(self) -> None:
        doing, self._doing = self._doing, None
        if doing is not None:
            doing.result()

    def __enter__(self) -> Behind:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._settle()
        finally:
            self._pool.shutdown(wait=True)
