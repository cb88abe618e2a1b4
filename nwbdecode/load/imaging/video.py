"""Videos of behavior, which are movies but none that neurons are read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from pynwb import NWBFile

    from nwbdecode.load.series import Index


def refuse_video(nwbfile: NWBFile, path: str, listed: Index) -> None:
    """Say of an `ImageSeries` that is asked for as a signal what it is.

    Parameters
    ----------
    nwbfile : pynwb.NWBFile
    path : str
        As the user wrote it: of the series, or an end of it.
    listed : Index
        Of the file; what is in it is answered elsewhere.

    Raises
    ------
    NWBDecodeError
    """
    from pynwb.image import ImageSeries

    name = path.strip().strip("/").rpartition("/")[2]
    if any(held.rpartition("/")[2] == name for held in {**listed.signals, **listed.targets}):
        return
    for item in nwbfile.objects.values():
        if isinstance(item, ImageSeries) and item.name == name:
            raise NWBDecodeError(
                f"{path!r} is a {type(item).__name__}, a video rather than a recording of neurons: "
                "what it shows is decoded, not decoded from, once it is made into numbers such as "
                "the positions of body parts. Signals are TwoPhotonSeries and OnePhotonSeries, "
                "electrical series, ROI traces and units"
            )
