"""Several runs live in one file, each under its name, and none touches another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pynwb import NWBHDF5IO

import nwbdecode as nd
from nwbdecode.errors import NWBDecodeError
from nwbdecode.results.session import new_file
from tests import made


def saved(path: Path, runs: dict[str | None, Any]) -> Path:
    nwbfile = new_file(made.source())
    for run, decoding in runs.items():
        nd.add_decoding(nwbfile, decoding, run=run)
    with NWBHDF5IO(str(path), mode="w") as io:
        io.write(nwbfile)
    return path


def test_each_run_is_read_by_its_name(tmp_path: Path) -> None:
    runs = {None: made.decoding(), "theta": made.decoding(seed=1), "größe": made.decoding(seed=2)}
    path = saved(tmp_path / "decoded.nwb", runs)
    for run, decoding in runs.items():
        assert nd.read(path, run=run or "run").differences(decoding) == []


def test_the_only_run_needs_no_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "decoded.nwb", {"theta": made.decoding()})
    assert nd.read(path).identical(made.decoding())


def test_of_several_runs_one_must_be_named_and_all_are_listed(tmp_path: Path) -> None:
    path = saved(tmp_path / "decoded.nwb", {None: made.decoding(), "theta": made.decoding(seed=1)})
    with pytest.raises(NWBDecodeError, match=r"holds 2 runs: 'run', 'theta'; name one with `run`"):
        nd.read(path)
    with pytest.raises(NWBDecodeError, match=r"no run 'thetta'. Did you mean 'theta'\?"):
        nd.read(path, run="thetta")


def test_a_run_that_is_there_is_refused_replaced_or_numbered_as_asked(tmp_path: Path) -> None:
    nwbfile = new_file(made.source())
    nd.add_decoding(nwbfile, made.decoding(), run="theta")
    with pytest.raises(NWBDecodeError, match=r"'decoding_theta' already.*exists='replace'"):
        nd.add_decoding(nwbfile, made.decoding(seed=1), run="theta")
    nd.add_decoding(nwbfile, made.decoding(seed=1), run="theta", exists="replace")
    nd.add_decoding(nwbfile, made.decoding(seed=2), run="theta", exists="new")
    nd.add_decoding(nwbfile, made.decoding(seed=3), run="theta", exists="new")
    with NWBHDF5IO(str(tmp_path / "decoded.nwb"), mode="w") as io:
        io.write(nwbfile)
    for seed, run in enumerate(["theta", "theta_2", "theta_3"], start=1):
        assert nd.read(tmp_path / "decoded.nwb", run=run).identical(made.decoding(seed=seed))


@pytest.mark.parametrize("run", ["", "a/b", ".", "-x", "two words", 3])
def test_a_name_that_hdf5_could_not_hold_is_refused(run: Any) -> None:
    with pytest.raises(NWBDecodeError, match="cannot be named"):
        nd.add_decoding(new_file({}), made.decoding(), run=run)


def test_a_choice_that_there_is_not_is_told_from_those_there_are() -> None:
    with pytest.raises(NWBDecodeError, match=r"'replaced' is no choice.*Did you mean 'replace'"):
        nd.add_decoding(new_file({}), made.decoding(), exists="replaced")  # type: ignore[arg-type]


def test_a_module_of_someone_else_with_a_like_name_is_no_run(tmp_path: Path) -> None:
    nwbfile = new_file(made.source())
    nwbfile.create_processing_module(name="decoding_notes", description="someone else's")
    nd.add_decoding(nwbfile, made.decoding())
    with NWBHDF5IO(str(tmp_path / "decoded.nwb"), mode="w") as io:
        io.write(nwbfile)
    assert nd.read(tmp_path / "decoded.nwb").identical(made.decoding())
