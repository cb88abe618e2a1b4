"""A signal where a recording is expected: arrays are decoded as a file is."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import nwbdecode as nd
from nwbdecode.decoding import Decoding
from tests.arrays import CONFIG, SIGNAL, recording

#: Samples are those of the file, but for the rounding of their units and times.
CLOSE = {"rtol": 1e-3, "atol": 1e-3, "equal_nan": True}


def arrays(identifier: str, **how: int) -> tuple[xr.DataArray, dict[str, xr.DataArray]]:
    """Samples and target of a session, which say nothing of it."""
    source = nd.open(recording(identifier, **how))  # type: ignore[arg-type]
    signal = source.signal(SIGNAL)
    samples = signal.read(0, signal.n_samples).astype(np.float64)
    effort = source.targets("effort")["effort"]
    bare = xr.DataArray(effort.to_numpy(), dims="time", coords={"time": effort["time"]})
    return samples, {"effort": bare}


def predicted(result: Decoding) -> np.ndarray:
    return result.predictions["effort"].to_numpy()


@pytest.fixture(scope="module")
def monday() -> Decoding:
    return nd.fit(recording("monday"), SIGNAL, "effort", config=CONFIG, progress=False)


def test_an_array_with_a_time_is_decoded_as_the_file_is(tmp_path: Path, monday: Decoding) -> None:
    samples, targets = arrays("monday")
    output = tmp_path / "decoded.nwb"
    result = nd.fit(samples, None, targets, output, config=CONFIG, progress=False)
    np.testing.assert_allclose(predicted(result), predicted(monday), **CLOSE)
    assert nd.read(output).identical(result)
    assert not result.source.get("object_id")


def test_an_array_without_a_time_is_given_a_rate(monday: Decoding) -> None:
    samples, targets = arrays("monday")
    with pytest.raises(nd.NWBDecodeError, match=r"has no clock.*as_signal\(array, rate="):
        nd.fit(samples.to_numpy(), None, targets, config=CONFIG, progress=False)
    signal = nd.as_signal(samples.to_numpy(), rate=250.0)
    result = nd.fit(signal, None, targets, config=CONFIG, progress=False)
    np.testing.assert_allclose(predicted(result), predicted(monday), **CLOSE)


def test_a_signal_of_a_file_keeps_its_session(monday: Decoding) -> None:
    source = nd.open(recording("monday"))
    signal, targets = source.signal(SIGNAL), source.targets("effort")
    result = nd.fit(signal, None, targets, config=CONFIG, progress=False)
    np.testing.assert_array_equal(predicted(result), predicted(monday))
    assert result.source["identifier"] == "monday"
    again = nd.predict(result, signal, progress=False)
    assert again.recipe["prediction"]["use"] == "out-of-fold"


def test_part_of_an_array_is_chosen_as_of_a_file() -> None:
    samples, targets = arrays("monday")
    result = nd.fit(
        samples, None, targets, config=CONFIG, channels="4,2", time=(0, 40), progress=False
    )
    assert result.channels["channel"].to_numpy().tolist() == [4, 2]
    assert result.time[-1] < 40


@pytest.mark.parametrize("asked", ["effort", ["effort"], {"effort": "behavior/effort"}, None, {}])
def test_targets_of_an_array_are_arrays(asked: object) -> None:
    samples, _ = arrays("monday")
    with pytest.raises(nd.NWBDecodeError, match=r"no targets beside it; give arrays"):
        nd.fit(samples, None, asked, config=CONFIG, progress=False)  # type: ignore[arg-type]


def test_an_array_is_predicted_and_not_scored(monday: Decoding) -> None:
    samples, _ = arrays("tuesday", like=1)
    made = nd.predict(monday, samples, progress=False)
    expected = nd.predict(monday, recording("tuesday", like=1), progress=False)
    np.testing.assert_allclose(predicted(made), predicted(expected), **CLOSE)
    assert not made.scores.data_vars
    assert "no targets beside it" in made.recipe["prediction"]["unscored"]["effort"]


def test_an_opened_array_shows_what_it_is_and_travels() -> None:
    samples, _ = arrays("monday")
    opened = nd.open(samples)
    assert "5 channels at 250 Hz" in repr(opened)
    (told,) = opened.catalog()["signals"]
    assert (told["channels"], told["rate"], told["modality"]) == (5, pytest.approx(250), "ephys")
    again = pickle.loads(pickle.dumps(opened)).signal()
    np.testing.assert_array_equal(again.read(0, 100), opened.signal().read(0, 100))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"signal": "LFP"}, "is the only one; leave out signal='LFP'"),
        ({"only": "trials"}, "only and exclude name intervals in a file"),
        ({"append": True}, "a local HDF5 file alone"),
        ({"output": "out.nwb", "exists": "skip"}, "exists='skip' finds a result by the file"),
        ({"config": {**CONFIG, "signal": {"dff": True}}}, "dff cannot apply to"),
    ],
)
def test_what_only_a_file_has_is_refused(
    how: dict[str, object], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    samples, targets = arrays("monday")
    with pytest.raises(nd.NWBDecodeError, match=said):
        nd.fit(samples, targets=targets, progress=False, **{"config": CONFIG, **how})  # type: ignore[arg-type]


def test_an_array_of_any_session_might_be_the_one_to_begin_from(monday: Decoding) -> None:
    samples, targets = arrays("tuesday", like=1)
    with pytest.raises(nd.NWBDecodeError, match="does not say which session it is of"):
        nd.fit(samples, targets=targets, config=CONFIG, init=monday, progress=False)
