"""The demonstrations: small ones, whose importance is compared with what was planted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import nwbdecode as nd
from nwbdecode import demo
from nwbdecode.decoding import METRICS, Decoding

Made = tuple[dict[str, Decoding], dict[str, str], list[dict[str, Any]]]

QUICK: dict[str, Any] = {
    "decoder": {"window": 12, "epochs": 1, "hidden": 16},
    "evaluation": {"folds": 2, "refit": False, "repeats": 1, "shifts": 200},
}
BANDS = [6.0, 20.0, 40.0, 75.0, 105.0, 145.0]


def made(folder: Path, modality: str, **options: Any) -> Made:
    told: list[dict[str, Any]] = []
    results, files = demo.run_each(
        folder, modality=modality, announce=told.append, progress=False, **options
    )
    return results, files, told


@pytest.fixture(scope="module")
def ophys(tmp_path_factory: pytest.TempPathFactory) -> Made:
    cells = {"n_tone_cells": 6, "n_speed_cells": 4, "n_untuned_cells": 10}
    return made(
        tmp_path_factory.mktemp("ophys"), "ophys", duration=150.0, seed=1,
        simulation={"size": (60, 72), "rate": 10.0, **cells},
        config={**QUICK, "evaluation": {**QUICK["evaluation"], "importance": ["channel"]}},
    )  # fmt: skip


@pytest.fixture(scope="module")
def ecog(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(
        tmp_path_factory.mktemp("ecog"), "ecog", duration=180.0, seed=1,
        simulation={"size": (6, 6), "rate": 500.0},
        config={**QUICK, "features": {"bin": 0.05, "frequencies": BANDS, "remainder": True}},
    )  # fmt: skip


def beats_chance(result: Decoding) -> bool:
    """Whether every score of every decoder lies beyond its 95 % point of shifted targets."""
    table = result.score_table()
    larger = [
        METRICS[result.kind(target)][metric]
        for target, metric in zip(table["target"], table["metric"], strict=True)
    ]
    better = np.where(larger, 1, -1) * (table["value"] - table["chance"])
    return bool((better > 0).all())


def planted(files: dict[str, str], table: str, column: str) -> np.ndarray:
    with h5py.File(files["recording"]) as file:
        values = file[f"processing/ground_truth/{table}/{column}"][:]
    return values.astype(str) if values.dtype.kind == "O" else values


def test_a_movie_is_decoded_by_masks_by_a_grid_and_from_traces(ophys: Made) -> None:
    results, files, told = ophys
    assert list(results) == ["masks", "grid", "traces"]
    assert [entry["signal"] for entry in told] == ["masks", "grid", "traces"]
    channels = [result.channels.sizes["channel"] for result in results.values()]
    assert channels == [20, 12 * 14, 20]
    for name, result in results.items():
        assert nd.read(files[f"decoded_{name}"]).identical(result)
        assert Path(files[f"report_{name}"]).stat().st_size > 100_000
    assert {Path(path).name for path in files.values()} == {
        path.name for path in Path(files["recording"]).parent.iterdir()
    }


@pytest.mark.parametrize("signal", ["masks", "grid", "traces"])
def test_every_score_of_the_movie_beats_chance(ophys: Made, signal: str) -> None:
    result = ophys[0][signal]
    assert result.kind("tone") == "categorical"
    assert beats_chance(result)


@pytest.mark.parametrize("signal", ["masks", "traces"])
@pytest.mark.parametrize("target", ["tone", "speed"])
def test_importance_ranks_the_planted_cells_above_the_others(
    ophys: Made, signal: str, target: str
) -> None:
    results, files, _ = ophys
    own = planted(files, "cells", "kind") == target
    rise = results[signal].importance["channel"]["value"].sel(target=target)
    assert roc_auc_score(own, rise) > 0.9


def test_importance_of_the_grid_points_at_the_planted_cells(ophys: Made) -> None:
    results, files, _ = ophys
    result = results["grid"]
    kind, center = planted(files, "cells", "kind"), planted(files, "cells", "center")
    pixel = 2.0  # micrometers, in which the file lets places be known
    places = np.column_stack([result.channels["x"], result.channels["y"]]) / pixel
    for target in ("tone", "speed"):
        rise = result.importance["channel"]["value"].sel(target=target).to_numpy()
        distance = np.linalg.norm(places[:, None] - center[kind == target], axis=2).min(axis=1)
        # A block within a cell's radius of its middle holds most of its light.
        assert roc_auc_score(distance < 3.5, rise) > 0.75


def test_scores_stand_side_by_side(ophys: Made) -> None:
    results = ophys[0]
    table = demo.side_by_side(results)
    assert list(table.columns) == ["target", "metric", "decoder", "masks", "grid", "traces"]
    assert set(table["decoder"]) == {"cnn", "ridge", "chance"}
    rows = table.set_index(["target", "metric", "decoder"])
    for name, result in results.items():
        scores = result.scores
        for target, metric in (("tone", "balanced_accuracy"), ("speed", "error")):
            at = {"target": target, "metric": metric}
            for decoder in ("cnn", "ridge"):
                expected = float(scores["value"].sel(decoder=decoder, **at))
                assert rows.loc[(target, metric, decoder), name] == expected
            chance = scores["chance"].sel(**at)
            hardest = chance.max() if metric != "error" else chance.min()
            assert rows.loc[(target, metric, "chance"), name] == float(hardest)
    assert not table.isna().any(axis=None)


def test_every_score_of_the_grid_of_electrodes_beats_chance(ecog: Made) -> None:
    results, files, _ = ecog
    assert list(results) == [""]
    assert results[""].predictions["flexion"].shape[1] == 5
    assert len(results[""].predictions["finger"].attrs["classes"]) == 6
    assert beats_chance(results[""])
    assert set(files) == {"recording", "decoded", "report"}


@pytest.mark.parametrize("target", ["flexion", "finger"])
def test_importance_finds_the_planted_electrodes(ecog: Made, target: str) -> None:
    results, files, _ = ecog
    rise = results[""].importance["channel"]["value"].sel(target=target)
    informative = planted(files, "electrodes", "informative").astype(bool)[rise["channel"]]
    assert not planted(files, "electrodes", "bad")[rise["channel"]].any()
    assert roc_auc_score(informative, rise) > 0.9


@pytest.mark.parametrize("target", ["flexion", "finger"])
def test_importance_finds_the_planted_bands(ecog: Made, target: str) -> None:
    results, files, _ = ecog
    rise = results[""].importance["frequency"]["value"].sel(target=target)
    frequency, value = rise["frequency"].to_numpy(), rise.to_numpy()
    of = planted(files, "bands", "variable") == target
    low, high = (planted(files, "bands", edge)[of] for edge in ("low", "high"))
    carries = ((frequency[:, None] >= low) & (frequency[:, None] <= high)).any(axis=1)
    # Beta tells movement from rest, and so something of the finger but not of its bend.
    expected = {"flexion": [0.0, *BANDS[3:]], "finger": [0.0, BANDS[1], *BANDS[3:]]}
    assert frequency[carries].tolist() == expected[target]
    assert value[carries].sum() > 2 * value[~carries].clip(0).sum()
    assert value[frequency >= 70].min() > value[~carries].max()


def test_a_demonstration_of_another_modality_leaves_no_stale_result(tmp_path: Path) -> None:
    for name in ("decoded_masks.nwb", "report.html"):
        (tmp_path / name).write_text("old")
    kept = demo._own(tmp_path)
    results, files = demo.run_each(
        kept, modality="ecog", duration=90.0, progress=False,
        simulation={"size": (2, 2), "rate": 500.0},
        config={
            "features": {"bin": 0.1, "frequencies": [20.0, 80.0]},
            "decoder": {"window": 4, "epochs": 1, "hidden": 4},
            "evaluation": {"folds": 2, "refit": False, "importance": [], "shifts": 20},
        },
    )  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "decoded.nwb", "recording.nwb", "report.html",
    ]  # fmt: skip
    assert results[""].importance == {}
    assert nd.read(files["decoded"]).identical(results[""])


def test_what_cannot_be_demonstrated_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(nd.NWBDecodeError, match="run_each"):
        demo.run(tmp_path, modality="ophys")
    with pytest.raises(nd.NWBDecodeError, match="Did you mean 'ecog'"):
        demo.run(tmp_path, modality="eocg")
    with pytest.raises(nd.NWBDecodeError, match="90 s at least"):
        demo.run(tmp_path, modality="ecog", duration=60.0)
    assert list(tmp_path.iterdir()) == []
