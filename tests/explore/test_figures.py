"""Figures draw exactly the data, break where there are none, and name things plainly."""

from __future__ import annotations

import json

import numpy as np
import plotly.graph_objects as go
import pytest
import xarray as xr

from nwbdecode.errors import NWBDecodeError
from nwbdecode.explore import figures
from tests.made import BANDS, decoding


def drawn(figure: go.Figure, name: str) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.name == name]


@pytest.fixture(scope="module")
def result():
    return decoding()


@pytest.mark.parametrize("target", ["speed", "position"])
def test_traces_draw_the_true_and_decoded_values_of_the_window(result, target):
    window = (12.0, 15.0)
    inside = (result.time >= 12) & (result.time <= 15)
    figure = figures.traces(result, target, window)
    for name, part in {
        "true": result.truth,
        "network": result.predictions,
        "ridge": result.baselines["ridge"],
    }.items():
        values = part[target].to_numpy()[inside].reshape(inside.sum(), -1)
        lines = drawn(figure, name)
        assert len(lines) == values.shape[1]
        for line, column in zip(lines, values.T, strict=True):
            np.testing.assert_array_equal(line.x, result.time[inside])
            np.testing.assert_array_equal(line.y, column)
            assert line.connectgaps is False
    assert tuple(figure.layout.xaxis.range) == window


def test_bins_that_no_fold_predicted_are_not_drawn_even_where_numbers_stand(result):
    filled = result.replace(predictions=result.predictions.fillna(7.0))
    (line,) = drawn(figures.traces(filled, "speed"), "network")
    unseen = result.predictions["fold"].to_numpy() < 0
    assert unseen.any()
    assert np.isnan(line.y[unseen]).all()
    assert np.isfinite(line.y[~unseen]).all()


def test_a_new_recording_has_no_folds_and_all_its_predictions_are_drawn(result):
    new = result.replace(
        predictions=result.predictions.fillna(0.5).assign_coords(
            fold=("time", np.full(len(result.time), -1, np.int16))
        ),
        recipe={"prediction": {"use": "final", "in_sample": False}},
    )
    figure = figures.traces(new, "speed")
    assert np.isfinite(drawn(figure, "network")[0].y).all()
    assert "training never saw" in figure.layout.title.subtitle.text


def test_in_sample_predictions_are_never_called_held_out(result):
    predictions = result.predictions.assign_attrs(in_sample=True)
    figure = figures.traces(result.replace(predictions=predictions), "speed")
    assert "in-sample" in figure.layout.title.subtitle.text
    assert "held-out" not in figure.layout.title.subtitle.text
    assert "held-out" in figures.traces(result, "speed").layout.title.subtitle.text


def test_no_line_of_an_angle_crosses_the_axis_where_it_wraps(result):
    for name in ("true", "network", "ridge"):
        (line,) = drawn(figures.traces(result, "direction"), name)
        jumps = np.abs(np.diff(line.y))
        assert np.nanmax(jumps) <= np.pi
        assert np.nanmax(np.abs(line.y)) <= np.pi
    (line,) = drawn(figures.traces(result, "direction"), "true")
    truth = result.truth["direction"].to_numpy()
    np.testing.assert_array_equal(line.y[np.isfinite(line.y)], truth)


def test_classes_are_a_map_of_probabilities_with_the_true_class_over_it(result):
    figure = figures.traces(result, "tone")
    heat, line = figure.data
    np.testing.assert_array_equal(heat.z.T, result.predictions["tone"])
    np.testing.assert_array_equal(line.y, result.truth["tone"])
    assert list(figure.layout.yaxis.ticktext) == ["off", "low", "high"]


def test_a_long_recording_is_drawn_with_few_points_and_says_so():
    long = decoding(bins=50_000)
    figure = figures.traces(long, "speed", most=1000)
    (line,) = drawn(figure, "network")
    assert len(line.y) <= 1100
    assert np.nanmax(line.y) == np.nanmax(long.predictions["speed"])
    assert "50,000 bins" in figure.layout.title.subtitle.text
    assert len(figures.arena(long, "position", most=1000).data[0].x) <= 1000
    heat = figures.traces(long, "tone", most=1000).data[0]
    assert heat.z.shape[1] <= 1100


