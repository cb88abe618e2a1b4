from __future__ import annotations

import pytest
import torch

from nwbdecode.decoder import CNNDecoder
from nwbdecode.decoder.frey2021 import Frey2021
from nwbdecode.errors import NWBDecodeError


@pytest.mark.parametrize(
    ("channels", "parameters"), [(1, 1_441_857), (32, 1_950_273), (128, 2_016_065)]
)
def test_it_has_the_published_number_of_parameters(channels, parameters):
    net = Frey2021(26, channels, [1])
    assert sum(p.numel() for p in net.parameters()) == parameters


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 16])
def test_it_gives_four_outputs_for_sixty_four_bins(channels):
    net = Frey2021(26, channels, [2, 1])
    shapes = [tuple(out.shape) for out in net(torch.zeros(3, 64, 26, channels))]
    assert shapes == [(3, 4, 2), (3, 4, 1)]


def test_noise_is_added_in_training_alone():
    net = Frey2021(4, 1, [1])
    x = torch.zeros(1, 64, 4, 1)
    assert not torch.equal(net.train()(x)[0], net(x)[0])
    assert torch.equal(net.eval()(x)[0], net(x)[0])


def test_its_published_schedule_is_the_default():
    schedule = CNNDecoder(architecture="frey2021")._schedule()
    assert (schedule.optimizer, schedule.learning_rate, schedule.batch) == ("amsgrad", 7e-4, 8)
    assert (schedule.epochs, schedule.steps) == (20, 250)


def test_a_window_that_does_not_fit_its_strides_is_refused():
    with pytest.raises(NWBDecodeError, match="multiple of 16"):
        CNNDecoder(architecture="frey2021", window=40).check_settings()
