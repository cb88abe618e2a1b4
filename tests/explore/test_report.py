"""The report holds everything, fetches nothing, and runs no text from a file."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import xarray as xr

from nwbdecode.errors import NWBDecodeError
from nwbdecode.explore import report
from nwbdecode.explore.reporting import closer_look
from nwbdecode.results import write
from tests.explore.chromium import page_of
from tests.explore.test_figures import HOSTILE, renamed
from tests.made import decoding


def without_library(html: str) -> str:
    """The page without plotly.js, whose text names addresses it never asks here."""
    scripts = re.findall(r"<script[^>]*>.*?</script>", html, flags=re.DOTALL)
    return html.replace(max(scripts, key=len), "")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return report(decoding(bins=3000), tmp_path_factory.mktemp("report") / "report.html")


def test_a_report_is_one_file_under_eight_megabytes(page):
    assert [p.name for p in page.parent.iterdir()] == ["report.html"]
    assert page.stat().st_size < 8e6
    assert page.read_text(encoding="utf-8").count("plotly.js v") == 1


def test_ten_hours_make_no_larger_a_report(tmp_path, page):
    long = report(decoding(bins=10 * 3600 * 30), tmp_path / "long.html")
    assert long.stat().st_size < 1.2 * page.stat().st_size


def test_the_same_result_makes_the_same_report(tmp_path, page):
    again = report(decoding(bins=3000), tmp_path / "again.html")
    assert again.read_bytes() == page.read_bytes()


def test_its_parts_come_in_the_order_of_reading(page):
    html = without_library(page.read_text(encoding="utf-8"))
    parts = ["decoded from", "Scores", "True and decoded", "Arena", "Training", "Importance",
             "Recipe", "Provenance"]  # fmt: skip
    places = [html.index(f">{p}" if i else p) for i, p in enumerate(parts)]
    assert places == sorted(places)


def test_the_score_table_says_what_was_found(page):
    html = page.read_text(encoding="utf-8")
    cell = decoding(bins=3000).scores.sel(target="speed", metric="r")
    for value in (cell["value"].sel(decoder="cnn"), cell["chance"].sel(decoder="cnn")):
        assert f"{float(value):.3f}" in html
    assert "1.5 s left out between training and test" in html
    assert "not better than chance" in html


def test_nothing_in_the_page_points_outside(page):
    html = without_library(page.read_text(encoding="utf-8"))
    assert not re.search(r"""(src|href|action)\s*=|<link|@import|url\(|https?://""", html)
    assert "default-src 'none'" in html


def test_names_from_the_file_are_text_and_nothing_else(tmp_path):
    html = without_library(report(renamed(), tmp_path / "hostile.html").read_text(encoding="utf-8"))
    assert HOSTILE not in html
    assert "<script>alert" not in html
    assert "<a href" not in html
    assert "&lt;script&gt;alert" in html


def test_a_report_needs_only_the_file_of_a_result(tmp_path):
    made = decoding()
    path = write(made, tmp_path / "decoded.nwb")
    a = report(path, tmp_path / "a.html")
    b = report(made, tmp_path / "b.html")
    assert a.read_bytes() == b.read_bytes()


def test_predictions_of_a_new_recording_make_a_report_without_scores(tmp_path):
    bare = decoding().replace(
        scores=xr.Dataset(), folds=xr.Dataset(), history=xr.Dataset(), importance={},
        decoders={}, baselines={},
    )  # fmt: skip
    html = report(bare, tmp_path / "new.html").read_text(encoding="utf-8")
    assert "holds no scores" in html


def test_an_earlier_report_is_replaced_and_other_files_are_refused(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    report(decoding(), path)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(NWBDecodeError, match="name it like"):
        report(decoding(), tmp_path / "session.nwb")
    with pytest.raises(NWBDecodeError, match="no folder"):
        report(decoding(), tmp_path / "missing" / "report.html")
    with pytest.raises(NWBDecodeError, match="expected a Decoding"):
        report(3, path)  # type: ignore[arg-type]
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_the_closer_look_avoids_missing_stretches_and_looks_at_no_score():
    made = decoding(bins=9000)
    speed = made.truth["speed"].copy()
    speed[:6000] = np.nan
    start, stop = closer_look(made.replace(truth=made.truth.assign(speed=speed)), 60.0)
    assert stop - start == 60
    assert start >= made.time[6000] - 1


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1200, 400])
def test_a_browser_draws_it_fetches_nothing_and_finds_no_fault(tmp_path, width):
    path = report(renamed(), tmp_path / "hostile.html")
    with page_of(width=width) as tab:
        asked, faults = [], []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("console", lambda message: message.type == "error" and faults.append(message.text))
        tab.on("dialog", lambda dialog: faults.append("dialog") or dialog.dismiss())
        tab.goto(path.as_uri())
        tab.wait_for_selector(".nd-figure .main-svg")
        tab.wait_for_function(
            "document.querySelectorAll('.main-svg').length >= "
            "document.querySelectorAll('.nd-figure').length"
        )
        assert asked == [path.as_uri()]
        assert faults == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        # The name is there to read, as text, with no link or TeX made of it.
        titles = tab.evaluate(
            "[...document.querySelectorAll('svg .gtitle')].map(node => node.textContent)"
        )
        assert any("<script>alert(1)</script>" in title for title in titles)
        assert tab.evaluate("document.querySelectorAll('svg a, main a').length") == 0
