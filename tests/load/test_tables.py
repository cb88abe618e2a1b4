"""Targets of every type that NWB has, made with pynwb, against values computed by hand."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from hdmf.common import DynamicTable
from pynwb.behavior import (
    BehavioralEpochs,
    BehavioralEvents,
    EyeTracking,
    PupilTracking,
    SpatialSeries,
)
from pynwb.epoch import TimeIntervals
from pynwb.image import ImageSeries, IndexSeries
from pynwb.misc import AnnotationSeries, IntervalSeries
from pynwb.spec import NWBAttributeSpec, NWBDatasetSpec, NWBGroupSpec, NWBNamespaceBuilder

from nwbdecode import load
from nwbdecode.errors import NWBDecodeError
from tests.load import recordings

TRIALS = [
    # start, stop, choice, contrast, reward, go cue
    (1.0, 3.0, "left", 0.25, True, 1.5),
    (4.0, 6.0, "right", 0.5, False, 4.75),
    (7.0, 8.0, "left", 1.0, True, np.nan),
    (9.0, np.nan, "right", 0.25, True, 9.5),
]


def _with_trials() -> pynwb.NWBFile:
    nwbfile = recordings.session()
    for name in ("choice", "contrast", "reward", "go_cue_time", "block"):
        nwbfile.add_trial_column(name=name, description=f"the {name}")
    for row, (start, stop, choice, contrast, reward, cue) in enumerate(TRIALS):
        nwbfile.add_trial(
            start_time=start, stop_time=stop, choice=choice, contrast=contrast, reward=reward,
            go_cue_time=cue, block=row // 2,
        )  # fmt: skip
    return nwbfile


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recordings.save(_with_trials(), tmp_path_factory.mktemp("trials"))


def _at(target, times) -> list[float]:
    """Value that a step function has at times."""
    where = np.searchsorted(target["time"].values, times, side="right") - 1
    return np.where(where < 0, np.nan, target.values[where]).tolist()


def test_a_text_column_is_a_class_over_each_trial(trials: Path) -> None:
    with load.open(trials) as opened:
        target = opened.targets("intervals/trials/choice")["choice"]
    assert target.attrs["classes"] == ["left", "right"]
    np.testing.assert_array_equal(
        _at(target, [0.5, 1, 2.9, 3.5, 5, 7.5, 8, 9.2]),
        [np.nan, 0, 0, np.nan, 1, 0, np.nan, np.nan],
    )
    attrs = target.attrs
    assert (attrs["kind"], attrs["kind_reason"]) == ("categorical", "it holds text")
    assert attrs["rows_without_stop"] == 1
    assert attrs["path"] == "intervals/trials/choice"
    assert json.loads(json.dumps(attrs)) == attrs
    assert target["trial"].values.tolist() == [0, -1, 1, -1, 2, -1]


def test_a_number_column_is_a_number_over_each_trial(trials: Path) -> None:
    with load.open(trials) as opened:
        target = opened.targets("trials/contrast")["contrast"]
        classes = opened.targets("trials/contrast@categorical")["contrast"]
    assert target.attrs["kind"] == "linear"
    np.testing.assert_array_equal(_at(target, [2, 3.5, 5, 7.5]), [0.25, np.nan, 0.5, 1.0])
    assert classes.attrs["classes"] == ["0.25", "0.5", "1"]
    assert classes.attrs["kind_from"] == "given"


def test_yes_and_no_and_few_whole_numbers_are_classes(trials: Path) -> None:
    with load.open(trials) as opened:
        made = opened.targets(["reward", "trials/block", "n=trials/block@linear"])
    assert made["reward"].attrs["classes"] == ["False", "True"]
    assert made["block"].attrs["kind"] == "categorical"
    assert "2 values" in made["block"].attrs["kind_reason"]
    assert made["n"].attrs["kind"] == "linear"


def test_a_window_after_the_start_does_without_stop_times(trials: Path) -> None:
    with load.open(trials) as opened:
        target = opened.targets("trials/choice:window(start=-0.5,stop=0.5)")["choice"]
    np.testing.assert_array_equal(
        _at(target, [0.6, 1.4, 1.6, 8.6, 9.4, 9.6]), [0, 0, np.nan, 1, 1, np.nan]
    )


def test_a_window_around_another_time_column(trials: Path) -> None:
    with load.open(trials) as opened:
        target = opened.targets("trials/choice,trials/go_cue_time:window(stop=0.25)")["choice"]
        ends = opened.targets("trials/choice,trials/stop_time:window(start=-1,stop=0)")["choice"]
    np.testing.assert_array_equal(_at(target, [1.4, 1.6, 4.8, 7.1, 9.6]), [np.nan, 0, 1, np.nan, 1])
    np.testing.assert_array_equal(_at(ends, [1.9, 2.5, 5.5, 7.5, 9.2]), [np.nan, 0, 1, 0, np.nan])


def test_the_table_itself_tells_inside_from_outside(trials: Path) -> None:
    with load.open(trials) as opened:
        target = opened.targets("trials")["trials"]
    assert target.attrs["classes"] == ["outside", "inside"]
    np.testing.assert_array_equal(_at(target, [0.5, 2, 3.5, 5, 7.5]), [np.nan, 1, 0, 1, 1])


def test_real_trials_without_stop_times_say_what_to_do(real_data: Path) -> None:
    path = real_data / "legacy" / "sub-anm369963_ses-20170228.nwb"
    with h5py.File(path) as file:
        start = file["intervals/trials/start_time"][:]
        kinds = file["intervals/trials/type"][:].astype(str)
        cue = file["intervals/trials/pole_in_time"][:]
    with load.open(path) as opened:
        with pytest.raises(NWBDecodeError, match=r"178 rows.*window"):
            opened.targets("trials/type")
        with pytest.raises(NWBDecodeError, match="relative=1"):
            opened.targets("trials/type,trials/pole_in_time:window")
        target = opened.targets("trials/type:window(start=0,stop=1)")["type"]
        around = opened.targets("trials/type,trials/pole_in_time:window(stop=0.5,relative=1)")
        entry = {e["path"]: e for e in opened.catalog()["targets"]}["intervals/trials/type"]
    named = np.array(target.attrs["classes"])
    assert named[np.array(_at(target, start + 0.5), int)].tolist() == kinds.tolist()
    held = np.array(_at(around["type"], (start + cue + 0.1)[np.isfinite(cue)]), int)
    assert named[held].tolist() == kinds[np.isfinite(cue)].tolist()
    assert "178 of 178 rows have no stop time" in entry["problems"][0]


def test_epochs_with_tags_and_a_table_in_a_module() -> None:
    nwbfile = recordings.session()
    nwbfile.add_epoch(start_time=0.0, stop_time=2.0, tags=["run"])
    nwbfile.add_epoch(start_time=2.0, stop_time=4.0, tags=["sleep", "dark"])
    states = TimeIntervals(name="states", description="scored")
    states.add_column(name="label", description="stage")
    states.add_interval(start_time=1.0, stop_time=2.0, label="REM")
    states.add_interval(start_time=2.0, stop_time=3.0, label="NREM")
    nwbfile.create_processing_module(name="behavior", description="d").add(states)
    made = load.open(nwbfile).targets(["epochs/tags", "behavior/states/label"])
    assert made["tags"].attrs["classes"] == ["run", "sleep, dark"]
    assert made["label"].attrs["classes"] == ["NREM", "REM"]
    np.testing.assert_array_equal(_at(made["label"], [1.5, 2.5, 3.5]), [1, 0, np.nan])


def test_an_events_table_gives_states_windows_and_rates() -> None:
    events = pytest.importorskip("pynwb.event", reason="EventsTable came with pynwb 4")
    nwbfile = recordings.session()
    tones = events.EventsTable(name="tones", description="played")
    tones.add_column(name="pitch", description="kHz")
    for time, long, pitch in ((5.0, 0.5, "high"), (1.0, 0.5, "low"), (2.0, np.nan, "high")):
        tones.add_event(timestamp=time, duration=long, pitch=pitch)
    licks = events.EventsTable(name="licks", description="seen")
    for time in (1.0, 1.5, 2.0, 6.0):
        licks.add_event(timestamp=time)
    nwbfile.add_events_table(tones)
    nwbfile.add_events_table(licks)
    opened = load.open(nwbfile)
    made = opened.targets(
        ["events/tones/pitch", "on=events/tones", "w=tones/pitch:window(stop=0.2)",
         "n=licks:near(stop=0.1)", "licks:rate", "licks:since(most=2)"]
    )  # fmt: skip
    assert made["pitch"].attrs["classes"] == ["high", "low"]
    # A duration that is not known lasts until the next event.
    np.testing.assert_array_equal(
        _at(made["pitch"], [1.2, 1.7, 3, 5.2, 6]), [1, np.nan, 0, 0, np.nan]
    )
    np.testing.assert_array_equal(_at(made["on"], [1.2, 1.7, 3, 5.2]), [1, 0, 1, 1])
    np.testing.assert_array_equal(_at(made["w"], [1.1, 1.3, 5.1]), [1, np.nan, 0])
    np.testing.assert_array_equal(_at(made["n"], [1.05, 1.2, 6.05, 6.2]), [1, 0, 1, np.nan])
    assert float(made["since"].sel(time=2.5, method="nearest")) == pytest.approx(0.5)
    assert float(made["rate"].max()) > 1.5
    with pytest.raises(NWBDecodeError, match=r"no duration.*:near"):
        opened.targets("licks")


def test_tables_of_ndx_events_are_read_alike(tmp_path: Path) -> None:
    import ndx_events as ndx

    table = ndx.EventsTable(name="stimuli", description="shown")
    table.add_column(name="kind", description="of stimulus")
    for time, kind in ((1.0, "circle"), (2.0, "square"), (4.0, "circle")):
        table.add_row(timestamp=time, kind=kind)
    nwbfile = recordings.session()
    nwbfile.add_acquisition(table)
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        target = opened.targets("acquisition/stimuli/kind")["kind"]
    assert target.attrs["classes"] == ["circle", "square"]
    np.testing.assert_array_equal(_at(target, [0.5, 1.5, 3, 9]), [np.nan, 0, 1, 0])


def test_events_that_are_no_table_are_read_by_the_schema_in_their_file(tmp_path: Path) -> None:
    """As ndx-events 0.2 wrote them, without its package."""
    group = NWBGroupSpec(
        neurodata_type_def="LabeledEvents", neurodata_type_inc="NWBDataInterface", doc="events",
        datasets=[
            NWBDatasetSpec(name="timestamps", dtype="float64", shape=[None], doc="s"),
            NWBDatasetSpec(
                name="data", dtype="uint8", shape=[None], doc="codes",
                attributes=[NWBAttributeSpec(name="labels", dtype="text", shape=[None], doc="l")],
            ),
        ],
    )  # fmt: skip
    namespace = NWBNamespaceBuilder(
        doc="events", name="labeled-events", version="0.1.0", author="a", contact="a@b.c"
    )
    namespace.include_namespace("core")
    namespace.add_spec("labeled.extensions.yaml", group)
    namespace.export("labeled.namespace.yaml", outdir=str(tmp_path))
    pynwb.load_namespaces(str(tmp_path / "labeled.namespace.yaml"))
    made = pynwb.get_class("LabeledEvents", "labeled-events")(
        name="ttl", timestamps=[1.0, 2.0, 4.0], data=np.uint8([0, 1, 0]), data__labels=["on", "off"]
    )
    nwbfile = recordings.session()
    nwbfile.add_acquisition(made)
    with load.open(recordings.save(nwbfile, tmp_path)) as opened:
        made = opened.targets(["ttl/data", "n=ttl:near(stop=0.2)"])
        listed = [entry["path"] for entry in opened.catalog()["targets"]]
    assert listed == ["acquisition/ttl", "acquisition/ttl/data"]
    assert made["data"].attrs["classes"] == ["off", "on"]
    np.testing.assert_array_equal(_at(made["data"], [0, 1.5, 3, 9]), [np.nan, 1, 0, 1])
    np.testing.assert_array_equal(_at(made["n"], [1.1, 1.5, 4.1]), [1, 0, 1])


def test_a_table_of_event_types_gives_their_labels() -> None:
    table = DynamicTable(name="annotated", description="by type")
    table.add_column(name="label", description="type")
    table.add_column(name="event_times", description="s", index=True)
    table.add_row(label="left", event_times=[1.0, 3.0])
    table.add_row(label="right", event_times=[2.0])
    nwbfile = recordings.session()
    nwbfile.create_processing_module(name="behavior", description="d").add(table)
    target = load.open(nwbfile).targets("annotated/label")["label"]
    assert target.attrs["classes"] == ["left", "right"]
    np.testing.assert_array_equal(_at(target, [0.5, 1.5, 2.5, 9]), [np.nan, 0, 1, 0])


def test_an_interval_series_is_on_or_off() -> None:
    light = IntervalSeries(name="light", data=np.int8([1, -1, 1, -1]), timestamps=[1.0, 2, 4, 5.0])
    two = IntervalSeries(name="two", data=np.int8([1, 2, -1, -2]), timestamps=[1.0, 1.5, 2, 5.0])
    nwbfile = recordings.session()
    nwbfile.add_stimulus(two)
    nwbfile.create_processing_module(name="behavior", description="d").add(
        BehavioralEpochs(interval_series=light)
    )
    made = load.open(nwbfile).targets(["light", "two", "n=light:near(start=-0.1,stop=0.1)"])
    assert made["light"].attrs["classes"] == ["off", "on"]
    np.testing.assert_array_equal(_at(made["light"], [0.5, 1.5, 3, 4.5]), [np.nan, 1, 0, 1])
    assert made["two"].attrs["classes"] == ["off", "1", "2"]
    # Where two kinds overlap, neither can be said.
    np.testing.assert_array_equal(_at(made["two"], [1.2, 1.7, 3]), [1, np.nan, 2])
    assert made["two"].attrs["seconds_of_conflict"] == pytest.approx(0.5)
    np.testing.assert_array_equal(_at(made["n"], [1.05, 3, 4.05]), [1, 0, 1])


def test_an_interval_that_never_ends_is_refused() -> None:
    nwbfile = recordings.session()
    nwbfile.add_stimulus(IntervalSeries(name="x", data=np.int8([-1, 1]), timestamps=[1.0, 2.0]))
    opened = load.open(nwbfile)
    with pytest.raises(NWBDecodeError, match="begins"):
        opened.targets("x")
    assert "begins" in opened.catalog()["targets"][0]["problems"][0]


def test_annotations_hold_until_the_next() -> None:
    notes = AnnotationSeries(
        name="notes", data=["walk", "rest", "walk"], timestamps=[1.0, 9.0, 20.0]
    )
    nwbfile = recordings.session()
    nwbfile.add_acquisition(notes)
    made = load.open(nwbfile).targets(["notes", "w=notes:window(start=0,stop=2)"])
    assert made["notes"].attrs["classes"] == ["rest", "walk"]
    np.testing.assert_array_equal(_at(made["notes"], [0, 5, 15, 99]), [np.nan, 1, 0, 1])
    np.testing.assert_array_equal(_at(made["w"], [2, 5, 10]), [1, np.nan, 0])


def test_which_image_was_shown_is_a_class() -> None:
    nwbfile = recordings.session()
    images = pynwb.base.Images(
        name="images",
        images=[pynwb.image.GrayscaleImage(name=f"i{k}", data=np.zeros((2, 2))) for k in range(3)],
        description="shown",
    )
    order = np.array([2, 0, 2, 1] * 5, dtype=np.uint32)
    nwbfile.add_stimulus_template(images)
    nwbfile.add_stimulus(
        IndexSeries(name="shown", data=order, unit="N/A", indexed_images=images, rate=2.0)
    )
    target = load.open(nwbfile).targets("stimulus/presentation/shown")["shown"]
    assert target.attrs["classes"] == ["0", "1", "2"]
    assert target.values.tolist() == order.tolist()
    assert target["time"].values[:3].tolist() == [0.0, 0.5, 1.0]


def test_eye_and_pupil_tracking() -> None:
    gaze = SpatialSeries(
        name="gaze", data=np.arange(40.0).reshape(20, 2), unit="degrees", rate=10.0,
        reference_frame="screen",
    )  # fmt: skip
    size = pynwb.TimeSeries(name="diameter", data=np.arange(20.0), unit="mm", rate=10.0)
    nwbfile = recordings.session()
    module = nwbfile.create_processing_module(name="behavior", description="d")
    module.add(EyeTracking(spatial_series=gaze))
    module.add(PupilTracking(time_series=size))
    made = load.open(nwbfile).targets(["EyeTracking/gaze", "PupilTracking/diameter"])
    np.testing.assert_allclose(made["gaze"], np.deg2rad(np.arange(40.0).reshape(20, 2)))
    assert (made["gaze"].attrs["kind"], made["gaze"].attrs["units"]) == ("linear", "radians")
    np.testing.assert_allclose(made["diameter"], np.arange(20.0) / 1000)
    assert made["diameter"].attrs["units"] == "meters"


def test_behavioral_events_are_series_and_events_alike() -> None:
    licks = pynwb.TimeSeries(name="licks", data=np.ones(4), unit="V", timestamps=[1.0, 2, 2.5, 9])
    nwbfile = recordings.session()
    nwbfile.create_processing_module(name="behavior", description="d").add(
        BehavioralEvents(time_series=licks)
    )
    made = load.open(nwbfile).targets(["n=licks:near(stop=0.25)", "licks:since"])
    np.testing.assert_array_equal(_at(made["n"], [1.1, 1.5, 2.1, 5]), [1, 0, 1, 0])
    assert float(made["since"].sel(time=2.75, method="nearest")) == pytest.approx(0.25)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    nwbfile = recordings.session()
    values = np.arange(30 * 4 * 3).reshape(30, 4, 3) * 1.0
    for name, data in (("pose", values), ("flat", values[:, :, 0])):
        nwbfile.add_acquisition(
            pynwb.TimeSeries(name=name, data=data, unit="cm", rate=10.0, conversion=2.0)
        )
    return recordings.save(nwbfile, tmp_path_factory.mktemp("wide"))


@pytest.mark.parametrize(
    ("asked", "picked", "labels"),
    [
        ("pose[3,1]", np.s_[:, 3, 1], None),
        ("pose[2]", np.s_[:, 2, :], ["0", "1", "2"]),
        ("pose[*,0]", np.s_[:, :, 0], ["0", "1", "2", "3"]),
        ("flat[1]", np.s_[:, 1, 0], None),
        ("flat[3,0]", np.s_[:, [3, 0], 0], ["3", "0"]),
        ("flat", np.s_[:, :, 0], ["0", "1", "2", "3"]),
    ],
)
def test_columns_are_picked_by_place(wide: Path, asked, picked, labels) -> None:
    with load.open(wide) as opened:
        (target,) = opened.targets(asked).values()
    stored = np.arange(30 * 4 * 3).reshape(30, 4, 3)
    np.testing.assert_allclose(target, stored[picked] * 0.02)
    if labels is None:
        assert target.dims == ("time",)
    else:
        assert target["component"].values.tolist() == labels


def test_columns_are_picked_by_name_and_name_the_target(source: load.Source) -> None:
    made = source.targets(["front[y]", "front[y,x]", "front[x]:speed"])
    stored = source.nwbfile.processing["behavior"]["Position"]["front"].data[:]
    np.testing.assert_allclose(made["front_y"], stored[:, 1] / 100)
    assert made["front_y_x"]["component"].values.tolist() == ["y", "x"]
    assert made["speed"].attrs["spec"] == "front[x]:speed"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("pose", r"shape \(30, 4, 3\).*PATH\[3,1\]"),
        ("pose[4,0]", "'4' is no index below 4"),
        ("pose[0,0,0]", "index on each axis"),
        ("flat[4]", "no column '4' among its 4"),
        ("flat[x]", "no column 'x'"),
        ("flat[1,1]", "name one twice"),
        ("flat[]", "is no path"),
        ("flat[1", "is no path"),
    ],
)
def test_columns_that_are_not_there_are_refused(wide: Path, asked: str, message: str) -> None:
    with load.open(wide) as opened, pytest.raises(NWBDecodeError, match=message):
        opened.targets(asked)


def test_a_column_of_a_large_array_is_read_without_the_rest(tmp_path: Path) -> None:
    """Of 8 GB that exist only on paper."""
    path = tmp_path / "sparse.nwb"
    nwbfile = recordings.session()
    nwbfile.add_acquisition(
        pynwb.TimeSeries(
            name="pose", unit="m", rate=100.0,
            data=pynwb.H5DataIO(
                shape=(100_000, 100, 100), dtype=np.dtype("f8"), chunks=(10_000, 1, 1)
            ),
        )
    )  # fmt: skip
    with pynwb.NWBHDF5IO(path=str(path), mode="w") as io:
        io.write(nwbfile)
    with h5py.File(path, "r+") as file:
        file["acquisition/pose/data"][:, 7, 9] = np.arange(100_000)
    with load.open(path) as opened:
        (target,) = opened.targets("pose[7,9]").values()
        with pytest.raises(NWBDecodeError, match="at most 1e"):
            opened.targets("pose[*,*]")
    np.testing.assert_array_equal(target, np.arange(100_000))


def test_the_catalog_lists_columns_and_hides_the_clock(trials: Path) -> None:
    with load.open(trials) as opened:
        found = {entry["path"]: entry for entry in opened.catalog()["targets"]}
        shown = repr(opened)
    assert set(found) == {
        "intervals/trials",
        *(
            f"intervals/trials/{c}"
            for c in ("choice", "contrast", "reward", "go_cue_time", "block")
        ),
    }
    choice = found["intervals/trials/choice"]
    assert (choice["shape"], choice["kind"], choice["start"]) == ([4], "categorical", 1.0)
    assert choice["problems"] == ["1 of 4 rows have no stop time"]
    assert found["intervals/trials/go_cue_time"]["missing"] == 0.25
    assert "whole numbers of 2 values without a unit" in shown
    json.dumps(found, allow_nan=False)


def test_intervals_have_no_speed_and_movies_are_no_targets(trials: Path) -> None:
    nwbfile = recordings.session()
    nwbfile.add_acquisition(
        ImageSeries(name="movie", data=np.zeros((5, 4, 3)), unit="n.a.", rate=1.0, format="raw")
    )
    assert load.open(nwbfile).catalog()["targets"] == []
    with load.open(trials) as opened:
        with pytest.raises(NWBDecodeError, match=r"speed needs a series.*'near'"):
            opened.targets("trials/contrast:speed")
        with pytest.raises(NWBDecodeError, match="no columns to pick"):
            opened.targets("trials/choice[0]")
        with pytest.raises(NWBDecodeError, match="Did you mean 'intervals/trials/choice'"):
            opened.targets("trials/choise")
