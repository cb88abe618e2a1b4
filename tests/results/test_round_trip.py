"""A result read back from its file equals the one that was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings

from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError
from nwbdecode.results import read, write
from tests import made
from tests.results.strategies import decodings


def there_and_back(decoding: Decoding, folder: Path) -> Decoding:
    return read(write(decoding, folder / "decoded.nwb", exists="replace"))


def parts(decoding: Decoding) -> dict[str, xr.Dataset]:
    named = ("predictions", "truth", "scores", "folds", "history", "channels")
    held = {name: getattr(decoding, name) for name in named}
    return held | dict(decoding.baselines) | dict(decoding.importance)


def test_a_result_of_every_kind_of_target_is_read_back_equal(tmp_path: Path) -> None:
    decoding = made.decoding()
    assert there_and_back(decoding, tmp_path).differences(decoding) == []


def test_types_and_the_order_of_targets_and_labels_are_kept(tmp_path: Path) -> None:
    decoding = made.decoding()
    back = there_and_back(decoding, tmp_path)
    assert back.targets == decoding.targets
    assert list(back.decoders) == list(decoding.decoders)
    for name, part in parts(decoding).items():
        mine = parts(back)[name]
        assert {n: (v.dtype, v.dims) for n, v in part.variables.items()} == {
            n: (v.dtype, v.dims) for n, v in mine.variables.items()
        }, name
        assert list(mine.coords) == list(part.coords), name


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(decoding=decodings())
def test_any_result_is_read_back_equal(decoding: Decoding, tmp_path: Path) -> None:
    assert there_and_back(decoding, tmp_path).differences(decoding) == []


def test_bins_with_a_gap_keep_their_exact_times(tmp_path: Path) -> None:
    decoding = made.decoding()
    time = decoding.time + np.where(np.arange(len(decoding.time)) > 100, 7.3, 0.0)
    moved = decoding.replace(
        predictions=decoding.predictions.assign_coords(time=time),
        truth=decoding.truth.assign_coords(time=time),
        baselines={n: d.assign_coords(time=time) for n, d in decoding.baselines.items()},
    )
    back = there_and_back(moved, tmp_path)
    assert np.array_equal(back.time, time)
    assert back.identical(moved)


@pytest.mark.parametrize(
    "channels",
    [
        {"channel": ["A1", "A2", "A3", "A4"], "bad": [True, False, True, False]},
        {"channel": [3, 1, 2, 0], "depth": [1.5, np.nan, 3.0, 4.0], "shank": [0, 0, 1, 1]},
        {"channel": [0.5, 1.5, 2.5, 3.5], "x": ["left", "left", "right", "a\0b"]},
        {"channel": [7, 7, 8, 8], "location": np.array(["CA1", None, 1.5, ""], dtype=object)},
        {"channel": [-1, 2, 3, 4], "id": [4, 3, 2, 1], "name": list("abcd"), "a/b": list("abcd")},
    ],
    ids=["text", "numbers", "odd", "duplicates and mixed", "reserved names"],
)
@pytest.mark.parametrize("modality", ["ecog", "imaging"])
def test_channels_may_be_described_by_anything(
    tmp_path: Path, channels: dict[str, Any], modality: str
) -> None:
    decoding = made.decoding()
    signal = {**made.source()["signal"], "modality": modality}  # type: ignore[dict-item]
    described = decoding.replace(
        channels=xr.Dataset(coords={name: ("channel", v) for name, v in channels.items()}),
        source={**decoding.source, "signal": signal},
    )
    assert there_and_back(described, tmp_path).differences(described) == []


def test_a_result_without_any_bin_channel_or_fold_is_read_back_equal(tmp_path: Path) -> None:
    empty = {"speed": ("time", np.zeros(0, np.float32), {"kind": "linear", "units": "m/s"})}
    dataset = xr.Dataset(empty, coords={"time": np.zeros(0), "fold": ("time", np.zeros(0, int))})
    decoding = Decoding(
        predictions=dataset,
        truth=dataset,
        scores=xr.Dataset(),
        folds=xr.Dataset(coords={"fold": np.zeros(0, int)}),
        history=xr.Dataset(),
        decoders={},
        channels=xr.Dataset(),
    )
    assert there_and_back(decoding, tmp_path).differences(decoding) == []


def test_names_that_hdf5_cannot_hold_as_text_survive(tmp_path: Path) -> None:
    simple = made.decoding()
    odd = "tone\0\udce9"
    decoding = simple.replace(
        predictions=simple.predictions.rename(tone=odd),
        truth=simple.truth.rename(tone=odd),
        baselines={odd: simple.baselines["ridge"].rename(tone=odd)},
        importance={odd: simple.importance["frequency"].rename(frequency=odd)},
        decoders={odd: simple.decoders["final"]},
        channels=simple.channels.assign_coords({odd: ("channel", [odd, "b", "c", "d"])}),
        folds=simple.folds.rename(gap=odd),
    )
    assert there_and_back(decoding, tmp_path).differences(decoding) == []


def test_tuples_and_numpy_scalars_in_settings_become_lists_and_numbers(tmp_path: Path) -> None:
    decoding = made.decoding().replace(recipe={"band": (np.float32(2), np.int8(3), float("inf"))})
    assert there_and_back(decoding, tmp_path).recipe == {"band": [2.0, 3, float("inf")]}


@pytest.mark.parametrize("value", [{1, 2}, b"x", 1j, made])
def test_a_setting_that_is_no_json_is_named_before_anything_is_written(
    tmp_path: Path, value: Any
) -> None:
    decoding = made.decoding().replace(recipe={"features": [value]})
    with pytest.raises(NWBDecodeError, match=r"the recipe\['features'\]\[0\] holds a"):
        write(decoding, tmp_path / "decoded.nwb")
    assert list(tmp_path.iterdir()) == []


def test_an_array_of_moments_is_refused_with_what_can_be_stored(tmp_path: Path) -> None:
    decoding = made.decoding()
    stamps = ("fold", np.zeros(3, dtype="datetime64[ns]"))
    with pytest.raises(NWBDecodeError, match=r"datetime64.*times as seconds"):
        write(decoding.replace(folds=decoding.folds.assign(when=stamps)), tmp_path / "decoded.nwb")
