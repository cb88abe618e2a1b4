"""Where a result goes: looked at before the work, and found a place after it, whatever happens."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from nwbdecode.decoding import Decoding
    from nwbdecode.load.source import Source
    from nwbdecode.results.runs import Exists

#: Is told the file that a result lies in, and its run.
Announce: TypeAlias = Callable[[str, str], None]


@dataclass(frozen=True)
class Destination:
    """Where the user wants a result.

    Attributes
    ----------
    output : path or None
        A new file.
    append : bool
        Into the recording's own file instead.
    exists : {"error", "replace", "new", "skip"}
    run : str or None
    announce : callable, optional
        Called with the file and the run that the result went to, or was found in.
    decoders : tuple of paths
        Files that decoders are read from, which are never replaced.
    """

    output: str | os.PathLike[str] | None = None
    append: bool = False
    exists: Exists | Literal["skip"] = "error"
    run: str | None = None
    announce: Announce | None = None
    decoders: tuple[str | os.PathLike[str], ...] = ()

    @property
    def writes(self) -> Exists:
        """What happens to what is there, once nothing is there to skip."""
        return "error" if self.exists == "skip" else self.exists

    def check(self, opened: Source | None = None) -> None:
        """Refuse a place where a result cannot go, before hours are spent on it.

        Parameters
        ----------
        opened : Source, optional
            The recording, once it is open.

        Raises
        ------
        NWBDecodeError
        """
        from nwbdecode.results.refusing import check_appendable, check_output
        from nwbdecode.results.runs import check_run

        if self.append and self.output is not None:
            raise NWBDecodeError(
                "the result goes into the recording's own file (append) or into a new one "
                "(output); choose one of them"
            )
        check_run(self.run)
        for held in self.decoders:
            if self.output is not None and _is_same_file(self.output, held):
                raise NWBDecodeError(
                    f"{os.fspath(self.output)!r} holds the decoders that are used, which would be "
                    "lost; give another output"
                )
        facts = None if opened is None else opened.facts
        if self.output is not None:
            check_output(self.output, exists=self.writes, source=facts, run=self.run)
        if self.append and opened is not None:
            check_appendable(own_file(opened), run=self.run, exists=self.writes)

    def rehearse(self, outline: Decoding) -> None:
        """Refuse a result that could not be stored, before it is made.

        Parameters
        ----------
        outline : Decoding
            What will be made, as far as it is known.

        Raises
        ------
        NWBDecodeError
        """
        from nwbdecode.results.rehearsing import rehearse

        if self.append or self.output is not None:
            rehearse(outline, self.run)

    def standing(self, opened: Source, request: Mapping[str, Any]) -> Decoding | None:
        """Give the result asked for, where `exists` is ``"skip"`` and it is there already.

        Raises
        ------
        NWBDecodeError
            If what is there was made otherwise.
        """
        from nwbdecode.asked import standing
        from nwbdecode.results.reading import run_names
        from nwbdecode.results.runs import check_run

        if self.exists != "skip" or not (self.append or self.output):
            return None
        if opened.is_signal:
            raise NWBDecodeError(
                "exists='skip' finds a result by the file of its recording, and a signal in memory "
                "has none; choose 'error', 'replace' or 'new'"
            )
        file = own_file(opened) if self.append else str(self.output)
        there = standing(file, request, run=self.run, appended=self.append)
        if there is not None and self.announce is not None:
            only = self.run is None and not self.append
            self.announce(str(file), run_names(file)[0] if only else check_run(self.run))
        return there

    def keep(self, decoding: Decoding, opened: Source | None = None) -> None:
        """Write a result where it shall go or, if that fails now, where it can.

        Parameters
        ----------
        decoding : Decoding
        opened : Source, optional
            The recording; not optional where the result is appended to it.

        Raises
        ------
        NWBDecodeError
            When it could not be written where it shall go; the message says where it is.
            Where it could be written nowhere, the error holds it as ``decoding``.
        """
        from nwbdecode.results import append, write
        from nwbdecode.results.runs import check_run

        wanted = opened.facts["path"] if self.append and opened is not None else self.output
        if wanted is None:
            return
        file, run = Path(wanted), check_run(self.run)
        try:
            if self.append:
                run = append(decoding, file, exists=self.writes, run=self.run)
            else:
                file = write(decoding, file, exists=self.writes, run=self.run, source=opened)
        except Exception as error:
            # Whatever it was: what hours of work have made is worth more than its name.
            raise _rescued(decoding, file, run, opened, error) from error
        if self.announce is not None:
            self.announce(str(file), run)


def rescue(decoding: Decoding, wanted: Path, run: str | None = None, source: Any = None) -> Path:
    """Write a result that cannot go where it should somewhere else.

    Beside the file that was wanted if possible, else into the cache's folder, else into
    the system's folder of temporary files; as ``NAME.rescued.nwb`` or the next free name.

    Parameters
    ----------
    decoding : Decoding
    wanted : pathlib.Path
        The file that could not be written.
    run : str, optional
    source : optional
        As for `nwbdecode.write`.

    Returns
    -------
    pathlib.Path
        Where it is.

    Raises
    ------
    NWBDecodeError
        When it could be written nowhere.
    """
    from nwbdecode.results import write

    refused = []
    for folder in _refuges(wanted):
        try:
            place = folder / f"{wanted.stem}.rescued.nwb"
            return write(decoding, place, exists="new", run=run, source=source)
        except Exception as error:  # the next place may do
            refused.append(str(error))
    raise NWBDecodeError("; ".join(refused))


def _refuges(wanted: Path) -> Iterator[Path]:
    """Folders to try, the one nearest to what was wanted first."""
    from nwbdecode.blocks import cache_folder

    yield wanted.absolute().parent
    cache = cache_folder() / "rescued"
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    yield cache
    yield Path(tempfile.gettempdir())


def _rescued(
    decoding: Decoding, wanted: Path, run: str | None, source: Any, error: Exception
) -> NWBDecodeError:
    """Say why a result is not where it was wanted, and where it is."""
    from nwbdecode.results.mending import storable

    why = str(error).rstrip(".")
    mended = ""
    try:
        place = rescue(decoding, wanted, run, source)
    except NWBDecodeError:
        try:
            place = rescue(storable(decoding), wanted, run, source)
            mended = ", in which text stands for what cannot be stored"
        except Exception:  # what can go wrong here is what went wrong before
            lost = NWBDecodeError(
                f"{why}. It could be written nowhere else either; in Python, the error's "
                "attribute `decoding` holds the result"
            )
            lost.decoding = decoding
            return lost
    return NWBDecodeError(
        f"{why}. The result is not lost, it is in {str(place)!r}{mended}: move it, or `append` "
        "what `read` gives of it"
    )


def _is_same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def files_of(given: Any) -> tuple[str | os.PathLike[str], ...]:
    """Give what was given as files, where it may be something in memory instead."""
    return (given,) if isinstance(given, str | os.PathLike) else ()


def own_file(opened: Source) -> str:
    """Path of the file that a recording was opened from, where a result can be added.

    Raises
    ------
    NWBDecodeError
        If it was opened from anything else.
    """
    path = opened.facts.get("path")
    if not path or not Path(path).is_file():
        raise NWBDecodeError(
            "a result can be added to a local HDF5 file alone, and this recording is none; give "
            "an output, or `add_decoding` to an NWBFile that you write yourself"
        )
    return str(path)
