"""The default network: bands seen channel by channel, then convolutions over time alone."""

from __future__ import annotations

import itertools

import torch
from torch import nn

from nwbdecode.decoder.windows import lag_edges

_BLOCKS = 4
#: Combinations of bands made of every channel.
_PER_CHANNEL = 16


class Compact(nn.Module):
    """Bands seen channel by channel, all channels projected, then separable convolutions over time.

    No padding anywhere: each output sees exactly one window, so a long stretch
    costs one pass, and gives what window after window would give. A linear path
    may run beside the convolutions, as in [1]_: `LinearPath` says how.

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
    lags : int, default 0
        Parts of the window whose means the linear path reads; 0 for no such path.
    classes : list of bool, optional
        Which heads give log odds of classes; none by default.

    References
    ----------
    .. [1] Cheng, H.-T. et al. (2016). Wide & Deep Learning for Recommender
       Systems. https://doi.org/10.1145/2988450.2988454
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
        lags: int = 0,
        classes: list[bool] | None = None,
    ):
        super().__init__()
        self.before, self.window = before, window
        self.drop_features = nn.Dropout(dropout)
        self.per_channel = _PerChannel(n_frequencies, n_channels)
        self.project = nn.Linear(n_channels * _PER_CHANNEL, hidden)
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
        features = n_frequencies * n_channels
        self.linear = (
            LinearPath(features, heads, window, lags, classes or [False] * len(heads))
            if lags
            else None
        )

    def named_axes(self) -> dict[str, tuple[str | int, ...]]:
        """Axes of the trained weights whose parts belong to channels, for taking them over."""
        return {
            "per_channel.offset": ("channel", _PER_CHANNEL),
            "project.weight": (self.project.out_features, "channel", _PER_CHANNEL),
        }

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map (batch, time, frequency, channel) to (batch, time - window + 1, width) each."""
        x = seen = x.flatten(2)
        if self.training:
            # One mask a sequence: a band of a channel is gone for the whole window.
            x = x * self.drop_features(torch.ones_like(x[:, :1]))
        x = self.project(self.per_channel(x)).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        x = x.transpose(1, 2)
        outputs = [head(x) for head in self.heads]
        # The convolutions learn alone: beside a fitted line they would find little to do.
        if self.linear is None or self.training:
            return outputs
        return self.linear.mixed(outputs, seen)


class _PerChannel(nn.Module):
    """The same few combinations of bands for every channel, each bent before channels mix.

    A spike is a shape across bands on one channel in one bin. Summed over channels or
    time before anything is bent, it would drown.
    """

    def __init__(self, n_frequencies: int, n_channels: int):
        super().__init__()
        self.sizes = (n_frequencies, n_channels)
        self.combine = nn.Linear(n_frequencies, _PER_CHANNEL)
        self.offset = nn.Parameter(0.3 * torch.randn(n_channels, _PER_CHANNEL))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, time, frequency * channel) to (batch, time, channel * combination)."""
        x = x.reshape(*x.shape[:2], *self.sizes).transpose(2, 3)
        return nn.functional.gelu(self.combine(x) + self.offset).flatten(2)


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
