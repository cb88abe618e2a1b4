"""The filter bank in PyTorch, for GPUs.

The same levels, grids and sums as the compiled loops make, as convolutions with strides. A
library chooses their order of summation, so values agree to rounding and not bit by bit,
and a bin is made from all samples given with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import torch
from torch.nn.functional import conv1d

from nwbdecode.features import layout
from nwbdecode.features.design import NEIGHBORS, Band, far
from nwbdecode.features.filterbank import FilterBank

#: What makes sums (bin, channel) of a band's outputs (channel, part, point) from the point given
#: on, and the first point, one past the last, and the rows between points.
_Sums: TypeAlias = tuple[Callable[[torch.Tensor, int], torch.Tensor], int, int, int]
#: Outputs of a band that are held at once, of all channels and both parts.
_HELD = 1 << 26


class TorchBank:
    """Wavelet power of some bands by convolutions on a device.

    Parameters
    ----------
    bank : FilterBank
    causal : bool, default False
        Delay each band by its reach.
    device : str, default "auto"
        "auto" takes a GPU if there is one.
    """

    def __init__(self, bank: FilterBank, *, causal: bool = False, device: str = "auto"):
        self.bank = bank
        self.lags = [band.reach if causal else 0 for band in bank.bands]
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)

    def power(
        self, samples: np.ndarray, origin: int, first: np.ndarray, stop: np.ndarray
    ) -> np.ndarray:
        """Mean power of each band in each bin.

        Parameters
        ----------
        samples : float32 array, shape (time, channel)
            They reach as far beyond the bins as those depend on.
        origin : int
            Index of ``samples[0]`` counted from the segment's first sample.
        first, stop : int arrays, shape (bin,)
            Samples of each bin, counted from the segment's first.

        Returns
        -------
        float32 array, shape (bin, frequency, channel)
        """
        bank = self.bank
        out = torch.empty(
            (len(first), len(bank.bands), samples.shape[1]), dtype=torch.float32, device=self.device
        )
        # Tensor cores round to ten bits, which 60 dB of 1/f noise would drown in.
        with torch.inference_mode(), torch.backends.cudnn.flags(allow_tf32=False):
            held = torch.from_numpy(samples).to(self.device).T.contiguous()
            for level in range(len(bank.halvings) + 1):
                for k, band in enumerate(bank.bands):
                    if band.level == level:
                        lag = self.lags[k]
                        self._band(band, held, origin, first - lag, stop - lag, out[:, k])
                if level < len(bank.halvings):
                    held, origin = self._halved(bank.halvings[level], held, origin)
            made: np.ndarray = out.cpu().numpy()
        return made

    def _halved(
        self, taps: np.ndarray, held: torch.Tensor, origin: int
    ) -> tuple[torch.Tensor, int]:
        reach = far(taps)
        whole = np.zeros(2 * reach + 1, dtype=np.float32)
        whole[reach] = taps[0]
        whole[reach + 1 :: 2] = taps[1:]
        whole[reach - 1 :: -2] = taps[1:]
        low = -(-(origin + reach) // 2)
        filters = torch.from_numpy(whole).to(self.device)[None, None]
        begin = 2 * low - reach - origin
        return conv1d(held[:, None, begin:], filters, stride=2)[:, 0], low

    def _band(
        self,
        band: Band,
        held: torch.Tensor,
        origin: int,
        first: np.ndarray,
        stop: np.ndarray,
        out: torch.Tensor,
    ) -> None:
        """Fill `out`, shape (bin, channel)."""
        half = len(band.even) - 1
        even = np.concatenate([band.even[:0:-1], band.even])
        odd = np.concatenate([band.odd[:0:-1], -band.odd])
        filters = torch.from_numpy(np.stack([even, odd])).to(self.device)[:, None]
        sums = self._by_samples if band.by_samples else self._by_grid
        for bins in self._groups(band, first, stop, len(held)):
            where, low, high, step = sums(band, first[bins], stop[bins])
            begin = low * step - origin - half
            end = (high - 1) * step - origin + half + 1
            out[bins] = where(conv1d(held[:, None, begin:end], filters, stride=step), low)

    def _groups(
        self, band: Band, first: np.ndarray, stop: np.ndarray, channels: int
    ) -> Iterator[slice]:
        """Bins whose outputs fit into what is held at once."""
        step = 1 if band.by_samples else band.stride
        longest = int((stop - first).max()) // step + 2 * NEIGHBORS
        most = max(1, _HELD // (2 * channels * longest))
        return (slice(at, at + most) for at in range(0, len(first), most))

    def _by_samples(self, band: Band, first: np.ndarray, stop: np.ndarray) -> _Sums:
        """Sum power at samples alone."""
        *_, which, row, weight, begin = layout.points([band], stop - first, self.bank.w0)
        weights = _padded(weight, begin)[which[0]]
        at = first[:, None] + _padded(row, begin)[which[0]]

        def where(value: torch.Tensor, low: int) -> torch.Tensor:
            power = value.square().sum(1)
            index = torch.from_numpy(at - low).to(self.device)
            return torch.einsum("cbk,bk->bc", power[:, index], self._on(weights))

        return where, int(at.min()), int(at.max()) + 1, 1

    def _by_grid(self, band: Band, first: np.ndarray, stop: np.ndarray) -> _Sums:
        """Sum power on a grid, and between its points."""
        bins = layout.Spaced.of(first, stop)
        (origin,), (kind,), sums, _ = layout.Grids([band], [0], self.bank.w0).of(bins)
        weights = _padded(sums.weight, sums.edge)[kind]
        at = origin[:, None] + _padded(sums.row, sums.edge)[kind]
        spans = origin[:, None] + sums.span[kind]
        low, high = int(spans[:, 0].min()), int(spans[:, 1].max())
        # Rows of no weight may lie beyond the last grid point.
        at = np.clip(at, low, high - 1)
        base, share = (_padded(each, sums.node)[kind] for each in (sums.base, sums.share))
        between = _padded(sums.between, sums.node)[kind]
        nodes = np.clip((origin[:, None] + base)[:, :, None] + np.arange(NEIGHBORS), low, high - 1)

        def where(value: torch.Tensor, low: int) -> torch.Tensor:
            grid = value.square().sum(1)[:, torch.from_numpy(at - low).to(self.device)]
            total = torch.einsum("cbk,bk->bc", grid, self._on(weights))
            complex_ = torch.complex(value[:, 0], value[:, 1])
            near = complex_[:, torch.from_numpy(nodes - low).to(self.device)]
            node = torch.einsum("cbqn,bqn->cbq", near, self._on(between))
            squared = node.real.square() + node.imag.square()
            return total + torch.einsum("cbq,bq->bc", squared, self._on(share))

        return where, low, high, band.step

    def _on(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def _padded(values: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Lay lists that lie one after the other in rows, zeros behind them."""
    lengths = np.diff(begin)
    out = np.zeros((len(lengths), max(1, int(lengths.max())), *values.shape[1:]), values.dtype)
    out[np.arange(out.shape[1]) < lengths[:, None]] = values
    return out
