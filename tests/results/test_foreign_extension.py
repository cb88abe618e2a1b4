"""Writing in a process that has loaded somebody else's extension."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
