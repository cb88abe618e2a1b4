"""What a long run has made is never lost because it cannot be written where it should go."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from pynwb import NWBHDF5IO

import nwbdecode as nd
from nwbdecode import evaluate
from nwbdecode.cli import cli
from nwbdecode.decoding import Decoding
from nwbdecode.keeping import Destination, rescue
from tests import made
from tests.arrays import CONFIG, recording

TARGET = "behavior/effort"
#: A file of more than 2 MB, beside which a result is small.
SECONDS = 240


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("session") / "monday.nwb"
    with NWBHDF5IO(str(path), mode="w") as io:
        io.write(recording("monday", seconds=SECONDS, ids=range(12)))
    return path


@pytest.fixture
def monday(session: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(session, tmp_path / "monday.nwb"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NWBDECODE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[Decoding]]:
    """Let something happen at the end of cross-validation, and give what that had made."""

    def during(happens: Callable[[], object]) -> list[Decoding]:
        validated, fitted = evaluate.cross_validate, []

        def then(*arguments: Any, **options: Any) -> Decoding:
            fitted.append(validated(*arguments, **options))
            happens()
            return fitted[-1]

        monkeypatch.setattr(evaluate, "cross_validate", then)
        return fitted

    return during


def asked(source: Path) -> list[object]:
    settings = source.with_name("settings.json")
    settings.write_text(json.dumps({**CONFIG, "cache": str(source.parent / "features")}))
    return [
        "fit", source, "--target", TARGET, "--channels", "0-2", "--config", settings, "--json"
    ]  # fmt: skip


def fit(source: Path, *options: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(cli, [str(part) for part in (*asked(source), *options)])
    return done.exit_code, json.loads(done.stdout)


def assert_kept(place: Path, fitted: list[Decoding]) -> None:
    (result,) = fitted
    kept = nd.read(place).load()
    assert kept.predictions.identical(result.predictions)
    assert dict(kept.decoders) == dict(result.decoders)
    assert kept.recipe["config"]["decoder"]["hidden"] == CONFIG["decoder"]["hidden"]


def test_a_file_taken_meanwhile_stays_and_the_result_lies_beside_it(
    monday: Path, meanwhile: Any
) -> None:
    output = monday.with_name("decoded.nwb")
    fitted = meanwhile(lambda: output.write_text("another's"))
    code, answer = fit(monday, "-o", output)
    place = monday.with_name("decoded.rescued.nwb")
    assert (code, answer["status"], output.read_text()) == (1, "failed", "another's")
    assert "exists" in answer["error"]
    assert f"not lost, it is in {str(place)!r}" in answer["error"]
    assert_kept(place, fitted)


def test_a_folder_removed_meanwhile_leaves_the_result_in_the_cache(
    monday: Path, meanwhile: Any, cache: Path
) -> None:
    folder = monday.parent / "results"
    folder.mkdir()
    fitted = meanwhile(folder.rmdir)
    code, answer = fit(monday, "-o", folder / "decoded.nwb")
    place = cache / "rescued" / "decoded.rescued.nwb"
    assert code == 1
    assert "there is no folder" in answer["error"]
    assert repr(str(place)) in answer["error"]
    assert_kept(place, fitted)


FULL = """
import resource, sys
from nwbdecode import evaluate
from nwbdecode.cli import main

most = int(sys.argv.pop(1))
validated = evaluate.cross_validate

def then(*arguments, **options):
    made = validated(*arguments, **options)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    # Beyond the limit a write fails as it does on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    return made

evaluate.cross_validate = then
main()
"""


def test_a_disk_too_full_for_the_recording_again_still_holds_the_result(monday: Path) -> None:
    """Appending takes a copy of the recording, the result alone a small file."""
    before = monday.read_bytes()
    command = [sys.executable, "-c", FULL, 9 * len(before) // 10, *asked(monday), "--append"]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    place = monday.with_name("monday.rescued.nwb")
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert "could not be written" in answer["error"]
    assert repr(str(place)) in answer["error"]
    assert monday.read_bytes() == before
    # What the message advises works.
    kept = nd.read(place).load()
    assert set(kept.decoders) == {"fold0", "fold1", "final"}
    nd.append(kept, monday)
    assert nd.read(monday).identical(kept)


def test_what_cannot_be_stored_is_refused_before_anything_is_trained(
    monday: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Targets of the user's own making may say of themselves what they like."""
    monkeypatch.setattr(evaluate, "cross_validate", None)
    target = nd.open(monday).targets(TARGET)["effort"]
    output = monday.with_name("decoded.nwb")
    for attrs in ({"made": Path("here")}, {"by": {"whom": {1, 2}}}):
        with pytest.raises(
            nd.NWBDecodeError, match=r"nothing was trained: .* holds a (PosixPath|set),"
        ):
            nd.fit(
                monday, targets={"effort": target.assign_attrs(attrs)}, output=output,
                channels=[0, 1], config=CONFIG, progress=False,
            )  # fmt: skip
    assert not output.exists()


