"""A simulated ECoG session as an NWB file, with the planted truth beside the signal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.simulate import ecog
from nwbdecode.simulate.ecog import ECoGRecording, simulate_ecog
from nwbdecode.simulate.fingers import FINGERS, REST
from nwbdecode.simulate.grid import ELECTRODE_PITCH
from nwbdecode.simulate.write import add_sizes, samples, session, write_new

if TYPE_CHECKING:
    from pynwb import NWBFile, ProcessingModule

#: Samples written at a time, in blocks of the recording.
BLOCKS_PER_WRITE = 4
#: Micrometers, in which NWB keeps the places of electrodes, in a millimeter.
MICROMETERS = 1000.0


def write_ecog(
    path: str | os.PathLike[str], *, overwrite: bool = False, progress: bool = True, **options: Any
) -> Path:
    """Simulate a grid on the hand area and write it to an NWB file.

    Parameters
    ----------
    path : str or path
        The file to make.
    overwrite : bool, default False
        Whether a file of that name may be replaced.
    progress : bool, default True
        Whether to show a bar.
    **options
        As for `simulate_ecog`: ``duration``, ``rate``, ``size``, ``seed``.

    Returns
    -------
    pathlib.Path
        The file. It holds ``acquisition/ElectricalSeries`` (int16) of a group
        ``grid``, with loose electrodes marked ``bad``;
        ``processing/behavior/BehavioralTimeSeries/flexion`` (five columns, thumb to
        little finger, in full bends) and ``.../finger`` (text: which finger moves);
        the table ``intervals/trials``; and, in ``processing/ground_truth``, what was
        planted: ``electrodes`` (gains by finger), ``bands``, ``parameters`` and
        ``high_gamma_drive``.

    Raises
    ------
    NWBDecodeError
        If the file exists or an option is out of range.
    """

    def make() -> NWBFile:
        return _file(simulate_ecog(**options), progress=progress)

    return write_new(path, make, overwrite=overwrite)


def _file(recording: ECoGRecording, *, progress: bool) -> NWBFile:
    rows, columns = recording.grid.size
    nwbfile = session(
        "ecog",
        seed=recording.seed,
        shape=recording.shape,
        description=(
            f"{recording.duration:g} s of ECoG from a {rows} x {columns} grid on the hand area "
            "of a person who bends one finger after another."
        ),
        keywords=["ECoG", "motor cortex", "finger flexion", "high gamma"],
        subject={
            "species": "Homo sapiens",
            "age": "P30Y",
            "description": "A simulated person.",
        },
    )
    _add_signal(nwbfile, recording, progress=progress)
    _add_hand(nwbfile, recording)
    truth = nwbfile.create_processing_module(
        name="ground_truth", description="What was planted in this simulated recording."
    )
    _add_electrodes(truth, nwbfile, recording)
    add_sizes(truth, recording.bands, _PARAMETERS)
    _add_drive(truth, recording)
    return nwbfile


def _add_signal(nwbfile: NWBFile, recording: ECoGRecording, *, progress: bool) -> None:
    from pynwb.ecephys import ElectricalSeries

    grid = recording.grid
    group = nwbfile.create_electrode_group(
        name="grid",
        description=f"{grid.size[0]} x {grid.size[1]} subdural grid, {ELECTRODE_PITCH:g} mm apart.",
        location="left precentral and postcentral gyrus",
        device=nwbfile.create_device(name="electrodes", description="Simulated ECoG grid."),
    )
    for name, text in {
        "x": "To the right, MNI space, micrometers.",
        "y": "To the front, MNI space, micrometers.",
        "z": "Up, MNI space, micrometers.",
        "bad": "Whether the electrode touches nothing.",
    }.items():
        nwbfile.add_electrode_column(name=name, description=text)
    for (x, y, z), bad in zip((MICROMETERS * grid.position).tolist(), grid.bad, strict=True):
        nwbfile.add_electrode(
            x=x, y=y, z=z, bad=bool(bad), location="left sensorimotor cortex", group=group
        )
    nwbfile.add_acquisition(
        ElectricalSeries(
            name="ElectricalSeries",
            description="Electrocorticogram against a scalp reference.",
            data=samples(recording, blocks=BLOCKS_PER_WRITE, progress=progress, compress=True),
            electrodes=nwbfile.create_electrode_table_region(
                region=list(range(grid.n_channels)), description="All electrodes."
            ),
            conversion=recording.conversion,
            starting_time=0.0,
            rate=recording.rate,
        )
    )


def _add_hand(nwbfile: NWBFile, recording: ECoGRecording) -> None:
    from pynwb import TimeSeries
    from pynwb.behavior import BehavioralTimeSeries

    hand = recording.hand
    order = ", ".join(FINGERS)
    flexion = TimeSeries(
        name="flexion",
        description=f"Bend of each finger by a data glove, in full bends. Columns: {order}.",
        data=hand.flexion,
        unit="a.u.",
        starting_time=0.0,
        rate=hand.rate,
    )
    finger = TimeSeries(
        name="finger",
        description="The finger that is told to move, or rest.",
        data=np.array([REST, *FINGERS], dtype=object)[hand.moving(hand.time)],
        unit="n.a.",
        starting_time=0.0,
        rate=hand.rate,
    )
    module = nwbfile.create_processing_module(name="behavior", description="The moving hand.")
    module.add(BehavioralTimeSeries(time_series=[flexion, finger]))
    # An empty table is an error to nwbinspector: a short session may see no movement.
    if not len(hand.start):
        return
    nwbfile.add_trial_column(name="finger", description="The finger that is told to move.")
    for start, stop, which in zip(hand.start, hand.stop, hand.finger, strict=True):
        nwbfile.add_trial(start_time=float(start), stop_time=float(stop), finger=FINGERS[which])


def _add_electrodes(truth: ProcessingModule, nwbfile: NWBFile, recording: ECoGRecording) -> None:
    from hdmf.common import DynamicTable, DynamicTableRegion, VectorData

    grid = recording.grid
    columns = {
        "informative": ("Whether a finger is planted here.", grid.informative),
        "bad": ("Whether the electrode touches nothing.", grid.bad),
        "gain": ("Ratio at which the electrode picks up the brain.", grid.gain),
        "finger_gain": (
            f"How strongly each finger is planted, 0 to 1: {', '.join(FINGERS)}.",
            grid.finger_gain,
        ),
        "beta_gain": ("How strong beta of the hand area is, 0 to 1.", grid.hand_gain),
        "line_amplitude": ("Of the mains' first harmonic, volts.", recording.line_amplitude),
    }
    region = DynamicTableRegion(
        name="electrode",
        description="The electrode.",
        data=list(range(grid.n_channels)),
        table=nwbfile.electrodes,
    )
    known = [VectorData(name=name, description=t, data=v) for name, (t, v) in columns.items()]
    truth.add(
        DynamicTable(
            name="electrodes", description="What each electrode hears.", columns=[region, *known]
        )
    )


def _add_drive(truth: ProcessingModule, recording: ECoGRecording) -> None:
    from pynwb import TimeSeries

    truth.add(
        TimeSeries(
            name="high_gamma_drive",
            description=(
                "Rise of the natural log of high gamma's amplitude that each finger plants where "
                f"its gain is 1. Columns: {', '.join(FINGERS)}."
            ),
            data=recording.high_gamma_drive,
            unit="a.u.",
            starting_time=0.0,
            rate=recording.hand.rate,
        )
    )


_PARAMETERS = [
    ("lead", ecog.LEAD, "s"),
    ("high_gamma_amplitude", ecog.HIGH_GAMMA_AMPLITUDE, "V"),
    ("high_gamma_log_amplitude_per_bend", ecog.HIGH_GAMMA_PER_BEND, "1"),
    ("high_gamma_log_amplitude_while_moving", ecog.HIGH_GAMMA_WHILE_MOVING, "1"),
    ("high_gamma_log_amplitude_drift", ecog.HIGH_GAMMA_DRIFT, "1"),
    ("beta_amplitude", ecog.BETA_AMPLITUDE, "V"),
    ("beta_log_amplitude_fall", ecog.BETA_FALL, "1"),
    ("beta_lead", ecog.BETA_LEAD, "s"),
    ("slow_potential", ecog.SLOW_POTENTIAL, "V"),
    ("slow_smoothing", ecog.SLOW_SMOOTHING, "s"),
    ("background_exponent", ecog.BACKGROUND_EXPONENT, "1"),
    ("background_knee", ecog.BACKGROUND_KNEE, "Hz"),
    ("background", ecog.BACKGROUND, "V"),
    ("white_noise", ecog.WHITE_NOISE, "V/Hz^0.5"),
    ("reference_slow", ecog.REFERENCE_SLOW, "V"),
    ("reference_muscle", ecog.REFERENCE_MUSCLE, "V"),
    ("mains", ecog.MAINS, "Hz"),
    ("line", ecog.LINE, "V"),
]
