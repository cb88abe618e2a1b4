"""Channels without a number: found before features are made of them, told before training."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.load.signal import Signal

#: Blocks of a signal that are looked at, spread over it, and samples of each.
_BLOCKS, _SAMPLES = 32, 64
_MOST = 6


def refuse_dead_channels(signal: Signal) -> None:
    """Refuse a signal of which some channels hold nothing but NaN, wherever it is looked at.

    One such channel leaves no bin to decode, and a common average spreads it to all.

    Raises
    ------
    NWBDecodeError
    """
    # A movie would be read in another order than features want it.
    if signal.reader.dtype.kind != "f" or hasattr(signal.reader, "sample_bytes"):
        return
    alive = np.zeros(signal.n_channels, dtype=bool)
    ends = np.cumsum([0, *(segment.stop - segment.start for segment in signal.segments)])
    for at in np.linspace(0, ends[-1] - 1, _BLOCKS).astype(int):
        segment = signal.segments[int(np.searchsorted(ends, at, side="right")) - 1]
        start = segment.start + int(at - ends[np.searchsorted(ends, at, side="right") - 1])
        block = signal.read_array(start, min(start + _SAMPLES, segment.stop), units="counts")
        alive |= np.isfinite(block).reshape(len(block), len(alive), -1).any(axis=(0, 2))
        if alive.all():
            return
    where = f"{signal.path!r}, in {_BLOCKS} places looked at,"
    _refuse(signal.channels.index[~alive].tolist(), signal.n_channels, where)


def tell_lost(power: xr.DataArray) -> None:
    """Warn of what is lost to NaN in features, channel by channel.

    Parameters
    ----------
    power : DataArray (time, frequency, channel)

    Raises
    ------
    NWBDecodeError
        If a channel has no number in any bin.
    """
    size, block = power.sizes["time"], 8192
    lost, together = np.zeros(power.sizes["channel"], dtype=int), 0
    for start in range(0, size, block):
        bad = ~np.isfinite(power[start : start + block].to_numpy()).all(axis=1)
        lost += bad.sum(axis=0)
        together += int(bad.any(axis=1).sum())
    labels = power["channel"].to_numpy()
    dead = labels[lost == size].tolist() if size else []
    _refuse(dead, len(labels), "the features")
    if not together:
        return
    worst = np.argsort(-lost, kind="stable")[: (lost > 0).sum()]
    shown = ", ".join(f"{labels[k]} in {100 * lost[k] / size:.3g} %" for k in worst[:_MOST])
    more = f", and {len(worst) - _MOST} more" if len(worst) > _MOST else ""
    warnings.warn(
        f"channels without a number in some bins: {shown}{more}. {100 * together / size:.3g} % of "
        "the bins are left out, as all channels are needed; a channel is left out by `channels`"
        f"{_without([labels[worst[0]]])}, or if the file marks it bad",
        stacklevel=3,
    )


def _refuse(dead: Sequence[Any], count: int, where: str) -> None:
    if len(dead) == count and count:
        raise NWBDecodeError(
            f"no channel of {where} holds a number, only NaN; decode from another signal"
        )
    if dead:
        named = ", ".join(map(str, dead[:_MOST])) + (", ..." if len(dead) > _MOST else "")
        raise NWBDecodeError(
            f"{len(dead)} of {count} channels of {where} hold no number, only NaN: {named}. A bin "
            f"needs all of them: leave these out by `channels`{_without(dead)}, or mark them bad "
            "in the file"
        )


def _without(labels: Sequence[Any]) -> str:
    """How the shell says that, where labels are ids and not pairs of them."""
    ids = np.asarray(labels)
    return f" (--channels 'id not in {ids.tolist()}')" if ids.dtype.kind in "iu" else ""
