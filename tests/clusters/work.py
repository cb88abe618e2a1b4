"""What workers do in the tests; light, as each of them imports it anew."""

from __future__ import annotations

import os
import signal
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from nwbdecode.errors import NWBDecodeError

_INSIDE: list[int] = []
_DONE: list[int] = []


def noted(folder: Path, number: int) -> int:
    """Leave a trace of having begun; task 3 kills the process that it is the first time in.

    That is once all that the process did before has been fetched.
    """
    with (folder / f"{number}").open("a") as file:
        file.write("x")
    time.sleep(0.05)
    if number == 3 and (folder / "3").read_text() == "x":
        while not all((folder / f"fetched_{k}").exists() for k in _DONE):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
    _DONE.append(number)
    return number**2


def first_ends_late(told: Path, number: int) -> tuple[int, int]:
    """Say who worked; task 0 ends once another has been told of, or after half a minute."""
    until = time.monotonic() + 30
    while number == 0 and not told.exists() and time.monotonic() < until:
        time.sleep(0.02)
    return number, os.getpid()


def threads() -> int:
    import torch

    return torch.get_num_threads()


def crowd() -> int:
    """Say how many are here at once."""
    _INSIDE.append(threading.get_ident())
    time.sleep(0.02)
    here = len(_INSIDE)
    _INSIDE.pop()
    return here


def fails(number: int) -> int:
    if number == 1:
        raise NWBDecodeError("channel 7 is missing")
    return number


def dies() -> None:
    # A nanny gives up a worker that ends before it is known to have begun.
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps() -> None:
    time.sleep(60)


def dies_on_its_second(folder: Path, module: str, owner: str, name: str) -> None:
    """Let the worker be killed at the end of the second such call on all workers.

    It counts on after that, in the worker that is left, and harms no other test.
    """
    held: Any = getattr(import_module(module), owner) if owner else import_module(module)
    whole = getattr(held, name)

    def counted(*given: Any, **options: Any) -> Any:
        made = whole(*given, **options)
        number = 0
        while True:
            try:
                (folder / f"{number}").touch(exist_ok=False)
                break
            except FileExistsError:
                number += 1
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    setattr(held, name, counted)
