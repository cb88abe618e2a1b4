"""The door of the features: a signal in, a labelled (time, frequency, channel) array out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features.morlet import N_BANDS, TRUNCATE, W0
from nwbdecode.features.pieces import MEMORY
from nwbdecode.features.recipe import known_recipe, make_recipe
from nwbdecode.features.referencing import Reference
from nwbdecode.features.walk import compute, labels_of
from nwbdecode.load.signal import Signal, as_signal

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.cluster import Cluster

Engine = Literal["filterbank", "torch", "pywt", "reference"]


def wavelet_power(
    signal: Any,
    *,
    rate: float | None = None,
    bin: float | None = None,
    lowest: float | None = None,
    highest: float | None = None,
    n_bands: int = N_BANDS,
    frequencies: Sequence[float] | None = None,
    w0: float = W0,
    truncate: float = TRUNCATE,
    reference: Reference | None = None,
    reference_by: str | None = None,
    notch: float | None = None,
    remainder: bool | None = None,
    causal: bool = False,
    engine: Engine = "filterbank",
    tolerance: float = 0.0,
    store: str | Path | None = None,
    memory: int = MEMORY,
    client: Cluster | None = None,
    progress: bool = True,
) -> xr.DataArray:
    """Turn a signal into complex Morlet wavelet power, averaged in time bins.

    A signal under 60 samples per second and spike counts have no bands to speak of:
    they become `traces` unless `frequencies`, `lowest` or `highest` ask otherwise.
    Power in bands that others computed is averaged as it is. What is None is decided
    by the signal's modality (`nwbdecode.features.defaults`), and the recipe says so.

    Parameters
    ----------
    signal : Signal, DataArray (time, channel), array (time[, channel]) or SpikeInterface recording
        An array needs `rate`. Channels marked bad are left out.
    rate : float, optional
        Samples per second of a bare array.
    bin : float, optional
        Width of a time bin in seconds; 1/30 s by default, at least one sample.
    lowest, highest : float, optional
        Range of the log-spaced bands in Hz: by default 2 Hz to 40 % of the rate, at most
        15 kHz, or 200 Hz for ECoG.
    n_bands : int, default 26
    frequencies : sequence of float, optional
        The bands themselves, in Hz, instead of the three above.
    w0 : float, default 6
        Radians of the wavelet's sinusoid per standard deviation of its Gaussian.
    truncate : float, default 5
        Standard deviations of the Gaussian kept on either side.
    reference : {"none", "average", "median", "bipolar"}, optional
        Subtract the mean or median of the good channels of each group, or take the
        differences of neighbors. By default "average" for ECoG and "none" for all else.
    reference_by : str, optional
        Column of the channel table that groups them, such as "shank", or several
        separated by commas; the electrode group by default, "all" for one group.
    notch : float, optional
        Remove this frequency in Hz, 50 or 60, and its harmonics.
    remainder : bool, optional
        Keep, as a row at 0 Hz, the signed signal below the lowest band; by default
        for ECoG alone.
    causal : bool, default False
        Delay each band by its filter's reach, so that no bin depends on a
        later sample. Slow bands then lag by seconds.
    engine : {"filterbank", "torch", "pywt", "reference"}
        "filterbank" is the fast one on a CPU, "torch" the same bank for a GPU; "pywt"
        goes through PyWavelets and "reference" takes every sample in float64: both to
        read and compare.
    tolerance : float, default 0
        Largest relative error that rounding may add to a power, so that a store is
        smaller: 0.004 leaves a third of it, 0.06 a quarter. At most 0.5.
    store : path, optional
        Folder of a Zarr store. By default a signal that comes from a file is
        kept in the cache folder under the hash of its recipe, and one in
        memory stays there.
    memory : int, default 1 GiB
        Bytes that the computation may use.
    client : distributed.Client or str, optional
        Dask cluster that computes them, or the address of its scheduler; not a bit
        differs. All its machines must see the store, and the recording, under the same
        path; a signal in memory travels to them.
    progress : bool, default True

    Returns
    -------
    xarray.DataArray, dims (time, frequency, channel), float32
        In the signal's units squared (a sinusoid of amplitude A gives A**2 / 2).
        Coordinates: bin center ``time`` with ``bin_start``, ``bin_end`` and
        ``segment``; ``frequency``; ``channel`` with what is known of it.
        ``attrs["support"]`` gives the seconds [before, after] a bin's center
        that its value depends on.

    Raises
    ------
    NWBDecodeError
        If a band is too fast for the rate, a bin shorter than a sample, a setting has
        no meaning for the kind of signal, or the cluster cannot be used.

    Notes
    -----
    The wavelet is symmetric: power at a moment depends on the signal after it,
    by as much as ``support`` says. Beyond a segment's ends the signal is
    mirrored.

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(2000) / 250
    >>> power = wavelet_power(np.sin(2 * np.pi * 10 * time), rate=250.0, n_bands=12, highest=80)
    >>> power.dims
    ('time', 'frequency', 'channel')
    >>> float(power.mean("time")[:, 0].idxmax())  # the nearest band
    10.69...
    """
    taken = as_signal(signal, rate=rate)
    recipe = _recipe(
        taken,
        bin=bin,
        lowest=lowest,
        highest=highest,
        n_bands=n_bands,
        frequencies=frequencies,
        w0=w0,
        truncate=truncate,
        reference=reference,
        reference_by=reference_by,
        notch=notch,
        remainder=remainder,
        causal=causal,
        engine=engine,
        tolerance=tolerance,
    )
    return compute(taken, recipe, store=store, memory=memory, client=client, progress=progress)


def power_labels(signal: Any, **settings: Any) -> xr.DataArray:
    """Give what `wavelet_power` will make with all its labels, before anything is computed.

    Parameters
    ----------
    signal, **settings
        As for `wavelet_power`, without what says where and how it is computed.

    Returns
    -------
    xarray.DataArray, dims (time, frequency, channel), float32
        Zeros that take no room; bins, bands, channels and attributes are those of the
        features, but for their ``hash``.

    Raises
    ------
    NWBDecodeError
        As `wavelet_power` does.

    Examples
    --------
    >>> import numpy as np
    >>> from nwbdecode.load import as_signal
    >>> day = as_signal(np.broadcast_to(np.int16(0), (86_400 * 1000, 4)), rate=1000.0)
    >>> power_labels(day, bin=0.1).sizes["time"]
    864000
    """
    taken = as_signal(signal)
    return labels_of(taken, _recipe(taken, **settings))


def _recipe(taken: Signal, **settings: Any) -> dict[str, Any]:
    if settings.get("causal") and taken.support[1] > 0:
        raise NWBDecodeError(
            f"causal features read nothing after a bin, but samples of {taken.path!r} depend on "
            f"{taken.support[1]:g} s after them; take the signal with dff='trailing'"
        )
    return make_recipe(taken, **settings)


def traces(
    signal: Any,
    *,
    rate: float | None = None,
    bin: float | None = None,
    reference: Reference | None = None,
    reference_by: str | None = None,
    store: str | Path | None = None,
    memory: int = MEMORY,
    client: Cluster | None = None,
    progress: bool = True,
) -> xr.DataArray:
    """Average a signal in time bins, without wavelets.

    The decoder's window then supplies the lags. It is how fluorescence traces
    are decoded, whose frame rate carries no bands, and firing rates.

    Parameters
    ----------
    signal, rate, bin, reference, reference_by, store, memory, client, progress
        As for `wavelet_power`.

    Returns
    -------
    xarray.DataArray, dims (time, frequency, channel), float32
        One signed row at frequency 0, in the signal's units.
    """
    taken = as_signal(signal, rate=rate)
    recipe = make_recipe(
        taken, wavelets=False, bin=bin, reference=reference, reference_by=reference_by
    )
    return compute(taken, recipe, store=store, memory=memory, client=client, progress=progress)


def from_recipe(signal: Any, recipe: dict[str, Any], **how: Any) -> xr.DataArray:
    """Compute the features that a recipe (``power.attrs["recipe"]``) describes, on any signal.

    Parameters
    ----------
    signal : as for `wavelet_power`
    recipe : dict
    **how
        ``store``, ``memory``, ``client`` and ``progress``, as for `wavelet_power`.

    Raises
    ------
    NWBDecodeError
        If this version does not know the recipe, or the signal does not suit it.
    """
    taken = as_signal(signal)
    return compute(taken, known_recipe(recipe, taken), **how)
