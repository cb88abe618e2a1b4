"""Reading trusts nothing: it checks the file before it hands anything on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO

from nwbdecode.errors import NWBDecodeError
from nwbdecode.results import read, write
from nwbdecode.results.session import new_file
from tests import made

RUN = "processing/decoding/run"


@pytest.fixture
def decoded(tmp_path: Path) -> Path:
    return write(made.decoding(), tmp_path / "decoded.nwb")


def replace_weights(path: Path, weights: bytes) -> None:
    """Put other weights into a file, with a fitting checksum, as an attacker would."""
    with h5py.File(path, "a") as file:
        decoder = file[f"{RUN}/final"]
        attributes = dict(decoder["weights"].attrs)
        del decoder["weights"]
        decoder["weights"] = np.frombuffer(weights, dtype=np.uint8)
        decoder["weights"].attrs.update(attributes)
        decoder.attrs["sha256"] = hashlib.sha256(weights).hexdigest()


def buffer(header: Any, size: int = 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(size)


def test_reading_changes_no_byte(decoded: Path) -> None:
    before = decoded.read_bytes()
    decoded.chmod(0o444)
    read(decoded)
    assert decoded.read_bytes() == before


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NWBDecodeError, match=r"no file .*absent\.nwb"):
        read(tmp_path / "absent.nwb")


def test_files_that_are_not_nwb_are_refused(tmp_path: Path, decoded: Path) -> None:
    text, truncated, bare = (tmp_path / f"{name}.nwb" for name in ("text", "truncated", "bare"))
    text.write_text("no HDF5")
    truncated.write_bytes(decoded.read_bytes()[:20_000])
    h5py.File(bare, "w").close()
    for path in (text, truncated, bare):
        with pytest.raises(NWBDecodeError, match="cannot be read as an NWB file"):
            read(path)


def test_a_recording_without_decoding_is_told_by_its_modules(tmp_path: Path) -> None:
    nwbfile = new_file({})
    nwbfile.create_processing_module(name="ecephys", description="LFP")
    with NWBHDF5IO(str(tmp_path / "session.nwb"), mode="w") as io:
        io.write(nwbfile)
    with pytest.raises(NWBDecodeError, match=r"holds no decoding.*modules: 'ecephys'"):
        read(tmp_path / "session.nwb")


def test_a_module_of_that_name_without_a_run_is_refused(tmp_path: Path) -> None:
    nwbfile = new_file({})
    nwbfile.create_processing_module(name="decoding", description="someone else's")
    with NWBHDF5IO(str(tmp_path / "session.nwb"), mode="w") as io:
        io.write(nwbfile)
    with pytest.raises(NWBDecodeError, match="holds 0 decoding runs"):
        read(tmp_path / "session.nwb")


def test_a_real_recording_is_told_apart(real_data: Path) -> None:
    with pytest.raises(NWBDecodeError, match="holds no decoding"):
        read(real_data / "m851_open_field_lfp.nwb")


def test_a_later_major_version_is_refused_with_advice(decoded: Path) -> None:
    with h5py.File(decoded, "a") as file:
        file[RUN].attrs["schema_version"] = "2.0"
    with pytest.raises(NWBDecodeError, match=r"schema version 2\.0.*pip install --upgrade"):
        read(decoded)


def test_a_later_minor_version_is_read(decoded: Path) -> None:
    with h5py.File(decoded, "a") as file:
        file[RUN].attrs["schema_version"] = "1.7"
    assert read(decoded).identical(made.decoding())


def test_one_flipped_bit_of_weights_is_found(decoded: Path) -> None:
    with h5py.File(decoded, "a") as file:
        file[f"{RUN}/final/weights"][-1] ^= 1
    with pytest.raises(NWBDecodeError, match="'final' do not match their SHA-256"):
        read(decoded)


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "weights",
    [
        b"",
        b"\x80\x04\x95 a pickle",
        (2**63).to_bytes(8, "little") + bytes(100),
        buffer(b"[1, 2]"),
        buffer(b"{not json"),
        buffer(b"[" * 100_000),
        buffer({"w": TENSOR | {"data_offsets": [0, 16]}}),
        buffer({"w": TENSOR | {"data_offsets": [-8, 0]}}),
        buffer({"w": TENSOR | {"shape": [2**40]}}),
        buffer({"w": TENSOR | {"shape": [2.0]}}),
        buffer({"w": TENSOR | {"dtype": "PICKLE"}}),
        buffer({"w": [0, 8]}),
        buffer({"w": TENSOR, "v": TENSOR}),
        buffer({"w": TENSOR}, size=16),
        buffer(b'{"w": %s, "w": %s}' % ((json.dumps(TENSOR).encode(),) * 2)),
    ],
)
def test_weights_whose_header_lies_are_left_unread(decoded: Path, weights: bytes) -> None:
    replace_weights(decoded, weights)
    with pytest.raises(NWBDecodeError, match="not a sound safetensors buffer"):
        read(decoded)


@pytest.mark.parametrize(
    "lost",
    ["Position/predicted_position", "scores/value", "run/fold0", "folds", "BehavioralTimeSeries"],
)
def test_a_part_that_another_program_removed_is_an_error_of_ours(decoded: Path, lost: str) -> None:
    with h5py.File(decoded, "a") as file:
        del file[f"processing/decoding/{lost}"]
    with pytest.raises(NWBDecodeError):
        read(decoded)


def test_a_layout_that_another_program_broke_is_an_error_of_ours(decoded: Path) -> None:
    with h5py.File(decoded, "a") as file:
        held = file[f"{RUN}/layout"]
        held[()] = held[()].replace(b'"float32"', b'"V8"')
    with pytest.raises(NWBDecodeError, match="type 'V8'"):
        read(decoded)
