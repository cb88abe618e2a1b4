"""The extension stands alone and its files say what its specification says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import nwbdecode.results.ndx as extension
from nwbdecode.results.ndx import specification

FOLDER = Path(extension.__file__).parent


def test_the_shipped_yaml_is_what_the_specification_makes(tmp_path: Path) -> None:
    specification.export(tmp_path)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    shipped = {path.name: path.read_text() for path in specification.FOLDER.iterdir()}
    assert made == shipped


def test_it_imports_nothing_but_pynwb_and_hdmf() -> None:
    found = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add((node.module or "").split(".")[0])
    assert found - set(sys.stdlib_module_names) <= {"pynwb", "hdmf"}


def test_it_works_from_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "ndx_decoding").symlink_to(FOLDER, target_is_directory=True)
    program = "from ndx_decoding import Decoder; print(Decoder.namespace)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "ndx-decoding"


def test_the_room_is_light_until_it_is_used() -> None:
    program = (
        "import sys, nwbdecode.results; "
        "print({'pynwb', 'hdmf', 'h5py', 'torch', 'xarray'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_reading_and_writing_need_no_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None; from nwbdecode.results import read, write; "
        "print('torch' in sys.modules and sys.modules['torch'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "None"