def test_a_window_without_bins_gives_an_empty_figure(result):
    for name in result.targets:
        assert figures.traces(result, name, (500.0, 510.0)) is not None
    assert figures.arena(result, "position", (500.0, 510.0)) is not None


def test_the_arena_draws_the_window_over_the_whole_path(result):
    figure = figures.arena(result, "position", (12.0, 15.0))
    inside = (result.time >= 12) & (result.time <= 15)
    (true,) = drawn(figure, "true")
    np.testing.assert_array_equal(
        np.column_stack([true.x, true.y]), result.truth["position"].to_numpy()[inside]
    )
    (whole,) = drawn(figure, "whole recording")
    assert len(whole.x) == len(result.time)
    assert figure.layout.yaxis.scaleanchor == "x"


def test_the_error_map_is_the_mean_distance_in_each_cell(result):
    (heat,) = figures.error_map(result, "position", cells=1).data
    distance = np.linalg.norm(
        result.predictions["position"].to_numpy() - result.truth["position"].to_numpy(), axis=1
    )
    assert np.nanmin(distance) <= heat.z.ravel()[0] <= np.nanmax(distance)
    assert figures.error_map(result, "position", cells=10).data[0].z.shape >= (10, 10)


def test_scores_show_value_interval_and_chance_of_every_decoder(result):
    figure = figures.scores(result)
    cell = result.scores.sel(target="speed", metric="r", decoder="ridge")
    dots = [t for t in drawn(figure, "ridge") if t.x[0] == float(cell["value"])]
    assert len(dots) == 1
    assert dots[0].error_x.array[0] == float(cell["high"] - cell["value"])
    marks = {t.x[0] for t in drawn(figure, "chance, 95 % point")}
    assert float(cell["chance"]) in marks


def test_importance_draws_the_rise_its_interval_and_the_null_band(result):
    figure = figures.importance(result, "frequency")
    data = result.importance["frequency"]
    lines = drawn(figure, "network")
    for line, target in zip(lines, result.targets, strict=True):
        np.testing.assert_array_equal(line.x, BANDS)
        np.testing.assert_array_equal(line.y, data["value"].sel(target=target))
        np.testing.assert_array_equal(line.customdata[:, 1], data["high"].sel(target=target))
    assert figure.layout.xaxis.type == "log"
    assert len(figures.importance(result, "frequency", targets=["speed"]).data) < len(figure.data)


def test_the_slow_remainder_has_a_place_of_its_own_left_of_the_bands(result):
    labels = np.array([0.0, *BANDS[1:]])
    data = result.importance["frequency"].assign_coords(frequency=labels)
    figure = figures.importance(result.replace(importance={"frequency": data}), "frequency")
    x = drawn(figure, "network")[0].x
    assert 0 < x[0] < x[1]
    assert "slow" in figure.layout.xaxis.ticktext


def test_channels_are_drawn_by_id_or_where_they_lie(result):
    figure = figures.importance(result, "channel")
    assert list(figure.layout.xaxis.ticktext) == ["100", "101", "102", "103"]
    spots = figures.importance(result, "channel", by="position").data[0]
    values = result.importance["channel"]["value"].sel(target="position")
    np.testing.assert_array_equal(spots.marker.color, values)
    nowhere = result.replace(channels=result.channels.drop_vars(["x", "y", "z"]))
    with pytest.raises(NWBDecodeError, match="by='id'"):
        figures.importance(nowhere, "channel", by="position")


def test_losses_draw_every_decoder_until_it_stopped(result):
    figure = figures.losses(result)
    assert len(figure.data) == 2 * len(result.decoders)
    assert all(np.isfinite(line.y).all() for line in figure.data)


def test_confusion_counts_held_out_bins_alone(result):
    heat = figures.confusion(result, "tone").data[0]
    np.testing.assert_allclose(heat.z.sum(axis=1), 1)
    counts = sum(int(text.split(": ")[1].split()[0]) for row in heat.text for text in row)
    assert counts == int((result.predictions["fold"] >= 0).sum())


