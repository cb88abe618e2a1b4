"""A simulated two-photon session as an NWB file, with the planted truth beside the movie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.simulate import calcium, field_of_view, ophys
from nwbdecode.simulate.ophys import OphysRecording, simulate_ophys
from nwbdecode.simulate.tones import SILENCE, TONES
from nwbdecode.simulate.write import add_sizes, samples, session, write_new

if TYPE_CHECKING:
    from pynwb import NWBFile, ProcessingModule
    from pynwb.ophys import PlaneSegmentation

#: Frames written at a time, in blocks of the recording.
BLOCKS_PER_WRITE = 4
#: Rate at which the series of the tone is sampled, Hz.
TONE_SAMPLING = 50.0
#: Spikes are drawn in continuous time; the file needs a number, s.
SPIKE_RESOLUTION = 1e-9


def write_ophys(
    path: str | os.PathLike[str], *, overwrite: bool = False, progress: bool = True, **options: Any
) -> Path:
    """Simulate a two-photon movie and write it to an NWB file.

    Parameters
    ----------
    path : str or path
        The file to make.
    overwrite : bool, default False
        Whether a file of that name may be replaced.
    progress : bool, default True
        Whether to show a bar.
    **options
        As for `simulate_ophys`: ``duration``, ``rate``, ``size``, ``seed``, ...

    Returns
    -------
    pathlib.Path
        The file. It holds ``acquisition/TwoPhotonSeries`` (uint16 counts, frame x
        x x y), ``processing/ophys/ImageSegmentation/PlaneSegmentation`` (pixel
        masks), ``processing/ophys/Fluorescence/RoiResponseSeries`` (what an ideal
        extraction gives), ``stimulus/presentation/tone`` (text), the table
        ``intervals/tones``, ``processing/behavior/BehavioralTimeSeries/running_speed``
        (m/s) and, in ``processing/ground_truth``, what was planted: ``cells``
        (tuning, kinetics, spike times), ``parameters``, ``neuropil``, ``motion``
        and ``bleaching``.

    Raises
    ------
    NWBDecodeError
        If the file exists or an option is out of range.
    """

    def make() -> NWBFile:
        return _file(simulate_ophys(**options), progress=progress)

    return write_new(path, make, overwrite=overwrite)


def _file(recording: OphysRecording, *, progress: bool) -> NWBFile:
    x, y = recording.view.shape
    nwbfile = session(
        "ophys",
        seed=recording.seed,
        shape=recording.shape,
        description=(
            f"{recording.duration:g} s of two-photon imaging of {len(recording.cells)} cells in "
            f"{x} x {y} pixels of auditory cortex; a mouse on a wheel hears tones."
        ),
        keywords=["two-photon", "calcium imaging", "auditory cortex", "tones", "running"],
        subject={"species": "Mus musculus", "age": "P90D"},
    )
    rois = _add_imaging(nwbfile, recording, progress=progress)
    _add_tones(nwbfile, recording)
    _add_speed(nwbfile, recording)
    truth = nwbfile.create_processing_module(
        name="ground_truth", description="What was planted in this simulated movie."
    )
    _add_cells(truth, recording, rois)
    # No band carries anything: what is known lies in the light itself.
    add_sizes(truth, {}, _PARAMETERS)
    _add_disturbances(truth, recording)
    return nwbfile


def _add_imaging(
    nwbfile: NWBFile, recording: OphysRecording, *, progress: bool
) -> PlaneSegmentation:
    from pynwb.ophys import (
        Fluorescence,
        ImageSegmentation,
        OpticalChannel,
        RoiResponseSeries,
        TwoPhotonSeries,
    )

    plane = nwbfile.create_imaging_plane(
        name="ImagingPlane",
        description="Layer 2/3 of primary auditory cortex.",
        optical_channel=OpticalChannel(
            name="green", description="Light of the indicator.", emission_lambda=510.0
        ),
        device=nwbfile.create_device(name="microscope", description="Simulated two-photon."),
        excitation_lambda=920.0,
        indicator="GCaMP6f",
        location="Primary auditory area",
        imaging_rate=recording.rate,
        grid_spacing=[field_of_view.PIXEL] * 2,
        grid_spacing_unit="meters",
    )
    nwbfile.add_acquisition(
        TwoPhotonSeries(
            name="TwoPhotonSeries",
            description="Registered movie, as frame x x x y.",
            data=samples(recording, blocks=BLOCKS_PER_WRITE, progress=progress, compress=True),
            imaging_plane=plane,
            unit="counts",
            starting_time=0.0,
            rate=recording.rate,
            pmt_gain=ophys.GAIN,
        )
    )
    segmentation = ImageSegmentation()
    rois = segmentation.create_plane_segmentation(
        name="PlaneSegmentation",
        description="Every cell, with its true footprint as weights.",
        imaging_plane=plane,
    )
    for mask in recording.view.masks():
        rois.add_roi(pixel_mask=[(int(x), int(y), float(weight)) for x, y, weight in mask])
    module = nwbfile.create_processing_module(name="ophys", description="Segmented movie.")
    module.add(segmentation)
    light = Fluorescence()
    # The series links to the masks: it may join only what already belongs to the file.
    module.add(light)
    light.add_roi_response_series(
        RoiResponseSeries(
            name="RoiResponseSeries",
            description="Light of each cell alone, as an ideal extraction would give it.",
            data=recording.traces(),
            rois=rois.create_roi_table_region(
                description="All cells.", region=list(range(len(recording.cells)))
            ),
            unit="counts",
            starting_time=0.0,
            rate=recording.rate,
        )
    )
    return rois


def _add_tones(nwbfile: NWBFile, recording: OphysRecording) -> None:
    from pynwb import TimeSeries
    from pynwb.epoch import TimeIntervals

    tones = recording.tones
    time = np.arange(round(recording.duration * TONE_SAMPLING)) / TONE_SAMPLING
    names = np.array([SILENCE, *TONES], dtype=object)
    nwbfile.add_stimulus(
        TimeSeries(
            name="tone",
            description="What is heard: a tone, or silence.",
            data=names[tones.at(time)],
            unit="n.a.",
            starting_time=0.0,
            rate=TONE_SAMPLING,
        )
    )
    # An empty table is an error to nwbinspector: a short session may hear no tone.
    if not len(tones):
        return
    table = TimeIntervals(name="tones", description="Every tone that was played.")
    table.add_column(name="tone", description="Its frequency.")
    for start, stop, name in zip(tones.start, tones.stop, tones.names, strict=True):
        table.add_row(start_time=float(start), stop_time=float(stop), tone=name)
    nwbfile.add_time_intervals(table)


def _add_speed(nwbfile: NWBFile, recording: OphysRecording) -> None:
    from pynwb import TimeSeries
    from pynwb.behavior import BehavioralTimeSeries

    speed = TimeSeries(
        name="running_speed",
        description="Speed of the wheel's rim.",
        data=recording.speed,
        unit="m/s",
        starting_time=0.0,
        rate=recording.speed_rate,
    )
    module = nwbfile.create_processing_module(name="behavior", description="Running.")
    module.add(BehavioralTimeSeries(time_series=speed))


def _add_cells(truth: ProcessingModule, recording: OphysRecording, rois: PlaneSegmentation) -> None:
    from hdmf.common import DynamicTable
    from pynwb.misc import Units

    cells = recording.cells
    # Units without a single spike are an error to nwbinspector: in a short session none may fire.
    fired = any(map(len, recording.spikes))
    about = {"name": "cells", "description": "The planted neurons, with every spike they fired."}
    table = Units(**about, resolution=SPIKE_RESOLUTION) if fired else DynamicTable(**about)
    names = np.array(["none", *TONES])
    columns: dict[str, tuple[str, np.ndarray]] = {
        "kind": ("tone, speed, or untuned (follows nothing).", cells.kind),
        "tone": ("The tone that the cell answers, or none.", names[cells.tone]),
        "base_rate": ("Rate without a drive, Hz.", cells.base_rate),
        "tone_rate": ("Rate that the onset of its tone adds, Hz.", cells.tone_rate),
        "speed_gain": ("Rate that running adds, Hz per m/s.", cells.speed_gain),
        "dff_per_spike": ("Peak of the answer to a spike, a ratio.", cells.dff_per_spike),
        "rise": ("Time constant of the indicator's rise, seconds.", cells.rise),
        "decay": ("Time constant of the indicator's decay, seconds.", cells.decay),
        "brightness": ("Photons per frame in the brightest pixel.", cells.brightness),
        "center": ("Middle of the cell, x and y in pixels.", recording.view.center),
    }
    for name, (text, _) in columns.items():
        table.add_column(name=name, description=text)
    table.add_column(name="roi", description="The cell's mask.", table=rois)
    for i, spikes in enumerate(recording.spikes):
        known = {name: values[i].tolist() for name, (_, values) in columns.items()}
        table.add_row(roi=i, **known, **({"spike_times": spikes} if fired else {}))
    truth.add(table)


def _add_disturbances(truth: ProcessingModule, recording: OphysRecording) -> None:
    from pynwb import TimeSeries

    for name, text, data, unit in (
        ("neuropil", "Relative light of each patch of neuropil.", recording.neuropil, "a.u."),
        ("motion", "Displacement of each frame along x and y.", recording.motion, "pixels"),
        ("bleaching", "Share of the light that is left.", recording.bleaching, "a.u."),
    ):
        truth.add(
            TimeSeries(
                name=name,
                description=text,
                data=data,
                unit=unit,
                starting_time=0.0,
                rate=recording.rate,
            )
        )


_PARAMETERS = [
    ("tone_sustained", calcium.SUSTAINED, "1"),
    ("tone_adaptation", calcium.ADAPTATION, "s"),
    ("tone_latency", calcium.LATENCY, "s"),
    ("tone_trial_spread", calcium.TRIAL_SPREAD, "1"),
    ("rate_drift", calcium.DRIFT, "1"),
    ("rate_drift_timescale", calcium.DRIFT_TIMESCALE, "s"),
    ("untuned_rate", calcium.UNTUNED_RATE, "Hz"),
    ("gain", ophys.GAIN, "counts/photon"),
    ("offset", ophys.OFFSET, "counts"),
    ("read_noise", ophys.READ_NOISE, "counts"),
    ("neuropil", ophys.NEUROPIL, "photons/pixel/frame"),
    ("neuropil_per_cells", ophys.NEUROPIL_PER_CELLS, "1"),
    ("neuropil_per_speed", ophys.NEUROPIL_PER_SPEED, "1/(m/s)"),
    ("neuropil_drift", ophys.NEUROPIL_DRIFT, "1"),
    ("neuropil_lag", ophys.NEUROPIL_LAG, "s"),
    ("neuropil_occlusion", field_of_view.OCCLUSION, "1"),
    ("bleached", ophys.BLEACHED, "1"),
    ("bleaching_time", ophys.BLEACHING, "s"),
    ("motion", ophys.MOTION, "pixels"),
    ("motion_per_speed", ophys.MOTION_PER_SPEED, "pixels/(m/s)"),
    ("pixel", field_of_view.PIXEL, "m"),
]
