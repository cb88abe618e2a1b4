"""Movies that lie in files beside the NWB file: multi-page TIFF, and AVI."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.blocks import versions
from nwbdecode.errors import NWBDecodeError
from nwbdecode.load.electrodes import text
from nwbdecode.load.imaging.frames import Box

if TYPE_CHECKING:
    from pynwb import TimeSeries
    from pynwb.image import ImageSeries

_TIFF = (".tif", ".tiff")
_VIDEO = (".avi",)


def is_external(series: ImageSeries) -> bool:
    """Whether a series keeps its frames in other files."""
    files = series.external_file
    return files is not None and len(files) > 0


def files_beside(series: TimeSeries, nwb_path: str | None) -> list[str]:
    """Files of a series that are there and may be read; none if it keeps its frames itself."""
    from pynwb.image import ImageSeries

    found = []
    if isinstance(series, ImageSeries) and is_external(series):
        for name in series.external_file[:]:
            with contextlib.suppress(NWBDecodeError):
                found.append(str(_beside(text(name), "", nwb_path)))
    return found


def external_frames(series: ImageSeries, path: str, nwb_path: str | None) -> JoinedFrames:
    """Open the files of a series one after the other.

    Frames are as the files have them: rows, then columns.

    Parameters
    ----------
    series : pynwb ImageSeries
    path : str
        Of the series, for messages.
    nwb_path : str or None
        Local path of the NWB file.

    Raises
    ------
    NWBDecodeError
        If a file is missing, lies outside the NWB file's folder, is of
        another format, or does not begin at the frame that the series states.
    """
    files = [text(name) for name in series.external_file[:]]
    parts = [_opened(name, path, nwb_path) for name in files]
    for name, part in zip(files, parts, strict=True):
        if part.shape[1:] != parts[0].shape[1:] or part.dtype != parts[0].dtype:
            raise NWBDecodeError(
                f"{name!r} of {path!r} has frames of {part.shape[1:]} {part.dtype}, "
                f"{files[0]!r} has {parts[0].shape[1:]} {parts[0].dtype}; expected the same"
            )
    starts = [0, *np.cumsum([part.shape[0] for part in parts]).tolist()]
    stated = None if series.starting_frame is None else list(map(int, series.starting_frame[:]))
    if stated is not None and stated != starts[:-1]:
        raise NWBDecodeError(
            f"the files of {path!r} hold {[part.shape[0] for part in parts]} frames, so they begin "
            f"at {starts[:-1]}; its starting_frame is {stated}. Correct the NWB file"
        )
    expected = getattr(series, "num_samples", None)
    if expected is not None and int(expected) != starts[-1]:
        raise NWBDecodeError(
            f"the files of {path!r} hold {starts[-1]} frames; its num_samples is {int(expected)}. "
            "A file is incomplete or another one: fetch it again, or correct the NWB file"
        )
    return JoinedFrames(tuple(parts), tuple(starts))


def _opened(name: str, path: str, nwb_path: str | None) -> TiffFrames | VideoFrames:
    found = _beside(name, path, nwb_path)
    kind = found.suffix.lower()
    if kind not in (*_TIFF, *_VIDEO):
        raise NWBDecodeError(
            f"{path!r} names the external file {name!r}; expected {', '.join((*_TIFF, *_VIDEO))}"
        )
    try:
        return (TiffFrames if kind in _TIFF else VideoFrames).at(str(found))
    except ImportError as error:
        raise NWBDecodeError(
            f"reading {name!r} of {path!r} needs the package {error.name!r}; "
            'install it with `pip install "nwbdecode[imaging]"`'
        ) from error
    except NWBDecodeError:
        raise
    except Exception as error:  # each library has its own errors for damaged files
        raise NWBDecodeError(
            f"the external file {str(found)!r} of {path!r} cannot be read "
            f"({type(error).__name__}: {error}); it is damaged, or no {kind} file"
        ) from error


def _beside(name: str, path: str, nwb_path: str | None) -> Path:
    """Resolve an external file inside the NWB file's folder, and nowhere else."""
    if nwb_path is None or not os.path.exists(nwb_path):
        raise NWBDecodeError(
            f"{path!r} keeps its frames in {name!r}, beside the NWB file; that can be read only "
            "for an NWB file on this machine. Save or download both into one folder"
        )
    folder = os.path.dirname(os.path.abspath(nwb_path))
    # A file may come from another system; symbolic links are the user's own and followed.
    plain = PureWindowsPath(name).as_posix() if "\\" in name else name
    found = os.path.normpath(os.path.join(folder, plain))
    if "://" in name or not Path(found).is_relative_to(folder) or ":" in plain[:2]:
        raise NWBDecodeError(
            f"{path!r} keeps its frames in {name!r}, which is not in {folder!r}, the folder of the "
            "NWB file. Files elsewhere are not read: put it there, and its relative path into "
            "external_file"
        )
    if not os.path.isfile(found):
        raise NWBDecodeError(
            f"{path!r} keeps its frames in {name!r}, but there is no file {found!r}. "
            "Put it there; the NWB file alone does not hold the movie"
        )
    return Path(found)


