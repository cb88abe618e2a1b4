"""Which command decodes a target, and why none does; long lists on one screen."""

from __future__ import annotations

import json

import numpy as np
import pynwb

from nwbdecode import load
from tests.load import recordings


def test_many_columns_and_series_stay_on_one_screen_and_are_all_in_the_catalog() -> None:
    rng = np.random.default_rng(0)
    nwbfile = recordings.ephys()
    for k in range(40):
        nwbfile.add_trial_column(name=f"column{k}", description="d")
    for start in range(30):
        values = {f"column{k}": float(rng.normal()) if k else 1.0 for k in range(40)}
        nwbfile.add_trial(start_time=start / 10, stop_time=start / 10 + 0.05, **values)
    for k in range(20):
        nwbfile.add_acquisition(
            pynwb.TimeSeries(name=f"lick{k}", data=rng.normal(size=50), unit="a.u.", rate=10.0)
        )
    opened = load.open(nwbfile)
    shown = repr(opened)
    assert len(shown.splitlines()) <= 45
    assert "more in intervals/trials" in shown
    found = json.loads(json.dumps(opened.catalog()))
    targets = {target["path"]: target for target in found["targets"]}
    assert len(targets) == 65
    assert targets["intervals/trials/column0"]["undecodable"] == "it never changes"


def test_why_nothing_can_be_decoded_is_said(source: load.Source) -> None:
    targets = source.catalog()["targets"]
    assert all(target["commands"] == {} for target in targets)
    assert {target["undecodable"][:9] for target in targets} == {"too short"}
