"""Opening a recording, seeing what it holds, and taking signal and targets out of it."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from nwbdecode.load.hdf5 import reading
from nwbdecode.load.location import Location, locate

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    import xarray as xr
    from pynwb import NWBFile

    from nwbdecode.load.series import Index
    from nwbdecode.load.signal import Signal
    from nwbdecode.load.targets import Asked


def open(
    source: Any,
    *,
    download: bool = False,
    cache: str | Path | None = None,
    cache_bytes: float | None = None,
) -> Source:
    """Open a recording, read-only.

    Parameters
    ----------
    source : str, Path, pynwb.NWBFile, Source, or a signal
        A local NWB file in HDF5, an NWB-Zarr folder (with the ``zarr``
        extra), an address (``https://``, ``s3://`` of a public bucket,
        ``dandi://INSTANCE/ID[@VERSION]/PATH``, ``DANDI:ID[@VERSION]/PATH``, or
        an asset's address on an archive's site or API), an NWBFile that is
        already open, or a Source, which is given back. A signal as `as_signal` takes
        or gives it stands for a recording without targets.
    download : bool, default False
        Fetch a remote file whole, rather than the parts that are read.
    cache : path, optional
        Folder for what comes over the network, instead of ``NWBDECODE_CACHE``
        or the user's cache folder.
    cache_bytes : float, optional
        Most bytes of streams to keep, instead of
        ``NWBDECODE_STREAM_CACHE_BYTES`` or 10 GiB; 0 keeps none.

    Returns
    -------
    Source
        Show it to see what can be decoded, and from what.

    Raises
    ------
    NWBDecodeError
        If there is no such file, it is no NWB file that can be read, a server
        refuses or cannot be reached, or an address stands for several files,
        which the message lists.
    """
    if isinstance(source, Source):
        return source
    from nwbdecode.load.held import SignalSource, is_signal

    if is_signal(source):
        return SignalSource(source)
    opened = Source(locate(source, download=download, cache=cache, cache_bytes=cache_bytes))
    # Faults of the file show here and not at first use.
    _ = opened.nwbfile
    return opened


class Source:
    """A recording: what it holds, and the way to its signals and targets.

    Made by `open`. It is a context manager, and it can be pickled: a copy in
    another process opens the file again. Signals taken from it keep working
    after it is closed; the source itself opens again when it is used again.

    Parameters
    ----------
    location : Location
        Where the recording lies.
    """

    #: Whether it is a signal alone, of which no file tells more.
    is_signal: bool = False

    def __init__(self, location: Location) -> None:
        self._location = location
        self._nwbfile: NWBFile | None = None
        self._index: Index | None = None
        self._close: weakref.finalize[[], Source] | None = None

    @property
    def path(self) -> str | None:
        """Absolute path of the local file or folder, None in memory and on the network."""
        return self._location.path

    @property
    def nwbfile(self) -> NWBFile:
        """The open NWBFile behind the source; for reading only."""
        if self._nwbfile is None:
            self._nwbfile, close = self._location.open()
            self._close = weakref.finalize(self, close)
        return self._nwbfile

    @property
    def facts(self) -> dict[str, Any]:
        """What identifies and describes the session, as JSON values."""
        from nwbdecode.load.session import facts

        return facts(self.nwbfile, self._location)

    @property
    def movie_files(self) -> list[str]:
        """Local files beside the recording that its movies keep their frames in."""
        from nwbdecode.load.imaging.external import files_beside

        with reading(self._location.label):
            held = self._listed.signals.values()
            return sorted({f for series in held for f in files_beside(series, self.path)})

    @property
    def _listed(self) -> Index:
        from nwbdecode.load.series import index

        if self._index is None:
            self._index = index(self.nwbfile)
        return self._index

    def catalog(self, *, full: bool = False) -> dict[str, Any]:
        """Describe every signal and target in JSON values.

        Parameters
        ----------
        full : bool, default False
            Read all timestamps and target values; by default the ends of long
            ones and blocks spread over them are looked at, and the entries
            say ``"probed"`` in ``clock_read`` and ``missing_read``.

        Returns
        -------
        dict
            ``source`` (facts on file, session and subject), ``signals`` and
            ``targets`` (a list of dict each: path, type, shape, rate in Hz,
            start, stop and duration in s, units, gaps, ``run`` (seconds between
            gaps, on average), problems; signals with modality, locations and
            ``bytes`` of a full read; targets with kind, components, share missing
            and derivations).
        """
        from nwbdecode.load.catalog import catalog

        with reading(self._location.label):
            return catalog(self._listed, self.facts, full=full)

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
        regions: str = "auto",
        grid: tuple[int, int] = (16, 16),
        block: int | None = None,
        neuropil: float | None = None,
        neuropil_ring: tuple[float, float] = (2.0, 15.0),
        dff: bool | Literal["centered", "trailing"] = False,
        baseline_percentile: float = 8.0,
        baseline_window: float = 60.0,
        transpose_masks: bool | None = None,
        cache: str | Path | None = None,
    ) -> Signal:
        """Take a signal out of the recording, lazily.

        Parameters
        ----------
        path : str, optional
            As in the file, such as ``"processing/ecephys/LFP/LFP"``, or a
            unique end of it. May be left out if there is only one signal, or only
            one beside sorted units and band power made of it. ``"best"`` takes
            the file's movie, motion-corrected if it can be.
        channels : int, sequence of int, bool array, or str, optional
            Ids of the electrode, ROI or unit table; a mask of the signal's channels; text
            such as ``"0,3,5-8"``; or a condition on the table, such as
            ``"location == 'CA1' and x > 3"``.
        time : (start, stop), optional
            Seconds on the session's clock; either may be None.
        only : str or several, optional
            Times that are decoded: a table of intervals, such as ``"trials"``, or
            rows of one, such as ``"epochs[label == 'run']"``. Bins and windows lie
            inside one interval; filters read the recording around it.
        exclude : str or several, optional
            Times that nothing reads, such as ``"epochs[label == 'stimulation']"``:
            they become gaps of the signal.
        keep_invalid : bool, default False
            Keep what the file's ``invalid_times`` mark; by default it is excluded.
        modality : {"ephys", "ecog"}, optional
            What electrodes record, which decides later defaults; by default words in the
            file tell: of its path, description, locations and groups.
        regions : str, default "auto"
            Of a movie: ``"masks"`` of the file's PlaneSegmentation, the path of
            one, ``"grid"``, or masks where there are any, else the grid.
        grid : (int, int), default (16, 16)
            Blocks along a movie's first and second spatial axis.
        block : int, optional
            Side of a block in pixels, instead of `grid`.
        neuropil : float, optional
            Share of the ring around each mask that is subtracted from it, such
            as 0.7; none by default.
        neuropil_ring : (float, float), default (2, 15)
            Pixels from a mask at which its ring begins and ends.
        dff : bool, "centered" or "trailing", default False
            Give fluorescence relative to its rolling baseline; "trailing" reads
            no later frame.
        baseline_percentile, baseline_window : float, default 8 and 60
            Percentile and seconds of that baseline.
        transpose_masks : bool, optional
            Whether masks have the two axes of the movie, as it is stored, swapped; by
            default their shapes tell, and where both fit the NWB schema.
        cache : path, optional
            Folder to keep traces of a movie in, instead of the user's cache folder.

        Returns
        -------
        Signal
            Its samples are read when asked for, from any process.

        Raises
        ------
        NWBDecodeError
            If the path fits none or several signals, the choice of channels,
            time or intervals is empty, or the series' clock or tables are faulty.
        """
        from nwbdecode.load.cutting import within
        from nwbdecode.load.epochs import epochs_of
        from nwbdecode.load.imaging.movie import BEST, best_movie
        from nwbdecode.load.imaging.options import ImagingOptions
        from nwbdecode.load.imaging.video import refuse_video
        from nwbdecode.load.modality import taken_as
        from nwbdecode.load.neural import make_signal
        from nwbdecode.load.series import find, only_signal

        imaging = ImagingOptions(
            regions=regions, grid=grid, block=block, neuropil=neuropil,
            neuropil_ring=neuropil_ring, dff=dff, baseline_percentile=baseline_percentile,
            baseline_window=baseline_window, transpose_masks=transpose_masks,
        )  # fmt: skip
        listed = self._listed
        if path == BEST:
            path = best_movie(listed)
        if path is None:
            path = only_signal(listed, self._location.label)
        refuse_video(self.nwbfile, path, listed)
        path = find(path, listed.signals, listed, what="signal")
        with reading(self._location.label):
            series = listed.signals[path]
            epochs = epochs_of(
                listed, str(series.object_id), only=only, exclude=exclude, keep_invalid=keep_invalid
            )
            made = make_signal(
                series,
                path,
                self._location,
                channels=channels,
                time=time,
                facts=self.facts,
                imaging=imaging,
                cache=None if cache is None else str(cache),
            )
            return within(taken_as(made, modality), epochs)

    def targets(
        self,
        spec: Asked,
        *,
        kinds: Mapping[str, str] | None = None,
        keep_invalid: bool = False,
    ) -> dict[str, xr.DataArray]:
        """Read targets: behavior or stimuli, in SI units, each on its own clock.

        Parameters
        ----------
        spec : str, TargetSpec, list of them, or dict of name to them
            ``[NAME=]PATH[[COLUMN,...]][,PATH][:DERIVATION[(OPTION=NUMBER,...)]][@KIND]``,
            such as ``"behavior/Position/led1:speed"``,
            ``"run=led1:speed(median=0.3,max_gap=inf)"``,
            ``"led1,led2:head_direction"``, ``"led1[x]"``, ``"tone@categorical"`` or
            ``"trials/choice:window(start=0,stop=0.5)"``.
        kinds : mapping of target name to kind, optional
            The same as ``@KIND``: linear, circular or categorical.
        keep_invalid : bool, default False
            Keep what rows of the file's ``invalid_times`` mark that name the target's
            series; by default the target is missing there.

        Returns
        -------
        dict of str to xarray.DataArray, dims (time,) or (time, component)
            NaN where missing. ``attrs``: kind, kind_from (given or inferred),
            kind_reason, units, classes (if categorical), path, object_id,
            derivation, spec, missing (share), support (seconds before and after
            that a sample depends on) and max_gap (s). Labels of trials, intervals
            and events are step functions (``attrs["steps"]``): a value holds until
            the next; their coordinate ``trial`` says what no fold may cut.

        Raises
        ------
        NWBDecodeError
            If a path fits none or several series, two targets have one name,
            timestamps go backwards, or data do not suit kind or derivation.
        """
        from nwbdecode.load.targets import read_target, specs

        listed = self._listed
        with reading(self._location.label):
            return {
                one.label: read_target(one, listed, keep_invalid=keep_invalid)
                for one in specs(spec, kinds)
            }

    def close(self) -> None:
        """Close the file; an NWBFile that the user opened stays open."""
        if self._close is not None:
            self._close()
        self._location.release()
        self._nwbfile = self._index = self._close = None

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self._location}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["location"])  # type: ignore[misc]

    def __repr__(self) -> str:
        from nwbdecode.load.display import as_text

        return as_text(self.catalog())

    def _repr_html_(self) -> str:
        from nwbdecode.load.display import as_html

        return as_html(self.catalog())
