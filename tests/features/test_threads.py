"""What computing features leaves behind in the process: nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from nwbdecode.features import wavelet_power

_AFTER_FEATURES = """
import numpy as np
from nwbdecode.features import wavelet_power
wavelet_power(np.random.default_rng(0).normal(size=2000), rate=250.0, n_bands=3, progress=False)
import torch
print(torch.get_num_threads())
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_a_network_trains_with_the_threads_it_would_have_without_features(threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        noise = np.random.default_rng(0).normal(size=2000)
        wavelet_power(noise, rate=250.0, n_bands=3, progress=False)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_threads_asked_for_in_the_environment_are_kept_by_what_is_loaded_later():
    """numba alone would raise one thread to as many as there are cores."""
    made = subprocess.run(
        [sys.executable, "-c", _AFTER_FEATURES], capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert made.stdout.split()[-1] == "1"
