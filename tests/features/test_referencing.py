"""References: averages, medians and bipolar pairs, by group, without bad channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import from_recipe, store, traces, wavelet_power
from nwbdecode.features.referencing import referencing
from tests.features.recordings import field_potential, labelled

RATE = 250.0
#: One sample a bin: the features are then the referenced samples themselves.
ONE = {"bin": 1 / RATE}


def _referenced(samples: np.ndarray, reference: Any, **how: Any) -> xr.DataArray:
    columns = {name: how.pop(name) for name in list(how) if name not in ("reference_by",)}
    signal = labelled(samples, RATE, **columns)
    return traces(signal, **ONE, reference=reference, progress=False, **how)[:, 0]


@settings(deadline=None, max_examples=25)
@given(
    groups=st.lists(st.sampled_from("abc"), min_size=2, max_size=9),
    reference=st.sampled_from(["average", "median"]),
    seed=st.integers(0, 9),
)
def test_each_sample_loses_the_mean_or_median_of_its_group(
    groups: list[str], reference: str, seed: int
) -> None:
    samples = np.random.default_rng(seed).normal(size=(30, len(groups))).astype(np.float32)
    found = _referenced(samples, reference, group=groups)
    statistic = {"average": np.mean, "median": np.median}[reference]
    for column, group in enumerate(groups):
        beside = samples[:, [g == group for g in groups]].astype(np.float64)
        shared = statistic(beside, axis=1) if beside.shape[1] > 1 else 0.0
        np.testing.assert_allclose(found[:, column], samples[:, column] - shared, atol=1e-6)


@pytest.mark.parametrize("reference", ["average", "median", "bipolar"])
def test_a_bad_channel_takes_no_part(reference: str) -> None:
    samples = field_potential(RATE, 4.0, channels=5)
    without = np.delete(samples, 2, axis=1)
    samples[:, 2] = np.nan
    x = np.array([0.0, 1.0, 10.0, 2.0, 3.0])
    found = _referenced(samples, reference, x=x, bad=[False, False, True, False, False])
    clean = _referenced(without, reference, x=np.delete(x, 2))
    np.testing.assert_array_equal(found, clean)
    assert not any("102" in str(label) for label in found.channel.to_numpy())


@pytest.mark.parametrize("reference", ["average", "median", "bipolar"])
def test_one_channel_stays_as_it_is(reference: str) -> None:
    samples = field_potential(RATE, 4.0, channels=1)
    found = _referenced(samples, reference)
    np.testing.assert_array_equal(found, samples)
    assert found.channel.to_numpy().tolist() == [100]


def test_a_bipolar_channel_is_the_first_minus_the_second() -> None:
    samples = field_potential(RATE, 4.0, channels=4)
    found = _referenced(
        samples,
        "bipolar",
        x=[0.0, 40.0, 20.0, 60.0],
        location=["CA1", "DG", "CA1", "DG"],
        group=["a"] * 4,
    )
    # In the order of places: 100, 102, 101, 103.
    assert found.channel.to_numpy().tolist() == ["100-102", "101-102", "101-103"]
    pairs = [(0, 2), (1, 2), (1, 3)]
    for column, (anode, cathode) in enumerate(pairs):
        expected = samples[:, anode] - samples[:, cathode]
        np.testing.assert_array_equal(found[:, column], expected)
    np.testing.assert_array_equal(found.x, [10.0, 30.0, 50.0])
    assert found.location.to_numpy().tolist() == ["CA1", "DG-CA1", "DG"]
    assert set(found.group.to_numpy()) == {"a"}


def _pairs(**columns: Any) -> list[str]:
    size = len(next(iter(columns.values())))
    table = pd.DataFrame(columns, index=pd.Index(range(size), name="channel"))
    return referencing(table, "bipolar").channels.index.tolist()


@settings(deadline=None, max_examples=30)
@given(
    rows=st.integers(1, 6),
    columns=st.integers(2, 6),
    spacing=st.floats(0.1, 100),
    angle=st.floats(0, 6.3),
    seed=st.integers(0, 99),
)
def test_a_grid_is_paired_along_its_rows_and_columns_whichever_way_it_lies(
    rows: int, columns: int, spacing: float, angle: float, seed: int
) -> None:
    across, along = np.meshgrid(np.arange(columns), np.arange(rows))
    across, along = across.ravel(), along.ravel()
    order = np.random.default_rng(seed).permutation(rows * columns)
    across, along = across[order], along[order]
    x = spacing * (np.cos(angle) * across - np.sin(angle) * along)
    y = spacing * (np.sin(angle) * across + np.cos(angle) * along)
    expected = {
        f"{a}-{b}"
        for a in range(rows * columns)
        for b in range(a + 1, rows * columns)
        if abs(across[a] - across[b]) + abs(along[a] - along[b]) == 1
    }
    assert set(_pairs(x=x, y=y)) == expected


def test_a_pair_bridges_no_missing_contact() -> None:
    assert _pairs(y=[0.0, 20.0, 60.0, 80.0]) == ["0-1", "2-3"]


def test_pairs_stay_within_their_group_and_a_channel_alone_stays() -> None:
    pairs = _pairs(x=[0.0, 1.0, 2.0, 3.0, 9.0], group=["a", "b", "a", "b", "c"])
    assert pairs == ["0-2", "1-3", "4"]


@pytest.mark.parametrize(
    "places",
    [{}, {"x": [5.0] * 4}, {"x": [np.nan, 1.0, 2.0, 3.0]}, {"x": [0.0, 0.0, 1.0, 1.0]}],
    ids=["unknown", "all the same", "one missing", "shared"],
)
def test_where_places_tell_no_channels_apart_the_order_does(places: dict[str, list[float]]) -> None:
    assert _pairs(**places, group=["a"] * 4) == ["0-1", "1-2", "2-3"]


def test_places_on_the_probe_are_believed_over_those_in_the_brain() -> None:
    assert _pairs(rel_y=[0.0, 20.0, 10.0], x=[0.0, 1.0, 2.0]) == ["0-2", "1-2"]


def test_channels_are_grouped_by_any_column() -> None:
    samples = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    columns = {"group": list("aaaa"), "shank": [0, 0, 1, 1], "location": ["CA1", "CA3"] * 2}
    expected = {
        "shank": [[0, 1], [2, 3]],
        "location": [[0, 2], [1, 3]],
        "group": [[0, 1, 2, 3]],
        "all": [[0, 1, 2, 3]],
        "shank, location": [[0], [1], [2], [3]],
    }
    for by, rows in expected.items():
        found = _referenced(samples, "average", **columns, reference_by=by)
        for group in rows:
            shared = samples[:, group].mean(axis=1) if len(group) > 1 else np.zeros(50)
            want = samples[:, group] - shared[:, None]
            np.testing.assert_allclose(found[:, group], want, atol=1e-6)


def test_an_unknown_column_to_group_by_is_answered_with_the_nearest() -> None:
    signal = labelled(field_potential(RATE, 2.0), RATE, shank=[0, 1])
    with pytest.raises(NWBDecodeError, match=r"grouped by 'shnk'.*Did you mean 'shank'"):
        traces(signal, reference="average", reference_by="shnk")


@pytest.mark.parametrize("reference", ["average", "median", "bipolar"])
def test_blocks_change_no_bit_and_the_recipe_makes_the_same_again(
    reference: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = labelled(
        field_potential(RATE, 6.0, channels=6),
        RATE,
        group=list("aaabbb"),
        y=[0.0, 20.0, 40.0] * 2,
        bad=[False] * 5 + [True],
    )
    how: dict[str, Any] = {"reference": reference, "lowest": 5.0, "n_bands": 4, "progress": False}
    whole = wavelet_power(signal, **how)
    monkeypatch.setattr(store, "BLOCK", 7)
    np.testing.assert_array_equal(wavelet_power(signal, **how), whole)
    again = from_recipe(signal, whole.attrs["recipe"], progress=False)
    xr.testing.assert_identical(again, whole)
    assert whole.attrs["recipe"]["excluded"] == [105]
    assert whole.attrs["source"]["signal"]["channels"] == [100, 101, 102, 103, 104]


def test_other_references_and_groups_never_share_a_store(tmp_path: Any) -> None:
    samples = field_potential(RATE, 5.0, channels=4)
    how: dict[str, Any] = {"lowest": 5.0, "n_bands": 3, "progress": False, "store": tmp_path}
    for reference in ("none", "average", "median", "bipolar"):
        for x in ([0.0, 1.0, 2.0, 3.0], [0.0, 2.0, 1.0, 3.0]):
            signal = labelled(samples, RATE, group=list("aaaa"), x=x)
            stored = wavelet_power(signal, reference=reference, **how)
            fresh = wavelet_power(signal, reference=reference, **how | {"store": None})
            np.testing.assert_array_equal(stored, fresh)
    # Places matter to pairs alone.
    assert len(list(tmp_path.iterdir())) == 5
