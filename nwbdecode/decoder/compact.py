"""The default network: bands seen channel by channel, then a stream over time for each target."""

from __future__ import annotations

import torch
from torch import nn

from nwbdecode.decoder.linear import LinearPath

_BLOCKS = 4
#: Combinations of bands made of every channel.
_COMBINATIONS = 16
#: Numbers that tell a channel from others.
_EMBEDDING = 32


class Compact(nn.Module):
    """Bands seen channel by channel, channels summed by what each is, then convolutions over time.

    The first stage is shared by all targets, the convolutions are not: where those
    were shared as well, errors of position were about a third larger in the CA1
    simulation (three seeds, one fold each).

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
        Width of each target's stream.
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
        streams = len(heads)
        self.drop_features = nn.Dropout(dropout)
        self.channels = _Channels(n_frequencies, n_channels, hidden * streams)
        sizes = [len(part) + 1 for part in torch.arange(window - 1).tensor_split(_BLOCKS)]
        at_end = before == window - 1
        self.blocks = nn.ModuleList([_Block(hidden, streams, size, at_end) for size in sizes])
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
        """Axes of the trained weights whose parts belong to channels or targets, to take them over.

        Embeddings belong to channels, streams to targets; all else is shared.
        """
        streams = ("channels.project.", "blocks.")
        axes: dict[str, tuple[str | int, ...]] = {"channels.embedding": ("channel", _EMBEDDING)}
        for name, weight in self.named_parameters():
            if name.startswith(streams):
                axes[name] = ("target", weight.shape[0] // len(self.heads), *weight.shape[1:])
        return axes

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Map (batch, time, frequency, channel) to (batch, time - window + 1, width) each."""
        seen = x.flatten(2)
        if self.training:
            # One mask a sequence: a band of a channel is gone for the whole window.
            x = x * self.drop_features(torch.ones_like(x[:, :1]))
        x = self.channels(x).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        streams = x.transpose(1, 2).chunk(len(self.heads), dim=-1)
        outputs = [head(stream) for head, stream in zip(self.heads, streams, strict=True)]
        # The convolutions learn alone: beside a fitted line they would find little to do.
        if self.linear is None or self.training:
            return outputs
        return self.linear.mixed(outputs, seen)


class _Channels(nn.Module):
    """Combinations of bands, the same for every channel, summed over channels by their embeddings.

    A spike is a shape across bands on one channel in one bin. Summed over channels or
    time before anything is bent, it would drown: each combination passes a nonlinearity
    first. What tells channels apart is their embedding alone, so that the order of
    channels is of no account, and as many weights serve 16 channels as serve 1000.
    """

    def __init__(self, n_frequencies: int, n_channels: int, width: int):
        super().__init__()
        self.combine = nn.Linear(n_frequencies, _COMBINATIONS)
        self.embedding = nn.Parameter(torch.randn(n_channels, _EMBEDDING) / _EMBEDDING**0.5)
        self.offset = nn.Linear(_EMBEDDING, _COMBINATIONS)
        self.project = nn.Linear(_EMBEDDING * _COMBINATIONS, width)
        # Sums over more channels are larger: outputs shall start at the same size.
        nn.init.normal_(self.project.weight, std=(_COMBINATIONS * n_channels) ** -0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, time, frequency, channel) to (batch, time, width)."""
        combined = self.combine(x.transpose(2, 3)) + self.offset(self.embedding)
        bent = nn.functional.gelu(combined)
        if len(self.embedding) <= _EMBEDDING:
            # Of few channels, both sums in one product are less work.
            parts = self.project.weight.view(-1, _EMBEDDING, _COMBINATIONS)
            both = torch.einsum("ce,oem->ocm", self.embedding, parts).flatten(1)
            return nn.functional.linear(bent.flatten(2), both, self.project.bias)
        summed = self.embedding.T @ bent  # (batch, time, embedding, combination)
        projected: torch.Tensor = self.project(summed.flatten(2))
        return projected


class _Block(nn.Module):
    """A residual separable convolution over time without padding, for each stream its own."""

    def __init__(self, hidden: int, streams: int, size: int, at_end: bool):
        super().__init__()
        self.size = size
        self.left = size - 1 if at_end else size // 2
        width = hidden * streams
        # On a CPU the gradient of a one-dimensional depthwise convolution takes five times as long.
        self.over_time = nn.Conv2d(width, width, (size, 1), groups=width)
        self.mix = nn.Sequential(_Mix(hidden, streams), nn.GELU(), _Mix(hidden, streams))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, stream * hidden, time) to the same with `size` - 1 bins less."""
        kept = x[..., self.left : x.shape[-1] - (self.size - 1 - self.left)]
        return kept + self.mix(self.over_time(x.unsqueeze(-1)).squeeze(-1))


class _Mix(nn.Module):
    """A linear map within each stream, bin by bin."""

    def __init__(self, hidden: int, streams: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(streams, hidden, hidden))
        self.bias = nn.Parameter(torch.empty(streams, hidden, 1))
        for part in (self.weight, self.bias):  # as `torch.nn.Linear` begins
            nn.init.uniform_(part, -(hidden**-0.5), hidden**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        streams, hidden, _ = self.weight.shape
        apart = x.reshape(len(x), streams, hidden, -1)
        return (self.weight @ apart + self.bias).reshape(x.shape)
