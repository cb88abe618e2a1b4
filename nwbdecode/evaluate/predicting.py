"""Predictions by the decoders that a result holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.decoding import Decoding


def predict_out_of_fold(decoding: Decoding, power: xr.DataArray) -> xr.Dataset:
    """Predict a recording that was trained on, each bin by the decoder that never saw it.

    Parameters
    ----------
    decoding : Decoding
    power : DataArray
        The same features again, on the bins of ``decoding.predictions``.

    Returns
    -------
    Dataset
        Equal to ``decoding.predictions``.
    """
    from nwbdecode.decoder import from_stored

    fold_of = decoding.predictions["fold"].to_numpy()
    if not np.array_equal(power["time"], decoding.time):
        raise NWBDecodeError(
            "the features' bins are not those of the result; compute them by its recipe on the "
            "same time range"
        )
    merged: xr.Dataset | None = None
    for fold in np.unique(fold_of[fold_of >= 0]):
        part = from_stored(decoding.decoders[f"fold{fold}"]).predict(power, fold_of == fold)
        merged = part if merged is None else merged.fillna(part)
    if merged is None:
        raise NWBDecodeError("the result holds no out-of-fold prediction to reproduce")
    return attributed(merged, decoding.predictions, fold_of)


def predict_new(decoding: Decoding, power: xr.DataArray, *, use: str = "final") -> xr.Dataset:
    """Predict a recording that no decoder was trained on.

    Parameters
    ----------
    decoding : Decoding
    power : DataArray
        Features by the result's recipe.
    use : {"final", "ensemble"}
        The decoder refitted on all data, or the mean of the fold decoders
        (mean unit vector of angles).
    """
    from nwbdecode.decoder import from_stored

    if use not in ("final", "ensemble"):
        raise NWBDecodeError(f"`use` is 'final' or 'ensemble'; found {use!r}")
    names = [n for n in decoding.decoders if n.startswith("fold")]
    if use == "final" and "final" in decoding.decoders:
        names = ["final"]
    parts = [from_stored(decoding.decoders[name]).predict(power) for name in names]
    mean = parts[0]
    if len(parts) > 1:
        mean = parts[0].copy()
        for name, variable in parts[0].data_vars.items():
            stacked = np.stack([part[name].to_numpy() for part in parts])
            if variable.attrs["kind"] == "circular":
                value = np.angle(np.exp(1j * stacked).mean(axis=0))
            else:
                value = stacked.mean(axis=0)
            mean[name] = variable.copy(data=value.astype(np.float32))
    return attributed(mean, decoding.predictions, np.full(power.sizes["time"], -1, np.int16))


def attributed(part: xr.Dataset, targets: xr.Dataset, fold_of: np.ndarray) -> xr.Dataset:
    """Label predictions with the folds and the full attributes of their targets."""
    out = part.assign_coords(fold=("time", fold_of))
    for name in part.data_vars:
        out[name].attrs = {**targets[name].attrs, **part[name].attrs}
    return out
