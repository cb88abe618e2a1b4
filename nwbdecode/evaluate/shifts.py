"""Sums over bins of one series against another shifted around in time, for every shift at once."""

from __future__ import annotations

from typing import Any

import numpy as np


def shifted_products(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Sum ``np.roll(y, shift) * p`` for every shift, by one Fourier transform.

    Parameters
    ----------
    y, p : float arrays, shape (time, ...)
        Each part beside time is shifted for itself. No NaN.

    Returns
    -------
    array of float64, shape (time, ...)
        By shift, from 0 on.

    Examples
    --------
    >>> shifted_products(np.array([1.0, 0.0, 0.0]), np.array([1.0, 2.0, 3.0])).round(9).tolist()
    [1.0, 2.0, 3.0]
    """
    from scipy.fft import irfft, rfft

    spectrum = rfft(p.astype(np.float64), axis=0) * rfft(y.astype(np.float64), axis=0).conj()
    return irfft(spectrum, len(y), axis=0)


def shifted_losses(kind: str, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Sum the losses of predictions against the truth shifted around in time, for every shift.

    Losses are those of `losses`; bins where either is unknown count nothing.

    Parameters
    ----------
    kind : {"linear", "circular", "categorical"}
    truth, predicted : arrays
        As for `losses`.

    Returns
    -------
    array of float64, shape (time,)
        By shift, from 0 on.
    """
    p = predicted.reshape(len(predicted), -1).astype(np.float64)
    y = truth.reshape(len(truth), -1).astype(np.float64)
    there: Any = np.isfinite(y).all(axis=1)
    given: Any = np.isfinite(p).all(axis=1)
    y, p = np.where(there[:, None], y, 0.0), np.where(given[:, None], p, 0.0)
    # All of these losses are sums of products of something of the one and something of the other.
    if kind == "linear":
        middle = y[there].mean(axis=0) if there.any() else 0.0
        y, p = np.where(there[:, None], y - middle, 0.0), np.where(given[:, None], p - middle, 0.0)
        squares = shifted_products(there, (p**2).sum(axis=1))
        squares += shifted_products((y**2).sum(axis=1), given)
        return squares - 2 * shifted_products(y, p).sum(axis=1)
    if kind == "circular":
        parts = shifted_products(there * np.cos(y[:, 0]), given * np.cos(p[:, 0]))
        parts += shifted_products(there * np.sin(y[:, 0]), given * np.sin(p[:, 0]))
        return shifted_products(there, given) - parts
    member = (y == np.arange(p.shape[1])) & there[:, None]
    surprise = np.where(given[:, None], -np.log(np.maximum(p, LEAST)), 0.0)
    return shifted_products(member, surprise).sum(axis=1)


#: Probability below which a class is not more surprising.
LEAST = 1e-6


def losses(kind: str, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Loss of every bin, NaN where unknown.

    Parameters
    ----------
    kind : {"linear", "circular", "categorical"}
    truth : array, shape (time,) or (time, component)
        Radians of angles, codes of classes.
    predicted : array of the same shape, or (time, class) probabilities

    Returns
    -------
    array of float64, shape (time,)
        Squared distance, one minus the cosine of the error, or minus log probability.
    """
    y, p = truth.astype(np.float64), predicted.astype(np.float64)
    if kind == "linear":
        squares = (p - y) ** 2
        return squares if squares.ndim == 1 else squares.sum(axis=1)
    if kind == "circular":
        return 1 - np.cos(p - y)
    codes = np.nan_to_num(y).astype(int)
    chosen = np.take_along_axis(p, codes[:, None], axis=1)[:, 0]
    return np.where(np.isfinite(y), -np.log(np.maximum(chosen, LEAST)), np.nan)


def shifted_sums(
    kind: str, truth: np.ndarray, predicted: np.ndarray, shifts: np.ndarray
) -> np.ndarray:
    """Sum what `metrics.terms` gives, with the truth shifted around in time.

    Parameters
    ----------
    kind, truth, predicted
        As for `metrics.metric_values`.
    shifts : int array

    Returns
    -------
    array of float64, shape (shift, term)
    """
    from nwbdecode.evaluate.metrics import terms

    size = len(truth)
    # What is summed of either alone is the same for every shift.
    sums = np.repeat(terms(kind, truth, predicted).sum(axis=0)[None], len(shifts), axis=0)
    if kind == "categorical":
        classes = sums.shape[1] // 2
        codes = np.arange(classes)
        member = truth.astype(int)[:, None] == codes
        hit = predicted.argmax(axis=1)[:, None] == codes
        sums[:, classes:] = np.round(shifted_products(member, hit))[shifts % size]
        return sums
    y = truth.reshape(size, -1).astype(np.float64)
    p = predicted.reshape(size, -1).astype(np.float64)
    if kind == "circular":
        p, y = np.angle(np.exp(1j * p)), np.angle(np.exp(1j * y))
        for column, (a, b) in enumerate(
            [(np.sin, np.sin), (np.sin, np.cos), (np.cos, np.sin), (np.cos, np.cos)], start=2
        ):
            sums[:, column] = shifted_products(a(y[:, 0]), b(p[:, 0]))[shifts % size]
    else:
        sums[:, 3 + 4 * y.shape[1] :] = shifted_products(y, p)[shifts % size]
    # Twice in a row, every shift of it is a view.
    twice, p = np.ascontiguousarray(np.tile(y, (2, 1)).T), np.ascontiguousarray(p.T)
    for row, shift in enumerate(shifts % size):
        apart = p - twice[:, size - shift : 2 * size - shift]
        if kind == "circular":
            error = np.abs(apart[0])
            sums[row, 1] = np.minimum(error, 2 * np.pi - error).sum()
        else:
            squares = (apart**2).sum(axis=0)
            sums[row, 1], sums[row, 2] = np.sqrt(squares).sum(), squares.sum()
    return sums
