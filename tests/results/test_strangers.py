"""A file from a stranger can neither run anything, nor fill the memory, nor reach beyond itself."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import nwbdecode as nd
from tests import made

MODULE = "processing/decoding"
RUN = f"{MODULE}/run"
SERIES = f"{MODULE}/BehavioralTimeSeries/predicted_speed"

Attack = Callable[[h5py.File, Path], None]


@pytest.fixture
def decoded(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return nd.write(made.decoding(), folder / "decoded.nwb")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file beside the inbox that holds what the series of the decoded one would."""
    path = tmp_path / "secret.nwb"
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(300, dtype=np.float32)
        file["text"] = "{}"
    path.with_suffix(".raw").write_bytes(np.arange(300, dtype=np.float32).tobytes())
    return path


def replace(file: h5py.File, path: str, **how: Any) -> h5py.Dataset:
    """Put another dataset in the place of one, with the attributes of the old."""
    attributes = dict(file[path].attrs)
    del file[path]
    made = file.create_dataset(path, **how)
    made.attrs.update({k: v for k, v in attributes.items() if not isinstance(v, h5py.Reference)})
    return made


def external_link(file: h5py.File, secret: Path) -> None:
    del file[f"{SERIES}/data"]
    file[f"{SERIES}/data"] = h5py.ExternalLink(str(secret), "data")


def external_module(file: h5py.File, secret: Path) -> None:
    del file["processing"]
    file["processing"] = h5py.ExternalLink(str(secret), "/")


def external_text(file: h5py.File, secret: Path) -> None:
    del file[f"{RUN}/recipe"]
    file[f"{RUN}/recipe"] = h5py.ExternalLink(str(secret), "text")


def soft_link_to_external(file: h5py.File, secret: Path) -> None:
    file["elsewhere"] = h5py.ExternalLink(str(secret), "/")
    del file[f"{SERIES}/data"]
    file[f"{SERIES}/data"] = h5py.SoftLink("/elsewhere/data")


def circle_of_links(file: h5py.File, secret: Path) -> None:
    del file[f"{SERIES}/data"]
    file[f"{SERIES}/data"] = h5py.SoftLink(f"/{SERIES}/data")


def external_storage(file: h5py.File, secret: Path) -> None:
    raw = [(str(secret.with_suffix(".raw")), 0, h5py.h5f.UNLIMITED)]
    replace(file, f"{SERIES}/data", shape=(300,), dtype="f4", external=raw)


