"""A network's outputs on every bin that is wanted: in runs of bins, or a window at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from nwbdecode.decoder.windows import Window, runs

#: Bins a pass of a run.
_RUN = 4096
#: Windows a pass, about.
_WINDOWS = 64


def by_runs(
    net: torch.nn.Module,
    features: torch.Tensor,
    wanted: np.ndarray,
    widths: Sequence[int],
    window: Window,
) -> list[torch.Tensor]:
    """Outputs of a network that gives one for each place of its window in a run of bins.

    Parameters
    ----------
    net : torch.nn.Module
        In evaluation mode.
    features : torch.Tensor, shape (bin, frequency, channel)
    wanted : array of bool, shape (bin,)
        Bins whose whole window may be read.
    widths : sequence of int
        Numbers that each target's head gives.
    window : Window

    Returns
    -------
    list of torch.Tensor, shape (bin, width)
        One a target, NaN where not wanted.
    """
    out = _empty(features, widths)
    with torch.inference_mode():
        for start, stop in runs(wanted, np.zeros(len(wanted), dtype=int)):
            for low in range(start, stop, _RUN):
                high = min(low + _RUN, stop)
                x = features[low - window.before : high + window.after]
                for filled, values in zip(out, net(x[None]), strict=True):
                    filled[low:high] = values[0]
    return out


def by_windows(
    net: torch.nn.Module,
    features: torch.Tensor,
    wanted: np.ndarray,
    widths: Sequence[int],
    window: Window,
    column: int,
) -> list[torch.Tensor]:
    """Outputs of a network that reads whole windows, at one of the places where they stand.

    Parameters
    ----------
    net, features, wanted, widths, window
        As for `by_runs`.
    column : int
        Which of a window's outputs is the decoded bin's.

    Returns
    -------
    list of torch.Tensor, shape (bin, width)
    """
    out = _empty(features, widths)
    within = torch.arange(window.size, device=features.device)
    with torch.inference_mode():
        for at in np.array_split(np.flatnonzero(wanted), max(1, int(wanted.sum()) // _WINDOWS)):
            if not len(at):
                continue
            index = torch.as_tensor(at, device=features.device)
            x = features[(index - window.before)[:, None] + within]
            for filled, values in zip(out, net(x), strict=True):
                filled[index] = values[:, column]
    return out


def _empty(features: torch.Tensor, widths: Sequence[int]) -> list[torch.Tensor]:
    size, device = len(features), features.device
    return [torch.full((size, width), torch.nan, device=device) for width in widths]
