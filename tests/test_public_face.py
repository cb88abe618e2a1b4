"""What `import nwbdecode` costs and offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import nwbdecode as nd

HEAVY = (
    "torch", "pynwb", "hdmf", "h5py", "dask", "plotly", "ipywidgets", "pandas", "xarray", "scipy",
    "sklearn", "zarr", "numba", "pydantic", "click",
)  # fmt: skip


def fresh(code: str) -> str:
    """Run code in a new interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout.strip()


def test_importing_loads_none_of_the_heavy_libraries() -> None:
    code = f"import sys, nwbdecode; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert fresh(code) == "[]"


def test_the_command_line_starts_without_them_too() -> None:
    heavy = [name for name in HEAVY if name != "click"]
    code = f"import sys, nwbdecode.cli; print([m for m in {heavy!r} if m in sys.modules])"
    assert fresh(code) == "[]"


def test_importing_costs_less_than_three_tenths_of_a_second() -> None:
    code = "from time import perf_counter as t; a = t(); import nwbdecode; print(t() - a)"
    # The best of several: a busy machine must not decide.
    assert min(float(fresh(code)) for _ in range(5)) < 0.3


@pytest.mark.parametrize("name", nd.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(nd, name) is not None
    assert name in dir(nd)


def test_public_names_are_those_of_their_rooms() -> None:
    from nwbdecode import decoder, evaluate, onward, results

    assert nd.CNNDecoder is decoder.CNNDecoder
    assert nd.cross_validate is evaluate.cross_validate
    assert nd.importance is onward.importance
    assert nd.write is results.write


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = nd.fitt


@pytest.mark.parametrize(
    "first", ["", "import nwbdecode.explore; ", "import nwbdecode.explore.figures; "]
)
def test_explore_is_a_verb_whatever_was_imported_before(first: str) -> None:
    """The verb shares its name with the room that holds it."""
    code = (
        f"{first}import nwbdecode as nd\n"
        "try:\n    nd.explore('no such file.nwb')\n"
        "except nd.NWBDecodeError as error:\n    print('no such file' in str(error))"
    )
    assert fresh(code) == "True"
