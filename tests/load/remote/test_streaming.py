"""A recording behind an address gives what its file gives, whatever the network does."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from nwbdecode.estimate import estimate
from nwbdecode.load.remote import http
from tests.load import recordings
from tests.load.dandi_server import DandiServer
from tests.load.imaging import movies

RAW = "acquisition/Raw"


def volts_of(address: str, **options: object) -> np.ndarray:
    with load.open(address, **options) as opened:  # type: ignore[arg-type]
        return opened.signal(RAW).read(0, 5000).to_numpy()


def test_an_address_gives_what_the_file_gives(url: str, source: load.Source) -> None:
    with load.open(url) as opened:
        theirs, mine = source.catalog(), opened.catalog()
        assert mine["signals"] == theirs["signals"]
        assert mine["targets"] == theirs["targets"]
        for path in (RAW, "processing/ecephys/LFP/LFP"):
            np.testing.assert_array_equal(
                opened.signal(path).read(3, 400), source.signal(path).read(3, 400)
            )
        asked = ["front:speed", "hd", "tone"]
        for name, target in opened.targets(asked).items():
            np.testing.assert_array_equal(target, source.targets(asked)[name])
        assert url in repr(opened)


@pytest.mark.parametrize("regions", ["masks", "grid"])
def test_a_movie_behind_an_address_gives_the_traces_of_its_file(
    archive: DandiServer, tmp_path: Path, regions: str
) -> None:
    path = recordings.save(movies.with_masks(), tmp_path)
    found = []
    for place in (path, archive.serve("movie.nwb", path)):
        with load.open(place) as opened:
            signal = opened.signal("best", regions=regions, grid=(3, 2), dff=True, time=(None, 9))
            stored = opened.nwbfile.acquisition["Movie"].data.id.get_storage_size()
            told = estimate(signal).get("stream")
        found.append(signal.read(5, 40))
    np.testing.assert_array_equal(*found)
    # 8 of 15 seconds, in chunks of 7 frames.
    assert told["bytes"] == pytest.approx(stored * 23 / 43, rel=0.01)


def test_what_it_came_from_is_recorded_without_signatures(
    archive: DandiServer, url: str, ephys_path: Path
) -> None:
    with load.open(archive.sign(url)) as opened:
        told = opened.signal(RAW).source
    assert told["url"] == url
    assert (told["path"], told["file_name"]) == (None, "session.nwb")
    assert told["bytes"] == ephys_path.stat().st_size
    assert told["etag"] == archive.files["sub 1/session.nwb"].etag
    assert "Signature" not in repr(told)


def test_the_query_of_a_signed_address_is_kept(archive: DandiServer, url: str) -> None:
    with pytest.raises(NWBDecodeError, match=r"signature has expired or is wrong.*fresh"):
        load.open(archive.sign(url).replace("X-Amz-Signature=", "X-Amz-Signature=f"))
    np.testing.assert_allclose(volts_of(archive.sign(url)), recordings.volts(), **recordings.CLOSE)


def test_a_second_opening_asks_for_no_sample_again(archive: DandiServer, url: str) -> None:
    first = volts_of(url)
    archive.forget()
    np.testing.assert_array_equal(volts_of(url), first)
    # One byte, to learn whether the file is still the same.
    assert archive.count() == (1, 1)


def test_without_a_cache_nothing_is_written(archive: DandiServer, url: str, cache: Path) -> None:
    volts_of(url, cache_bytes=0)
    assert not cache.exists()
    archive.forget()
    volts_of(url, cache_bytes=0)
    assert archive.count()[1] > 60_000


def test_a_signal_still_reads_after_its_source_is_closed(url: str) -> None:
    with load.open(url) as opened:
        signal = opened.signal(RAW)
    np.testing.assert_allclose(signal.read(10, 20), recordings.volts()[10:20], **recordings.CLOSE)


def _read(signal: load.Signal) -> np.ndarray:
    return signal.read(100, 120).to_numpy()


def test_a_signal_travels_to_another_process_and_reads_there(url: str) -> None:
    with load.open(url) as opened:
        signal = opened.signal(RAW, channels=[104, 100])
        signal.read(0, 10)
        carried = pickle.dumps(signal)
    assert len(carried) < 10_000
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(_read, (signal,))
    np.testing.assert_allclose(there, recordings.volts()[100:120, [4, 0]], **recordings.CLOSE)


def test_a_signal_reads_in_a_forked_process_beside_its_parent(url: str) -> None:
    with load.open(url, cache_bytes=0) as opened:
        signal = opened.signal(RAW)
        signal.read(0, 10)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            there = pool.map(_read, [signal] * 4)
        mine = signal.read(100, 120)
    for found in there:
        np.testing.assert_array_equal(found, mine)


def test_a_pickled_source_opens_the_address_again(url: str) -> None:
    with load.open(url) as opened:
        again = pickle.loads(pickle.dumps(opened))
        assert again.catalog() == opened.catalog()
        again.close()


@pytest.mark.parametrize("kind", ["429", "500", "503", "reset", "cut"])
def test_faults_that_pass_are_waited_for(archive: DandiServer, url: str, kind: str) -> None:
    archive.fail(kind, 2)
    np.testing.assert_allclose(volts_of(url), recordings.volts(), **recordings.CLOSE)
    assert all(fault.times == 0 for fault in archive.faults)


def test_the_wait_that_a_busy_server_asks_for_is_kept(
    archive: DandiServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(http.time, "sleep", waited.append)
    archive.fail("429", retry_after="7")
    load.open(url).close()
    assert waited == [7.0]


def test_a_server_that_stays_busy_is_left_with_its_own_words(
    archive: DandiServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http.time, "sleep", lambda seconds: None)
    archive.fail("503", 100, retry_after="3600")
    with pytest.raises(NWBDecodeError, match=r"answered 503 .* to 1 tries; it asks to wait 3600 s"):
        load.open(url)
    archive.faults.clear()
    archive.fail("503", 100)
    with pytest.raises(NWBDecodeError, match=r"answered 503 .* to 7 tries"):
        load.open(url)


def test_a_body_that_breaks_off_is_gone_on_with(archive: DandiServer, url: str) -> None:
    signal = load.open(url, cache_bytes=0).signal(RAW)
    archive.forget()
    archive.fail("cut")
    door = signal.reader.file.door  # type: ignore[attr-defined]
    whole = archive.files["sub 1/session.nwb"].path.read_bytes()
    assert http.Connection(door).fetch(1000, 301_000) == whole[1000:301_000]
    first, second = archive.asked
    assert first.range == "bytes=1000-300999"
    assert 100_000 < int(second.range.removeprefix("bytes=").split("-")[0]) <= 151_000


def test_a_server_that_breaks_off_for_good_is_told(archive: DandiServer, url: str) -> None:
    signal = load.open(url, cache_bytes=0).signal(RAW)
    archive.fail("reset", 1000)
    with pytest.raises(NWBDecodeError, match="cannot be reached"):
        signal.reader.file.stream().connection.fetch(0, 10)  # type: ignore[attr-defined]


def test_a_server_that_ignores_ranges_is_refused_with_the_way_out(
    archive: DandiServer, url: str
) -> None:
    archive.ranges = False
    with pytest.raises(NWBDecodeError, match=r"sends no parts of files.*download=True"):
        load.open(url)
    assert archive.count()[1] < 2 << 20
    np.testing.assert_allclose(volts_of(url, download=True), recordings.volts(), **recordings.CLOSE)


def test_a_file_that_changed_since_it_was_opened_is_refused(
    archive: DandiServer, ephys_path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "changing.nwb"
    shutil.copy(ephys_path, file)
    url = archive.serve("changing.nwb", file)
    signal = load.open(url, cache_bytes=0).signal(RAW)
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(NWBDecodeError, match="has changed since it was opened"):
        pickle.loads(pickle.dumps(signal)).reader.file.stream().connection.fetch(0, 10)
    np.testing.assert_allclose(volts_of(url)[:5], recordings.volts()[:5], **recordings.CLOSE)


def test_a_changed_file_is_never_read_from_the_cache(
    archive: DandiServer, ephys_path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "session.nwb"
    shutil.copy(ephys_path, file)
    url = archive.serve("session.nwb", file)
    volts_of(url)
    other = recordings.session()
    recordings.add_electrodes(other)
    other.add_acquisition(recordings.electrical(other, offset=1.0))
    recordings.save(other, tmp_path)
    np.testing.assert_allclose(volts_of(url).mean(), 1.0, atol=0.01)


def test_a_server_that_states_no_version_is_asked_each_time(archive: DandiServer, url: str) -> None:
    archive.etags = False
    volts_of(url)
    archive.forget()
    volts_of(url)
    assert archive.count()[1] > 60_000


def test_what_is_not_there_is_named(archive: DandiServer) -> None:
    with pytest.raises(NWBDecodeError, match=r"nothing at 'http.*/files/no.nwb' \(HTTP 404\)"):
        load.open(f"{archive.store}/files/no.nwb")


def test_what_is_no_hdf5_is_refused(archive: DandiServer, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("hello, this is text\n" * 100)
    with pytest.raises(NWBDecodeError, match="is no HDF5 file"):
        load.open(archive.serve("x.nwb", tmp_path / "x.txt"))


def test_a_truncated_file_is_refused(
    archive: DandiServer, ephys_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.nwb").write_bytes(ephys_path.read_bytes()[:100_000])
    with pytest.raises(NWBDecodeError, match=r"100000 bytes.*damaged"):
        load.open(archive.serve("cut.nwb", tmp_path / "cut.nwb"))


def test_no_network_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NWBDecodeError, match=r"127\.0\.0\.1:9 cannot be reached .*network") as told:
        load.open("http://127.0.0.1:9/session.nwb?X-Amz-Signature=0123abcd")
    assert "0123abcd" not in str(told.value)
    with pytest.raises(NWBDecodeError, match=r"nowhere\.invalid cannot be reached"):
        load.open("https://nowhere.invalid/session.nwb")


def test_a_public_bucket_is_read_through_the_endpoint_of_the_environment(
    archive: DandiServer, url: str, ephys_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.serve("bucket/my key+1.nwb", ephys_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"{archive.store}/files")
    with load.open("s3://bucket/my key+1.nwb") as opened:
        told = opened.signal(RAW).source
    assert (told["url"], told["file_name"]) == ("s3://bucket/my key+1.nwb", "my key+1.nwb")


@pytest.mark.parametrize(
    "held",
    ["opened.nwbfile.acquisition['Raw'].data", "signal.reader.file.handle()['acquisition']"],
    ids=["dataset", "group of a handle"],
)
def test_an_unclosed_recording_does_not_break_the_end_of_a_program(url: str, held: str) -> None:
    code = (
        "import builtins\n"
        "from nwbdecode import load\n"
        f"opened = load.open({url!r}); signal = opened.signal({RAW!r}); signal.read(0, 10)\n"
        f"builtins.kept = {held}"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_an_address_out_of_reach_does_not_break_the_end_of_a_program() -> None:
    code = (
        "from nwbdecode import load\n"
        "try:\n    load.open('http://127.0.0.1:9/x.nwb')\n"
        "except ValueError:\n    print('told')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "told\n", "")