@dataclass(frozen=True, eq=False)
class JoinedFrames:
    """Frames of several files, one after the other.

    Parameters
    ----------
    parts : tuple of TiffFrames or VideoFrames
    starts : tuple of int
        First frame of each, and the number of all.
    """

    parts: tuple[TiffFrames | VideoFrames, ...]
    starts: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.starts[-1], *self.parts[0].shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.parts[0].dtype

    @property
    def chunks(self) -> tuple[int, ...]:
        return (1, *self.shape[1:])

    @property
    def identity(self) -> tuple[Any, ...]:
        return tuple(versions(part.path)[0] for part in self.parts)

    def read(self, start: int, stop: int, box: Box) -> np.ndarray:
        """Read the pixels of `box` in frames ``[start, stop)``."""
        blocks = [np.empty((0, *self.shape[1:]), dtype=self.dtype)]
        for part, low, high in zip(self.parts, self.starts[:-1], self.starts[1:], strict=True):
            first, last = max(start, low), min(stop, high)
            if first < last:
                blocks.append(part.read(first - low, last - low))
        return np.concatenate(blocks)[(slice(None), *box)]


@dataclass(frozen=True, eq=False)
class TiffFrames:
    """Pages of a TIFF file, one frame each.

    Parameters
    ----------
    path : str
    shape : (frame, row, column)
    stored_dtype : str
    """

    path: str
    shape: tuple[int, ...]
    stored_dtype: str

    @classmethod
    def at(cls, path: str) -> TiffFrames:
        """Look at a file."""
        import tifffile

        with tifffile.TiffFile(path) as file:
            stack = file.series[0]
            shape, dtype = tuple(stack.shape), stack.dtype
        shape = (1, *shape) if len(shape) == 2 else shape
        if len(shape) != 3 or dtype is None:
            raise NWBDecodeError(
                f"the TIFF file {path!r} has shape {shape} (axes {stack.axes}); "
                "expected pages of one gray image each"
            )
        return cls(path, shape, np.dtype(dtype).str)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.stored_dtype)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames ``[start, stop)``."""
        import tifffile

        with tifffile.TiffFile(self.path) as file:
            pages = file.asarray(key=slice(start, stop), series=0)
        return np.asarray(pages).reshape(stop - start, *self.shape[1:])


@dataclass(frozen=True, eq=False)
class VideoFrames:
    """Frames of a video, as gray values of 8 or 16 bits.

    Parameters
    ----------
    path : str
    shape : (frame, row, column)
    gray : str
        Pixel format that frames are given in.
    """

    path: str
    shape: tuple[int, ...]
    gray: str
    _at: list[Any] = field(default_factory=list, repr=False)

    @classmethod
    def at(cls, path: str) -> VideoFrames:
        """Look at a file; its packets are counted, for headers are often wrong."""
        import av

        with av.open(path) as file:
            stream = file.streams.video[0]
            form = stream.codec_context.format
            deep = form is not None and any(part.bits > 8 for part in form.components)
            sides = stream.codec_context.height, stream.codec_context.width
            count = sum(packet.size > 0 for packet in file.demux(stream))
        return cls(path, (count, *sides), "gray16le" if deep else "gray")

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype("<u2" if self.gray == "gray16le" else "u1")

    def read(self, start: int, stop: int) -> np.ndarray:
        """Read frames ``[start, stop)``; going forward, nothing is decoded twice."""
        if not self._at or self._at[0] > start:
            self._at[:] = [0, self._decoded()]
        out = np.empty((stop - start, *self.shape[1:]), dtype=self.dtype)
        while self._at[0] < stop:
            frame = next(self._at[1], None)
            if frame is None:
                raise NWBDecodeError(
                    f"the video {self.path!r} ends at frame {self._at[0]} of {self.shape[0]}; "
                    "it is damaged"
                )
            if self._at[0] >= start:
                out[self._at[0] - start] = frame()
            self._at[0] += 1
        return out

    def _decoded(self) -> Iterator[Callable[[], np.ndarray]]:
        import av

        with av.open(self.path) as file:
            for frame in file.decode(video=0):
                # Frames that are passed over are decoded and never converted.
                yield partial(frame.to_ndarray, format=self.gray)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_at": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
