"""Walking a recording block by block: read, reference, notch, transform, keep, label."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features.ahead import Behind, ahead
from nwbdecode.features.bins import Bins, make_bins
from nwbdecode.features.labels import labelled, plain
from nwbdecode.features.lost import refuse_dead_channels
from nwbdecode.features.morlet import reflected
from nwbdecode.features.notch import Notch, make_notch
from nwbdecode.features.referencing import Referencing, referencing
from nwbdecode.features.rounding import rounded
from nwbdecode.features.rows import Rows
from nwbdecode.features.threads import engine_threads, in_parts
from nwbdecode.features.transform import Maker, Transform, make_transform
from nwbdecode.load.signal import Signal

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.cluster import Cluster
    from nwbdecode.features.store import FeatureStore

#: Bytes that the computation may use, unless told otherwise.
MEMORY = 1 << 30
#: What compiling the engine leaves resident, at most.
_ENGINE = 184 << 20
#: Bytes a sample, twice float32: what is transformed, and what is read ahead or, where a piece is
#: read whole, the samples as they are read.
_SAMPLE = 4 * 2
#: Bytes of samples that are converted and referenced at once: they stay in the processor's cache.
_IN_CACHE = 1 << 19
#: Bytes of samples that are transformed at once, at most, where pieces carry on from each other.
_PIECE = 1 << 27
#: Share of the memory, as its inverse, that a slab of rows may take while it is read.
_READING = 16
#: Bins that make it worth reading all that they reach.
_FEW = 16


@dataclass(frozen=True)
class Plan:
    """Everything that a recipe means for one signal."""

    signal: Signal
    recipe: dict[str, Any]
    bins: Bins
    reference: Referencing
    notch: Notch | None
    transform: Transform

    @property
    def before(self) -> int:
        """Samples before a bin's own that its value depends on."""
        return self.transform.before + (0 if self.notch is None else self.notch.before)

    @property
    def after(self) -> int:
        return self.transform.after + (0 if self.notch is None else self.notch.after)

    def begin(self, low: int, opens: bool) -> int:
        """First sample that a piece which begins at bin `low` reads, of a stretch or within one."""
        whole = int(self.bins.first[low]) - self.before
        if opens or self.transform.near is None or low == 0:
            return whole
        # The end of what the piece before gave to the transform.
        ended = int(self.bins.stop[low - 1]) + self.transform.after
        before = 0 if self.notch is None else self.notch.before
        return max(whole, ended - self.transform.near - before)

    @property
    def rows(self) -> list[float]:
        remainder = [0.0] if self.recipe.get("remainder") else []
        return remainder + list(self.recipe["frequencies"])

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.bins), len(self.rows), len(self.reference.channels)


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
    plan = _plan_of(signal, recipe)
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
    plan = _plan_of(signal, recipe)
    return labelled(np.broadcast_to(np.float32(0), plan.shape), plan, "")


def _plan_of(signal: Signal, recipe: dict[str, Any]) -> Plan:
    signal, bad = _good_channels(signal)
    return _planned(signal, {**recipe, "excluded": bad})


def _planned(signal: Signal, recipe: dict[str, Any]) -> Plan:
    by = recipe.get("reference_by")
    line = recipe.get("notch")
    bins = make_bins(signal, recipe["bin"])
    return Plan(
        signal,
        recipe,
        bins,
        referencing(signal.channels, recipe.get("reference", "none"), by),
        None if line is None else make_notch(line, signal.rate, causal=recipe["causal"]),
        make_transform(signal, recipe, int((bins.stop - bins.first).max(initial=1))),
    )


