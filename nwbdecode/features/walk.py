"""Walking a recording block by block: read, reference, notch, transform, keep, label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.features.ahead import Behind, ahead
from nwbdecode.features.labels import labelled
from nwbdecode.features.lost import refuse_dead_channels
from nwbdecode.features.morlet import reflected
from nwbdecode.features.pieces import MEMORY, Piece, cut, fitting
from nwbdecode.features.plan import Plan, make_plan, planned
from nwbdecode.features.rounding import rounded
from nwbdecode.features.rows import Rows
from nwbdecode.features.threads import engine_threads, in_parts
from nwbdecode.features.transform import Maker
from nwbdecode.load.signal import Signal

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.cluster import Cluster
    from nwbdecode.features.store import FeatureStore

#: Bytes of samples that are converted and referenced at once: they stay in the processor's cache.
_IN_CACHE = 1 << 19
#: Bytes of samples that are worth a thread's while to convert.
_LEAST = 1 << 22


def compute(
    signal: Signal,
    recipe: dict[str, Any],
    *,
    store: str | Path | None = None,
    memory: int = MEMORY,
    client: Cluster | None = None,
    progress: bool = True,
) -> xr.DataArray:
    """Make the features that a complete recipe describes.

    Parameters
    ----------
    signal : Signal
    recipe : dict
        From `make_recipe` or `known_recipe`.
    store, memory, client, progress
        As for `wavelet_power`.

    Returns
    -------
    xarray.DataArray, dims (time, frequency, channel), float32
    """
    plan = make_plan(signal, recipe)
    with engine_threads():
        values, digest = _values(plan, store=store, memory=memory, client=client, progress=progress)
    return labelled(values, plan, digest)


def labels_of(signal: Signal, recipe: dict[str, Any]) -> xr.DataArray:
    """Give what `compute` will make with all its labels, and zeros that take no room.

    Parameters
    ----------
    signal, recipe
        As for `compute`.

    Returns
    -------
    xarray.DataArray, dims (time, frequency, channel), float32
        Read-only, without a ``hash``.
    """
    plan = make_plan(signal, recipe)
    return labelled(np.broadcast_to(np.float32(0), plan.shape), plan, "")


def _values(
    plan: Plan,
    *,
    store: str | Path | None,
    memory: int,
    client: Cluster | None,
    progress: bool,
) -> tuple[Any, str]:
    """Compute all blocks, or those that the store lacks; give the values and the store's hash."""
    from nwbdecode.blocks import cache_folder
    from nwbdecode.features.store import BLOCK, FeatureStore, recipe_hash

    signal, shape = plan.signal, plan.shape
    refuse_dead_channels(signal)
    on_file = bool(signal.source.get("path") or signal.source.get("content"))
    stored = store is not None or on_file or client is not None or 4 * np.prod(shape) > memory
    if not stored:
        size, rows = fitting(plan, memory, 0)
        values = np.empty(shape, dtype=np.float32)
        blocks = list(range(-(-shape[0] // BLOCK)))
        _fill(plan, rows, size, blocks, progress, lambda block: values[block])
        return values, ""
    digest = recipe_hash(plan.recipe, signal, plan.reference)
    folder = Path(store) if store is not None else cache_folder() / "features" / digest
    kept = FeatureStore(folder if store is None else folder / digest, shape, plan.recipe)
    if client is None:
        _fill_store(plan, kept, kept.missing(), memory, progress)
    else:
        from nwbdecode.features.spread import fill_there

        fill_there(client, signal, plan.recipe, kept, memory=memory, progress=progress)
    return kept.lazy(), digest


def fill_here(
    signal: Signal, recipe: dict[str, Any], folder: Path, blocks: Sequence[int], memory: int
) -> list[int]:
    """Compute those of some blocks that a store lacks, and say which they were.

    Parameters
    ----------
    signal : Signal
        Of good channels alone.
    recipe : dict
        That the store was made for.
    folder : Path
    blocks : sequence of int
    memory : int
        As for `wavelet_power`.
    """
    from nwbdecode.features.store import FeatureStore

    plan = planned(signal, recipe)
    kept = FeatureStore(folder, plan.shape, recipe)
    missing = [block for block in blocks if not kept.has(block)]
    with engine_threads():
        _fill_store(plan, kept, missing, memory, progress=False)
    return missing


def _fill_store(
    plan: Plan, kept: FeatureStore, blocks: Sequence[int], memory: int, progress: bool
) -> None:
    size, rows = fitting(plan, memory, min(kept.block, plan.shape[0]))

    def room(block: slice) -> np.ndarray:
        return np.empty((block.stop - block.start, *plan.shape[1:]), dtype=np.float32)

    _fill(plan, rows, size, blocks, progress, room, kept.write)


def _fill(
    plan: Plan,
    rows: Rows,
    size: int,
    blocks: Sequence[int],
    progress: bool,
    room: Callable[[slice], np.ndarray],
    write: Callable[[int, np.ndarray], None] | None = None,
) -> None:
    """Compute blocks while the next piece is read and the block before is written."""
    spans = [_span(block, plan.shape[0]) for block in blocks]
    pieces = cut(plan, spans, size)
    maker: Maker | None = None
    with (
        _reading(plan, rows, (piece for some in pieces for piece in some)) as read,
        Behind() as written,
        _progress(blocks, progress) as shown,
    ):
        for block, (low, high), some in zip(blocks, spans, pieces, strict=True):
            out = room(slice(low, high))
            for piece in some:
                samples = next(read)
                if piece.closes:
                    maker, opened = _maker_of(plan, piece), piece.low
                assert maker is not None
                out[piece.low - low : piece.high - low] = _transformed(
                    plan, rows, samples, maker, piece.high - opened
                )
            if write is not None:
                written.do(write, block, out)
            shown.update()


def _maker_of(plan: Plan, piece: Piece) -> Maker:
    """Begin the stretch of bins that a piece opens."""
    stretch = slice(piece.low, piece.closes)
    begin = plan.signal.segments[plan.bins.segment[piece.low]].start
    return plan.transform.begin(plan.bins.first[stretch] - begin, plan.bins.stop[stretch] - begin)


def _span(block: int, bins: int) -> tuple[int, int]:
    """Bins of a block."""
    from nwbdecode.features.store import BLOCK

    return block * BLOCK, min((block + 1) * BLOCK, bins)


def _reading(
    plan: Plan, rows: Rows, pieces: Iterator[Piece]
) -> AbstractContextManager[Iterator[_Samples]]:
    """Samples of pieces, one after the other; read ahead where that can be stopped at once."""
    read = partial(_read, plan, rows)
    if rows.slab:
        return ahead(read, pieces)
    # A stream from the network or a movie is asked for minutes of work by one call.
    return nullcontext(read(piece, _go_on) for piece in pieces)


def _go_on() -> None:
    """Nothing has to be stopped on the thread that would stop it."""


@dataclass
class _Samples:
    """Samples of a piece; what works on them takes them out."""

    taken: np.ndarray | None
    origin: int


def _read(plan: Plan, rows: Rows, piece: Piece, check: Callable[[], None]) -> _Samples:
    """Read the samples of a piece, referenced, and mirrored at the ends of their segment."""
    signal = plan.signal
    segment = signal.segments[plan.bins.segment[piece.low]]
    begin, end = piece.begin, piece.end
    wanted = np.arange(begin, end)
    if begin < segment.start or end > segment.stop:
        size = segment.stop - segment.start
        # A mirror at the start would show a causal filter the future: hold the first sample.
        causal = plan.after == 0 < plan.before
        inside = wanted - segment.start
        inside = np.clip(inside, 0, size - 1) if causal else reflected(inside, size)
        wanted = segment.start + inside
    samples: np.ndarray | None = None
    few, least = (max(1, size // (4 * rows.columns)) for size in (_IN_CACHE, _LEAST))
    for part in rows.parts(wanted):
        check()
        start = int(wanted[part].min())
        stored = rows.read(start, int(wanted[part].max()) + 1, piece.again_from)
        if samples is None:
            columns = len(plan.reference.channels) * max(len(signal.frequencies), 1)
            samples = rows.room(len(wanted), columns)
        given = (plan, stored, wanted[part] - start, samples[part], few)
        count = part.stop - part.start
        # To convert is done before another thread is awake.
        alone = plan.reference.kind == "none"
        in_parts(_reference, count, *given, least=count + 1 if alone else least)
    return _Samples(samples, begin - segment.start)


def _reference(
    begin: int,
    end: int,
    plan: Plan,
    stored: np.ndarray,
    wanted: np.ndarray,
    out: np.ndarray,
    few: int,
) -> None:
    """Put wanted rows `begin` to `end`, converted and referenced, where they are worked on."""
    # A few at a time are still in the cache when they are referenced.
    few = end - begin if plan.reference.kind == "none" else few
    columns = stored[0].size
    for at in range(begin, end, few):
        some = out[at : min(at + few, end)]
        here = some if columns == out.shape[1] else np.empty((len(some), columns), np.float32)
        plan.signal.convert_rows(stored, wanted[at : at + len(some)], here)
        ready = plan.reference.apply(here)
        if ready is not some:
            some[:] = ready


def _transformed(plan: Plan, rows: Rows, read: _Samples, maker: Maker, upto: int) -> np.ndarray:
    samples, read.taken = read.taken, None
    assert samples is not None
    origin = read.origin
    if plan.notch is not None:
        samples = plan.notch.apply(samples)
        origin += plan.notch.before
    made = maker.push(samples, origin, upto)
    rows.free(samples)
    return rounded(made, plan.recipe.get("tolerance", 0.0))


def _progress(blocks: Sequence[int], shown: bool) -> Any:
    from tqdm.auto import tqdm

    hidden = not shown or len(blocks) <= 4
    return tqdm(total=len(blocks), desc="features", unit="block", disable=hidden, leave=False)
