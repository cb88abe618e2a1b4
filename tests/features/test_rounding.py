"""Rounded power errs by no more than its tolerance, and takes less room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import from_recipe, wavelet_power
from nwbdecode.features.rounding import stored_share
from nwbdecode.load.signal import as_signal
from tests.features.recordings import field_potential

HOW = {"rate": 250.0, "lowest": 4.0, "progress": False}


@settings(deadline=None, max_examples=15)
@given(tolerance=st.floats(1e-6, 0.5), gain=st.sampled_from([1e-6, 1.0, 1e6]))
def test_no_power_errs_by_more_than_the_tolerance(tolerance: float, gain: float) -> None:
    samples = field_potential(250.0, 20.0) * gain
    exact = wavelet_power(samples, **HOW)
    found = wavelet_power(samples, tolerance=tolerance, **HOW)
    np.testing.assert_allclose(found, exact, rtol=tolerance * 1.0001, atol=0)


@pytest.mark.parametrize("tolerance", [0.004, 0.06, 0.2])
def test_a_store_of_rounded_power_is_smaller_and_holds_the_same(
    tmp_path: Path, tolerance: float
) -> None:
    samples = field_potential(250.0, 200.0)
    found = wavelet_power(samples, store=tmp_path, tolerance=tolerance, **HOW)
    np.testing.assert_array_equal(found, wavelet_power(samples, tolerance=tolerance, **HOW))
    taken = sum(path.stat().st_size for path in tmp_path.rglob("power/[0-9]*"))
    assert taken < found.nbytes * stored_share(tolerance)


def test_the_tolerance_is_part_of_the_recipe(tmp_path: Path) -> None:
    samples = field_potential(250.0, 20.0)
    coarse = wavelet_power(samples, store=tmp_path, tolerance=0.1, **HOW)
    exact = wavelet_power(samples, store=tmp_path, **HOW)
    assert coarse.attrs["hash"] != exact.attrs["hash"]
    assert not np.array_equal(coarse, exact)
    again = from_recipe(as_signal(samples, rate=250.0), coarse.attrs["recipe"], progress=False)
    np.testing.assert_array_equal(again, coarse)


def test_a_tolerance_of_what_is_no_power_is_refused() -> None:
    with pytest.raises(NWBDecodeError, match=r"not cut into bands; leave out tolerance=0\.004"):
        wavelet_power(np.zeros((500, 2)), rate=30.0, tolerance=0.004, progress=False)


@pytest.mark.parametrize("tolerance", [-0.1, 0.6, float("nan")])
def test_a_tolerance_that_means_nothing_is_refused(tolerance: float) -> None:
    with pytest.raises(NWBDecodeError, match=r"tolerance.*from 0 \(none\) to 0.5; found"):
        wavelet_power(field_potential(250.0, 4.0), tolerance=tolerance, **HOW)
