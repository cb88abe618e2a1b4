"""The corridor in one call, and which decoder may predict what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nwbdecode as nd
from nwbdecode.estimate import estimate
from tests.sessions import DIRECTION, POSITION, QUICK, SIGNAL, SPEED, simulated, with_tone

TIME = (2.0137, 40.0251)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture(scope="module")
def cache(folder: Path) -> pytest.MonkeyPatch:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NWBDECODE_CACHE", str(folder / "cache"))
        yield patch


@pytest.fixture(scope="module")
def recording(folder: Path) -> Path:
    return simulated(folder / "monday.nwb")


@pytest.fixture(scope="module")
def another(folder: Path) -> Path:
    return simulated(folder / "tuesday.nwb", seed=1)


@pytest.fixture(scope="module")
def decoded(folder: Path, recording: Path, cache: object) -> Path:
    """Part of the recording and of its channels, so that both must be found again."""
    output = folder / "decoded.nwb"
    nd.fit(
        recording, SIGNAL, [POSITION, DIRECTION, SPEED], output,
        config=QUICK, channels=[3, 1, 2], time=TIME, progress=False,
    )  # fmt: skip
    return output


def test_a_fit_writes_what_it_returns(tmp_path: Path, recording: Path, cache: object) -> None:
    output = tmp_path / "out.nwb"
    result = nd.fit(recording, targets=SPEED, output=output, config=QUICK, progress=False)
    assert nd.read(output).identical(result)
    assert result.targets == ["speed"]
    assert list(result.decoders) == ["fold0", "fold1", "final"]


def test_importance_is_part_of_a_fit_that_asks_for_it(recording: Path, cache: object) -> None:
    config = {**QUICK, "evaluation": {**QUICK["evaluation"], "importance": ["channel"]}}
    result = nd.fit(recording, targets=SPEED, config=config, progress=False)
    assert set(result.importance) == {"channel"}


def test_a_fresh_process_reproduces_the_out_of_fold_predictions(
    decoded: Path, recording: Path, tmp_path: Path
) -> None:
    output = tmp_path / "again.nwb"
    code = (
        "import nwbdecode as nd\n"
        f"nd.predict({str(decoded)!r}, {str(recording)!r}, {str(output)!r}, progress=False)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    first, again = nd.read(decoded), nd.read(output)
    for name in first.targets:
        one, other = first.predictions[name], again.predictions[name]
        assert int(np.isfinite(one).sum()) > 100
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5, equal_nan=True)
    assert again.recipe["prediction"]["use"] == "out-of-fold"
    assert again.recipe["prediction"]["largest_difference"] < 1e-4
    assert again.scores.identical(first.scores)


def test_features_are_found_again_without_a_record_of_the_selection(
    recording: Path, cache: object
) -> None:
    """As when the result was made step by step, with `cross_validate`."""
    result = nd.fit(recording, SIGNAL, SPEED, config=QUICK, progress=False)
    bare = {key: value for key, value in result.recipe.items() if key != "signal"}
    again = nd.predict(result.replace(recipe=bare), recording, progress=False)
    assert again.recipe["prediction"]["largest_difference"] == 0


@pytest.mark.parametrize("use", ["final", "ensemble"])
def test_a_refitted_decoder_on_its_own_training_data_is_marked_and_not_scored(
    decoded: Path, recording: Path, tmp_path: Path, use: str
) -> None:
    output = tmp_path / "in_sample.nwb"
    nd.predict(decoded, recording, output, use=use, progress=False)
    result = nd.read(output)
    assert result.predictions.attrs["in_sample"]
    assert result.recipe["prediction"]["in_sample"]
    assert not result.scores.data_vars
    assert np.isfinite(result.predictions["speed"]).any()


def test_another_recording_is_predicted_by_the_refitted_decoder_and_scored(
    decoded: Path, another: Path, tmp_path: Path
) -> None:
    output = tmp_path / "tuesday.nwb"
    result = nd.predict(decoded, another, output, channels=[3, 1, 2], progress=False)
    said = result.recipe["prediction"]
    assert (said["use"], said["in_sample"], said["unscored"]) == ("final", False, {})
    assert set(said["decoders"]) == {"final"}
    assert set(result.score_table()["target"]) == {"position", "head_direction", "speed"}
    assert said["trained_on"]["identifier"] != result.source["identifier"]
    assert nd.read(output).identical(result)


def test_the_channels_of_training_are_found_by_their_ids(decoded: Path, another: Path) -> None:
    result = nd.predict(decoded, another, progress=False)
    assert result.channels["channel"].to_numpy().tolist() == [3, 1, 2]


def test_a_wrong_number_of_channels_is_refused(decoded: Path, another: Path) -> None:
    with pytest.raises(nd.NWBDecodeError, match="3 channels in a fixed order"):
        nd.predict(decoded, another, channels=[0, 1], progress=False)


def test_the_fold_decoders_stand_in_where_none_was_refitted(recording: Path, another: Path) -> None:
    config = {**QUICK, "evaluation": {**QUICK["evaluation"], "refit": False}}
    result = nd.fit(recording, targets=SPEED, config=config, progress=False)
    made = nd.predict(result, another, progress=False)
    assert made.recipe["prediction"]["use"] == "ensemble"
    with pytest.raises(nd.NWBDecodeError, match="no refitted decoder"):
        nd.predict(result, another, use="final", progress=False)


def test_a_stretch_of_the_same_session_far_from_training_counts_as_new(
    decoded: Path, recording: Path
) -> None:
    result = nd.predict(decoded, recording, time=(48.0, None), channels=[3, 1, 2], progress=False)
    assert result.recipe["prediction"]["use"] == "final"
    assert not result.recipe["prediction"]["in_sample"]
    assert result.scores.data_vars


@pytest.mark.parametrize("time", [(30.0, 50.0), (41.0, None), (0.0, 1.0), (3.0, 4.0)])
def test_a_stretch_that_touches_training_is_refused(
    decoded: Path, recording: Path, time: tuple[float, float | None]
) -> None:
    with pytest.raises(nd.NWBDecodeError, match="were trained on 2 to 4"):
        nd.predict(decoded, recording, time=time, progress=False)


def test_the_refitted_decoder_predicts_the_stretch_of_training_that_was_asked_for(
    decoded: Path, recording: Path
) -> None:
    whole, part = (
        nd.predict(decoded, recording, time=time, use="final", progress=False)
        for time in (None, (10.0, 30.0))
    )
    assert part.predictions.attrs["in_sample"]
    assert not part.scores.data_vars
    assert 10 < part.time[0] < part.time[-1] < 30 < whole.time[-1]


def test_decoders_are_never_replaced_by_what_they_predict(decoded: Path, recording: Path) -> None:
    before = decoded.read_bytes()
    with pytest.raises(nd.NWBDecodeError, match="holds the decoders that are used"):
        nd.predict(decoded, recording, decoded, exists="replace", progress=False)
    assert decoded.read_bytes() == before


def test_predictions_cannot_predict(decoded: Path, recording: Path, tmp_path: Path) -> None:
    made = nd.predict(decoded, recording, progress=False)
    with pytest.raises(nd.NWBDecodeError, match="no decoders"):
        nd.predict(made, recording, progress=False)


def test_classes_keep_the_codes_of_training_in_another_recording() -> None:
    names = ["off", "low", "high"]
    result = nd.fit(with_tone("a", names), targets="tone@categorical", config=QUICK, progress=False)
    made = nd.predict(result, with_tone("b", ["off", "sweep", "low"]), progress=False)
    classes = result.truth["tone"].attrs["classes"]
    assert made.truth["tone"].attrs["classes"] == classes
    codes = made.truth["tone"].to_numpy()
    assert {classes[int(code)] for code in codes[np.isfinite(codes)]} == {"off", "low"}
    # The tone that training never heard is missing, not miscounted.
    assert np.isfinite(codes).mean() == pytest.approx(2 / 3, abs=0.05)


def test_a_recording_without_the_targets_is_predicted_and_not_scored() -> None:
    result = nd.fit(
        with_tone("a", ["off", "on"]), targets="tone@categorical", config=QUICK, progress=False
    )
    made = nd.predict(result, with_tone("c", ["off", "on"], tone=False), progress=False)
    assert "tone" in made.recipe["prediction"]["unscored"]
    assert not made.scores.data_vars
    assert np.isfinite(made.predictions["tone"]).any()
    assert np.isnan(made.truth["tone"]).all()


def test_importance_finds_the_recording_by_the_path_in_the_file(decoded: Path) -> None:
    result = nd.importance(decoded, by="frequency", repeats=1, progress=False)
    assert result.importance["frequency"].sizes == {"target": 3, "frequency": 4}


def test_importance_of_a_recording_that_moved_asks_for_it(
    decoded: Path, recording: Path, another: Path
) -> None:
    result = nd.read(decoded)
    moved = result.replace(source={**result.source, "path": "/nowhere/monday.nwb"})
    with pytest.raises(nd.NWBDecodeError, match=r"/nowhere/monday\.nwb.*--source"):
        nd.importance(moved, progress=False)
    with pytest.raises(nd.NWBDecodeError, match="give the recording that was decoded"):
        nd.importance(moved, source=another, progress=False)
    found = nd.importance(moved, source=recording, by="channel", repeats=1, progress=False)
    assert found.importance["channel"]["channel"].to_numpy().tolist() == [3, 1, 2]


def test_an_output_that_exists_is_refused_before_the_source_is_opened(tmp_path: Path) -> None:
    output = tmp_path / "there.nwb"
    output.write_text("mine")
    with pytest.raises(nd.NWBDecodeError, match="exists"):
        nd.fit(tmp_path / "no such source.nwb", targets=SPEED, output=output)
    assert output.read_text() == "mine"


def test_a_fit_without_targets_lists_those_there(recording: Path) -> None:
    with pytest.raises(nd.NWBDecodeError, match=r"no target was given.*Position/position"):
        nd.fit(recording)


def test_an_estimate_counts_bytes_before_anything_is_read(recording: Path) -> None:
    signal = nd.open(recording).signal(SIGNAL)
    expected = estimate(signal, QUICK)
    assert expected["bytes_read"] == 60_000 * 4 * 2
    assert expected["bytes_stored"] == 600 * 4 * 4 * 4
    assert expected["seconds"] > 0
    assert estimate(signal)["seconds"] > expected["seconds"]
    assert estimate(signal, n_targets=3)["seconds"] > estimate(signal)["seconds"]
