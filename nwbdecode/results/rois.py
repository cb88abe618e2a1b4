"""Regions of interest: found in a file that has them, or copied with their masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from hdmf.backends.hdf5.h5_utils import H5DataIO
from hdmf.data_utils import DataChunkIterator
from pynwb.ophys import ImageSegmentation, ImagingPlane, OpticalChannel, PlaneSegmentation

from nwbdecode.load.imaging.regions import segmentations
from nwbdecode.load.rois import MASKS

if TYPE_CHECKING:
    from pynwb import NWBFile

    from nwbdecode.decoding import Decoding

_PLANE = (
    "description", "excitation_lambda", "indicator", "location", "imaging_rate", "reference_frame",
    "origin_coords_unit", "grid_spacing_unit",
)  # fmt: skip


def segmentation_of(nwbfile: NWBFile, source: Mapping[str, Any]) -> PlaneSegmentation | None:
    """Find the regions that were decoded in a file that holds them.

    Parameters
    ----------
    nwbfile : pynwb.NWBFile
        The recording, or a file they were copied to.
    source : mapping
        `Decoding.source`.

    Returns
    -------
    PlaneSegmentation or None
        None where the signal was a grid, or the file is another.
    """
    signal = source.get("signal") or {}
    imaging = signal.get("imaging") or {}
    there = segmentations(nwbfile)
    if imaging.get("regions") in there:
        return there[imaging["regions"]]
    series = nwbfile.objects.get(signal.get("object_id"))
    table = getattr(getattr(series, "rois", None), "table", None)
    ours = "nwbdecode" in [str(made[0]) for made in nwbfile.was_generated_by or ()]
    if table is None and ours and len(there) == 1 and imaging.get("regions") != "grid":
        (table,) = there.values()  # copied by `copy_rois`, which copies no other
    return table if isinstance(table, PlaneSegmentation) else None


def copy_rois(nwbfile: NWBFile, decoding: Decoding, recording: NWBFile) -> None:
    """Copy the regions that were decoded, their masks, imaging plane and device.

    Masks are read and written one region at a time, compressed.

    Parameters
    ----------
    nwbfile : pynwb.NWBFile
        New; it gets a module ``ophys``.
    decoding : Decoding
    recording : pynwb.NWBFile
        Open while `nwbfile` is written.
    """
    table = segmentation_of(recording, decoding.source)
    labels = decoding.channels["channel"].to_numpy().tolist() if decoding.channels.sizes else []
    if table is None or table.imaging_plane is None:
        return
    known = {int(held): row for row, held in enumerate(table.id[:])}
    if not labels or not all(label in known for label in labels):
        return
    rows = [known[label] for label in labels]
    made = PlaneSegmentation(
        name=table.name,
        description=table.description or "Regions that were decoded",
        imaging_plane=_plane(nwbfile, table.imaging_plane),
    )
    kind = next((name for name in MASKS if name in table.colnames), None)
    for row, label in zip(rows, labels, strict=True):
        mask = {} if kind in (None, "image_mask") else {kind: _points(table, kind, row)}
        made.add_roi(id=int(label), **mask) if mask else made.id.append(int(label))
    if kind == "image_mask":
        made.add_column(
            name=kind, description="Weight of each pixel", data=_images(table[kind].data, rows)
        )
    module = nwbfile.create_processing_module(
        name="ophys", description="Regions of interest, copied from the source"
    )
    module.add(ImageSegmentation(name="ImageSegmentation", plane_segmentations=[made]))


def _points(table: PlaneSegmentation, kind: str, row: int) -> list[tuple[Any, ...]]:
    """Points (x, y[, z], weight) of one region, without reading those of the others."""
    ends = table[kind].data
    start = int(ends[row - 1]) if row else 0
    return [tuple(point) for point in table[kind].target.data[start : int(ends[row])]]


def _images(masks: Any, rows: list[int]) -> H5DataIO:
    def each() -> Iterator[np.ndarray]:
        for row in rows:
            yield np.asarray(masks[row])

    first = np.asarray(masks[rows[0]])
    data = DataChunkIterator(
        data=each(), buffer_size=1, maxshape=(len(rows), *first.shape), dtype=first.dtype
    )
    return H5DataIO(data=data, compression="gzip", shuffle=True, chunks=(1, *first.shape))


def _plane(nwbfile: NWBFile, plane: Any) -> ImagingPlane:
    device = plane.device
    if device is not None and device.name in nwbfile.devices:
        kept = nwbfile.devices[device.name]
    else:
        kept = nwbfile.create_device(
            name=getattr(device, "name", "microscope"),
            description=getattr(device, "description", None) or "Microscope",
        )
    channels = [
        OpticalChannel(
            name=channel.name,
            description=channel.description or "Optical channel",
            emission_lambda=float(channel.emission_lambda),
        )
        for channel in plane.optical_channel
    ]
    given = {name: getattr(plane, name, None) for name in _PLANE}
    for name in ("origin_coords", "grid_spacing"):
        values = getattr(plane, name, None)
        given[name] = None if values is None else np.asarray(values[:]).tolist()
    if given["grid_spacing"] is None:
        del given["grid_spacing_unit"]
    if given["origin_coords"] is None:
        del given["origin_coords_unit"]
    return nwbfile.create_imaging_plane(
        name=plane.name,
        device=kept,
        optical_channel=channels,
        **{name: value for name, value in given.items() if value is not None},
    )
