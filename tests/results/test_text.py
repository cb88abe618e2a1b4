"""Settings and names survive the formats that hold them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nwbdecode.results.jsontext import from_text, to_text
from nwbdecode.results.naming import Names
from tests.results.strategies import JSON


@given(JSON)
def test_settings_are_read_back_equal_from_json_that_every_reader_takes(value: Any) -> None:
    text = to_text(value, "the settings")
    json.loads(text, parse_constant=lambda name: 1 / 0)  # refuses Python's own NaN and Infinity
    assert from_text(text) == value


def test_text_that_is_no_unicode_survives() -> None:
    path = b"caf\xe9.nwb".decode("utf-8", "surrogateescape")
    text = to_text({"path": path}, "the source")
    assert text.isascii()
    assert from_text(text) == {"path": path}


def test_a_missing_number_survives() -> None:
    assert np.isnan(from_text(to_text({"gap": float("nan")}, "the recipe"))["gap"])


@given(st.lists(st.text(max_size=10), max_size=6))
def test_names_are_distinct_and_free_of_separators(wanted: list[str]) -> None:
    names = Names()
    given_out = [names.take(name) for name in wanted]
    assert len(set(given_out)) == len(given_out)
    assert all(name and not set(name) & set("/\\:.\0 ") for name in given_out)
