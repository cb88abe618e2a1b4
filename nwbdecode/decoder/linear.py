"""A line beside the convolutions: what it reads, and how much of it each target gets."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from nwbdecode.decoder.windows import lag_edges

#: Shares of the linear path that are tried.
SHARES = tuple(float(share) for share in np.linspace(0, 1, 11))


class LinearPath(nn.Module):
    """A linear readout of lag means, mixed with the network's outputs target by target.

    It is not trained by gradients but set to the ridge solution. What a linear
    readout can decode it decodes better than a network of the same data, and what
    it cannot, the network adds: each target has its own share of both, found on
    bins that neither was fitted on.

    Parameters
    ----------
    n_features : int
    heads : list of int
        Width of each target's output.
    window, lags : int
        Bins that an output sees, and the parts they are averaged in.
    classes : list of bool
        Which outputs are estimates of class indicators; they become log odds.
    """

    #: Least probability of a class that a linear estimate may give.
    _LEAST = 0.02

    def __init__(
        self, n_features: int, heads: list[int], window: int, lags: int, classes: list[bool]
    ):
        super().__init__()
        self.window, self.widths, self.classes = window, heads, classes
        self.lags = list(itertools.pairwise(lag_edges(window, lags)))
        width = sum(heads)
        self.weight = nn.Parameter(
            torch.zeros(len(self.lags), width, n_features), requires_grad=False
        )
        self.bias = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.share = nn.Parameter(torch.full((len(heads),), 0.5), requires_grad=False)

    def set_weights(self, weights: torch.Tensor) -> None:
        """Take ridge weights, shape (lag * feature + 1, output), the last row the intercept."""
        lags, width, features = self.weight.shape
        self.weight.copy_(weights[:-1].reshape(lags, features, width).transpose(1, 2))
        self.bias.copy_(weights[-1])

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map (batch, time, feature) to (batch, time - window + 1, width) for each target."""
        count = x.shape[1] - self.window + 1
        out: torch.Tensor = self.bias
        for (low, high), weight in zip(self.lags, self.weight, strict=True):
            # Projecting first leaves a handful of columns to average.
            part = nn.functional.linear(x[:, low : high + count - 1], weight).transpose(1, 2)
            out = out + nn.functional.avg_pool1d(part, high - low, stride=1).transpose(1, 2)
        parts = torch.split(out, self.widths, dim=-1)
        return [
            part.clamp(self._LEAST).log() if classes else part
            for part, classes in zip(parts, self.classes, strict=True)
        ]

    def mixed(self, outputs: list[torch.Tensor], x: torch.Tensor) -> list[torch.Tensor]:
        """Blend the convolutions' outputs with the linear ones."""
        pairs = zip(outputs, self(x), self.share, strict=True)
        return [(1 - share) * deep + share * wide for deep, wide, share in pairs]


def cautious_share(losses: Sequence[float]) -> float:
    """Choose the share of least loss, but go up to half the way back from most to one half.

    One block of bins is the judge, and behavior differs from block to block: the mean of
    two estimates that err apart is rarely far from the better one. So the way back is the
    longer, the less the network errs more than the line.

    Parameters
    ----------
    losses : sequence of float
        For each of `SHARES`, from the network alone to the line alone.
    """
    share = SHARES[int(np.argmin(losses))]
    alike = min(1.0, losses[-1] / max(losses[0], 1e-9))
    return min(share, share - alike * (share - 0.5) / 2)