def _good_channels(signal: Signal) -> tuple[Signal, list[Any]]:
    """Leave out the channels marked bad, and name them."""
    if "bad" not in signal.channels:
        return signal, []
    good = ~signal.channels["bad"].to_numpy(dtype=bool)
    if not good.any():
        raise NWBDecodeError(
            f"all {len(good)} channels of {signal.path!r} are marked bad; unmark some"
        )
    bad = [plain(label) for label in signal.channels.index[~good]]
    return (signal.select(channels=list(signal.channels.index[good])) if bad else signal), bad


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
        at_once, rows = _at_once(plan, memory, 0)
        values = np.empty(shape, dtype=np.float32)
        blocks = list(range(-(-shape[0] // BLOCK)))
        _fill(plan, rows, at_once, blocks, progress, lambda block: values[block])
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

    plan = _planned(signal, recipe)
    kept = FeatureStore(folder, plan.shape, recipe)
    missing = [block for block in blocks if not kept.has(block)]
    with engine_threads():
        _fill_store(plan, kept, missing, memory, progress=False)
    return missing


def _fill_store(
    plan: Plan, kept: FeatureStore, blocks: Sequence[int], memory: int, progress: bool
) -> None:
    at_once, rows = _at_once(plan, memory, min(kept.block, plan.shape[0]))

    def room(block: slice) -> np.ndarray:
        return np.empty((block.stop - block.start, *plan.shape[1:]), dtype=np.float32)

    _fill(plan, rows, at_once, blocks, progress, room, kept.write)


def _fill(
    plan: Plan,
    rows: Rows,
    at_once: int,
    blocks: Sequence[int],
    progress: bool,
    room: Callable[[slice], np.ndarray],
    write: Callable[[int, np.ndarray], None] | None = None,
) -> None:
    """Compute blocks while the next piece is read and the block before is written."""
    spans = {block: _span(block, plan.shape[0]) for block in blocks}
    pieces = {block: list(_pieces(plan.bins, *span, at_once)) for block, span in spans.items()}
    ends = _stretches(plan.bins, spans.values())
    maker: Maker | None = None
    flat = (piece for block in blocks for piece in pieces[block])
    with _reading(plan, rows, flat, ends) as read, Behind() as written:
        for block in _progress(blocks, progress):
            low, high = spans[block]
            out = room(slice(low, high))
            for at, stop in pieces[block]:
                piece = next(read)
                if at in ends:
                    begin = plan.signal.segments[plan.bins.segment[at]].start
                    stretch = slice(at, ends[at])
                    maker = plan.transform.begin(
                        plan.bins.first[stretch] - begin, plan.bins.stop[stretch] - begin
                    )
                    opened = at
                assert maker is not None
                out[at - low : stop - low] = _transformed(plan, rows, piece, maker, stop - opened)
            if write is not None:
                written.do(write, block, out)


def _span(block: int, bins: int) -> tuple[int, int]:
    """Bins of a block."""
    from nwbdecode.features.store import BLOCK

    return block * BLOCK, min((block + 1) * BLOCK, bins)


def _stretches(bins: Bins, spans: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Give the first bin of each gapless stretch that lies in the spans, and its end."""
    ends: dict[int, int] = {}
    opened = last = -1
    for low, high in spans:
        turns = low + np.flatnonzero(np.diff(bins.runs[low:high])) + 1
        for begin, end in pairwise([low, *turns.tolist(), high]):
            if begin != last or bins.runs[begin - 1] != bins.runs[begin]:
                opened = begin
            ends[opened] = last = end
    return ends


def _reading(
    plan: Plan, rows: Rows, pieces: Iterator[tuple[int, int]], opening: Container[int]
) -> AbstractContextManager[Iterator[_Piece]]:
    """Samples of pieces, one after the other; read ahead where that can be stopped at once."""
    read = partial(_read, plan, rows, opening)
    if rows.slab:
        return ahead(read, pieces)
    # A stream from the network or a movie is asked for minutes of work by one call.
    return nullcontext(read(piece, _go_on) for piece in pieces)


def _go_on() -> None:
    """Nothing has to be stopped on the thread that would stop it."""


def _at_once(plan: Plan, memory: int, block: int) -> tuple[int, Rows]:
    """Bins whose samples fit into the memory together with all that they reach, and how to read.

    `block` is the number of bins of a block that is put together before it is written.
    """
    signal, bins = plan.signal, plan.bins
    columns = max(signal.n_channels * max(len(signal.frequencies), 1), plan.shape[2])
    beside = memory - _ENGINE if memory > _ENGINE else memory
    rows = Rows.of(signal, beside // _READING)
    sample_bytes = _SAMPLE * columns + 4 * plan.transform.held(columns)
    reach = plan.before + plan.after
    per_bin = max(bins.width * signal.rate, 1.0)
    if (reach + per_bin) * sample_bytes > memory:
        raise NWBDecodeError(
            f"one bin of {columns} channels and the {reach / signal.rate:.3g} s around "
            f"it need {(reach + per_bin) * sample_bytes / 1e9:.3g} GB; `memory` is "
            f"{memory / 1e9:.3g} GB. Raise it, raise the lowest band, or take fewer channels"
        )
    # The bands of a bin are held twice while they are put together.
    each = per_bin * sample_bytes + 8 * plan.shape[1] * plan.shape[2]
    # One block is put together while the other is written.
    blocks = 2 * 4 * block * plan.shape[1] * plan.shape[2]
    free = memory - _ENGINE - blocks - reach * sample_bytes
    # What the next piece reads again is kept if there is room, and else read again.
    for how in (rows, replace(rows, keep=False)):
        room = int((free - how.nbytes(reach)) / each)
        if room >= _FEW:
            # Where nothing is read twice, longer pieces only touch more memory.
            longest = room if plan.transform.near is None else int(_PIECE / (4 * columns * per_bin))
            return min(room, max(_FEW, longest)), how
    # Where too little is left beside the engine, a few bins at a time are made all the same.
    room = int((memory - reach * sample_bytes) / each)
    return max(1, min(room, _FEW)), replace(rows, keep=False)


def _pieces(bins: Bins, low: int, high: int, at_once: int) -> Iterator[tuple[int, int]]:
    """Cut bins [low, high) into even pieces that fit into the memory, each of one run."""
    turns = low + np.flatnonzero(np.diff(bins.runs[low:high])) + 1
    for begin, end in pairwise([low, *turns.tolist(), high]):
        # A short last piece would read all that it reaches for the sake of a few bins.
        size = -(-(end - begin) // -(-(end - begin) // at_once))
        yield from ((at, min(at + size, end)) for at in range(begin, end, size))


@dataclass
class _Piece:
    """Samples that some bins depend on; what works on them takes them out."""

    samples: np.ndarray | None
    origin: int


def _read(
    plan: Plan,
    rows: Rows,
    opening: Container[int],
    piece: tuple[int, int],
    check: Callable[[], None],
) -> _Piece:
    """Read what bins [low, high) of one run depend on, and no piece before held.

    Samples come referenced, and mirrored at the ends of their segment.
    """
    signal, bins = plan.signal, plan.bins
    low, high = piece
    segment = signal.segments[bins.segment[low]]
    begin, end = plan.begin(low, low in opening), int(bins.stop[high - 1]) + plan.after
    wanted = np.arange(begin, end)
    if begin < segment.start or end > segment.stop:
        size = segment.stop - segment.start
        # A mirror at the start would show a causal filter the future: hold the first sample.
        causal = plan.after == 0 < plan.before
        inside = wanted - segment.start
        inside = np.clip(inside, 0, size - 1) if causal else reflected(inside, size)
        wanted = segment.start + inside
    samples: np.ndarray | None = None
    few = max(1, _IN_CACHE // (4 * rows.columns))
    for part in rows.parts(wanted):
        check()
        start = int(wanted[part].min())
        again_from = plan.begin(high, opens=False) if high < len(bins) else end
        stored = rows.read(start, int(wanted[part].max()) + 1, again_from)
        if samples is None:
            columns = len(plan.reference.channels) * max(len(signal.frequencies), 1)
            samples = rows.room(len(wanted), columns)
        pieces = -(-(part.stop - part.start) // few)
        in_parts(_reference_all, pieces, plan, stored, wanted[part] - start, samples[part], few)
    return _Piece(samples, begin - segment.start)


def _reference_all(
    begin: int,
    end: int,
    plan: Plan,
    stored: np.ndarray,
    wanted: np.ndarray,
    out: np.ndarray,
    few: int,
) -> None:
    """Reference a few rows at a time, so that they stay in the cache."""
    for at in range(begin * few, min(end * few, len(wanted)), few):
        some = slice(at, min(at + few, len(wanted)))
        _reference(plan, stored, wanted[some], out[some])


def _reference(plan: Plan, stored: np.ndarray, wanted: np.ndarray, out: np.ndarray) -> None:
    """Put wanted rows, converted and referenced, where they are worked on."""
    low, high = int(wanted.min()), int(wanted.max()) + 1
    stored = stored[low:high]
    in_order = len(stored) == len(wanted) and wanted[-1] - wanted[0] == len(wanted) - 1
    if in_order and stored[0].size == out.shape[1]:
        plan.signal.converted(stored, out=out.reshape(stored.shape))
        ready = plan.reference.apply(out)
    else:
        samples = plan.signal.converted(stored).reshape(len(stored), -1)
        ready = plan.reference.apply(samples.astype(np.float32, copy=False))[wanted - low]
    if ready is not out:
        out[:] = ready


def _transformed(plan: Plan, rows: Rows, piece: _Piece, maker: Maker, upto: int) -> np.ndarray:
    samples, piece.samples = piece.samples, None
    assert samples is not None
    origin = piece.origin
    if plan.notch is not None:
        # Each copy is let go before the next is made.
        samples = np.ascontiguousarray(samples.T)
        samples = plan.notch.apply(samples)
        samples = np.ascontiguousarray(samples.T)
        origin += plan.notch.before
    made = maker.push(samples, origin, upto)
    rows.free(samples)
    return rounded(made, plan.recipe.get("tolerance", 0.0))


def _progress(steps: Sequence[int], shown: bool) -> Any:
    from tqdm.auto import tqdm

    hidden = not shown or len(steps) <= 4
    return tqdm(steps, desc="features", unit="block", disable=hidden, leave=False)
