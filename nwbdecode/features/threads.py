"""Threads of the compiled engine: as many as the environment allows, and no trace of them after."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def engine_threads() -> Iterator[None]:
    """Run compiled code with at most ``OMP_NUM_THREADS`` threads, and leave OpenMP as it was.

    Where numba works through OpenMP it sets the number of threads of the whole process
    when it starts. PyTorch would take it over: what a network learns, and how long it
    takes on a busy machine, would depend on whether features were computed before.
    """
    import numba

    before = {path: library.num_threads for path, library in _openmp().items()}
    usual, asked = numba.get_num_threads(), _asked()
    numba.set_num_threads(min(usual, asked))
    try:
        yield
    finally:
        numba.set_num_threads(usual)
        for path, library in _openmp().items():
            library.set_num_threads(before.get(path, asked))


def _openmp() -> dict[str, Any]:
    """Give the OpenMP libraries of the process by their files."""
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().select(user_api="openmp")
    return {library.filepath: library for library in found.lib_controllers}


def _asked() -> int:
    """Threads that the environment asks for, all that numba knows of by default."""
    import numba

    # A list gives one number for each level of nesting.
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdigit() and int(first) else numba.get_num_threads()
