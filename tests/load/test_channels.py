"""Choosing channels: ids, lists of ids as text, and conditions that cannot run anything."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.electrodes import choose
from nwbdecode.load.query import matching
from tests.load import recordings

TABLE = pd.DataFrame(
    {
        "x": [0.0, 1.0, 2.0, 3.0],
        "location": ["CA1", "CA3", "CA1", "DG"],
        "group_name": ["probe0", "probe0", "probe1", "probe1"],
        "bad": [False, True, False, False],
    },
    index=pd.Index([10, 11, 12, 20], name="channel"),
)


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("location == 'CA1'", [10, 12]),
        ("location != 'CA1'", [11, 20]),
        ("group_name == 'probe1' and x > 2", [20]),
        ("location == 'CA3' or x >= 3", [11, 20]),
        ("not location == 'CA1'", [11, 20]),
        ("not bad", [10, 12, 20]),
        ("index in [10, 11, 7]", [10, 11]),
        ("id < 12", [10, 11]),
        ("id not in (10, 11)", [12, 20]),
        ("0 < x <= 2", [11, 12]),
        ("x > -1 and bad == False", [10, 12, 20]),
        ("location in ['DG', 'CA3']", [11, 20]),
        ("0,2", None),
        ("10, 20", [10, 20]),
        ("20,10-12", [20, 10, 11, 12]),
        (12, [12]),
        ([20, 10], [20, 10]),
        (np.array([11]), [11]),
        (None, [10, 11, 12, 20]),
    ],
)
def test_a_choice_means_these_channels(condition: object, ids: list[int] | None) -> None:
    if ids is None:
        with pytest.raises(NWBDecodeError, match=r"no channel \[0, 2\]; the ids are \[10"):
            choose(TABLE, condition)
        return
    assert TABLE.index[choose(TABLE, condition)].tolist() == ids


@pytest.mark.parametrize(
    "condition",
    [
        "__import__('os').system('true')",
        "location.str.len() > 0",
        "x.__class__ == 1",
        "(lambda: 1)() == 1",
        "[y for y in x] == 1",
        "open('/etc/passwd') == 1",
        "x + 1 > 2",
        "x ** 9999999 > 1",
        "x[0] > 1",
        "f'{x}' == 'a'",
        "(y := 1) == 1",
        "x if x else x",
        "x is None",
        "(location == 'CA1') & (x > 0)",
        "@x > 1",
        "",
        "x >",
        "x = 1",
        "'CA1'",
        "(" * 300 + "x > 1" + ")" * 300,
        "not " * 240 + "bad == 1",
        "x > 1" + " and x > 1" * 200,
        "'a' in location",
        "location > 3",
        "x",
        "b'a' == location",
    ],
)
def test_whatever_is_no_plain_comparison_is_refused(condition: str) -> None:
    if condition.startswith("not not"):
        assert len(matching(condition, TABLE)) == 1
        return
    with pytest.raises(NWBDecodeError):
        matching(condition, TABLE)


@given(st.text(max_size=60))
def test_no_text_ends_in_a_foreign_error(condition: str) -> None:
    try:
        rows = choose(TABLE, condition)
    except NWBDecodeError:
        return
    assert len(rows)


def test_an_unknown_column_is_answered_with_the_nearest() -> None:
    with pytest.raises(NWBDecodeError, match="Did you mean 'location'"):
        matching("locaton == 'CA1'", TABLE)


def test_a_condition_that_nothing_fits_lists_what_the_column_holds() -> None:
    with pytest.raises(NWBDecodeError, match=r"location has 'CA1' \(2\), 'CA3' \(1\), 'DG' \(1\)"):
        matching("location == 'ca1'", TABLE)
    with pytest.raises(NWBDecodeError, match="x has 0 to 3"):
        matching("x > 5", TABLE)


@pytest.mark.parametrize("channels", [[], [True], ["CA1"], [1.5], [10, 10], "90-99"])
def test_a_choice_that_means_no_channel_is_refused(channels: object) -> None:
    with pytest.raises(NWBDecodeError):
        choose(TABLE, channels)


def test_a_file_marks_its_bad_channels(source: load.Source) -> None:
    table = source.signal("Raw").channels
    assert table["bad"].dtype == bool
    assert table.index[table["bad"]].tolist() == [103]
    assert set(table) == {"x", "y", "z", "location", "group", "bad"}


@pytest.mark.parametrize(
    ("column", "values", "bad"),
    [
        ("good", [True, False, True], [1]),
        ("is_bad", [0, 0, 1], [2]),
        ("bad", ["good", "bad", "good"], [1]),
        ("good", ["good", "bad", "good"], [1]),
        ("good", ["good", "", "good"], [1]),
        ("good", [1.0, np.nan, 1.0], [1]),
        ("bad", ["n/a", "noisy", "ok"], [1]),
        ("bad", ["no", "bad channel", ""], [1]),
        ("bad", ["0", "1", "0"], [1]),
        ("Bad Channel", [False, True, False], [1]),
        ("badChannel", [False, True, False], [1]),
        ("is_bad_channel", [0, 1, 0], [1]),
        ("channel_is_bad", [0, 1, 0], [1]),
        ("noisy", [0, 1, 0], [1]),
        # Microvolts are no mark, and what is named plainly alone must be one.
        ("noisy", [3.5, 14.0, 2.0], None),
        # The Allen Institute's.
        ("valid_data", [True, False, True], [1]),
        ("status", ["good", "Bad", "good"], [1]),
        ("quality", ["good", "bad", "good"], [1]),
        # SpikeInterface's labels.
        ("label", ["good", "dead", "noise"], [1, 2]),
        # Nothing of these says bad.
        ("quality", ["good", "fair", "good"], None),
        ("status", ["implanted", "implanted", "moved"], None),
        ("label", ["LA1", "LA2", "LA3"], None),
    ],
)
def test_the_usual_ways_to_mark_bad_channels_are_honored(
    column: str, values: list[object], bad: list[int] | None
) -> None:
    table = _marked(column, values).signal().channels
    if bad is None:
        assert "bad" not in table
        return
    assert table["bad"].dtype == bool
    assert table.index[table["bad"]].tolist() == bad


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("bad", ["no", "60 Hz hum", "no"], "'bad' of the channel table holds '60 Hz hum', neither"),
        (
            "good",
            [1.0, 0.2, 1.0],
            r"'good' of .* holds .*0\.2.*, neither yes nor no; expected true",
        ),
    ],
)
def test_a_mark_that_is_neither_yes_nor_no_is_refused(
    column: str, values: list[object], told: str
) -> None:
    opened = _marked(column, values)
    with pytest.raises(NWBDecodeError, match=told):
        opened.signal()
    assert "neither yes nor no" in opened.catalog()["signals"][0]["problems"][0]


def _marked(column: str, values: list[object]) -> load.Source:
    nwbfile = recordings.session()
    device = nwbfile.create_device(name="d")
    group = nwbfile.create_electrode_group(name="g", description="d", location="l", device=device)
    nwbfile.add_electrode_column(name=column, description="mark")
    for value in values:
        nwbfile.add_electrode(group=group, location="CA1", **{column: value})
    nwbfile.add_acquisition(recordings.electrical(nwbfile))
    return load.open(nwbfile)


def test_channels_are_chosen_by_condition_from_the_file(source: load.Source) -> None:
    signal = source.signal("Raw", channels="group_name == 'probe1' and x > 1")
    assert signal.channels.index.tolist() == [103, 105]
    np.testing.assert_allclose(
        signal.read(0, 5), recordings.volts()[:5, [3, 5]], **recordings.CLOSE
    )


def test_a_mask_of_the_channels_picks_its_rows(source: load.Source) -> None:
    signal = source.signal("Raw")
    ids = signal.channels.index.to_numpy()
    chosen = source.signal("Raw", channels=ids >= ids[1])
    assert chosen.channels.index.tolist() == ids[ids >= ids[1]].tolist()
    for wrong in (np.ones(len(ids) + 1, dtype=bool), np.zeros(len(ids), dtype=bool)):
        with pytest.raises(NWBDecodeError, match="expected one truth value for each of"):
            source.signal("Raw", channels=wrong)
