"""Calibration: channels that a decoder never saw are taught with all else as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.decoder.transfer import matched_channels, matched_targets
from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import torch

    from nwbdecode.decoder.cnn import CNNDecoder

#: Said where a decoder is to be calibrated and none is given.
NOTHING_TO_CALIBRATE = (
    "calibrating begins from the decoder that another session trained, and none was given; "
    "give `init` (--init), or leave out `calibrate`"
)
#: Settings that decide what the weights of a compact network mean.
_SHAPING = ("window", "decode_at", "hidden", "lags")


def check_calibration(asked: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse to calibrate where more than channels differs from the decoder to begin from.

    Parameters
    ----------
    asked, settings : mapping
        Settings of the decoder to train, and of the one to begin from.

    Raises
    ------
    NWBDecodeError
    """
    for name in _SHAPING:
        theirs = settings.get(name, asked[name])
        if asked[name] != theirs:
            raise NWBDecodeError(
                f"calibrating keeps all but channels, and the decoder to begin from has "
                f"{name}={theirs!r} where {asked[name]!r} was asked for; ask for the same"
            )


def check_targets(new: CNNDecoder, old: CNNDecoder) -> None:
    """Refuse to calibrate for a target that was not decoded before.

    Parameters
    ----------
    new, old
        As for `take_over`; of the new one, the targets suffice.

    Raises
    ------
    NWBDecodeError
    """
    known = {(c.name, c.kind, c.width, c.labels) for c in old.codings_}
    fresh = [c.name for c in new.codings_ if (c.name, c.kind, c.width, c.labels) not in known]
    if fresh:
        raise NWBDecodeError(
            f"the decoder to begin from never decoded {', '.join(map(repr, fresh))} in this "
            "form, and calibrating teaches no target; leave out `calibrate`"
        )


def ready_to_calibrate(net: torch.nn.Module, new: CNNDecoder, old: CNNDecoder) -> None:
    """Let a network in which weights were taken over begin as the decoder that they are of.

    The linear path is copied, and channels that are new count for nothing until they are
    taught to.

    Parameters
    ----------
    net, new, old
        As for `take_over`.

    Raises
    ------
    NWBDecodeError
        If a target was not decoded before.
    """
    import torch

    check_targets(new, old)
    held: Any = net
    before: Any = old.network_
    pairs = matched_channels(new.channels_, old.channels_)
    into, outof = ([pair[side] for pair in pairs] for side in (0, 1))
    with torch.no_grad():
        for place in set(range(len(new.channels_))) - set(into):
            held.channels.embedding[place] = 0
        if held.linear is None:
            return
        mine, theirs = (
            path.weight.unflatten(2, (-1, count))
            for path, count in (
                (held.linear, len(new.channels_)),
                (before.linear, len(old.channels_)),
            )
        )
        mine.zero_()
        rows = [_rows(decoder) for decoder in (new, old)]
        for i, j in matched_targets(new, old):
            device = mine.device
            mine[:, rows[0][i]][..., into] = theirs[:, rows[1][j]][..., outof].to(device)
            held.linear.bias[rows[0][i]] = before.linear.bias[rows[1][j]].to(device)
            held.linear.share[i] = before.linear.share[j].to(device)


@contextmanager
def only_channels_learn(decoder: CNNDecoder) -> Iterator[None]:
    """Keep all that no channel owns from learning, and the channels that `init` knows.

    Parameters
    ----------
    decoder : CNNDecoder
        With its network made and an `init`.
    """
    net: Any = decoder.network_
    axes = net.named_axes()
    others = [
        weight
        for name, weight in net.named_parameters()
        if weight.requires_grad and "channel" not in axes.get(name, ())
    ]
    for weight in others:
        weight.requires_grad_(False)
    fresh = _fresh_channels(decoder)
    hook = net.channels.embedding.register_hook(
        lambda gradient: gradient * fresh.to(gradient)[:, None]
    )
    try:
        yield
    finally:
        hook.remove()
        for weight in others:
            weight.requires_grad_(True)


def _fresh_channels(decoder: CNNDecoder) -> torch.Tensor:
    """Mark the channels to calibrate: those that `init` lacks, or all if it has all."""
    import torch

    assert decoder.init is not None
    known = [label for label in decoder.init.config["channels"] if label is not None]
    fresh = torch.tensor([label not in known for label in decoder.channels_])
    return fresh if fresh.any() else ~fresh


def _rows(decoder: CNNDecoder) -> list[slice]:
    """Outputs of each target."""
    ends = np.cumsum([0, *(coding.width for coding in decoder.codings_)]).tolist()
    return [slice(low, high) for low, high in pairwise(ends)]
