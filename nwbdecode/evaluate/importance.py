"""Importance: how much held-out error rises when one feature loses its tie to the target.

A feature (a band of all channels, or a channel of all bands) is replaced by a
circularly shifted copy of itself, so that it keeps its own statistics in time,
and the fold decoders predict their test blocks again. It follows permutation
importance (Breiman 2001) as Frey et al. (2021) apply it, with shifts in place
of shuffles and on held-out data alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nwbdecode.decoding import Decoding, StoredDecoder
from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.evaluate.jobs import job_count, side_by_side
from nwbdecode.evaluate.shifts import losses, shifted_losses

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.cluster import Cluster

AXES = ("frequency", "channel")
_N_NULL = 200
#: Features a task: it reads its block of time, and predicts it as it is, but once.
_AT_ONCE = 8


def importance(
    decoding: Decoding,
    power: xr.DataArray,
    *,
    by: Sequence[str] = AXES,
    repeats: int = 5,
    random_state: int = 0,
    n_jobs: int | None = None,
    client: Cluster | None = None,
    progress: bool = True,
) -> Decoding:
    """Measure which bands and channels carry the information, on held-out bins.

    Parameters
    ----------
    decoding : Decoding
        With its fold decoders.
    power : DataArray
        The features that it was made from.
    by : sequence of {"frequency", "channel"}
    repeats : int, default 5
        Shifts drawn for each feature and fold.
    random_state : int, default 0
    n_jobs, client
        Where features are perturbed, as for `cross_validate` where folds are trained.
    progress : bool, default True

    Returns
    -------
    Decoding
        With `importance` by axis: ``value`` is the rise of mean held-out loss
        as a fraction of the unperturbed loss; ``low`` and ``high`` its 95 %
        interval over repeats and blocks of time; ``null`` the 95 % point of the
        largest rise among all features when targets are shifted in time, so
        that nothing can be known.
    """
    from tqdm.auto import tqdm

    from nwbdecode.cluster import connected

    by = [by] if isinstance(by, str) else list(by)
    for axis in by:
        if axis not in AXES:
            raise NWBDecodeError(f"importance by {axis!r} is not known. {suggest(axis, AXES)}")
    if not np.array_equal(power["time"], decoding.time):
        raise NWBDecodeError(
            "the features' bins are not those of the result; compute them by its recipe on the "
            "same time range"
        )
    blocks = list(_blocks(decoding, power))
    if not blocks:
        raise NWBDecodeError("the result holds no fold decoders with predictions to perturb")
    parts = [
        part for axis in by for number, block in enumerate(blocks)
        for part in _parts(block, number, axis, power.sizes[axis], repeats, random_state)
    ]  # fmt: skip
    found: dict[str, list[_Found]] = {axis: [] for axis in by}
    total = sum(part.turns.size for part in parts)
    with (
        connected(client) as cluster,
        tqdm(total=total, desc="importance", disable=not progress) as bar,
        closing(
            side_by_side(
                _perturbed, ((part,) for part in parts), job_count(n_jobs, len(parts), client),
                shared=(blocks, power), client=cluster,
                done=lambda number: bar.update(parts[number].turns.size),
            )
        ) as done,
    ):  # fmt: skip
        for part, one in zip(parts, done, strict=True):
            found[part.axis].append(one)
    tables = dict(decoding.importance)
    for axis in by:
        tables[axis] = _table(decoding, power[axis], found[axis], len(blocks), random_state)
    return decoding.replace(importance=tables)


@dataclass(frozen=True)
class _Block:
    """One test block: its decoder, the bins that it may read, those to predict and their truth."""

    decoder: StoredDecoder
    reads: slice
    at: np.ndarray
    truth: xr.Dataset


class _Part(NamedTuple):
    """Some features of a test block: how far each is turned in each repeat, and targets for null.

    Drawn before any is perturbed, so that they are the same whoever perturbs which.
    """

    number: int
    axis: str
    first: int
    turns: np.ndarray
    null_turns: np.ndarray


class _Found(NamedTuple):
    """By target: losses of chunks of time, as (sum, count), and of shifted targets."""

    base: dict[str, np.ndarray]
    null_base: dict[str, np.ndarray]
    rises: dict[str, list[list[np.ndarray]]]
    nulls: dict[str, np.ndarray]


def _blocks(decoding: Decoding, power: xr.DataArray) -> Iterator[_Block]:
    from nwbdecode.decoder import from_stored

    fold_of = decoding.predictions["fold"].to_numpy()
    for fold in np.unique(fold_of[fold_of >= 0]):
        stored = decoding.decoders[f"fold{fold}"]
        window = from_stored(stored).window_
        where = np.flatnonzero(fold_of == fold)
        low = max(0, where[0] - window.before)
        high = min(len(fold_of), where[-1] + window.after + 1)
        at = np.flatnonzero(fold_of[low:high] == fold)
        yield _Block(stored, slice(int(low), int(high)), at, decoding.truth.isel(time=where))


def _parts(
    block: _Block, number: int, axis: str, n_features: int, repeats: int, seed: int
) -> Iterator[_Part]:
    rng = np.random.default_rng([seed, AXES.index(axis), number])
    size = len(block.at)
    null_turns = rng.integers(size // 4, size - size // 4 + 1, size=_N_NULL)
    # A feature is turned by a quarter at least.
    size = block.reads.stop - block.reads.start
    turns = rng.integers(size // 4, size - size // 4 + 1, size=(n_features, repeats))
    for first in range(0, n_features, _AT_ONCE):
        yield _Part(number, axis, first, turns[first : first + _AT_ONCE], null_turns)


def _perturbed(blocks: list[_Block], power: xr.DataArray, part: _Part) -> _Found:
    """Predict a test block again and again, each time with another feature turned around."""
    from nwbdecode.decoder import from_stored

    block = blocks[part.number]
    decoder, truth = from_stored(block.decoder), block.truth
    read = power[block.reads].load()

    def predicted(features: xr.DataArray) -> xr.Dataset:
        return decoder.predict(features, block.at).isel(time=block.at)

    kinds = {str(name): str(one.attrs["kind"]) for name, one in truth.data_vars.items()}
    cuts = np.arange(0, len(block.at), max(1, len(block.at) // 10))
    plain = predicted(read)
    base = {n: _loss(kind, truth[n], plain[n]) for n, kind in kinds.items()}
    shifted = {
        n: _shifted_losses(kind, truth[n], plain[n], part.null_turns) for n, kind in kinds.items()
    }
    rises: dict[str, list[list[np.ndarray]]] = {n: [[] for _ in part.turns] for n in kinds}
    nulls = {n: np.zeros((len(part.turns), _N_NULL)) for n in kinds}
    for f, turns in enumerate(part.turns):
        for repeat, turn in enumerate(turns):
            changed = predicted(_turned(read, part.axis, part.first + f, int(turn)))
            for n, kind in kinds.items():
                rise = _loss(kind, truth[n], changed[n]) - base[n]
                rises[n][f].append(_chunked(rise, cuts))
                if repeat == 0:
                    lost = _shifted_losses(kind, truth[n], changed[n], part.null_turns)
                    nulls[n][f] = lost - shifted[n]
    return _Found({n: _chunked(base[n], cuts) for n in kinds}, shifted, rises, nulls)


def _table(
    decoding: Decoding, labels: xr.DataArray, found: list[_Found], n_blocks: int, seed: int
) -> xr.Dataset:
    """Put together what was found of the features of one axis, test block after test block."""
    import xarray as xr

    names, axis = decoding.targets, str(labels.dims[0])
    each = len(found) // n_blocks
    blocks = [found[at : at + each] for at in range(0, len(found), each)]
    tables = {
        part: np.full((len(names), len(labels)), np.nan)
        for part in ("value", "low", "high", "null")
    }
    rng = np.random.default_rng([seed, 7])
    for i, name in enumerate(names):
        loss = np.concatenate([parts[0].base[name] for parts in blocks]).sum(axis=0)
        mean = loss[0] / loss[1]
        null_base = np.zeros(_N_NULL)
        nulls = np.zeros((len(labels), _N_NULL))
        for parts in blocks:
            null_base += parts[0].null_base[name]
            nulls += np.concatenate([part.nulls[name] for part in parts])
        tables["null"][i] = np.quantile((nulls / null_base).max(axis=0), 0.95)
        for f in range(len(labels)):
            part, row = divmod(f, _AT_ONCE)
            sums = np.concatenate([one for parts in blocks for one in parts[part].rises[name][row]])
            tables["value"][i, f] = sums[:, 0].sum() / sums[:, 1].sum() / mean
            drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=1000) @ sums
            ratio = drawn[:, 0] / np.maximum(drawn[:, 1], 1) / mean
            tables["low"][i, f], tables["high"][i, f] = np.quantile(ratio, [0.025, 0.975])
    return xr.Dataset(
        {part: (("target", axis), values) for part, values in tables.items()},
        coords={"target": names, axis: labels.to_numpy()},
    )


def _turned(power: xr.DataArray, axis: str, index: int, turn: int) -> xr.DataArray:
    """Copy the features with one of them turned around in time."""
    values = power.to_numpy().copy()
    where = (slice(None), index) if axis == "frequency" else (slice(None), slice(None), index)
    values[where] = np.roll(values[where], turn, axis=0)
    return power.copy(data=values)


def _loss(kind: str, truth: xr.DataArray, predicted: xr.DataArray) -> np.ndarray:
    """Held-out loss of every bin, NaN where unknown."""
    return losses(kind, truth.to_numpy(), predicted.to_numpy())


def _shifted_losses(
    kind: str, truth: xr.DataArray, predicted: xr.DataArray, turns: np.ndarray
) -> np.ndarray:
    of_all = shifted_losses(kind, truth.to_numpy(), predicted.to_numpy())
    return of_all[turns % len(of_all)]


def _chunked(loss: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Sum and count of the known losses in each chunk of time."""
    known = np.isfinite(loss)
    total = np.add.reduceat(np.where(known, loss, 0.0), cuts)
    return np.column_stack([total, np.add.reduceat(known.astype(float), cuts)])
