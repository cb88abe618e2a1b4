"""The default file, moved alone into an empty folder, wants nothing that is not in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from pynwb import NWBHDF5IO

import nwbdecode as nd
from tests import arrays
from tests.results import imaged

ROOT = Path(nd.__file__).parents[1]

PROGRAM = """
    import json
    from pathlib import Path
    import pynwb
    import nwbdecode as nd

    faults = [str(fault) for fault in pynwb.validate(path="moved.nwb")]
    with pynwb.NWBHDF5IO("moved.nwb", mode="r") as io:
        modules = sorted(io.read().processing)
    result = nd.read("moved.nwb")
    shown = nd.explore("moved.nwb")
    page = nd.report("moved.nwb", "report.html")
    print(json.dumps({
        "faults": faults, "modules": modules, "targets": result.targets,
        "decoders": list(result.decoders), "shown": len(shown.children),
        "page": Path(page).stat().st_size, "there": sorted(p.name for p in Path().iterdir()),
    }))
"""


def alone(decoded: Path, source: Path, empty: Path) -> dict[str, object]:
    """What a fresh process makes of the file, where nothing else is and the source is gone."""
    empty.mkdir()
    shutil.move(decoded, empty / "moved.nwb")
    shutil.rmtree(source.parent)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)], cwd=empty, capture_output=True,
        text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_of_electrodes(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    with NWBHDF5IO(str(raw / "monday.nwb"), mode="w") as io:
        io.write(arrays.recording("monday"))
    decoded = tmp_path / "decoded.nwb"
    nd.fit(raw / "monday.nwb", targets="effort", output=decoded,
           config={**arrays.CONFIG, "cache": str(tmp_path / "cache")}, progress=False)  # fmt: skip
    found = alone(decoded, raw / "monday.nwb", tmp_path / "empty")
    assert (found["faults"], found["modules"], found["targets"]) == ([], ["decoding"], ["effort"])
    assert found["decoders"] == ["fold0", "fold1", "final"]
    assert found["there"] == ["moved.nwb", "report.html"]
    assert int(str(found["shown"])) > 0
    assert int(str(found["page"])) > 10_000


def test_of_regions(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    recording = imaged.recorded(raw / "session.nwb", "pixel_mask")
    decoded = nd.write(imaged.decoded(recording), tmp_path / "decoded.nwb")
    found = alone(decoded, recording, tmp_path / "empty")
    assert (found["faults"], found["modules"]) == ([], ["decoding", "ophys"])
    assert int(str(found["shown"])) > 0
