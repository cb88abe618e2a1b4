"""The network of Frey et al. (2021), eLife 10:e66551, as published."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_FILTERS = 64
_MERGE_FILTERS = 128
_BLOCKS = 4
_UNITS = 1024
#: Bins that one output stands for: each block halves time.
STRIDE = 2**_BLOCKS


class Frey2021(nn.Module):
    """Strided convolutions over time and frequency, then pairwise merges of channels.

    Four blocks of two 3 x 3 convolutions, strided (2, 1) over time and (1, 2)
    over frequency, are shared by all channels; channels are then merged two by
    two until at most two remain; two dense layers and one linear head a target
    follow at every time step that is left: four for 64 bins.

    Parameters
    ----------
    n_frequencies, n_channels : int
    heads : list of int
        Width of each target's head.
    noise : float, default 1
        Standard deviation of the Gaussian noise added to inputs in training.
    """

    def __init__(self, n_frequencies: int, n_channels: int, heads: list[int], noise: float = 1.0):
        super().__init__()
        self.noise = noise
        layers: list[nn.Module] = []
        width, left = 1, n_frequencies
        for _ in range(_BLOCKS):
            layers += [nn.Conv2d(width, _FILTERS, 3, stride=(2, 1), padding=1), nn.ELU()]
            layers += [nn.Conv2d(_FILTERS, _FILTERS, 3, stride=(1, 2), padding=1), nn.ELU()]
            width, left = _FILTERS, -(-left // 2)
        self.shared = nn.Sequential(*layers)
        merges, channels = [], n_channels
        while channels > 2:
            merges.append(nn.Linear(2 * width, _MERGE_FILTERS))
            width, channels = _MERGE_FILTERS, -(-channels // 2)
        self.merges = nn.ModuleList(merges)
        self.dense = nn.Sequential(
            nn.Linear(width * left * channels, _UNITS),
            nn.ELU(),
            nn.Linear(_UNITS, _UNITS),
            nn.ELU(),
        )
        self.heads = nn.ModuleList([nn.Linear(_UNITS, size) for size in heads])

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map (batch, time, frequency, channel) to (batch, time / 16, width) for each target."""
        if self.training and self.noise:
            x = x + self.noise * torch.randn_like(x)
        batch, time, frequency, channel = x.shape
        x = x.permute(0, 3, 1, 2).reshape(batch * channel, 1, time, frequency)
        x = self.shared(x)
        _, width, time, frequency = x.shape
        x = x.reshape(batch, channel, width, time, frequency).permute(0, 3, 4, 1, 2)
        for merge in self.merges:
            if x.shape[3] % 2:
                x = functional.pad(x, (0, 0, 0, 1))
            x = x.reshape(*x.shape[:3], x.shape[3] // 2, 2 * x.shape[4])
            x = functional.elu(merge(x))
        hidden = self.dense(x.flatten(2))
        return [head(hidden) for head in self.heads]
