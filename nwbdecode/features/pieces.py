"""Cutting a recording into pieces that are read and transformed one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features.bins import Bins
from nwbdecode.features.plan import Plan
from nwbdecode.features.rows import Rows

#: Bytes that the computation may use, unless told otherwise.
MEMORY = 1 << 30
#: What compiling the engine leaves resident, at most.
_ENGINE = 184 << 20
#: Bytes a sample, twice float32: what is transformed, and what is read ahead or, where a piece is
#: read whole, the samples as they are read, if they are as wide.
_SAMPLE = 4 * 2
#: Bytes of samples that are worked on together where pieces carry on from each other: more only
#: touch more memory, and beyond 32 MiB glibc gives it back to the system each time.
_PIECE = 24 << 20
#: The same from sources that are better asked for much.
_LARGE = 1 << 27
#: Share of the memory, as its inverse, that a slab of rows may take while it is read.
_READING = 16
#: Bins that make it worth reading all that they reach.
_FEW = 16
#: Times what a piece reads again, that make it worth reading that.
_WORTH = 4


@dataclass(frozen=True)
class Piece:
    """Samples that are read at once, and the bins that are complete after them.

    Attributes
    ----------
    begin, end : int
        First sample and one past the last; outside of the segment where bins reach there.
    low, high : int
        Bins that are given; none where the samples only lead to them.
    again_from : int
        First stored row that is still read, by this piece where it is mirrored or by others.
    closes : int
        Of a piece that opens a gapless stretch of bins, one past the last of them; else 0.
    """

    begin: int
    end: int
    low: int
    high: int
    again_from: int
    closes: int = 0


#: Bins [low, high) that one block has of a stretch.
_Part = tuple[int, int]


def cut(plan: Plan, blocks: Sequence[tuple[int, int]], size: int) -> list[list[Piece]]:
    """Cut blocks of bins into pieces.

    Parameters
    ----------
    plan : Plan
    blocks : sequence of (int, int)
        Bins [low, high) of each block, ascending.
    size : int
        Samples of a piece, at most, beside those that it reads again; from `fitting`.

    Returns
    -------
    list of list of Piece
        Of each block, all its pieces.
    """
    made: list[list[Piece]] = [[] for _ in blocks]
    cut_stretch: Callable[..., Iterator[list[Piece]]]
    cut_stretch = _apart if plan.near is None else _carried_on
    for stretch in _stretches(plan.bins, blocks):
        parts = [(low, high) for _, low, high in stretch]
        for (block, *_), pieces in zip(stretch, cut_stretch(plan, parts, size), strict=True):
            made[block] += pieces
    return made


def _stretches(
    bins: Bins, blocks: Sequence[tuple[int, int]]
) -> Iterator[list[tuple[int, int, int]]]:
    """Give the gapless stretches that lie in the blocks, in parts: (block, low, high)."""
    parts: list[tuple[int, int, int]] = []
    for block, (low, high) in enumerate(blocks):
        turns = low + np.flatnonzero(np.diff(bins.runs[low:high])) + 1
        for begin, end in pairwise([low, *turns.tolist(), high]):
            if parts and (begin != parts[-1][2] or bins.runs[begin - 1] != bins.runs[begin]):
                yield parts
                parts = []
            parts.append((block, begin, end))
    if parts:
        yield parts


def _carried_on(plan: Plan, parts: Sequence[_Part], size: int) -> Iterator[list[Piece]]:
    """Cut a stretch whose pieces carry on from each other: anywhere, as bins need not be whole.

    All that the slowest band reaches lies before the first bin is complete.
    """
    bins, near = plan.bins, plan.near
    assert near is not None
    (given, _), (_, closed) = parts[0], parts[-1]
    opens = ended = int(bins.first[given]) - plan.before
    # Beyond its end a segment is mirrored: the rows before that are read once more. Another
    # stretch may begin near by.
    last = int(bins.stop[closed - 1]) + plan.after
    still = min(_mirrored(plan, given, last), _reads_next(plan, closed, last))
    for _, high in parts:
        pieces = []
        ends = _evenly(ended, int(bins.stop[high - 1]) + plan.after, size)
        for end in ends:
            if end - opens <= near and end != ends[-1]:
                # Too few to be filtered.
                continue
            found = np.searchsorted(bins.stop[:high], end - plan.after, side="right")
            complete = max(given, int(found))
            begin = max(opens, ended - near)
            again = last if complete == closed else max(opens, end - near)
            closes = closed if ended == opens else 0
            pieces.append(Piece(begin, end, given, complete, min(again, still), closes))
            given, ended = complete, end
        yield pieces


def _apart(plan: Plan, parts: Sequence[_Part], size: int) -> Iterator[list[Piece]]:
    """Cut a stretch into pieces of which each holds all that its bins reach."""
    bins = plan.bins
    (opens, _), (_, closed) = parts[0], parts[-1]
    most = max(1, int(size / _per_bin(plan)))
    for low, high in parts:
        pieces = []
        # A short last piece would read all that it reaches for the sake of a few bins.
        even = -(-(high - low) // -(-(high - low) // most))
        for at in range(low, high, even):
            stop = min(at + even, high)
            begin, end = int(bins.first[at]) - plan.before, int(bins.stop[stop - 1]) + plan.after
            again = min(_reads_next(plan, stop, end), _mirrored(plan, at, end))
            pieces.append(Piece(begin, end, at, stop, again, closed if at == opens else 0))
        yield pieces


def _evenly(begin: int, end: int, size: int) -> list[int]:
    """Ends of even parts of at most so many samples.

    Examples
    --------
    >>> _evenly(-5, 5, 4)
    [-2, 1, 5]
    """
    count = -(-(end - begin) // size)
    return [begin + (end - begin) * part // count for part in range(1, count + 1)]


def _reads_next(plan: Plan, low: int, end: int) -> int:
    """First row that bins from `low` on depend on; `end` if there are none."""
    return int(plan.bins.first[low]) - plan.before if low < len(plan.bins) else end


def _mirrored(plan: Plan, low: int, end: int) -> int:
    """First row that is read again where bins from `low` on reach to `end`, beyond their segment.

    A segment is mirrored there, so its last rows come once more, backwards.
    """
    stop = plan.signal.segments[plan.bins.segment[low]].stop
    return 2 * stop - 1 - end if end > stop else end


def _per_bin(plan: Plan) -> float:
    """Samples of a bin."""
    return max(plan.bins.width * plan.signal.rate, 1.0)


def fitting(plan: Plan, memory: int, block: int) -> tuple[int, Rows]:
    """Choose how much to read at once so that all that is held fits into the memory, and how.

    Parameters
    ----------
    plan : Plan
    memory : int
        Bytes.
    block : int
        Bins of a block that is put together before it is written.

    Raises
    ------
    NWBDecodeError
        If the memory does not hold one bin and what has to be at hand together with it.
    """
    signal, per_bin, transform = plan.signal, _per_bin(plan), plan.transform
    columns = max(signal.n_channels * max(len(signal.frequencies), 1), plan.shape[2])
    rows = Rows.of(signal, (memory - _ENGINE if memory > _ENGINE else memory) // _READING)
    sample_bytes = _SAMPLE * columns + 4 * transform.held(columns)
    reach = plan.before + plan.after
    again = reach if plan.near is None else plan.near
    if (again + per_bin) * sample_bytes > memory:
        raise NWBDecodeError(
            f"one bin of {columns} channels and the {again / signal.rate:.3g} s around "
            f"it need {(again + per_bin) * sample_bytes / 1e9:.3g} GB; `memory` is "
            f"{memory / 1e9:.3g} GB. Raise it, raise the lowest band, shorten the bins, or take "
            "fewer channels"
        )
    bin_bytes = 4 * plan.shape[1] * plan.shape[2]
    # The bands of a bin are held twice while they are put together.
    each = sample_bytes + 2 * bin_bytes / per_bin
    # One block is put together while the other is written.
    beside: float = _ENGINE + 2 * block * bin_bytes + again * sample_bytes
    if plan.near is None:
        least, most, kept = _FEW * per_bin, float("inf"), reach
    else:
        # Bins of fast bands wait for those of slow ones.
        beside += 2 * bin_bytes * reach / per_bin + 4 * transform.held(columns) * transform.carried
        least = _WORTH * again
        most = max((_PIECE if rows.slab else _LARGE) / (4 * columns), least)
        # What is mirrored, or what two stretches both reach, is held while it is read twice.
        kept = again + reach
    # What the next piece reads again is kept if there is room, and else read again.
    for how in (rows, replace(rows, keep=False)):
        room = (memory - beside - how.nbytes(kept)) / each
        if room >= least:
            return int(min(room, most)), how
    # Where too little is left beside the engine, a little at a time is made all the same.
    how = replace(rows, keep=False)
    room = (memory - (beside - _ENGINE) - how.nbytes(kept)) / each
    return int(max(per_bin, min(room, least))), how