def virtual(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout(shape=(300,), dtype="f4")
    layout[:] = h5py.VirtualSource(str(secret), "data", shape=(300,))
    del file[f"{SERIES}/data"]
    file.create_virtual_dataset(f"{SERIES}/data", layout)


def huge_and_empty(file: h5py.File, secret: Path) -> None:
    replace(file, f"{SERIES}/data", shape=(2**40,), dtype="f4", chunks=(1024,))


def huge_clock_and_empty(file: h5py.File, secret: Path) -> None:
    replace(file, f"{RUN}/time", shape=(2**36,), dtype="f8", chunks=(1024,))


def huge_column(file: h5py.File, secret: Path) -> None:
    replace(file, f"{MODULE}/scores/null", shape=(2**30, 1000), dtype="f8", chunks=(1, 1000))


def huge_chunk(file: h5py.File, secret: Path) -> None:
    replace(
        file, f"{SERIES}/data", shape=(300,), maxshape=(None,), dtype="f4", chunks=(2**29,),
    )  # fmt: skip


def longer_than_the_clock(file: h5py.File, secret: Path) -> None:
    replace(file, f"{SERIES}/data", data=np.zeros(10_000, np.float32))


def huge_weights(file: h5py.File, secret: Path) -> None:
    replace(file, f"{RUN}/final/weights", shape=(2**42,), dtype="u1", chunks=(2**20,))


def huge_fixed_text(file: h5py.File, secret: Path) -> None:
    replace(file, f"{RUN}/recipe", shape=(), dtype=h5py.string_dtype("utf-8", 2**31 - 1))


def rows_that_share_a_huge_text(file: h5py.File, secret: Path) -> None:
    """A megabyte of text, to which each of many rows points."""
    path = f"{MODULE}/scores/target"
    n = 20_000
    column = replace(
        file, path, shape=(n,), chunks=(n,), dtype=h5py.string_dtype(), compression=None
    )
    column[0] = "x" * (1 << 20)
    file.flush()
    _, chunk = column.id.read_direct_chunk((0,))
    column.id.write_direct_chunk((0,), bytes(chunk[:16]) * n)


def references(file: h5py.File, secret: Path) -> None:
    held = np.empty(300, dtype=h5py.ref_dtype)
    held[:] = file[RUN].ref
    replace(file, f"{SERIES}/data", data=held, dtype=h5py.ref_dtype)


def opaque(file: h5py.File, secret: Path) -> None:
    replace(file, f"{SERIES}/data", data=np.zeros(300, dtype="V8"))


def group_for_dataset(file: h5py.File, secret: Path) -> None:
    del file[f"{RUN}/layout"]
    file.create_group(f"{RUN}/layout")


def many_texts_for_one(file: h5py.File, secret: Path) -> None:
    replace(file, f"{RUN}/recipe", data=["{}", "{}"], dtype=h5py.string_dtype())


def text(name: str, value: str | bytes) -> Attack:
    def attack(file: h5py.File, secret: Path) -> None:
        file[f"{RUN}/{name}"][()] = value

    return attack


def layout(change: Callable[[dict[str, Any]], object]) -> Attack:
    def attack(file: h5py.File, secret: Path) -> None:
        held = json.loads(file[f"{RUN}/layout"][()])
        change(held)
        file[f"{RUN}/layout"][()] = json.dumps(held)

    return attack


def speed(**changes: Any) -> Attack:
    return layout(lambda held: held["predictions"]["variables"]["speed"].update(changes))


ATTACKS: dict[str, tuple[Attack, str]] = {
    "external link": (external_link, "link to another file"),
    "external module": (external_module, "link to another file"),
    "external text": (external_text, "link to another file"),
    "soft link to an external one": (soft_link_to_external, "link to another file"),
    "circle of links": (circle_of_links, "from link to link"),
    "external storage": (external_storage, "values from other files"),
    "virtual dataset": (virtual, "values from other files"),
    "huge and empty": (huge_and_empty, "declares 4.4 TB"),
    "huge clock": (huge_clock_and_empty, "declares 5"),
    "huge column": (huge_column, "declares 8.59 TB"),
    "huge chunk": (huge_chunk, "chunks of"),
    "longer than the clock": (longer_than_the_clock, "on 300 bins"),
    "huge weights": (huge_weights, "declares 4.4 TB"),
    "huge fixed text": (huge_fixed_text, "declares"),
    "shared text": (rows_that_share_a_huge_text, "more than 64 MiB of text"),
    "references": (references, "expected numbers"),
    "opaque": (opaque, "expected numbers"),
    "group for dataset": (group_for_dataset, "is no dataset"),
    "many texts for one": (many_texts_for_one, "expected one text"),
    "deep JSON": (text("recipe", '{"a":' * 500 + "1" + "}" * 500), "nested deeper"),
    "deeper JSON": (text("recipe", "[" * 200_000), "nested deeper|JSON"),
    "huge number": (text("recipe", "9" * 10_000), "digits"),
    "NaN in JSON": (text("recipe", '{"a": NaN}'), "NaN is no JSON"),
    "key twice": (text("recipe", '{"a": 1, "a": 2}'), "twice"),
    "no JSON": (text("layout", "os.system('true')"), "JSONDecodeError"),
    "no UTF-8": (text("layout", b"\xff\xfe{"), "UnicodeDecodeError"),
    "list for object": (text("recipe", "[]"), "no JSON object"),
    "number for layout": (text("layout", "3"), "damaged"),
    "type with fields": (speed(dtype="f4,f4"), "not used"),
    "type of many": (speed(dtype="(1000000000,)f4"), "not used"),
    "type of objects": (speed(dtype=["f4"]), "not used"),
    "path out of the module": (speed(at="../../../acquisition/x"), "no path within"),
    "path from the root": (speed(at="/processing/decoding/fold"), "no path within"),
    "wide text": (
        layout(lambda h: h["channels"]["coords"]["location"].update(dtype="<U500000000")),
        "nwbdecode writes none so large",
    ),
    "wrong shape inline": (
        layout(
            lambda h: h["predictions"]["coords"]["tone_class"].update(shape=[10**9, 10**9])
        ),
        "damaged",
    ),
    "rows that are not there": (
        layout(lambda h: h["scores"]["rows"].update(target=10**12)), "damaged"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_what_nobody_honest_writes_is_refused_in_one_sentence(
    decoded: Path, secret: Path, name: str
) -> None:
    attack, said = ATTACKS[name]
    with h5py.File(decoded, "a") as file:
        attack(file, secret)
    tracemalloc.start()
    try:
        with pytest.raises(nd.NWBDecodeError, match=said) as caught:
            nd.read(decoded).load()
        assert tracemalloc.get_traced_memory()[1] < 400 << 20
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 700
    with pytest.raises(nd.NWBDecodeError):
        nd.report(decoded, decoded.with_suffix(".html"))
    assert not decoded.with_suffix(".html").exists()


@pytest.mark.parametrize("name", ["external link", "huge and empty", "longer than the clock"])
def test_it_is_refused_before_it_is_read_when_reading_is_lazy(
    decoded: Path, secret: Path, name: str
) -> None:
    attack, said = ATTACKS[name]
    with h5py.File(decoded, "a") as file:
        attack(file, secret)
    with pytest.raises(nd.NWBDecodeError, match=said):
        nd.read(decoded, lazy=True)


def test_a_link_within_the_file_is_followed(decoded: Path) -> None:
    with h5py.File(decoded, "a") as file:
        file.move(f"{SERIES}/data", f"{SERIES}/kept")
        file[f"{SERIES}/data"] = h5py.SoftLink("kept")
        file.move(f"{RUN}/recipe", "recipe")
        file[f"{RUN}/recipe"] = h5py.SoftLink("/recipe")
    assert nd.read(decoded).identical(made.decoding())


def test_text_in_a_file_stays_text_in_its_report(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>"
    plain = made.decoding()
    decoding = plain.replace(
        predictions=plain.predictions.rename(speed=evil),
        truth=plain.truth.rename(speed=evil),
        baselines={evil: plain.baselines["ridge"].rename(speed=evil)},
        source={**plain.source, "identifier": evil, "file_name": evil},
        recipe={evil: evil},
    )
    path = nd.write(decoding, tmp_path / "decoded.nwb")
    page = nd.report(path, tmp_path / "report.html").read_text()
    assert evil not in page
