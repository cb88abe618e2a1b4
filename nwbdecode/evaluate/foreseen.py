"""Faults of a cross-validation that show before there are features to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.decoder.base import Decoder
    from nwbdecode.evaluate.splits import PurgedKFold


def foresee(
    decoder: Decoder, power: xr.DataArray, targets: xr.Dataset, cv: PurgedKFold, *, refit: bool
) -> None:
    """Refuse what `cross_validate` would, as far as labels and targets tell.

    Parameters
    ----------
    decoder : Decoder
    power : DataArray (time, frequency, channel)
        From `nwbdecode.features.power_labels`; values are not looked at.
    targets : Dataset on the bins of `power`
    cv : PurgedKFold
    refit : bool
        Whether a decoder is fitted on all data too.

    Raises
    ------
    NWBDecodeError
        If the recording is too short for its folds and gaps, a class or all that changes
        in a target is missing from a fold's training data, or the decoder cannot begin
        from the one that it shall begin from.
    """
    folds = list(cv.split(power, targets, decoder.window_))
    cv.check_classes(folds, power, targets, decoder.window_)
    for train in [*(fold.train for fold in folds), *([None] if refit else [])]:
        decoder.foresee(power, targets, train)
