"""A simulated CA1 recording as an NWB file, with the planted truth beside the signal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.simulate import lfp
from nwbdecode.simulate.ca1 import WHITE_NOISE, CA1Recording, simulate_ca1
from nwbdecode.simulate.write import add_sizes, samples, session, table, write_new

if TYPE_CHECKING:
    from pynwb import NWBFile, ProcessingModule

#: Samples written at a time, in blocks of the recording.
BLOCKS_PER_WRITE = 10


def write_ca1(path: str | os.PathLike[str], *, overwrite: bool = False, **options: Any) -> Path:
    """Simulate a CA1 recording and write it to an NWB file.

    Parameters
    ----------
    path : str or path
        The file to make.
    overwrite : bool, default False
        Whether a file of that name may be replaced.
    **options
        As for `simulate_ca1`: ``duration``, ``rate``, ``n_channels``, ``seed``, ...

    Returns
    -------
    pathlib.Path
        The file. It holds ``acquisition/ElectricalSeries`` (int16),
        ``processing/behavior/Position/position`` (meters),
        ``processing/behavior/CompassDirection/head_direction`` (radians) and,
        in ``processing/ground_truth``, what was planted: ``cells`` (tuning,
        amplitudes, spike times), ``channels``, ``bands``, ``parameters``,
        ``ripples`` and the animal's ``speed`` (m/s).

    Raises
    ------
    NWBDecodeError
        If the file exists or an option is out of range.
    """
    progress = bool(options.get("progress", True))

    def make() -> NWBFile:
        return _file(simulate_ca1(**options), progress=progress)

    return write_new(path, make, overwrite=overwrite)


def _file(recording: CA1Recording, *, progress: bool) -> NWBFile:
    nwbfile = _session(recording)
    _add_signal(nwbfile, recording, progress=progress)
    _add_behavior(nwbfile, recording)
    truth = nwbfile.create_processing_module(
        name="ground_truth", description="What was planted in this simulated recording."
    )
    if len(recording.cells):
        _add_cells(truth, recording)
    _add_channels(truth, nwbfile, recording)
    _add_parameters(truth, recording)
    return nwbfile


def _session(recording: CA1Recording) -> NWBFile:
    n, channels = recording.shape
    return session(
        "ca1",
        seed=recording.seed,
        shape=(n, channels),
        description=(
            f"{recording.duration:g} s of open-field foraging in a "
            f"{recording.behavior.size:g} m box, {channels} channels in CA1."
        ),
        keywords=["hippocampus", "CA1", "place cells", "theta"],
        subject={"species": "Rattus norvegicus", "age": "P90D"},
    )


def _add_signal(nwbfile: NWBFile, recording: CA1Recording, *, progress: bool) -> None:
    from pynwb.ecephys import ElectricalSeries

    device = nwbfile.create_device(name="microdrive", description="Simulated tetrodes.")
    groups = [
        nwbfile.create_electrode_group(
            name=f"tetrode{k}", description="Four twisted wires.", location="CA1", device=device
        )
        for k in range(recording.tetrodes.n_tetrodes)
    ]
    for name, text in {
        "x": "Anterior-posterior, micrometers.",
        "y": "Depth below the brain surface, micrometers.",
        "z": "Medial-lateral, micrometers.",
    }.items():
        nwbfile.add_electrode_column(name=name, description=text)
    for tetrode, (x, y, z) in zip(
        recording.tetrodes.tetrode, recording.tetrodes.position, strict=True
    ):
        nwbfile.add_electrode(
            x=float(x), y=float(y), z=float(z), location="CA1", group=groups[tetrode]
        )
    nwbfile.add_acquisition(
        ElectricalSeries(
            name="ElectricalSeries",
            description="Wide-band voltage against a distant reference.",
            data=samples(recording, blocks=BLOCKS_PER_WRITE, progress=progress),
            electrodes=nwbfile.create_electrode_table_region(
                region=list(range(recording.shape[1])), description="All channels."
            ),
            conversion=recording.conversion,
            starting_time=0.0,
            rate=recording.rate,
        )
    )


def _add_behavior(nwbfile: NWBFile, recording: CA1Recording) -> None:
    from pynwb.behavior import CompassDirection, Position, SpatialSeries

    seen = recording.behavior
    position = SpatialSeries(
        name="position",
        description="Position of the animal in the box.",
        data=seen.position,
        reference_frame="x and y along the walls from one corner of the box",
        unit="meters",
        starting_time=0.0,
        rate=seen.rate,
    )
    direction = SpatialSeries(
        name="head_direction",
        description="Direction of the head, which leads or trails that of the body.",
        data=seen.head_direction,
        reference_frame="counterclockwise from the x axis of the box",
        unit="radians",
        starting_time=0.0,
        rate=seen.rate,
    )
    module = nwbfile.create_processing_module(name="behavior", description="Tracked behavior.")
    module.add(Position(spatial_series=position))
    module.add(CompassDirection(spatial_series=direction))


def _add_cells(truth: ProcessingModule, recording: CA1Recording) -> None:
    from pynwb.misc import Units

    cells = recording.cells
    table = Units(
        name="cells",
        description="The planted neurons, with every spike they fired.",
        resolution=1 / recording.rate,
    )
    columns: dict[str, tuple[str, np.ndarray]] = {
        "kind": ("place, head_direction, or interneuron (tuned to nothing).", cells.kind),
        "group_name": (
            "The tetrode that hears the cell.",
            np.array([f"tetrode{k}" for k in cells.tetrode]),
        ),
        "amplitude": ("Trough of the spike on each channel, volts, positive.", cells.amplitude),
        "peak_rate": ("Rate at the best position or direction, or mean rate, Hz.", cells.rate),
        "field_center": ("Center of the place field, x and y, meters.", cells.center),
        "field_width": ("Standard deviation of the place field, meters.", cells.width),
        "preferred_direction": ("Preferred head direction, radians.", cells.direction),
        "concentration": ("Of the von Mises tuning to head direction.", cells.concentration),
    }
    for name, (text, _) in columns.items():
        table.add_column(name=name, description=text)
    for i, spikes in enumerate(recording.spikes):
        table.add_unit(spike_times=spikes, **{n: _plain(v[i]) for n, (_, v) in columns.items()})
    truth.add(table)


def _add_channels(truth: ProcessingModule, nwbfile: NWBFile, recording: CA1Recording) -> None:
    from hdmf.common import DynamicTable, DynamicTableRegion, VectorData

    rows = DynamicTableRegion(
        name="electrode",
        description="The channel.",
        data=list(range(recording.shape[1])),
        table=nwbfile.electrodes,
    )
    known = VectorData(
        name="informative",
        description="False where the channel records only noise of its own.",
        data=recording.tetrodes.informative,
    )
    gain = VectorData(
        name="gain",
        description="Ratio at which the channel picks up theta, gamma, ripples and background.",
        data=recording.tetrodes.gain,
    )
    truth.add(
        DynamicTable(
            name="channels", description="What each channel hears.", columns=[rows, known, gain]
        )
    )


def _add_parameters(truth: ProcessingModule, recording: CA1Recording) -> None:
    from pynwb import TimeSeries

    add_sizes(truth, recording.bands, _PARAMETERS)
    truth.add(
        TimeSeries(
            name="speed",
            description="Running speed without tracking error.",
            data=recording.behavior.speed,
            unit="meters/second",
            starting_time=0.0,
            rate=recording.behavior.rate,
        )
    )
    # An empty table is an error to nwbinspector: a short session may have no ripple.
    ripples = recording.field_potential.ripples
    if len(ripples):
        times = {"time": ("Middle of the ripple, seconds.", ripples)}
        truth.add(table("ripples", "Sharp-wave ripples.", times))


_PARAMETERS = [
    ("theta_frequency", lfp.THETA_FREQUENCY, "Hz"),
    ("theta_frequency_per_speed", lfp.THETA_FREQUENCY_PER_SPEED, "Hz/(m/s)"),
    ("theta_frequency_jitter", lfp.THETA_FREQUENCY_JITTER, "Hz"),
    ("theta_amplitude", lfp.THETA_AMPLITUDE, "V"),
    ("theta_log_amplitude_per_speed", lfp.THETA_LOG_AMPLITUDE_PER_SPEED, "1/(m/s)"),
    ("theta_log_amplitude_jitter", lfp.THETA_LOG_AMPLITUDE_JITTER, "1"),
    ("gamma_amplitude", lfp.GAMMA_AMPLITUDE, "V"),
    ("gamma_log_amplitude_per_speed", lfp.GAMMA_LOG_AMPLITUDE_PER_SPEED, "1/(m/s)"),
    ("ripple_amplitude", lfp.RIPPLE_AMPLITUDE, "V"),
    ("background_exponent", lfp.BACKGROUND_EXPONENT, "1"),
    ("background_shared", lfp.BACKGROUND_SHARED, "V"),
    ("background_tetrode", lfp.BACKGROUND_TETRODE, "V"),
    ("background_private", lfp.BACKGROUND_PRIVATE, "V"),
    ("white_noise", WHITE_NOISE, "V/Hz^0.5"),
]


def _plain(value: Any) -> Any:
    """Take a cell's value out of its column as what hdmf tables accept."""
    return value if isinstance(value, np.ndarray) else value.item()
