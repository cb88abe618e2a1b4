"""The door of the features: a signal in, a labelled (time, frequency, channel) array out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nwbdecode.errors import NWBDecodeError
from nwbdecode.features.bins import Bins, make_bins
from nwbdecode.features.morlet import (
    N_BANDS,
    TRUNCATE,
    W0,
    band_frequencies,
    check_frequencies,
    reference_power,
    reflected,
)
from nwbdecode.features.referencing import Reference, reference_groups, subtract_average
from nwbdecode.load.signal import Signal, as_signal

if TYPE_CHECKING:
    import xarray as xr

Engine = Literal["filterbank", "pywt", "reference"]

#: Under this rate a signal is an imaging trace: too slow for bands.
SLOWEST_FOR_WAVELETS = 60.0


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
    reference: Reference = "none",
    remainder: bool = False,
    causal: bool = False,
    engine: Engine = "filterbank",
    store: str | Path | None = None,
    memory: int = 1 << 30,
    progress: bool = True,
) -> xr.DataArray:
    """Turn a signal into complex Morlet wavelet power, averaged in time bins.

    A signal under 60 samples per second has no bands to speak of: it is handed
    to `traces` unless `frequencies`, `lowest` or `highest` ask otherwise.

    Parameters
    ----------
    signal : Signal, DataArray (time, channel) or array (time[, channel])
        An array needs `rate`. Channels marked bad are left out.
    rate : float, optional
        Samples per second of a bare array.
    bin : float, optional
        Width of a time bin in seconds; 1/30 s by default, at least one sample.
    lowest, highest : float, optional
        Range of the log-spaced bands in Hz: 2 Hz to 40 % of the rate, at most 15 kHz.
    n_bands : int, default 26
    frequencies : sequence of float, optional
        The bands themselves, in Hz, instead of the three above.
    w0 : float, default 6
        Radians of the wavelet's sinusoid per standard deviation of its Gaussian.
    truncate : float, default 5
        Standard deviations of the Gaussian kept on either side.
    reference : {"none", "average"}
        "average" subtracts the mean of the good channels of each electrode group.
    remainder : bool, default False
        Keep, as a row at 0 Hz, the signed signal below the lowest band.
    causal : bool, default False
        Delay each band by its filter's reach, so that no bin depends on a
        later sample. Slow bands then lag by seconds.
    engine : {"filterbank", "pywt", "reference"}
        "filterbank" is the fast one; "pywt" goes through PyWavelets and
        "reference" takes every sample in float64: both to read and compare.
    store : path, optional
        Folder of a Zarr store. By default a signal that comes from a file is
        kept in the cache folder under the hash of its recipe, and one in
        memory stays there.
    memory : int, default 1 GiB
        Bytes that the computation may use.
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
        If a band is too fast for the rate, or a bin shorter than a sample.

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
    signal = _good_channels(as_signal(signal, rate=rate))
    if causal and signal.support[1] > 0:
        raise NWBDecodeError(
            f"causal features read nothing after a bin, but samples of {signal.path!r} depend on "
            f"{signal.support[1]:g} s after them; take the signal with dff='trailing'"
        )
    asked = frequencies is not None or lowest is not None or highest is not None
    if signal.rate < SLOWEST_FOR_WAVELETS and not asked:
        return traces(
            signal, bin=bin, reference=reference, store=store, memory=memory, progress=progress
        )
    bands = _bands(signal.rate, frequencies, lowest, highest, n_bands)
    bins = make_bins(signal, bin)
    recipe = {
        "step": "wavelet_power",
        "bin": bins.width,
        "frequencies": bands.tolist(),
        "w0": float(w0),
        "truncate": float(truncate),
        "reference": reference,
        "remainder": bool(remainder),
        "causal": bool(causal),
        "engine": engine,
    }
    transform = _transform(signal.rate, bands, recipe)
    return _run(signal, bins, transform, recipe, store=store, memory=memory, progress=progress)


