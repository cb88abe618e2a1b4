"""Importance: how much held-out error rises when one feature loses its tie to the target.

A feature (a band of all channels, or a channel of all bands) is replaced by a
circularly shifted copy of itself, so that it keeps its own statistics in time,
and the fold decoders predict their test blocks again. It follows permutation
importance (Breiman 2001) as Frey et al. (2021) apply it, with shifts in place
of shuffles and on held-out data alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    import xarray as xr

AXES = ("frequency", "channel")
_N_NULL = 200


def importance(
    decoding: Decoding,
    power: xr.DataArray,
    *,
    by: Sequence[str] = AXES,
    repeats: int = 5,
    random_state: int = 0,
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
    total = repeats * len(blocks) * sum(power.sizes[axis] for axis in by)
    tables = dict(decoding.importance)
    with tqdm(total=total, desc="importance", disable=not progress) as bar:
        for axis in by:
            tables[axis] = _by_axis(decoding, blocks, axis, repeats, random_state, bar)
    return decoding.replace(importance=tables)


class _Block:
    """One test block: its decoder, the features it may read, and its truth."""

    def __init__(self, decoder: Any, power: xr.DataArray, at: np.ndarray, truth: xr.Dataset):
        self.decoder, self.power, self.at, self.truth = decoder, power, at, truth

    def predict(self, power: xr.DataArray) -> xr.Dataset:
        return self.decoder.predict(power, self.at).isel(time=self.at)


def _blocks(decoding: Decoding, power: xr.DataArray) -> Iterator[_Block]:
    from nwbdecode.decoder import from_stored

    fold_of = decoding.predictions["fold"].to_numpy()
    for fold in np.unique(fold_of[fold_of >= 0]):
        decoder = from_stored(decoding.decoders[f"fold{fold}"])
        where = np.flatnonzero(fold_of == fold)
        low = max(0, where[0] - decoder.window_.before)
        high = min(len(fold_of), where[-1] + decoder.window_.after + 1)
        at = np.flatnonzero(fold_of[low:high] == fold)
        yield _Block(decoder, power[low:high].load(), at, decoding.truth.isel(time=where))


def _by_axis(
    decoding: Decoding, blocks: list[_Block], axis: str, repeats: int, seed: int, bar: Any
) -> xr.Dataset:
    import xarray as xr

    names = decoding.targets
    labels = blocks[0].power[axis].to_numpy()
    # Rise of loss by target: for each feature, (repeat, bin) sums over chunks of time.
    rises: dict[str, list[list[np.ndarray]]] = {name: [[] for _ in labels] for name in names}
    bases: dict[str, list[np.ndarray]] = {name: [] for name in names}
    nulls = {name: np.zeros((len(labels), _N_NULL)) for name in names}
    null_base = {name: np.zeros(_N_NULL) for name in names}
    for number, block in enumerate(blocks):
        plain = block.predict(block.power)
        rng = np.random.default_rng([seed, AXES.index(axis), number])
        size = len(block.at)
        turns = rng.integers(size // 4, size - size // 4 + 1, size=_N_NULL)
        cuts = np.arange(0, size, max(1, size // 10))
        base = {n: _loss(decoding.kind(n), block.truth[n], plain[n]) for n in names}
        shifted = {
            n: _shifted_losses(decoding.kind(n), block.truth[n], plain[n], turns) for n in names
        }
        for n in names:
            bases[n].append(_chunked(base[n], cuts))
            null_base[n] += shifted[n]
        for f in range(len(labels)):
            for repeat in range(repeats):
                changed = block.predict(_shifted(block.power, axis, f, rng))
                for n in names:
                    kind = decoding.kind(n)
                    rise = _loss(kind, block.truth[n], changed[n]) - base[n]
                    rises[n][f].append(_chunked(rise, cuts))
                    if repeat == 0:
                        lost = _shifted_losses(kind, block.truth[n], changed[n], turns)
                        nulls[n][f] += lost - shifted[n]
                bar.update()
    tables = {
        part: np.full((len(names), len(labels)), np.nan)
        for part in ("value", "low", "high", "null")
    }
    rng = np.random.default_rng([seed, 7])
    for i, name in enumerate(names):
        loss = np.concatenate(bases[name]).sum(axis=0)
        mean = loss[0] / loss[1]
        largest = (nulls[name] / null_base[name]).max(axis=0)
        tables["null"][i] = np.quantile(largest, 0.95)
        for f in range(len(labels)):
            sums = np.concatenate(rises[name][f])
            tables["value"][i, f] = sums[:, 0].sum() / sums[:, 1].sum() / mean
            drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=1000) @ sums
            ratio = drawn[:, 0] / np.maximum(drawn[:, 1], 1) / mean
            tables["low"][i, f], tables["high"][i, f] = np.quantile(ratio, [0.025, 0.975])
    return xr.Dataset(
        {part: (("target", axis), values) for part, values in tables.items()},
        coords={"target": names, axis: labels},
    )


def _shifted(power: xr.DataArray, axis: str, index: int, rng: np.random.Generator) -> xr.DataArray:
    """Copy the features with one of them turned around in time, by a quarter at least."""
    size = power.sizes["time"]
    turn = int(rng.integers(size // 4, size - size // 4 + 1))
    values = power.to_numpy().copy()
    where = (slice(None), index) if axis == "frequency" else (slice(None), slice(None), index)
    values[where] = np.roll(values[where], turn, axis=0)
    return power.copy(data=values)


def _loss(kind: str, truth: xr.DataArray, predicted: xr.DataArray) -> np.ndarray:
    """Held-out loss of every bin, NaN where unknown: squared error, or minus log probability."""
    return _loss_of(kind, truth.to_numpy().astype(float), predicted.to_numpy().astype(float))


def _loss_of(kind: str, y: np.ndarray, p: np.ndarray) -> np.ndarray:
    if kind == "linear":
        squares = (p - y) ** 2
        return squares if squares.ndim == 1 else squares.sum(axis=1)
    if kind == "circular":
        return 1 - np.cos(p - y)
    codes = np.nan_to_num(y).astype(int)
    chosen = np.take_along_axis(p, codes[:, None], axis=1)[:, 0]
    return np.where(np.isfinite(y), -np.log(np.maximum(chosen, 1e-6)), np.nan)


def _shifted_losses(
    kind: str, truth: xr.DataArray, predicted: xr.DataArray, turns: np.ndarray
) -> np.ndarray:
    y, p = truth.to_numpy().astype(float), predicted.to_numpy().astype(float)
    # Every tenth bin is plenty for a mean over bins that resemble their neighbors.
    thin = slice(None, None, max(1, len(y) // 1000))
    return np.array(
        [np.nansum(_loss_of(kind, np.roll(y, t, axis=0)[thin], p[thin])) for t in turns]
    )


def _chunked(loss: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Sum and count of the known losses in each chunk of time."""
    known = np.isfinite(loss)
    total = np.add.reduceat(np.where(known, loss, 0.0), cuts)
    return np.column_stack([total, np.add.reduceat(known.astype(float), cuts)])
