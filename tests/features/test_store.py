"""Features are the same bits however they are computed, and a store is never stale."""

from __future__ import annotations

import os
import pickle
import signal as signals
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import from_recipe, pieces, store, traces, wavelet_power
from nwbdecode.load.signal import Signal, as_signal
from tests.features.recordings import RATES, field_potential, in_segments, labelled

HOW: dict[str, Any] = {"n_bands": 6, "remainder": True, "progress": False}


@settings(deadline=None, max_examples=12)
@given(
    rate=st.sampled_from([*RATES, 975.0]),
    per_bin=st.sampled_from([8.33, 32.5, 203.4]),
    block=st.integers(3, 40),
    room=st.integers(3, 30),
    # Vectors hold sixteen channels: one in part, one, one and a bit, two and a bit.
    channels=st.sampled_from([3, 16, 17, 35]),
)
def test_blocks_and_memory_change_no_bit(
    rate: float, per_bin: float, block: int, room: int, channels: int
) -> None:
    samples = field_potential(rate, 1500 / rate, channels=channels)
    how = HOW | {"rate": rate, "lowest": rate / 100, "bin": per_bin / rate}
    expected = wavelet_power(samples, **how)
    reach = sum(expected.attrs["support"]) * rate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "BLOCK", block)
        # Bytes a sample: what is read and transformed, and levels in full vectors of 16.
        full = -(-channels // 16) * 16
        memory = int(4 * (2 * channels + 2 * full) * (reach + room * per_bin))
        found = wavelet_power(samples, memory=memory, **how)
    np.testing.assert_array_equal(found, expected)


@settings(deadline=None, max_examples=12)
@given(
    once=st.integers(200, 6000),
    block=st.sampled_from([5, 40, 512]),
    threads=st.sampled_from(["1", "2"]),
    # Blocks of sixteen, of which the last is filled in part.
    channels=st.sampled_from([3, 35, 70]),
    # Evenly spaced, and some a sample longer than others.
    width=st.sampled_from([0.033, 0.0331]),
    how=st.sampled_from(
        [{}, {"causal": True}, {"notch": 50.0}, {"notch": 50.0, "causal": True}, {"highest": 90.0}]
    ),
)
def test_how_much_is_read_at_once_changes_no_bit(
    once: int, block: int, threads: str, channels: int, width: float, how: dict[str, Any]
) -> None:
    samples = field_potential(1000.0, 9.0, channels=channels)
    how = HOW | {"rate": 1000.0, "lowest": 6.0, "bin": width} | how
    expected = wavelet_power(samples, **how)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "BLOCK", block)
        patch.setattr(pieces, "_PIECE", 4 * channels * once)
        # What is read again, times this, is the least that is read.
        patch.setattr(pieces, "_WORTH", 1)
        patch.setenv("OMP_NUM_THREADS", threads)
        found = wavelet_power(samples, **how)
    np.testing.assert_array_equal(found, expected)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = field_potential(10_000.0, 1.0, channels=35)
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        found.append(wavelet_power(samples, rate=10_000.0, lowest=20.0, **HOW).to_numpy())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("channel", [0, 3, 15, 16, 31, 34])
def test_a_channel_is_the_same_alone_and_among_others(channel: int) -> None:
    samples = field_potential(1000.0, 3.0, channels=35)
    together = wavelet_power(samples, rate=1000.0, **HOW)
    alone = wavelet_power(samples[:, channel], rate=1000.0, **HOW)
    np.testing.assert_array_equal(together[..., channel], alone[..., 0])


@pytest.fixture
def recording() -> Signal:
    return as_signal(field_potential(250.0, 12.0, channels=3), rate=250.0)


def test_a_store_holds_what_memory_would(recording: Signal, tmp_path: Path) -> None:
    inside = wavelet_power(recording, **HOW)
    outside = wavelet_power(recording, store=tmp_path, **HOW)
    assert inside.attrs["hash"] == ""
    assert (tmp_path / outside.attrs["hash"] / "power").is_dir()
    np.testing.assert_array_equal(inside, outside)
    assert {k: v for k, v in inside.attrs.items() if k != "hash"} == {
        k: v for k, v in outside.attrs.items() if k != "hash"
    }


def test_a_store_is_read_lazily_piece_by_piece_and_travels_between_processes(
    recording: Signal, tmp_path: Path
) -> None:
    inside = wavelet_power(recording, **HOW)
    outside = wavelet_power(recording, store=tmp_path, **HOW)
    assert not outside.variable._in_memory
    assert len(pickle.dumps(outside)) < inside.nbytes
    piece = {"time": slice(300, 310), "channel": [2, 0], "frequency": slice(None, None, 2)}
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(outside))[piece], inside[piece])
    assert not outside.variable._in_memory