def traces(
    signal: Any,
    *,
    rate: float | None = None,
    bin: float | None = None,
    reference: Reference = "none",
    store: str | Path | None = None,
    memory: int = 1 << 30,
    progress: bool = True,
) -> xr.DataArray:
    """Average a slow signal in time bins, without wavelets.

    The decoder's window then supplies the lags. It is how fluorescence traces
    are decoded: their frame rate carries no bands.

    Parameters
    ----------
    signal, rate, bin, reference, store, memory, progress
        As for `wavelet_power`.

    Returns
    -------
    xarray.DataArray, dims (time, frequency, channel), float32
        One signed row at frequency 0, in the signal's units.
    """
    signal = _good_channels(as_signal(signal, rate=rate))
    bins = make_bins(signal, bin)
    recipe = {"step": "traces", "bin": bins.width, "frequencies": [0.0], "reference": reference}

    def make(samples: np.ndarray, origin: int, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
        from nwbdecode.features.filterbank import smooth_mean

        one = np.ones(1, dtype=np.float32)
        return smooth_mean(samples, one, first - origin, stop - origin)[:, None, :]

    return _run(
        signal, bins, _Transform(make, 0, 0), recipe, store=store, memory=memory, progress=progress
    )


def from_recipe(signal: Signal, recipe: dict[str, Any], **how: Any) -> xr.DataArray:
    """Compute the features that a recipe (``power.attrs["recipe"]``) describes, on any signal."""
    settings = {k: v for k, v in recipe.items() if k != "step"}
    if recipe.get("step") == "traces":
        settings.pop("frequencies")
        return traces(signal, **settings, **how)
    if recipe.get("step") != "wavelet_power":
        raise NWBDecodeError(
            f"unknown feature step {recipe.get('step')!r}; this version knows 'wavelet_power' and "
            "'traces'. A newer nwbdecode may have written it"
        )
    settings["frequencies"] = [f for f in settings["frequencies"] if f > 0]
    return wavelet_power(signal, **settings, **how)


def _good_channels(signal: Signal) -> Signal:
    if "bad" not in signal.channels:
        return signal
    good = ~signal.channels["bad"].to_numpy(dtype=bool)
    if not good.any():
        raise NWBDecodeError(
            f"all {len(good)} channels of {signal.path!r} are marked bad; unmark some"
        )
    return signal if good.all() else signal.select(channels=list(signal.channels.index[good]))


def _bands(
    rate: float,
    frequencies: Sequence[float] | None,
    lowest: float | None,
    highest: float | None,
    n_bands: int,
) -> np.ndarray:
    if frequencies is None:
        low = {} if lowest is None else {"lowest": lowest}
        return band_frequencies(rate, highest=highest, n_bands=n_bands, **low)
    bands = np.asarray(frequencies, dtype=np.float64)
    if bands.ndim != 1 or not bands.size or (np.diff(bands) <= 0).any():
        raise NWBDecodeError("`frequencies` must be ascending, without repeats, and not empty")
    check_frequencies(bands, rate)
    return bands


def _transform(rate: float, bands: np.ndarray, recipe: dict[str, Any]) -> _Transform:
    from nwbdecode.features import filterbank

    w0, truncate = recipe["w0"], recipe["truncate"]
    filters = [filterbank.make_band(f, rate, w0=w0, truncate=truncate) for f in bands]
    low_pass = _low_pass(float(bands[0]), rate) if recipe["remainder"] else None
    low_reach = 0 if low_pass is None else len(low_pass) // 2
    causal = recipe["causal"]
    if causal and recipe["engine"] != "filterbank":
        raise NWBDecodeError("causal features come from engine='filterbank' alone")

    def make(samples: np.ndarray, origin: int, first: np.ndarray, stop: np.ndarray) -> np.ndarray:
        if recipe["engine"] == "filterbank":
            rows = []
            for band in filters:
                lag = band.reach if causal else 0
                rows.append(filterbank.band_power(samples, origin, band, first - lag, stop - lag))
            out = np.stack(rows, axis=1)
        else:
            out = _slow_power(recipe, samples, bands, rate, first - origin, stop - origin)
        if low_pass is None:
            return out
        at = origin + (low_reach if causal else 0)
        row = filterbank.smooth_mean(samples, low_pass, first - at, stop - at)
        return np.concatenate([row[:, None, :], out], axis=1)

    reach = max(low_reach, *(band.reach for band in filters))
    return _Transform(make, before=2 * reach if causal else reach, after=0 if causal else reach)


@dataclass(frozen=True)
class _Transform:
    """From padded samples (channel, time) to (bin, frequency, channel).

    `before` and `after` are the samples beyond a bin's own that it depends on.
    """

    make: Callable[[np.ndarray, int, np.ndarray, np.ndarray], np.ndarray]
    before: int
    after: int


def _low_pass(lowest: float, rate: float) -> np.ndarray:
    """Gaussian taps whose gain is one half at half the lowest band."""
    sigma = np.sqrt(2 * np.log(2)) * rate / (np.pi * lowest)
    half = int(np.ceil(4 * sigma))
    taps = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    return (taps / taps.sum()).astype(np.float32)


def _slow_power(
    recipe: dict[str, Any],
    samples: np.ndarray,
    bands: np.ndarray,
    rate: float,
    first: np.ndarray,
    stop: np.ndarray,
) -> np.ndarray:
    if recipe["engine"] == "pywt":
        return _pywt_power(samples, bands, rate, first, stop, recipe["w0"])
    if recipe["engine"] != "reference":
        raise NWBDecodeError(
            f"unknown engine {recipe['engine']!r}; there are 'filterbank', 'pywt' and 'reference'"
        )
    time = np.zeros(len(first))
    bins = Bins(first, stop, time, time, time, time, 0.0)
    out = reference_power(
        samples.T, bins, bands, rate, w0=recipe["w0"], truncate=recipe["truncate"]
    )
    return out.astype(np.float32)


def _pywt_power(
    samples: np.ndarray,
    bands: np.ndarray,
    rate: float,
    first: np.ndarray,
    stop: np.ndarray,
    w0: float,
) -> np.ndarray:
    """Wavelet power through PyWavelets' ``cmor`` with the same Gaussian and center."""
    import pywt

    # exp(-t^2 / B) exp(2 pi i C t): B = 2 is a Gaussian of unit deviation.
    wavelet = pywt.ContinuousWavelet(f"cmor2.0-{w0 / (2 * np.pi)!r}")
    scales = w0 * rate / (2 * np.pi * bands)
    out = np.empty((len(first), len(bands), samples.shape[0]), dtype=np.float32)
    edges = np.stack([first, stop], axis=1).ravel()
    for c, row in enumerate(samples):
        # Its default precision steps through slow wavelets so coarsely that they lose shape.
        transform, _ = pywt.cwt(row.astype(np.float64), scales, wavelet, method="fft", precision=14)
        # Its gain at the band's own frequency is sqrt(scale) / 2 of the amplitude.
        power = 0.5 * np.abs(transform * 2 / np.sqrt(scales)[:, None]) ** 2
        sums = np.add.reduceat(np.pad(power, ((0, 0), (0, 1))), edges, axis=1)[:, ::2]
        out[:, :, c] = (sums / (stop - first)).T
    return out


def _run(
    signal: Signal,
    bins: Bins,
    transform: _Transform,
    recipe: dict[str, Any],
    *,
    store: str | Path | None,
    memory: int,
    progress: bool,
) -> xr.DataArray:
    """Walk the recording block by block and label what comes out."""
    from nwbdecode.blocks import cache_folder
    from nwbdecode.features.store import BLOCK, FeatureStore, recipe_hash

    rows = ([0.0] if recipe.get("remainder") else []) + list(recipe["frequencies"])
    shape = (len(bins), len(rows), signal.n_channels)
    at_once = _bins_at_once(signal, bins, transform, memory)
    groups = reference_groups(signal.channels, recipe["reference"])
    digest = ""
    kept: FeatureStore | None = None
    on_file = bool(signal.source.get("path"))
    if store is not None or on_file or 4 * np.prod(shape) > memory:
        digest = recipe_hash(recipe, signal)
        folder = Path(store) if store is not None else cache_folder() / "features" / digest
        kept = FeatureStore(folder if store is None else folder / digest, shape, recipe)
        todo = kept.missing()
        values: Any = None
    else:
        values = np.empty(shape, dtype=np.float32)
        todo = list(range(-(-shape[0] // BLOCK)))
    for block in _progress(todo, "features", progress and len(todo) > 4):
        low, high = block * BLOCK, min((block + 1) * BLOCK, len(bins))
        pieces = [(at, min(at + at_once, high)) for at in range(low, high, at_once)]
        out = np.concatenate([_block(signal, bins, transform, groups, *piece) for piece in pieces])
        if kept is None:
            values[low:high] = out
        else:
            kept.write(block, out)
    if kept is not None:
        values = kept.lazy()
    return _labelled(values, signal, bins, rows, recipe, digest, transform)


def _bins_at_once(signal: Signal, bins: Bins, transform: _Transform, memory: int) -> int:
    """Bins whose samples fit into the memory together with all that they reach."""
    sample_bytes = 4 * 4 * signal.n_channels
    reach = transform.before + transform.after
    per_bin = max(bins.width * signal.rate, 1.0)
    if (reach + per_bin) * sample_bytes > memory:
        raise NWBDecodeError(
            f"one bin of {signal.n_channels} channels and the {reach / signal.rate:.3g} s around "
            f"it need {(reach + per_bin) * sample_bytes / 1e9:.3g} GB; `memory` is "
            f"{memory / 1e9:.3g} GB. Raise it, raise the lowest band, or take fewer channels"
        )
    return int((memory / sample_bytes - reach) / per_bin)


def _block(
    signal: Signal,
    bins: Bins,
    transform: _Transform,
    groups: list[np.ndarray],
    low: int,
    high: int,
) -> np.ndarray:
    """Compute bins [low, high), segment by segment."""
    parts = []
    for index in np.unique(bins.segment[low:high]):
        inside = low + np.flatnonzero(bins.segment[low:high] == index)
        segment = signal.segments[index]
        first, stop = bins.first[inside], bins.stop[inside]
        begin, end = int(first[0]) - transform.before, int(stop[-1]) + transform.after
        wanted = np.arange(begin, end) - segment.start
        if begin < segment.start or end > segment.stop:
            size = segment.stop - segment.start
            # A mirror at the start would show a causal filter the future: hold the first sample.
            causal = transform.after == 0 < transform.before
            wanted = np.clip(wanted, 0, size - 1) if causal else reflected(wanted, size)
        start = int(wanted.min())
        read = signal.read_array(segment.start + start, segment.start + int(wanted.max()) + 1)
        read = subtract_average(read.astype(np.float32, copy=False), groups)
        samples = np.ascontiguousarray(read[wanted - start].T)
        parts.append(
            transform.make(
                samples, begin - segment.start, first - segment.start, stop - segment.start
            )
        )
    return np.concatenate(parts)


def _labelled(
    values: Any,
    signal: Signal,
    bins: Bins,
    rows: list[float],
    recipe: dict[str, Any],
    digest: str,
    transform: _Transform,
) -> xr.DataArray:
    import xarray as xr

    unit = signal.source.get("signal", {}).get("coordinates")
    known = {
        str(name): (
            "channel",
            signal.channels[name].to_numpy(),
            {"units": unit} if unit and name in ("x", "y", "z") else {},
        )
        for name in signal.channels.columns
    }
    # Bins round to whole samples: half of one more on either side.
    half = bins.width / 2 + 0.5 / signal.rate
    slowest = min(segment.rate for segment in signal.segments)
    support = [
        reach / slowest + half + own
        for reach, own in zip((transform.before, transform.after), signal.support, strict=True)
    ]
    source = dict(signal.source)
    place = dict(source.get("signal", {}))
    place.update(path=signal.path, object_id=signal.object_id, modality=signal.modality)
    place.update(units=signal.units, rate=signal.rate, start=float(bins.start[0]))
    place.update(stop=float(bins.end[-1]), channels=[_plain(c) for c in signal.channels.index])
    source["signal"] = place
    squared = signal.units if recipe["step"] == "traces" else f"{signal.units}^2"
    return xr.DataArray(
        xr.Variable(("time", "frequency", "channel"), values),
        coords={
            "time": ("time", bins.center, {"units": "seconds"}),
            "bin_start": ("time", bins.start),
            "bin_end": ("time", bins.end),
            "segment": ("time", bins.segment),
            "frequency": ("frequency", np.asarray(rows), {"units": "Hz"}),
            "channel": signal.channels.index.to_numpy(),
            **known,
        },
        name="power",
        attrs={
            "units": squared,
            "modality": signal.modality,
            "bin": bins.width,
            "support": support,
            "recipe": json.loads(json.dumps(recipe)),
            "source": source,
            "hash": digest,
        },
    )


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _progress(steps: Sequence[int], label: str, shown: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(steps, desc=label, unit="block", disable=not shown, leave=False)
