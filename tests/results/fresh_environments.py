"""Read a result where nwbdecode is not installed, in environments made for it.

``python -m tests.results.fresh_environments`` makes two: one with pynwb alone, which reads
every dataset, and one with h5py, safetensors and numpy, which rebuilds the weights of every
decoder and computes with them. What both give is compared with what was written. It fetches
packages, so it is run by hand.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from safetensors.numpy import load

import nwbdecode as nd
from nwbdecode.decoding import Decoding
from tests import arrays, made

ROOT = Path(nd.__file__).parents[1]

#: Sums of what NWB shows, by path: numbers as they are, text by its length.
WITH_PYNWB = """
import importlib.util, json, sys
import numpy as np, pynwb
assert importlib.util.find_spec("nwbdecode") is None
faults = [str(fault) for fault in pynwb.validate(path=sys.argv[1])]
sums = {}
with pynwb.NWBHDF5IO(sys.argv[1], mode="r") as io:
    nwbfile = io.read()
    module = nwbfile.processing["decoding"]
    datasets = []
    def note(name, held):
        if hasattr(held, "shape"):
            datasets.append(name)
    io._file.visititems(note)
    for name in datasets:
        value = np.asarray(io._file[name][()])
        numbers = value.dtype.kind in "iuf"
        sums[name] = [list(value.shape), float(np.nansum(value.astype(float))) if numbers else None]
    through = {}
    for kind in ("Position", "CompassDirection", "BehavioralTimeSeries"):
        for name, series in getattr(module.data_interfaces.get(kind), "spatial_series", {}).items():
            through[name] = float(np.nansum(series.data[:].astype(float)))
        for name, series in getattr(module.data_interfaces.get(kind), "time_series", {}).items():
            through[name] = float(np.nansum(series.data[:].astype(float)))
    tables = {n: t.to_dataframe().shape for n, t in module.data_interfaces.items()
              if hasattr(t, "to_dataframe")}
    run = module["run"]
    told = {"type": run.neurodata_type, "decoders": sorted(run.decoders),
            "weights": {n: int(len(d.weights[:])) for n, d in run.decoders.items()}}
print(json.dumps({"faults": faults, "sums": sums, "through": through, "tables": tables,
                  "run": told, "pynwb": pynwb.__version__}))
"""

WITH_SAFETENSORS = """
import hashlib, importlib.util, json, sys
import h5py, numpy as np
from safetensors.numpy import load
assert all(importlib.util.find_spec(name) is None for name in ("nwbdecode", "pynwb", "torch"))
found = {}
with h5py.File(sys.argv[1], "r") as file:
    for name, held in file["processing/decoding/run"].items():
        if held.attrs.get("neurodata_type") != "Decoder":
            continue
        weights = held["weights"][:].tobytes()
        assert hashlib.sha256(weights).hexdigest() == held.attrs["sha256"], name
        config = json.loads(held["config"][()])
        arrays = load(weights)
        found[name] = {
            "sha256": held.attrs["sha256"], "keys": sorted(config),
            "sums": {n: [list(a.shape), str(a.dtype), float(a.astype(float).sum())]
                     for n, a in arrays.items()},
            "numbers": sum(a.size for a in arrays.values()),
        }
print(json.dumps(found))
"""


def environment(folder: Path, *packages: str) -> Path:
    """Make an environment with these packages and what they need; give its interpreter."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    command = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *packages]
    subprocess.run([str(part) for part in command], check=True)
    return python


def ask(python: Path, program: str, file: Path) -> dict[str, Any]:
    """Run a program on a file, in isolation from this environment and folder."""
    done = subprocess.run(
        [str(python), "-I", "-c", program, str(file)], cwd=file.parent, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def results(folder: Path) -> dict[str, Decoding]:
    """One result with every kind of target, made by hand, and one that was fitted."""
    fitted = nd.fit(
        arrays.recording("monday"), targets="effort", progress=False,
        config={**arrays.CONFIG, "cache": str(folder / "cache")},
    )  # fmt: skip
    return {"by hand": made.decoding(), "fitted": fitted}


def compare_numbers(result: Decoding, file: Path, told: dict[str, Any]) -> int:
    """Compare what pynwb read with the file and with the result; give the number of datasets."""
    assert told["faults"] == [], told["faults"]
    found: dict[str, list[Any]] = {}

    def note(name: str, held: Any) -> None:
        if isinstance(held, h5py.Dataset):
            value = np.asarray(held[()])
            numbers = value.dtype.kind in "iuf"
            total = float(np.nansum(value.astype(float))) if numbers else None
            found[name] = [list(value.shape), total]

    with h5py.File(file, "r") as held:
        held.visititems(note)
    assert json.loads(json.dumps(found)) == told["sums"]
    for name in result.targets:
        parts = {"predicted": result.predictions, "true": result.truth, **result.baselines}
        for kind, part in parts.items():
            mine = float(np.nansum(part[name].to_numpy().astype(float)))
            theirs = told["through"][f"{kind}_{name}"]
            assert np.isclose(mine, theirs, rtol=1e-12, atol=1e-12), (name, kind, mine, theirs)
    assert told["run"]["decoders"] == sorted(result.decoders)
    return len(found)


def compare_weights(result: Decoding, told: dict[str, Any]) -> int:
    """Compare rebuilt weights with the result's; give how many numbers they have."""
    assert set(told) == set(result.decoders)
    for name, decoder in result.decoders.items():
        theirs = told[name]
        assert theirs["sha256"] == hashlib.sha256(decoder.weights).hexdigest()
        mine = {
            n: [list(a.shape), str(a.dtype), float(a.astype(float).sum())]
            for n, a in load(decoder.weights).items()
        }
        assert theirs["sums"] == mine
    return sum(each["numbers"] for each in told.values())


def main() -> None:
    """Make the environments, ask them, compare, and print what was found."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        start = time.perf_counter()
        alone = environment(folder / "pynwb", "pynwb")
        bare = environment(folder / "bare", "h5py", "safetensors", "numpy")
        print(f"two environments: {time.perf_counter() - start:.0f} s", flush=True)
        for name, result in results(folder).items():
            file = nd.write(result, folder / f"{name.replace(' ', '_')}.nwb")
            told = ask(alone, WITH_PYNWB, file)
            datasets = compare_numbers(result, file, told)
            print(
                f"{name}: pynwb {told['pynwb']} alone read {datasets} datasets and "
                f"{len(told['tables'])} tables, no faults; {len(told['through'])} series are equal"
            )
            numbers = compare_weights(result, ask(bare, WITH_SAFETENSORS, file))
            print(
                f"{name}: h5py and safetensors rebuilt {len(result.decoders)} decoders of "
                f"{numbers} numbers in all; SHA-256, shapes, types and sums are equal",
                flush=True,
            )


if __name__ == "__main__":
    main()