def test_what_only_the_end_shows_to_be_unfit_is_kept_with_text_in_its_place(
    monday: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = nd.fit(monday, targets=TARGET, channels=[0, 1], config=CONFIG, progress=False)
    odd = result.predictions.assign_attrs(made=Path("here"))
    monkeypatch.setattr(
        evaluate, "cross_validate", lambda *_, **__: result.replace(predictions=odd)
    )
    output = monday.with_name("decoded.nwb")
    with pytest.raises(nd.NWBDecodeError, match=r"PosixPath.*decoded\.rescued\.nwb.*text stands"):
        nd.fit(
            monday, targets=TARGET, output=output, channels=[0, 1], config=CONFIG, progress=False
        )  # fmt: skip
    kept = nd.read(output.with_name("decoded.rescued.nwb"))
    assert kept.predictions.attrs["made"] == "here"
    assert kept.predictions.equals(result.predictions)
    assert dict(kept.decoders) == dict(result.decoders)


def test_whatever_cannot_be_stored_is_kept_as_text(tmp_path: Path) -> None:
    result = made.decoding()
    days = np.array(["2026-01-01", "2026-01-02", "2026-01-03"], dtype="datetime64[ns]")
    odd = result.replace(
        folds=result.folds.assign(day=("fold", days)),
        channels=result.channels.assign_coords(wire=("channel", [Path("a"), "b", 3, None])),
        recipe={"by": {"whom": object, "when": [1, float("nan"), {2}]}},
        source={**result.source, "note": b"bytes"},
    )
    with pytest.raises(nd.NWBDecodeError, match=r"x\.rescued\.nwb'.*text stands"):
        Destination(tmp_path / "x.nwb").keep(odd)
    kept = nd.read(tmp_path / "x.rescued.nwb")
    assert kept.folds["day"].to_numpy()[0].startswith("2026-01-01")
    assert kept.channels["wire"].to_numpy().tolist() == ["a", "b", 3, None]
    assert kept.recipe["by"]["when"][2] == "{2}"
    assert np.isnan(kept.recipe["by"]["when"][1])
    assert kept.source["note"] == "b'bytes'"
    assert kept.predictions.identical(result.predictions)


def test_a_result_for_which_there_is_no_room_anywhere_is_in_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(10**9, 10**9 - 1000, 1000))
    result = made.decoding()
    with pytest.raises(nd.NWBDecodeError, match="attribute `decoding` holds the result") as told:
        Destination(tmp_path / "decoded.nwb").keep(result)
    assert told.value.decoding is result


def test_a_fit_outlives_its_importance(monday: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any, **options: Any) -> Decoding:
        raise MemoryError("too little of it")

    output = monday.with_name("decoded.nwb")
    config = {**CONFIG, "evaluation": {**CONFIG["evaluation"], "importance": ["channel"]}}
    how: dict[str, Any] = {
        "targets": TARGET, "output": output, "channels": [0, 1], "config": config, "progress": False
    }  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "importance", fails)
        with pytest.warns(UserWarning, match="MemoryError: too little of it.*kept without it"):
            result = nd.fit(monday, **how)
    assert not result.importance
    assert nd.read(output).identical(result)
    # It is not taken for all that was asked for, until that has been added.
    with pytest.raises(nd.NWBDecodeError, match="there without the importance"):
        nd.fit(monday, **how, exists="skip")
    nd.write(
        nd.importance(output, by="channel", repeats=5, progress=False), output, exists="replace"
    )
    assert set(nd.fit(monday, **how, exists="skip").importance) == {"channel"}


def test_the_shell_fails_with_the_file_in_which_a_fit_lies_without_importance(
    monday: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: Any, **options: Any) -> Decoding:
        raise MemoryError("too little of it")

    monkeypatch.setattr(evaluate, "importance", fails)
    settings = {**CONFIG, "evaluation": {**CONFIG["evaluation"], "importance": ["channel"]}}
    monkeypatch.setitem(globals(), "CONFIG", settings)
    output = monday.with_name("decoded.nwb")
    with pytest.warns(UserWarning, match="without it"):
        code, answer = fit(monday, "-o", output)
    assert (code, answer["status"]) == (1, "failed")
    assert f"All else is in {str(output)!r}; `nwbdecode importance` adds it" in answer["error"]
    assert nd.read(output).targets == ["effort"]


def test_a_prediction_is_kept_too(monday: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = nd.fit(monday, targets=TARGET, channels=[0, 1], config=CONFIG, progress=False)
    output = monday.with_name("predicted.nwb")
    decoded, predict = [], evaluate.predict_out_of_fold

    def then(*arguments: Any) -> Any:
        output.write_text("another's")
        decoded.append(predict(*arguments))
        return decoded[-1]

    monkeypatch.setattr(evaluate, "predict_out_of_fold", then)
    with pytest.raises(nd.NWBDecodeError, match=r"predicted\.rescued\.nwb"):
        nd.predict(result, monday, output, progress=False)
    kept = nd.read(monday.with_name("predicted.rescued.nwb"))
    assert kept.predictions.identical(decoded[0])


def test_what_was_rescued_before_is_not_replaced(tmp_path: Path) -> None:
    places = [rescue(made.decoding(seed=k), tmp_path / "x.nwb", run="theta") for k in range(2)]
    assert [place.name for place in places] == ["x.rescued.nwb", "x.rescued_2.nwb"]
    for seed, place in enumerate(places):
        assert nd.read(place, run="theta").identical(made.decoding(seed=seed))


def test_where_nothing_can_be_written_every_reason_is_told(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(nd.NWBDecodeError, match=rf"x\.rescued\.nwb.*{cache}") as told:
        rescue(made.decoding(), tmp_path / "x.nwb")
    assert str(told.value).count("0.0 MB free") == 3
    assert list(tmp_path.glob("**/*.nwb")) == []


def test_nothing_is_rescued_that_was_refused_before_the_work(monday: Path) -> None:
    output = monday.with_name("mine.nwb")
    output.write_text("mine")
    code, answer = fit(monday, "-o", output)
    assert code == 1
    assert ".rescued.nwb" not in answer["error"]
    assert {path.name for path in monday.parent.glob("*.nwb")} == {"monday.nwb", "mine.nwb"}
    assert output.read_text() == "mine"
