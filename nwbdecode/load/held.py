"""A signal that is in memory already, or of SpikeInterface, in the place of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.signal import Signal, as_signal
from nwbdecode.load.source import Source

if TYPE_CHECKING:
    from pynwb import NWBFile

#: What is known of a session that nothing is known of.
_UNKNOWN: dict[str, Any] = {
    "identifier": "", "object_id": "", "file_name": "", "path": None, "nwb_version": "",
    "session_description": "", "session_start_time": "", "subject": {},
}  # fmt: skip
_TARGETS = (
    "a signal in memory has no targets beside it; give arrays, as in targets={'speed': speed}, a "
    "DataArray with a coordinate time in seconds and attrs['kind']"
)


def is_signal(data: Any) -> bool:
    """Whether something is a signal rather than a recording with signals in it."""
    from nwbdecode.load.spikeinterface import is_recording

    arrays = type(data).__module__.partition(".")[0] == "xarray"
    return isinstance(data, Signal | np.ndarray) or arrays or is_recording(data)


class SignalSource(Source):
    """A signal where a recording is expected: it can be decoded, and has no file behind it.

    Made by `open`.

    Parameters
    ----------
    data : Signal, DataArray (time, channel), or SpikeInterface recording
    """

    is_signal = True

    def __init__(self, data: Any) -> None:
        if isinstance(data, np.ndarray):
            raise NWBDecodeError(
                f"an array of shape {data.shape} has no clock; give it one with "
                "nwbdecode.as_signal(array, rate=..., units=..., modality=...)"
            )
        self._signal = as_signal(data)

    @property
    def path(self) -> None:
        """None: there is no file."""
        return None

    @property
    def nwbfile(self) -> NWBFile:
        """Refused: there is no NWBFile behind a signal."""
        raise NWBDecodeError("a signal in memory has no NWBFile behind it")

    @property
    def facts(self) -> dict[str, Any]:
        told = {name: value for name, value in self._signal.source.items() if name != "signal"}
        return {**_UNKNOWN, **told}

    @property
    def movie_files(self) -> list[str]:
        return []

    def catalog(self, *, full: bool = False) -> dict[str, Any]:
        held = self._signal
        bad = held.channels.index[held.channels["bad"]].tolist() if "bad" in held.channels else []
        places = held.channels.get("location", ())
        start, stop = held.segments[0].start_time, held.segments[-1].stop_time
        entry = {
            "path": held.path, "type": type(held.reader).__name__, "object_id": held.object_id,
            "description": "", "shape": [held.n_samples, held.n_channels],
            "dtype": str(held.reader.dtype), "problems": [], "rate": held.rate, "start": start,
            "stop": stop, "duration": stop - start, "gaps": len(held.segments) - 1,
            "run": held.duration / len(held.segments), "lost": 0.0, "clock": "rate",
            "clock_read": "whole", "units": held.units, "modality": held.modality,
            "channels": held.n_channels, "locations": sorted(set(map(str, places))), "bad": bad,
            "usable": len(bad) < held.n_channels, "bytes": held.nbytes,
        }  # fmt: skip
        return {"source": self.facts, "signals": [entry], "targets": []}

    def signal(
        self,
        path: str | None = None,
        *,
        channels: Any = None,
        time: tuple[float | None, float | None] | None = None,
        only: str | Sequence[str] | None = None,
        exclude: str | Sequence[str] | None = None,
        keep_invalid: bool = False,
        modality: Literal["ephys", "ecog"] | None = None,
        cache: str | Path | None = None,
        **imaging: Any,
    ) -> Signal:
        from nwbdecode.load.electrodes import choose
        from nwbdecode.load.imaging.options import ImagingOptions
        from nwbdecode.load.modality import taken_as
        from nwbdecode.load.neural import check_span

        held = taken_as(self._signal, modality)
        if path not in (None, held.path):
            raise NWBDecodeError(f"a signal in memory is the only one; leave out signal={path!r}")
        if only or exclude:
            raise NWBDecodeError(
                "only and exclude name intervals in a file, and a signal in memory has none beside "
                "it; choose a time, or leave them out"
            )
        ImagingOptions(**imaging).refuse(held.path or "a signal in memory", "which is taken as is")
        if channels is not None:
            labels = held.channels.index
            text = not isinstance(channels, str) and set(map(type, labels)) == {str}
            # Channels of SpikeInterface may have names for ids.
            chosen = channels if text else labels[choose(held.channels, channels)]
            held = held.select(channels=list(chosen))
        return held.select(time=check_span(time)) if time is not None else held

    def targets(self, spec: Any, **how: Any) -> NoReturn:
        """Refused: targets of an array are arrays."""
        raise NWBDecodeError(_TARGETS)

    def close(self) -> None:
        """Do nothing: what is in memory stays there."""

    def __getstate__(self) -> dict[str, Any]:
        return {"signal": self._signal}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._signal = state["signal"]

    def __repr__(self) -> str:
        return f"<nwbdecode.Source of a signal, without targets>\n{self._signal!r}"

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(repr(self))}</pre>"
