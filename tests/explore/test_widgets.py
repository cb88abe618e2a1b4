"""One window drives every figure of the explorer; the result is all it needs."""

from __future__ import annotations

import base64
import subprocess
import sys
import time

import numpy as np
import plotly.io
import pytest

import nwbdecode as nd
from nwbdecode.errors import NWBDecodeError
from nwbdecode.explore import explore
from nwbdecode.results import write
from tests.explore.test_figures import HOSTILE, renamed
from tests.made import decoding


@pytest.fixture
def view():
    return explore(decoding(), window=2.0)


def drawn(view) -> dict[str, object]:
    return {panel["key"]: plotly.io.from_json(panel["figure"]) for panel in view.live.panels}


def times(view) -> dict[str, tuple[float, float]]:
    """First and last time that each figure's true line shows."""
    found = {}
    for key, figure in drawn(view).items():
        (line, *_) = [t for t in figure.data if t.name in ("true", "true class")]
        at = line.customdata if key.startswith("arena") else line.x
        at = np.frombuffer(base64.b64decode(at["bdata"]), at["dtype"])
        found[key] = (float(at.min()), float(at.max()))
    return found


def test_the_first_window_starts_where_predictions_do(view):
    made = decoding()
    first = made.time[(made.predictions["fold"] >= 0).to_numpy()][0]
    assert view.window[0] == pytest.approx(first, abs=1e-9)
    assert set(drawn(view)) == {f"traces:{t}" for t in made.targets} | {"arena:position"}


def test_moving_the_window_moves_every_figure(view):
    view.start.value = 14.0
    for low, high in times(view).values():
        assert 14.0 <= low < 14.05
        assert 15.95 < high <= 16.0
    for key, figure in drawn(view).items():
        if key.startswith("traces"):
            assert tuple(figure.layout.xaxis.range) == view.window


def test_a_longer_window_shows_more_and_never_leaves_the_recording(view):
    view.start.value = 18.0
    view.length.value = 6.0
    assert view.window == pytest.approx((14.0, 20.0))
    view.length.value = 1e9
    made = decoding()
    for low, high in times(view).values():
        assert (low, high) == (made.time[0], made.time[-1])
    assert view.start.disabled


def test_buttons_step_by_one_window_and_stop_at_the_ends(view):
    start = view.window[0]
    view.later.click()
    assert view.window[0] == pytest.approx(start + 2)
    for _ in range(20):
        view.earlier.click()
    assert view.window[0] == pytest.approx(10.0)


def test_zooming_into_one_trace_moves_all(view):
    view.live.picked = [13.0, 13.5]
    assert view.window == pytest.approx((13.0, 13.5))
    for low, high in times(view).values():
        assert low >= 13.0
        assert high <= 13.5


def test_picking_a_target_shows_its_figures_alone(view):
    view.target.value = "speed"
    assert set(drawn(view)) == {"traces:speed"}
    view.detail.value = "Importance: frequency"
    (panel,) = view.below.panels
    figure = plotly.io.from_json(panel["figure"])
    assert [note.text for note in figure.layout.annotations] == ["Speed"]


def test_every_detail_opens(view):
    for name in view.detail.options:
        view.detail.value = name
        assert view.below.panels or view.text.value
    assert view.detail.options[:2] == ("Scores", "Importance: frequency")


def test_the_score_table_stands_among_the_details(view):
    value = float(decoding().scores["value"].sel(target="speed", metric="r", decoder="cnn"))
    assert f"{value:.3f}" in view.text.value


def test_every_control_says_what_it_does(view):
    controls = (view.start, view.length, view.target, view.detail, view.earlier, view.later)
    assert all(control.description for control in controls)
    assert all(panel["label"] for panel in view.live.panels)


def test_a_board_s_state_is_what_it_shows_so_a_reloaded_page_shows_the_same(view):
    view.start.value = 15.0
    state = view.live.get_state()
    assert state["panels"] == view.live.panels
    assert len(state["_esm"]) < 10_000


def test_names_from_the_file_are_text(view):
    hostile = explore(renamed())
    assert HOSTILE in hostile.target.options
    shown = hostile.children[0].value + hostile.text.value
    assert "<script" not in shown
    assert "&lt;script" in shown


def test_a_million_bins_stay_fluid():
    view = explore(decoding(bins=1_000_000))
    began = time.perf_counter()
    for start in (5000.0, 9000.0, 20_000.0):
        view.start.value = start
    assert (time.perf_counter() - began) / 3 < 1.5
    view.length.value = 1e9
    assert sum(len(panel["figure"]) for panel in view.live.panels) < 3e6


def test_a_short_result_and_one_without_scores_can_be_explored():
    for made in (decoding(bins=15), decoding(folds=1, channels=1)):
        assert explore(made).live.panels


def test_what_is_no_result_is_refused_with_what_was_expected():
    with pytest.raises(NWBDecodeError, match="expected a Decoding"):
        explore(np.zeros(3))
    empty = decoding()
    empty = empty.replace(
        predictions=empty.predictions.isel(time=slice(0)),
        truth=empty.truth.isel(time=slice(0)),
        baselines={},
    )
    with pytest.raises(NWBDecodeError, match="nothing to show"):
        explore(empty)


def test_the_file_alone_is_enough_and_no_torch_is_loaded(tmp_path):
    write(decoding(), tmp_path / "decoded.nwb")
    code = (
        "import sys, nwbdecode as nd; view = nd.explore('decoded.nwb'); "
        "assert view.live.panels; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_the_verb_works_whichever_modules_of_the_room_were_imported():
    import nwbdecode.explore.reporting

    assert nd.explore(decoding(bins=30)).live.panels
    assert callable(nwbdecode.explore.report)