def test_what_exceeds_the_memory_goes_to_the_cache_folder(recording: Signal, cache: Path) -> None:
    inside = wavelet_power(recording, lowest=20.0, **HOW)
    outside = wavelet_power(recording, lowest=20.0, memory=24_000, **HOW)
    assert [p.name for p in (cache / "features").iterdir()] == [outside.attrs["hash"]]
    np.testing.assert_array_equal(inside, outside)


def test_memory_too_small_for_one_bin_is_refused_with_the_numbers(recording: Signal) -> None:
    with pytest.raises(NWBDecodeError, match=r"one bin of 3 channels.*`memory` is 1e-06 GB"):
        wavelet_power(recording, memory=1000, **HOW)


def test_a_probe_of_128_channels_at_30_khz_fits_the_default_memory() -> None:
    dead = np.broadcast_to(np.int16(0), (6000, 128))
    power = wavelet_power(dead, rate=30_000.0, lowest=2.0, highest=4.0, n_bands=2, progress=False)
    assert power.shape == (6, 2, 128)


@pytest.mark.parametrize("highest", [8.0, 400.0])
def test_what_is_held_does_not_grow_with_the_recording(tmp_path: Path, highest: float) -> None:
    # With bands far below the rate, the fastest levels have none of their own.
    how = HOW | {"rate": 2000.0, "lowest": 4.0, "highest": highest, "bin": 0.01}
    peaks = []
    for seconds in (60, 120):
        samples = np.zeros((seconds * 2000, 4), dtype=np.int16)
        samples[::7] = 5
        wavelet_power(samples[:4000], store=tmp_path, memory=186 << 20, **how)
        tracemalloc.start()
        wavelet_power(samples, store=tmp_path, memory=186 << 20, **how)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_what_the_slowest_band_reaches_is_not_held_at_the_full_rate(tmp_path: Path) -> None:
    peaks = []
    samples = np.zeros((240 * 2000, 4), dtype=np.int16)
    samples[::7] = 5
    for lowest in (16.0, 0.25):
        how = HOW | {"rate": 2000.0, "lowest": lowest, "highest": 400.0, "bin": 0.1}
        how["remainder"] = False
        wavelet_power(samples[:4000], store=tmp_path, memory=186 << 20, **how)
        tracemalloc.start()
        wavelet_power(samples, store=tmp_path, memory=186 << 20, **how)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # It reaches 45 s to either side, of vectors of sixteen numbers.
    assert peaks[1] - peaks[0] < 45 * 2 * 2000 * 16 * 4 / 4


@pytest.mark.parametrize("engine", ["filterbank", "torch"])
def test_the_remainder_beside_slow_bands_alone_is_that_of_the_whole_recording(engine: str) -> None:
    # No band is filtered at the full rate, where the remainder is made of it.
    samples = field_potential(1000.0, 60.0, channels=2)
    how: dict[str, Any] = {"rate": 1000.0, "frequencies": [10.0], "bin": 0.02, "progress": False}
    expected = wavelet_power(samples, engine="reference", remainder=True, **how)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_PIECE", 4 * 2 * 1500)
        found = wavelet_power(samples, engine=engine, remainder=True, **how)
    assert len(found) > 4 * store.BLOCK
    np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=1e-4, atol=1e-10)


def test_a_second_call_computes_nothing(
    recording: Signal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = wavelet_power(recording, store=tmp_path, **HOW)
    monkeypatch.setattr(store.FeatureStore, "write", None)
    np.testing.assert_array_equal(wavelet_power(recording, store=tmp_path, **HOW), first)


KILLED = """
import os, signal, sys
import zarr
from nwbdecode.features import store, wavelet_power
from tests.features.recordings import field_potential

store.BLOCK = 16
whole = store.FeatureStore.write

def dies(self, block, values):
    if block == 3:
        zarr.open_group(self.path, mode="r+")["power"][48:56] = 12345
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, block, values)

store.FeatureStore.write = dies
samples = field_potential(250.0, 5.0, channels=3)
wavelet_power(samples, rate=250.0, n_bands=6, remainder=True, progress=False, store=sys.argv[1])
"""


def test_a_run_killed_within_a_block_goes_on_with_that_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], env=environment, check=False, timeout=120
    )
    assert killed.returncode == -signals.SIGKILL
    written = []
    whole = store.FeatureStore.write

    def noted(self: store.FeatureStore, block: int, values: np.ndarray) -> None:
        written.append(block)
        whole(self, block, values)

    monkeypatch.setattr(store, "BLOCK", 16)
    monkeypatch.setattr(store.FeatureStore, "write", noted)
    samples = field_potential(250.0, 5.0, channels=3)
    resumed = wavelet_power(samples, rate=250.0, store=tmp_path, **HOW)
    assert written == list(range(3, 10))
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(resumed, wavelet_power(samples, rate=250.0, **HOW))