def test_every_axis_carries_a_unit(result):
    for figure in every_figure(result):
        for axis in [*figure.select_xaxes(), *figure.select_yaxes()]:
            title = axis.title.text
            if title is None or "class" in title or "is better" in title:
                continue
            assert title.endswith(")"), title
    labels = {a.title.text for a in figures.traces(result, "speed").select_yaxes()}
    assert labels == {"Speed (m/s)"}


@pytest.mark.parametrize("target", ["position", "direction", "speed", "tone"])
def test_a_result_with_one_target_alone_has_every_figure(result, target):
    alone = result.replace(
        predictions=result.predictions[[target]],
        truth=result.truth[[target]],
        baselines={},
        scores=result.scores.sel(target=[target]),
        importance={axis: data.sel(target=[target]) for axis, data in result.importance.items()},
    )
    figures.traces(alone, target)
    assert figures.scores(alone).layout.annotations[0].text.lower() == target
    for axis in alone.importance:
        assert len(drawn(figures.importance(alone, axis), "network")) == 1
    assert figures.importance(alone, "channel", by="position").data


def test_wrong_names_are_answered_with_the_right_ones(result):
    with pytest.raises(NWBDecodeError, match="Did you mean 'speed'"):
        figures.traces(result, "sped")
    with pytest.raises(NWBDecodeError, match="Did you mean 'frequency'"):
        figures.importance(result, "frequencies")
    with pytest.raises(NWBDecodeError, match="only a categorical"):
        figures.confusion(result, "speed")
    with pytest.raises(NWBDecodeError, match="Targets that fit: 'position'"):
        figures.arena(result, "speed")
    with pytest.raises(NWBDecodeError, match="no scores"):
        figures.scores(result.replace(scores=xr.Dataset()))


HOSTILE = "<script>alert(1)</script><a href='http://evil.example'>$x$ %{x}</a>"


def renamed(name: str = HOSTILE):
    """A result in which every name that a file gives is hostile."""
    made = decoding()
    old = {"speed": name, "tone": name + "2"}
    datasets = {part: getattr(made, part).rename(old) for part in ("predictions", "truth")}
    baselines = {k: v.rename(old) for k, v in made.baselines.items()}

    def relabel(data: xr.Dataset) -> xr.Dataset:
        labels = [old.get(str(t), str(t)) for t in data["target"].to_numpy()]
        return data.assign_coords(target=labels)

    importance = {axis: relabel(data) for axis, data in made.importance.items()}
    ids = [name + str(k) for k in range(4)]
    importance["channel"] = importance["channel"].assign_coords(channel=ids)
    for data in (datasets["predictions"], datasets["truth"], *baselines.values()):
        for variable in data.data_vars.values():
            variable.attrs = {**variable.attrs, "units": name, "path": name}
            if "classes" in variable.attrs:
                variable.attrs["classes"] = [name, "low", "high"]
    return made.replace(
        **datasets,
        baselines=baselines,
        scores=relabel(made.scores),
        importance=importance,
        channels=made.channels.assign_coords(channel=ids),
        recipe={name: {name: name}},
        source={**made.source, "identifier": name, "signal": {"path": name}},
    )


def every_figure(result) -> list[go.Figure]:
    categorical = [n for n in result.targets if result.kind(n) == "categorical"]
    return [
        *(figures.traces(result, name) for name in result.targets),
        figures.arena(result, "position"),
        figures.error_map(result, "position"),
        figures.scores(result),
        figures.losses(result),
        *(figures.importance(result, axis) for axis in result.importance),
        figures.importance(result, "channel", by="position"),
        *(figures.confusion(result, name) for name in categorical),
    ]


def test_names_from_the_file_are_inert_in_every_label():
    for figure in every_figure(renamed()):
        # uirevision is compared, never shown.
        text = json.loads(figure.to_json())
        text["layout"].pop("uirevision", None)
        shown = json.dumps(text)
        assert "<script" not in shown
        assert "<a href" not in shown
        assert "$x$" not in shown
        assert "%{x}</a" not in shown
