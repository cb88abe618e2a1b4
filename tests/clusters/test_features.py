"""Features computed on a cluster are the bits of one process, and lost workers lose little."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

from nwbdecode.cluster import SharedFolder
from nwbdecode.errors import NWBDecodeError
from nwbdecode.features import from_recipe, wavelet_power
from nwbdecode.features.store import BLOCK, FeatureStore
from nwbdecode.load import open as open_source
from nwbdecode.load.signal import Signal, as_signal
from tests.clusters import work
from tests.features.recordings import field_potential
from tests.sessions import SIGNAL, simulated

#: Bins of a few samples: many blocks from little.
HOW: dict[str, Any] = {
    "n_bands": 5, "lowest": 5.0, "highest": 40.0, "bin": 0.012, "remainder": True,
    "progress": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def recording() -> Signal:
    return as_signal(field_potential(250.0, 61.0, channels=3), rate=250.0)


@pytest.fixture(scope="module")
def expected(recording: Signal) -> np.ndarray:
    return wavelet_power(recording, **HOW).to_numpy()


def test_a_cluster_gives_the_bits_of_one_process(
    client: Client, recording: Signal, expected: np.ndarray, tmp_path: Path
) -> None:
    assert len(expected) > 9 * BLOCK
    there = wavelet_power(recording, store=tmp_path, client=client, **HOW)
    np.testing.assert_array_equal(there, expected)
    here = wavelet_power(recording, store=tmp_path, **HOW)
    assert there.attrs == here.attrs
    assert not list(tmp_path.rglob("*.token"))


def test_each_worker_opens_the_recording_itself(client: Client, tmp_path: Path) -> None:
    file = simulated(tmp_path / "session.nwb", duration=20.0)
    how = HOW | {"reference": "average", "notch": 50.0}
    with open_source(file) as source:
        signal = source.signal(SIGNAL)
        here = wavelet_power(signal, store=tmp_path / "here", **how)
        there = wavelet_power(signal, store=tmp_path / "there", client=client, **how)
        np.testing.assert_array_equal(there, here)
        again = from_recipe(
            signal, dict(here.attrs["recipe"]), store=tmp_path / "again", client=client,
            progress=False,
        )  # fmt: skip
    np.testing.assert_array_equal(again, here)


def test_blocks_that_a_lost_worker_had_written_are_not_computed_again(
    client: Client, recording: Signal, expected: np.ndarray, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    client.run(work.dies_on_its_second, marks, "nwbdecode.features.store", "FeatureStore", "write")
    there = wavelet_power(recording, store=tmp_path / "store", client=client, **HOW)
    np.testing.assert_array_equal(there, expected)
    (folder,) = (tmp_path / "store").iterdir()
    first = [(folder / "written" / str(k)).stat().st_mtime for k in range(10)]
    died = (marks / "1").stat().st_mtime
    # The second block was written when its worker was killed; neither was written anew.
    assert sum(time <= died for time in first) >= 2


def test_only_what_a_store_lacks_is_computed(
    client: Client, recording: Signal, expected: np.ndarray, tmp_path: Path
) -> None:
    first = wavelet_power(recording, store=tmp_path, client=client, **HOW)
    folder = tmp_path / first.attrs["hash"]
    before = {k: (folder / "power" / f"{k}.0.0").stat().st_mtime_ns for k in range(10)}
    (folder / "written" / "4").unlink()
    second = wavelet_power(recording, store=tmp_path, client=client, **HOW)
    after = {k: (folder / "power" / f"{k}.0.0").stat().st_mtime_ns for k in range(10)}
    assert [k for k in range(10) if after[k] != before[k]] == [4]
    np.testing.assert_array_equal(second, expected)


def test_a_folder_that_a_worker_does_not_see_is_refused(client: Client, tmp_path: Path) -> None:
    with SharedFolder.of(client, tmp_path) as folder:
        assert set(client.run(folder.check).values()) == {None}
        elsewhere = replace(folder, path=str(tmp_path / "elsewhere"))
        with pytest.raises(NWBDecodeError, match=r"does not see .*elsewhere.*--cache"):
            client.run(elsewhere.check)
    with pytest.raises(NWBDecodeError, match="does not see"):
        folder.check()


def test_a_recording_that_a_worker_cannot_read_is_told(client: Client, tmp_path: Path) -> None:
    file = simulated(tmp_path / "session.nwb", duration=20.0)
    with open_source(file) as source:
        signal = source.signal(SIGNAL)
        hidden = tmp_path / "hidden.nwb"

        def hide(*given: Any) -> None:
            os.rename(file, hidden)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FeatureStore, "missing", lambda self: hide() or [0])
            with pytest.raises(NWBDecodeError, match=r"session\.nwb"):
                wavelet_power(signal, store=tmp_path / "store", client=client, **HOW)
