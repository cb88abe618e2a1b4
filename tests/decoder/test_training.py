"""What training leaves in a network."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from torch import nn

from nwbdecode.decoder.coding import Coding
from nwbdecode.decoder.schedule import Schedule
from nwbdecode.decoder.training import train_network


class Sum(nn.Module):
    """Decodes one number from the first band of each bin."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.line = nn.Linear(3, 1)

    def forward(self, windows: torch.Tensor) -> list[torch.Tensor]:
        return [self.line(windows[:, :, 0])]


def _trained(average: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Weights before each step, and those that are left in the end."""
    rng = np.random.default_rng(0)
    power = torch.as_tensor(rng.normal(size=(200, 2, 3)), dtype=torch.float32)
    truth = power[:, 0] @ torch.tensor([[1.0], [-2.0], [0.5]])
    net, seen = Sum(), []
    net.register_forward_pre_hook(lambda *_: seen.append(net.line.weight.detach().numpy().copy()))
    effort = xr.DataArray(truth[:, 0].numpy(), dims="time", name="effort", attrs={"kind": "linear"})
    coding = Coding.learn(effort, np.ones(200, dtype=bool))
    train_network(
        net, power, [truth], [coding], np.arange(190), np.arange(10),
        Schedule("adamw", 0.05, batch=4, length=10, epochs=1, steps=5, patience=0, average=average),
        validate=None, generator=torch.Generator().manual_seed(1),
    )  # fmt: skip
    return seen, net.line.weight.detach().numpy().copy()


def test_the_running_average_begins_with_the_weights_after_the_first_step() -> None:
    steps, last = _trained(average=0.0)
    again, averaged = _trained(average=0.8)
    np.testing.assert_array_equal(again, steps)
    expected = steps[1]
    for weights in [*steps[2:], last]:
        expected = 0.8 * expected + 0.2 * weights
    np.testing.assert_allclose(averaged, expected, rtol=1e-5)
    assert not np.allclose(averaged, last, rtol=1e-3)
