"""Beginning from what another recording taught: weights of a stored decoder in a new network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.decoding import IDENTITY, same_session
from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import torch

    from nwbdecode.decoder.cnn import CNNDecoder

_HEAD = re.compile(r"heads\.(\d+)\.(.+)")

#: Axes that a weight splits into: at most one "channel" or "target", whose parts are matched one
#: by one, and sizes.
Axes = Mapping[str, tuple[str | int, ...]]


def refuse_same_session(told: Sequence[Mapping[str, Any]], given: Mapping[str, Any]) -> None:
    """Refuse to begin from a decoder that has seen the session to be cross-validated.

    Parameters
    ----------
    told : sequence of mappings
        Sessions that the decoder has seen; an empty one was not known.
    given : mapping
        The session; empty where the features come from a bare array.

    Raises
    ------
    NWBDecodeError
        Its weights would carry the test blocks into training, or may do so.
    """
    known = [any(session.get(name) for name in IDENTITY) for session in told]
    if any(given.get(name) for name in IDENTITY) and not (known and all(known)):
        raise NWBDecodeError(
            "the decoder to begin from does not say which session it was trained on, so it "
            "might have seen this one; give the file that holds it, or fit it again"
        )
    for session in told:
        if same_session(session, given):
            raise NWBDecodeError(
                f"the decoder to begin from was trained on this very session "
                f"({given.get('identifier')!r}): its weights have seen what the folds shall test. "
                "Begin from another session's decoder, or leave out `init`"
            )


def take_over(net: torch.nn.Module, new: CNNDecoder, old: CNNDecoder) -> dict[str, Any]:
    """Copy what fits of a fitted decoder's network into a new one.

    Parameters
    ----------
    net : torch.nn.Module
        Freshly made; changed in place.
    new : CNNDecoder
        That it belongs to, with its bands, channels and targets known.
    old : CNNDecoder
        Fitted on another recording.

    Returns
    -------
    dict
        ``channels`` (how many were found), ``of`` (how many there are),
        ``targets`` whose heads were taken over, ``fresh_targets``, and ``share``:
        the part of the trainable weights that was taken over.

    Raises
    ------
    NWBDecodeError
        When the networks or bands differ.
    """
    import torch

    check_alike(new, old)
    targets = matched_targets(new, old)
    matched = {"channel": matched_channels(new.channels_, old.channels_), "target": targets}
    before, axes = dict(old.network_.named_parameters()), _axes(net)
    taken = total = 0
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if not weight.requires_grad:  # set from data after training
                continue
            total += weight.numel()
            taken += _copied(name, weight, before, matched, axes, new, old)
    names = [coding.name for coding in new.codings_]
    kept = [names[i] for i, _ in targets]
    return {
        "channels": len(matched["channel"]),
        "of": len(new.channels_),
        "targets": kept,
        "fresh_targets": [name for name in names if name not in kept],
        "share": round(taken / max(total, 1), 4),
    }


def check_alike(new: CNNDecoder, old: CNNDecoder) -> None:
    """Refuse to begin from a network of another kind, or one that reads other bands.

    Parameters
    ----------
    new, old
        As for `take_over`; of the new one, the bands suffice.

    Raises
    ------
    NWBDecodeError
    """
    if new.architecture != old.architecture:
        raise NWBDecodeError(
            f"the decoder to begin from is a {old.architecture!r} network, the one to train a "
            f"{new.architecture!r}; ask for the same architecture"
        )
    if len(new.frequencies_) != len(old.frequencies_) or not np.allclose(
        new.frequencies_, old.frequencies_, rtol=1e-6
    ):
        raise NWBDecodeError(
            f"the decoder to begin from reads {_bands(old.frequencies_)}, the features have "
            f"{_bands(new.frequencies_)}; compute them with the same bands"
        )


def _axes(net: torch.nn.Module) -> Axes:
    given: Any = getattr(net, "named_axes", None)
    return {} if given is None else given()


def matched_targets(new: CNNDecoder, old: CNNDecoder) -> list[tuple[int, int]]:
    """Targets of one name, kind and shape: their place in the new and in the old network."""
    known = {(c.name, c.kind, c.width, c.labels): place for place, c in enumerate(old.codings_)}
    found = [known.get((c.name, c.kind, c.width, c.labels)) for c in new.codings_]
    return [(i, j) for i, j in enumerate(found) if j is not None]


def matched_channels(new: Sequence[Any], old: Sequence[Any]) -> list[tuple[int, int]]:
    """Channels of one label: their place in the new and in the old network."""
    places = {label: place for place, label in enumerate(old) if label is not None}
    return [(i, places[label]) for i, label in enumerate(new) if label in places]


def _copied(
    name: str, weight: torch.Tensor, before: Mapping[str, torch.Tensor],
    matched: Mapping[str, list[tuple[int, int]]], axes: Axes, new: CNNDecoder, old: CNNDecoder,
) -> int:  # fmt: skip
    """Copy one weight, or the parts of it that belong to what was matched; count its numbers."""
    head = _HEAD.fullmatch(name)
    if head is not None:
        place = dict(matched["target"]).get(int(head[1]))
        name = "" if place is None else f"heads.{place}.{head[2]}"
    if name not in before:
        return 0
    there = before[name].to(weight.device)
    if name not in axes:
        if there.shape != weight.shape:
            return 0
        weight.copy_(there)
        return weight.numel()
    try:
        mine, theirs = (_parted(held, axes[name]) for held in (weight, there))
    except RuntimeError:  # another width
        return 0
    into, outof = [], []
    for size, axis in enumerate(axes[name]):
        if isinstance(axis, int):
            if mine.shape[size] != theirs.shape[size]:
                return 0
            into.append(np.arange(axis))
            outof.append(np.arange(axis))
        else:
            counts = {"channel": (len(new.channels_), len(old.channels_))}
            counts["target"] = (len(new.codings_), len(old.codings_))
            # Parts of another width may divide evenly and still be no parts.
            if (mine.shape[size], theirs.shape[size]) != counts[axis]:
                return 0
            into.append(np.array([i for i, _ in matched[axis]], dtype=int))
            outof.append(np.array([j for _, j in matched[axis]], dtype=int))
    mine[np.ix_(*into)] = theirs[np.ix_(*outof)]
    return int(np.prod([len(part) for part in into]))


def _parted(weight: torch.Tensor, axes: tuple[str | int, ...]) -> torch.Tensor:
    """View a weight with one axis for each name and size."""
    return weight.view([axis if isinstance(axis, int) else -1 for axis in axes])


def _bands(frequencies: Sequence[float]) -> str:
    return f"{len(frequencies)} bands from {frequencies[0]:g} to {frequencies[-1]:g} Hz"
