"""The default network: bands and channels as features, convolutions over time alone."""

from __future__ import annotations

import torch
from torch import nn

_BLOCKS = 4


class Compact(nn.Module):
    """One projection of all bands and channels, then separable convolutions over time.

    No padding anywhere: each output sees exactly one window, so a long stretch
    costs one pass, and gives what window after window would give.

    Parameters
    ----------
    n_frequencies, n_channels : int
    heads : list of int
        Width of each target's head.
    window : int
        Bins that an output sees.
    before : int
        How many of them lie before the decoded one.
    hidden : int, default 64
    dropout : float, default 0.2
        Share of bands times channels, and of the heads' units, silenced in training.
    """

    def __init__(
        self,
        n_frequencies: int,
        n_channels: int,
        heads: list[int],
        *,
        window: int,
        before: int,
        hidden: int = 64,
        dropout: float = 0.2,
    ):
        super().__init__()
        self.before, self.window = before, window
        self.drop_features = nn.Dropout(dropout)
        self.project = nn.Linear(n_frequencies * n_channels, hidden)
        sizes = [len(part) + 1 for part in torch.arange(window - 1).tensor_split(_BLOCKS)]
        at_end = before == window - 1
        self.blocks = nn.ModuleList([_Block(hidden, size, at_end) for size in sizes])
        self.heads = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Linear(hidden, hidden),
                    nn.GELU(),
                    nn.Dropout(dropout),
                    nn.Linear(hidden, size),
                )
                for size in heads
            ]
        )

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map (batch, time, frequency, channel) to (batch, time - window + 1, width) each."""
        x = x.flatten(2)
        if self.training:
            # One mask a sequence: a band of a channel is gone for the whole window.
            x = x * self.drop_features(torch.ones_like(x[:, :1]))
        x = self.project(x).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        x = x.transpose(1, 2)
        return [head(x) for head in self.heads]


class _Block(nn.Module):
    """A residual separable convolution over time without padding."""

    def __init__(self, hidden: int, size: int, at_end: bool):
        super().__init__()
        self.size = size
        self.left = size - 1 if at_end else size // 2
        self.over_time = nn.Conv1d(hidden, hidden, size, groups=hidden)
        self.mix = nn.Sequential(
            nn.Conv1d(hidden, hidden, 1), nn.GELU(), nn.Conv1d(hidden, hidden, 1)
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = x[..., self.left : x.shape[-1] - (self.size - 1 - self.left)]
        return kept + self.mix(self.over_time(x))
