"""Files are judged by what they say of their types, whatever this process knows of others."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py

from nwbdecode.results import write
from nwbdecode.results.soundness import faults
from tests import made

_PARTIAL = """
import sys
from pathlib import Path
import h5py
import pynwb
from pynwb.spec import NWBGroupSpec, NWBNamespaceBuilder, export_spec
from nwbdecode.results import append, read, write
from tests.made import decoding

folder = Path(sys.argv[1])
told = {"doc": "part", "author": ["a"], "contact": ["b"]}
space = NWBNamespaceBuilder(name="ndx-part", version="0.1.0", **told)
space.include_type("TimeSeries", namespace="core")
mine = NWBGroupSpec(neurodata_type_def="Mine", neurodata_type_inc="TimeSeries", doc="mine")
export_spec(space, [mine], str(folder))
pynwb.load_namespaces(str(folder / "ndx-part.namespace.yaml"))
result = decoding()
path = write(result, folder / "decoded.nwb")
append(result, path, run="again")
assert read(path, run="again").identical(result)
with h5py.File(path) as file:
    assert set(file["specifications"]) == {
        "core", "hdmf-common", "hdmf-experimental", "ndx-decoding"
    }
"""


def test_types_that_an_extension_does_not_take_from_the_core_are_no_fault_of_the_file(
    tmp_path: Path,
) -> None:
    # In a process of its own: an extension cannot be unloaded.
    made = subprocess.run(
        [sys.executable, "-c", _PARTIAL, str(tmp_path)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-2000:]


def test_each_file_is_judged_by_its_own_specifications_after_others_were(tmp_path: Path) -> None:
    path = write(made.decoding(), tmp_path / "decoded.nwb")
    stricter = Path(shutil.copy(path, tmp_path / "stricter.nwb"))
    with h5py.File(stricter, "r+") as file:
        (held,) = file["specifications/ndx-decoding"].values()
        told = json.loads(held["ndx-decoding.extensions"][()])
        (run,) = [g for g in told["groups"] if g["neurodata_type_def"] == "DecodingRun"]
        run["attributes"].append({"name": "lab", "doc": "of whom", "dtype": "text"})
        held["ndx-decoding.extensions"][()] = json.dumps(told)
    for _ in range(2):
        assert faults(path) == []
        (fault,) = faults(stricter)
        assert "lab" in fault
