"""A Dask cluster: how it is reached, and work done there by tasks that may be lost."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from distributed import Client

    #: What `client` may be: a client, or the address of a scheduler.
    Cluster: TypeAlias = Client | str

#: Seconds that a scheduler may take to answer.
_PATIENCE = 30
#: Tasks set what belongs to a whole process: seeds and numbers of threads.
_ALONE = Lock()


@contextmanager
def connected(client: Cluster | None) -> Iterator[Any]:
    """Give a client of the cluster; one that was made here is closed at the end.

    Parameters
    ----------
    client : distributed.Client, str or None
        A client, which stays open, or the address of a scheduler.

    Yields
    ------
    distributed.Client or None
        None where None was given.

    Raises
    ------
    NWBDecodeError
        If `distributed` is missing, or no scheduler answers.
    """
    if client is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError:
        raise NWBDecodeError(
            "a cluster needs the package distributed, which is missing; "
            "install it by: pip install 'nwbdecode[dask]'"
        ) from None
    if isinstance(client, Client):
        yield client
        return
    if not isinstance(client, str):
        raise NWBDecodeError(
            f"client is a {type(client).__name__}; expected a distributed.Client, or the address "
            "of a scheduler such as 'tcp://10.0.0.1:8786'"
        )
    try:
        opened = Client(client, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise NWBDecodeError(
            f"no Dask scheduler answers at {client!r} ({error}); expected an address such as "
            "'tcp://10.0.0.1:8786', as `dask scheduler` prints it"
        ) from None
    with opened:
        yield opened


@dataclass(frozen=True)
class _Parcel:
    """Arguments that Dask shall neither look into nor take for parts of its graph."""

    held: tuple[Any, ...]


def in_tasks(
    client: Client,
    work: Callable[..., Any],
    given: Iterable[tuple[Any, ...]],
    *,
    shared: tuple[Any, ...] = (),
    failed: Callable[[int, Exception], Any] | None = None,
) -> Generator[tuple[int, Any], None, None]:
    """Do work on a cluster, one task for each tuple of arguments; give results as they come.

    What a lost worker was doing is done again by another one, and nothing else: a result
    is fetched as soon as it is there, and no worker holds anything that cannot be made again.

    Parameters
    ----------
    client : distributed.Client
    work : callable
        Of a module that workers can import. A process does one such task at a time.
    given : iterable of tuple
    shared : tuple
        Arguments that come first in every task; they travel to each worker once.
    failed : callable, optional
        Makes a result of a task's number and of what it raised, which else ends everything.

    Yields
    ------
    int, object
        Number of the task and what `work` returned.

    Raises
    ------
    NWBDecodeError
        If workers were killed again and again, the cluster was lost, or its workers do not
        run this version of nwbdecode.
    """
    import dask
    from distributed import as_completed

    # Scattered data would be gone with its worker; what a task gives can be made again.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "10 TB"}):
        common = client.submit(_unpacked, _Parcel(shared), pure=False)
        futures = [
            client.submit(_task, work, common, _Parcel(one), _version(), pure=False)
            for one in given
        ]
    numbers = {future.key: number for number, future in enumerate(futures)}
    waiting = set(futures)
    results = as_completed(futures, loop=client.loop, with_results=True, raise_errors=False)
    del futures
    try:
        for future, result in results:
            # Whoever forgets a future lets the worker forget the result.
            waiting.discard(future)
            if future.status == "finished":
                yield numbers[future.key], result
                continue
            error = _told(_raised(future, result))
            if failed is None:
                raise error
            yield numbers[future.key], failed(numbers[future.key], error)
    finally:
        client.cancel([*waiting, common])


def _unpacked(parcel: _Parcel) -> tuple[Any, ...]:
    return parcel.held


def _version() -> str:
    return str(import_module("nwbdecode").__version__)


def _task(work: Callable[..., Any], shared: tuple[Any, ...], given: _Parcel, version: str) -> Any:
    if version != _version():
        raise NWBDecodeError(
            f"a worker on {socket.gethostname()} runs nwbdecode {_version()}, and this is "
            f"{version}; install the same version everywhere"
        )
    with _ALONE:
        return work(*shared, *given.held)


def _raised(future: Any, result: Any) -> Exception:
    """Find out what a future failed with."""
    if future.status == "error":
        return result[1]
    return ConnectionError(f"the task is {future.status}")


def _told(error: Exception) -> Exception:
    """Say what the cluster's own errors mean."""
    from distributed.scheduler import KilledWorker

    if isinstance(error, KilledWorker):
        told = (
            f"{error.allowed_failures + 1} workers were lost one after the other over the same "
            "task, most likely because there was too little memory; give each more. What was done "
            "is kept where it is stored: run it again to go on"
        )
    elif isinstance(error, ModuleNotFoundError):
        told = f"a worker cannot import what it shall run ({error}); install nwbdecode there too"
    elif isinstance(error, ConnectionError):
        told = f"the cluster was lost ({error}): its scheduler ended, or was restarted"
    else:
        return error
    return NWBDecodeError(told)


@dataclass(frozen=True)
class SharedFolder:
    """A folder that all workers shall see, and how they know it: by a file in it."""

    path: str
    token: str

    def check(self) -> None:
        """Refuse a machine that sees another folder, or none.

        Raises
        ------
        NWBDecodeError
        """
        try:
            seen = Path(self.path, self._name).read_text()
        except OSError:
            seen = ""
        if seen != self.token:
            raise NWBDecodeError(
                f"a worker on {socket.gethostname()} does not see {self.path!r} as this machine "
                "does; keep features in a folder that all machines share, under the same path "
                "(`store`, --cache or NWBDECODE_CACHE)"
            )

    @property
    def _name(self) -> str:
        return f".{self.token}.token"

    @classmethod
    @contextmanager
    def of(cls, client: Client, path: Path) -> Iterator[SharedFolder]:
        """Mark a folder while a cluster works with it, and check that the workers see it.

        Raises
        ------
        NWBDecodeError
            If a worker that is there does not; those to come check it themselves.
        """
        marked = cls(str(path.absolute()), uuid.uuid4().hex)
        file = path / marked._name
        file.write_text(marked.token)
        try:
            client.run(marked.check)
            yield marked
        finally:
            file.unlink(missing_ok=True)
