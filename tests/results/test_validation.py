"""What is written by each of the three ways is valid NWB, whatever schema the source is of.

The small recordings in ``files`` were made by ``old_recordings.py`` with the pynwb that their
names tell; each was valid by itself.
"""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import pynwb
import pytest
from nwbinspector import Importance, inspect_nwbfile

import nwbdecode as nd
from nwbdecode.decoding import Decoding
from tests import made

FILES = Path(__file__).with_name("files")
OLD = sorted(path.name.removesuffix(".nwb.gz") for path in FILES.glob("by_pynwb_*.nwb.gz"))
WAYS = ("write", "append", "add_decoding")


def recording(name: str, folder: Path) -> Path:
    path = folder / f"{name}.nwb"
    path.write_bytes(gzip.decompress((FILES / f"{name}.nwb.gz").read_bytes()))
    return path


def result_of(path: Path) -> Decoding:
    """A made result that says it came from a recording, of its four channels."""
    with nd.open(path) as source:
        signal = source.signal("acquisition/ElectricalSeries")
        told, channels = dict(signal.source), signal.channels
    decoding = made.decoding()
    importance = decoding.importance["channel"].assign_coords(channel=channels.index.to_numpy())
    return decoding.replace(
        source=told,
        channels=decoding.channels.assign_coords(channel=channels.index.to_numpy()),
        importance={**decoding.importance, "channel": importance},
    )


def by(way: str, recording: Path, folder: Path) -> Path:
    decoding = result_of(recording)
    out = folder / f"{way}.nwb"
    if way == "write":
        return nd.write(decoding, out)
    if way == "append":
        shutil.copy(recording, out)
        nd.append(decoding, out)
        return out
    with pynwb.NWBHDF5IO(str(recording), mode="r") as old:
        nwbfile = old.read()
        nd.add_decoding(nwbfile, decoding)
        nwbfile.set_modified()
        with pynwb.NWBHDF5IO(str(out), mode="w") as new:
            new.export(src_io=old, nwbfile=nwbfile)
    return out


def warnings_of(path: Path) -> set[tuple[Any, ...]]:
    """What the inspector says above a suggestion, but where and in which file."""
    return {
        (message.check_function_name, message.object_name, message.message)
        for message in inspect_nwbfile(nwbfile_path=str(path))
        if message.importance is not Importance.BEST_PRACTICE_SUGGESTION
    }


def test_sources_from_the_oldest_schema_to_the_newest_are_tried() -> None:
    assert len(OLD) >= 5


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", OLD)
def test_it_validates_and_reads_back_for_sources_of_any_schema(
    name: str, way: str, tmp_path: Path
) -> None:
    source = recording(name, tmp_path)
    assert pynwb.validate(path=str(source)) == []
    path = by(way, source, tmp_path)
    assert pynwb.validate(path=str(path)) == []
    assert nd.read(path).differences(result_of(source)) == []
    assert warnings_of(path) <= warnings_of(source)


@pytest.mark.parametrize("way", WAYS)
def test_the_archive_would_take_it(way: str, tmp_path: Path) -> None:
    source = recording(OLD[-1], tmp_path)
    folder = tmp_path / "dandiset" / "sub-m1"
    folder.mkdir(parents=True)
    path = by(way, source, tmp_path).rename(folder / "sub-m1_desc-decoded_behavior+ecephys.nwb")
    assert complaints(path) == complaints(source.rename(folder / "sub-m1_ecephys.nwb"))


def complaints(path: Path) -> set[str]:
    """What `dandi validate` finds at least an error; it needs no network."""
    from dandi.files import dandi_file
    from dandi.validate import Severity

    found = dandi_file(path, path.parent.parent).get_validation_errors()
    return {
        error.id for error in found if error.severity is None or error.severity >= Severity.ERROR
    }