@pytest.mark.parametrize(
    "change",
    [
        {"bin": 0.05},
        {"n_bands": 7},
        {"lowest": 3.0},
        {"highest": 60.0},
        {"w0": 7.0},
        {"truncate": 4.0},
        {"reference": "average"},
        {"remainder": False},
        {"causal": True},
        {"engine": "reference"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_setting_never_meets_an_old_store(
    change: dict[str, Any], recording: Signal, tmp_path: Path
) -> None:
    old = wavelet_power(recording, store=tmp_path, **HOW)
    new = wavelet_power(recording, store=tmp_path, **HOW | change)
    assert old.attrs["hash"] != new.attrs["hash"]
    np.testing.assert_array_equal(new, wavelet_power(recording, **HOW | change))


def test_two_signals_never_share_a_store(recording: Signal, tmp_path: Path) -> None:
    samples = recording.read_array(0, recording.n_samples)
    altered = samples.copy()
    altered[1500, 1] *= 1.0001
    others = {
        "one sample": as_signal(altered, rate=250.0),
        "rate": as_signal(samples, rate=250.1),
        "conversion": replace(recording, conversion=np.array([1.0, 2.0, 1.0])),
        "offset": replace(recording, offset=1e-4),
        "channels": recording.select(channels=[0, 1]),
        "order of channels": recording.select(channels=[1, 0, 2]),
        "time": recording.select(time=(1.0, None)),
        "clock": in_segments(samples, 250.0, (0, 3000, 5.0)),
        "gap": in_segments(samples, 250.0, (0, 1500, 0.0), (1500, 3000, 7.0)),
        "type": as_signal(samples.view(np.int32), rate=250.0),
    }
    found = {"": wavelet_power(recording, store=tmp_path, **HOW).attrs["hash"]}
    for name, other in others.items():
        power = wavelet_power(other, store=tmp_path, **HOW)
        assert power.attrs["hash"] not in found.values(), name
        found[name] = power.attrs["hash"]
        np.testing.assert_array_equal(power, wavelet_power(other, **HOW))


def test_other_groups_under_the_average_are_another_store(tmp_path: Path) -> None:
    samples = field_potential(250.0, 5.0, channels=4)
    how = HOW | {"reference": "average"}
    for groups in ("aabb", "abab", "aaaa"):
        signal = labelled(samples, 250.0, group=list(groups))
        stored = wavelet_power(signal, store=tmp_path, **how)
        np.testing.assert_array_equal(stored, wavelet_power(signal, **how))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_that_changed_is_another_signal(recording: Signal, tmp_path: Path) -> None:
    file = tmp_path / "recording.bin"
    file.write_bytes(b"before")
    filed = replace(recording, source={"path": str(file)})
    before = wavelet_power(filed, **HOW).attrs["hash"]
    assert wavelet_power(filed, **HOW).attrs["hash"] == before
    file.write_bytes(b"afterward")
    assert wavelet_power(filed, **HOW).attrs["hash"] != before


def test_a_signal_from_a_file_is_kept_in_the_cache_folder(
    recording: Signal, tmp_path: Path, cache: Path
) -> None:
    file = tmp_path / "recording.bin"
    file.write_bytes(b"samples")
    power = wavelet_power(replace(recording, source={"path": str(file)}), **HOW)
    assert (cache / "features" / power.attrs["hash"]).is_dir()
    np.testing.assert_array_equal(power, wavelet_power(recording, **HOW))


@pytest.mark.parametrize("how", [{}, {"causal": True, "reference": "average", "bin": 0.1}])
def test_a_recipe_gives_the_same_features_again(how: dict[str, Any], recording: Signal) -> None:
    power = wavelet_power(recording, **HOW | how)
    again = from_recipe(recording, power.attrs["recipe"], progress=False)
    np.testing.assert_array_equal(again, power)
    assert again.attrs == power.attrs


def test_a_recipe_of_traces_gives_the_same_traces_again() -> None:
    slow = traces(field_potential(10.0, 30.0), rate=10.0, bin=0.5, reference="average")
    again = from_recipe(as_signal(field_potential(10.0, 30.0), rate=10.0), slow.attrs["recipe"])
    np.testing.assert_array_equal(again, slow)
    assert again.attrs == slow.attrs


def test_a_recipe_from_the_future_is_refused(recording: Signal) -> None:
    with pytest.raises(NWBDecodeError, match=r"unknown feature step 'spikes'.*newer nwbdecode"):
        from_recipe(recording, {"step": "spikes"})
