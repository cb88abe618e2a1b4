"""Cross-validation: decoders fitted on folds, and all that comes of it in one container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from nwbdecode.decoding import Decoding
from nwbdecode.errors import NWBDecodeError, suggest
from nwbdecode.evaluate.jobs import job_count, side_by_side
from nwbdecode.evaluate.predicting import attributed
from nwbdecode.evaluate.scores import check_shifts, score
from nwbdecode.evaluate.splits import Fold, PurgedKFold

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.cluster import Cluster
    from nwbdecode.decoder.base import Decoder

_FEW_BINS = 3
#: Coordinates of the bins that no result keeps.
_HELPERS = ("bin_start", "bin_end", "segment", "trial")


def cross_validate(
    decoder: Decoder,
    power: xr.DataArray,
    targets: Mapping[str, xr.DataArray] | xr.Dataset,
    *,
    cv: PurgedKFold | None = None,
    refit: bool = True,
    baselines: Sequence[str] = ("ridge",),
    n_shifts: int = 1000,
    random_state: int = 0,
    n_jobs: int | None = None,
    client: Cluster | None = None,
    progress: bool = True,
) -> Decoding:
    """Predict every bin by a decoder that never saw it, and score the predictions.

    Parameters
    ----------
    decoder : CNNDecoder or RidgeDecoder
        Cloned for each fold; the one given stays unfitted.
    power : DataArray (time, frequency, channel)
        From `wavelet_power` or `traces`.
    targets : mapping of str to DataArray, or Dataset on the bins of `power`
        A mapping is brought to the bins by `align`.
    cv : PurgedKFold, optional
        Five purged folds by default.
    refit : bool, default True
        Also fit a "final" decoder on all data, for other recordings.
    baselines : sequence of {"ridge"}, default ("ridge",)
        Decoders fitted on the same windows, decoded bins and folds.
    n_shifts : int, default 1000
        Circular shifts that chance is measured with, one at least.
    random_state : int, default 0
        Draws shifts and bootstrap; the decoder has its own.
    n_jobs : int, optional
        Processes that folds are trained in side by side, with one thread each; -1 for
        as many as there are processors. By default 1, this one. Any number gives the same
        results.
    client : distributed.Client or str, optional
        Dask cluster whose workers train the folds instead, or the address of its
        scheduler; the results are the same. Features that lie in
        a folder which all machines share are read there; others travel.
    progress : bool, default True

    Returns
    -------
    Decoding

    Raises
    ------
    NWBDecodeError
        If the recording is too short for its folds and gaps, a target is unusable, a
        channel holds no number, chance is not to be measured, or the cluster cannot be used.
    """
    import xarray as xr
    from tqdm.auto import tqdm

    from nwbdecode.cluster import connected
    from nwbdecode.features.align import align
    from nwbdecode.features.lost import tell_lost

    check_shifts(n_shifts)
    if not isinstance(targets, xr.Dataset):
        targets = align(targets, power)
    others = {name: _baseline(name, decoder) for name in baselines}
    tell_lost(power)
    cv = cv or PurgedKFold()
    folds = list(cv.split(power, targets, decoder.window_))
    cv.check_classes(folds, power, targets, decoder.window_)
    fitted: dict[str, Decoder] = {}
    predicted: dict[str, xr.Dataset] = {}
    asked: list[Fold | None] = [*folds, *([None] if refit else [])]
    with (
        connected(client) as cluster,
        tqdm(total=len(asked), desc="folds", disable=not progress) as bar,
        closing(
            side_by_side(
                _fitted, ((fold,) for fold in asked), job_count(n_jobs, len(asked), client),
                shared=(decoder, others, power, targets), client=cluster,
                done=lambda number: bar.update(),
            )
        ) as trained,
    ):  # fmt: skip
        for k, fold in enumerate(asked):
            # The first of those that are being trained.
            bar.set_postfix_str(
                "final decoder, all data" if fold is None else f"fold {k + 1} of {len(folds)}"
            )
            own, parts = next(trained)
            fitted["final" if fold is None else f"fold{k}"] = own
            for name, part in parts.items():
                predicted[name] = part if name not in predicted else predicted[name].fillna(part)
    fold_of = _fold_of(folds, predicted["cnn"])
    predictions = attributed(predicted.pop("cnn"), targets, fold_of)
    beside = {name: attributed(part, targets, fold_of) for name, part in predicted.items()}
    truth = attributed(targets.drop_vars(_HELPERS, errors="ignore"), targets, fold_of)
    return Decoding(
        predictions=predictions,
        truth=truth,
        baselines=beside,
        scores=score(
            {"cnn": predictions, **beside}, truth, fold_of, folds[0].gap,
            n_shifts=n_shifts, random_state=random_state,
        ),
        folds=_fold_table(folds),
        history=_history(fitted),
        decoders={name: own.to_stored() for name, own in fitted.items()},
        channels=_channels(power),
        recipe=_recipe(decoder, power, targets, cv),
        source=dict(power.attrs.get("source", {})),
    )  # fmt: skip


def _fitted(
    decoder: Decoder,
    others: Mapping[str, Decoder],
    power: xr.DataArray,
    targets: xr.Dataset,
    fold: Fold | None,
) -> tuple[Decoder, dict[str, xr.Dataset]]:
    """Fit a decoder and those beside it on one fold, and predict its test bins; or on all."""
    from sklearn.base import clone

    if fold is None:
        return clone(decoder).fit(power, targets), {}
    own = clone(decoder).fit(power, targets, fold.train)
    models = {"cnn": own}
    for name, model in others.items():
        models[name] = _held_by(own, model) or clone(model).fit(power, targets, fold.train)
    return own, {name: model.predict(power, fold.test) for name, model in models.items()}


def outline(
    decoder: Decoder, power: xr.DataArray, targets: xr.Dataset, cv: PurgedKFold
) -> Decoding:
    """Give what `cross_validate` will make, as far as it is known before anything is trained.

    Parameters
    ----------
    decoder, power, cv
        As for `cross_validate`.
    targets : Dataset on the bins of `power`

    Returns
    -------
    Decoding
        Of a few bins, without scores; names, labels, attributes and recipe are those of
        the result.

    Raises
    ------
    NWBDecodeError
        If a target is unusable.
    """
    import xarray as xr
    from safetensors.numpy import save

    from nwbdecode.decoder.coding import Coding
    from nwbdecode.decoding import StoredDecoder

    whole = np.ones(targets.sizes["time"], dtype=bool)
    codings = [Coding.learn(target, whole) for target in targets.data_vars.values()]
    few = targets.isel(time=slice(0, _FEW_BINS)).drop_vars(_HELPERS, errors="ignore")
    fold_of = np.full(few.sizes["time"], -1, dtype=np.int16)
    nothing = {
        one.name: one.labelled(one.decode(np.zeros((len(fold_of), one.width)))) for one in codings
    }
    known = {"codings": [one.as_json() for one in codings]}
    empty = xr.Dataset()
    return Decoding(
        predictions=attributed(xr.Dataset(nothing, {"time": few["time"]}), few, fold_of),
        truth=attributed(few, few, fold_of),
        scores=empty, folds=empty, history=empty,
        decoders={"final": StoredDecoder(known, save({}))},
        channels=_channels(power),
        recipe=_recipe(decoder, power, targets, cv),
        source=dict(power.attrs.get("source", {})),
    )  # fmt: skip


def _baseline(name: str, decoder: Decoder) -> Decoder:
    from nwbdecode.decoder.ridge import RidgeDecoder

    if name != "ridge":
        raise NWBDecodeError(f"unknown baseline {name!r}. {suggest(name, ['ridge'])}")
    return RidgeDecoder(window=decoder.window, decode_at=decoder.decode_at)


def _held_by(own: Decoder, baseline: Decoder) -> Decoder | None:
    """Find a baseline of the same settings that a decoder fitted for itself on the same bins."""
    ridge = getattr(own, "ridge_", None)
    same = ridge is not None and ridge.get_params() == baseline.get_params()
    return ridge if same else None


def _fold_of(folds: Sequence[Fold], predicted: xr.Dataset) -> np.ndarray:
    out = np.full(predicted.sizes["time"], -1, dtype=np.int16)
    first = next(iter(predicted.data_vars.values())).to_numpy()
    made = np.isfinite(first.reshape(len(first), -1)).all(axis=1)
    for k, fold in enumerate(folds):
        out[fold.test & made] = k
    return out


def _fold_table(folds: Sequence[Fold]) -> xr.Dataset:
    import xarray as xr

    return xr.Dataset(
        {
            "start": ("fold", [fold.start for fold in folds]),
            "stop": ("fold", [fold.stop for fold in folds]),
            "gap": ("fold", [fold.gap for fold in folds]),
            "train_bins": ("fold", [int(fold.train.sum()) for fold in folds]),
            "test_bins": ("fold", [int(fold.test.sum()) for fold in folds]),
        },
        coords={"fold": np.arange(len(folds))},
    )


def _history(fitted: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr

    curves = {n: own.history_ for n, own in fitted.items() if hasattr(own, "history_")}
    longest = max((len(curve.train) for curve in curves.values()), default=0)

    def padded(values: list[float]) -> np.ndarray:
        return np.pad(np.array(values, float), (0, longest - len(values)), constant_values=np.nan)

    def table(which: str) -> np.ndarray:
        rows = [padded(getattr(curve, which)) for curve in curves.values()]
        return np.array(rows).reshape(len(curves), longest)

    return xr.Dataset(
        {
            "train_loss": (("decoder", "epoch"), table("train")),
            "validation_loss": (("decoder", "epoch"), table("validation")),
        },
        coords={"decoder": list(curves), "epoch": np.arange(longest)},
    )


def _channels(power: xr.DataArray) -> xr.Dataset:
    import xarray as xr

    held: dict[Any, Any] = {
        name: ("channel", coord.to_numpy(), coord.attrs)
        for name, coord in power.coords.items()
        if coord.dims == ("channel",)
    }
    held.setdefault("channel", ("channel", np.arange(power.sizes["channel"])))
    return xr.Dataset(coords=held)


def _recipe(
    decoder: Decoder, power: xr.DataArray, targets: xr.Dataset, cv: PurgedKFold
) -> dict[str, Any]:
    import json

    from nwbdecode import __version__

    recipe = {
        "nwbdecode": __version__,
        "features": power.attrs.get("recipe", {}),
        "targets": {
            str(n): {"spec": t.attrs.get("spec", ""), "kind": t.attrs["kind"]}
            for n, t in targets.data_vars.items()
        },
        "decoder": {"decoder": type(decoder).__name__, "settings": decoder.settings()},
        "cv": {"n_splits": cv.n_splits, "gap": cv.gap},
        "window": [decoder.window_.before, decoder.window_.after],
        "support": list(power.attrs.get("support", (0.0, 0.0))),
    }
    return json.loads(json.dumps(recipe, default=str))
