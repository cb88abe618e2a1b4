"""Parts of a decoded file that are read when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from nwbdecode.decoding import StoredDecoder
from nwbdecode.errors import NWBDecodeError
from nwbdecode.results.checked import Checked
from nwbdecode.results.jsontext import from_text
from nwbdecode.results.place import Place
from nwbdecode.results.weights import check_weights


class StoredArray(BackendArray):
    """A dataset of a decoded file as xarray indexes it; holds no open file.

    Parameters
    ----------
    place : Place
    path : str
        Of the dataset in the file.
    shape : tuple of int
    dtype : numpy.dtype
        To read it as; the file may hold a wider one.
    """

    def __init__(
        self, place: Place, path: str, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.place, self.path, self.shape, self.dtype = place, path, shape, dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        with self.place.opened() as held, damage_told(self.place.label):
            return np.asarray(held.numbers(self.path)[key]).astype(self.dtype, copy=False)

    def variable_data(self) -> indexing.MemoryCachedArray:
        """Give the array as a variable holds it: parts by index, the whole kept once read."""
        lazily = indexing.LazilyIndexedArray(self)
        return indexing.MemoryCachedArray(lazily)  # type: ignore[no-untyped-call]


class StoredDecoders(Mapping[str, StoredDecoder]):
    """Decoders of a file by label, each read and checked when it is asked for.

    Parameters
    ----------
    place : Place
    paths : mapping of label to path
    sessions : list of dict, optional
        Sessions they have seen, where their settings do not tell.
    """

    def __init__(
        self,
        place: Place,
        paths: Mapping[str, str],
        sessions: list[dict[str, Any]] | None = None,
    ) -> None:
        self._place, self._paths, self._sessions = place, dict(paths), sessions
        self._read: dict[str, StoredDecoder] = {}

    def __getitem__(self, label: str) -> StoredDecoder:
        if label not in self._read:
            path = self._paths[label]
            with self._place.opened() as held, damage_told(self._place.label):
                config = from_text(held.text(f"{path}/config"))
                weights = _bytes(held, f"{path}/weights")
                told = held.attribute(path, "sha256")
            stored = _checked(label, config, weights, told)
            if self._sessions is not None:
                stored = StoredDecoder({"sessions": self._sessions, **stored.config}, weights)
            self._read[label] = stored
        return self._read[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _bytes(held: Checked, path: str) -> bytes:
    data = held.numbers(path)
    if data.dtype != np.uint8 or data.ndim != 1:
        raise held.refused(path, f"holds {data.dtype} of shape {data.shape}, expected bytes")
    return np.asarray(data[()]).tobytes()


def _checked(label: str, config: Any, weights: bytes, told: str) -> StoredDecoder:
    if not isinstance(config, dict):
        raise NWBDecodeError(f"the config of decoder {label!r} is no JSON object")
    if hashlib.sha256(weights).hexdigest() != told:
        raise NWBDecodeError(
            f"the weights of decoder {label!r} do not match their SHA-256: the file is damaged. "
            "Get it anew or fit again"
        )
    check_weights(weights, label)
    return StoredDecoder(config=config, weights=weights)


@contextmanager
def damage_told(label: str) -> Iterator[None]:
    """Turn whatever a damaged file makes Python raise into one error that names the file."""
    try:
        yield
    except NWBDecodeError:
        raise
    except (
        KeyError, IndexError, TypeError, ValueError, AttributeError, OSError, RuntimeError,
        RecursionError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        raise NWBDecodeError(
            f"the decoding in {label!r} is damaged or was changed by another program "
            f"({type(error).__name__}: {str(error)[:300]}); get the file anew or fit again"
        ) from error
