"""The convolutional decoder, an estimator by scikit-learn's contract."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from nwbdecode.decoder.base import Decoder, TrainingBins
from nwbdecode.decoder.calibration import (
    NOTHING_TO_CALIBRATE,
    check_calibration,
    check_targets,
    only_channels_learn,
    ready_to_calibrate,
)
from nwbdecode.decoder.coding import Coding
from nwbdecode.decoder.compact import Compact
from nwbdecode.decoder.frey2021 import STRIDE, Frey2021
from nwbdecode.decoder.linear import SHARES, LinearPath, cautious_share
from nwbdecode.decoder.passes import by_runs, by_windows
from nwbdecode.decoder.ridge import RidgeDecoder
from nwbdecode.decoder.scaling import Scaling, ScalingKind, scaled
from nwbdecode.decoder.schedule import Schedule, default, published, training_windows
from nwbdecode.decoder.threads import one_thread
from nwbdecode.decoder.training import History, loss_of, train_network
from nwbdecode.decoder.transfer import check_alike, refuse_same_session, take_over
from nwbdecode.decoder.windows import DecodeAt, Window, decodable
from nwbdecode.errors import NWBDecodeError, suggest

if TYPE_CHECKING:
    import xarray as xr

    from nwbdecode.decoding import StoredDecoder

ARCHITECTURES = ("compact", "frey2021")


class CNNDecoder(Decoder):
    """Decode behavior from wavelet power with a convolutional network.

    Any mix of linear, circular and categorical targets shares one network. A
    target's loss is divided by that of the best constant prediction, so that
    no weights need setting, and missing values do not count.

    Parameters
    ----------
    architecture : {"compact", "frey2021"}, default "compact"
        "compact" combines the bands of each channel, sums channels by their
        embeddings and convolves over time for each target apart, with a linear
        path beside; it reads log power.
        "frey2021" is the published network with its published training [1]_.
    window : int, default 64
        Bins read to decode one; a multiple of 16 for "frey2021".
    decode_at : {"center", "end"}, default "center"
        Which bin of the window is decoded. With "end" nothing after it is
        read; features computed with ``causal=True`` then make the whole
        decoder causal.
    hidden : int, default 64
        Width of each target's stream in the compact network.
    dropout : float, default 0.2
    lags : int, default 6
        Parts of the window whose means the compact network's linear path reads;
        0 for convolutions alone.
    learning_rate : float, optional
        1e-2 for "compact", 7e-4 for "frey2021".
    epochs : int, optional
        At most so many of 50 steps for "compact" (24; 12 to calibrate), of 250 for
        "frey2021" (20).
    patience : int, default 8
        Epochs without a better validation loss before training stops; 0 never.
    validation : float, default 0.15
        Share of the training bins set aside for early stopping, purged from
        the rest as test bins are. Where the gaps do not fit, training runs its
        course without.
    device : str, default "auto"
        "auto" takes a GPU if there is one.
    random_state : int, default 0
    init : StoredDecoder, optional
        A decoder of another session to begin from: what fits of its weights is
        taken over, channels by id and heads by name, kind and shape of target.
    calibrate : bool, default False
        Train alone what tells channels apart, of those that `init` never saw (of all, if
        it saw all), and keep all else as `init` has it: a few minutes of another
        recording then suffice.
    progress : bool, default False

    Attributes
    ----------
    network_ : torch.nn.Module
    codings_ : list of Coding
        How each target was encoded.
    scaling_ : Scaling
        How features were scaled.
    history_ : History
        Loss by epoch; one is the loss of a constant.
    transfer_ : dict or None
        What was taken over from `init`.
    ridge_ : RidgeDecoder
        What the linear path was set to; not kept in a stored decoder.
    frequencies_, channels_ : list
        Of the features it was fitted on.

    References
    ----------
    .. [1] Frey, M. et al. (2021). Interpreting wide-band neural activity using
       convolutional neural networks. eLife 10:e66551.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rng = np.random.default_rng(0)
    >>> power = xr.DataArray(
    ...     rng.gamma(2, size=(400, 3, 2)), dims=("time", "frequency", "channel"),
    ...     coords={"time": np.arange(400) / 30, "frequency": [4.0, 8.0, 16.0], "channel": [0, 1]},
    ...     attrs={"bin": 1 / 30},
    ... )
    >>> speed = power[:, 1, 0].drop_vars(["frequency", "channel"]).assign_attrs(kind="linear")
    >>> decoder = CNNDecoder(window=9, epochs=2).fit(power, xr.Dataset({"speed": speed}))
    >>> decoder.predict(power)["speed"].shape
    (400,)
    """

    def __init__(
        self,
        *,
        architecture: Literal["compact", "frey2021"] = "compact",
        window: int = 64,
        decode_at: DecodeAt = "center",
        hidden: int = 64,
        dropout: float = 0.2,
        lags: int = 6,
        learning_rate: float | None = None,
        epochs: int | None = None,
        patience: int = 8,
        validation: float = 0.15,
        device: str = "auto",
        random_state: int = 0,
        init: StoredDecoder | None = None,
        calibrate: bool = False,
        progress: bool = False,
    ):
        self.architecture = architecture
        self.window = window
        self.decode_at = decode_at
        self.hidden = hidden
        self.dropout = dropout
        self.lags = lags
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.patience = patience
        self.validation = validation
        self.device = device
        self.random_state = random_state
        self.init = init
        self.calibrate = calibrate
        self.progress = progress

    @property
    def window_(self) -> Window:
        if self.architecture == "frey2021" and self.decode_at == "center":
            # The published network's outputs stand at every 16th bin: the middle one.
            half = self.window // (2 * STRIDE) * STRIDE
            return Window(half, self.window - 1 - half)
        return Window.of(self.window, self.decode_at)

    def fit(
        self, power: xr.DataArray, targets: xr.Dataset, train: np.ndarray | None = None
    ) -> CNNDecoder:
        self.check_settings()
        bins = self._begin(power, targets, train)
        with self._threads():
            self._learn(power, targets, bins)
        return self

    def _learn(self, power: xr.DataArray, targets: xr.Dataset, bins: TrainingBins) -> None:
        device = self._device()
        kind: ScalingKind = "linear" if self.architecture == "frey2021" else "log"
        self.scaling_ = Scaling.learn(_values(power), _frequencies(power), bins.kept, kind)
        self.codings_ = [Coding.learn(target, bins.kept) for target in targets.values()]
        features = torch.from_numpy(scaled(power, self.scaling_)).to(device)
        truth = [
            torch.from_numpy(coding.encode(targets[coding.name])).to(device)
            for coding in self.codings_
        ]
        held = decodable(bins.held | _around(bins, self.window_), bins.segment, self.window_)
        held &= bins.held
        schedule, starts = self._windows(bins)
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.random_state)
            self.network_ = self._build(*power.shape[1:]).to(device)
            old = self._begin_from(power)
            self.transfer_ = None if old is None else take_over(self.network_, self, old)
            if old is not None and self.calibrate:
                ready_to_calibrate(self.network_, self, old)
            with only_channels_learn(self) if self.calibrate else nullcontext():
                self.history_ = self._train(features, truth, starts, schedule, held)
        line = self.network_.linear if isinstance(self.network_, Compact) else None
        if line is not None and not self.calibrate:  # which keeps that of `init`
            self.ridge_ = self._ridge().fit(power, targets, bins.train)
            self._set_linear(line, self.ridge_, features, truth, held)

    def _foreseen(self, power: xr.DataArray, targets: xr.Dataset, train: np.ndarray | None) -> Any:
        bins = super()._foreseen(power, targets, train)
        self._windows(bins)
        old = self._begin_from(power)
        if old is not None:
            check_alike(self, old)
            if self.calibrate:
                check_targets(self, old)
        return bins

    def _begin_from(self, power: xr.DataArray) -> CNNDecoder | None:
        """Give the decoder to begin from, if there is one that has not seen this session."""
        from nwbdecode.decoder import from_stored

        if self.init is None:
            if self.calibrate:
                raise NWBDecodeError(NOTHING_TO_CALIBRATE)
            return None
        refuse_same_session(self.init.config.get("sessions", []), power.attrs.get("source", {}))
        old = from_stored(self.init, device="cpu")
        if not isinstance(old, CNNDecoder):
            raise NWBDecodeError(
                f"a network cannot begin from a {type(old).__name__}; give a stored CNNDecoder"
            )
        # What the earlier sessions taught lives on: none of them may ever test this decoder.
        self.sessions_ = [*self.sessions_, *old.sessions_]
        return old

    def _ridge(self) -> RidgeDecoder:
        """Give the linear decoder behind the linear path, of the same window and bins."""
        return RidgeDecoder(
            window=self.window,
            decode_at=self.decode_at,
            lags=self.lags,
            validation=self.validation,
        )

    def _set_linear(
        self, path: LinearPath, ridge: RidgeDecoder, features: torch.Tensor,
        truth: list[torch.Tensor], held: np.ndarray,
    ) -> None:  # fmt: skip
        """Give each target the share of the linear path that serves it best on held bins."""

        def outputs(share: float, weights: np.ndarray) -> list[torch.Tensor]:
            path.share.fill_(share)
            path.set_weights(torch.as_tensor(weights, dtype=torch.float32))
            return self._forward(self.network_, features, held)

        if held.any():
            deep, wide = outputs(0.0, ridge.inner_weights_), outputs(1.0, ridge.inner_weights_)
            best = []
            for one, other, values, coding in zip(deep, wide, truth, self.codings_, strict=True):
                losses = [
                    loss_of((1 - a) * one[held] + a * other[held], values[held], coding).item()
                    for a in SHARES
                ]
                best.append(cautious_share(losses))
            path.share.copy_(torch.tensor(best))
        path.set_weights(torch.as_tensor(ridge.weights_, dtype=torch.float32))

    def _train(
        self,
        features: torch.Tensor,
        truth: list[torch.Tensor],
        starts: np.ndarray,
        schedule: Schedule,
        held: np.ndarray,
    ) -> History:
        from tqdm.auto import tqdm

        def validate(net: torch.nn.Module) -> float:
            outputs = self._forward(net, features, held)
            losses = [
                loss_of(out[held], values[held], coding).item()
                for out, values, coding in zip(outputs, truth, self.codings_, strict=True)
            ]
            return float(np.mean(losses))

        bar = tqdm(total=schedule.epochs, desc="training", leave=False, disable=not self.progress)

        def report(epoch: int, history: History) -> None:
            bar.update()
            bar.set_postfix(loss=f"{history.train[-1]:.3f}", held=f"{history.validation[-1]:.3f}")

        with bar:
            return train_network(
                self.network_, features, truth, self.codings_, starts,
                self._offsets(schedule.length), schedule,
                validate=validate if held.any() else None,
                generator=torch.Generator().manual_seed(self.random_state), report=report,
            )  # fmt: skip

    def check_settings(self) -> None:
        """Refuse settings that cannot work, as far as they tell without any data.

        Raises
        ------
        NWBDecodeError
        """
        if self.architecture not in ARCHITECTURES:
            raise NWBDecodeError(
                f"unknown architecture {self.architecture!r}. "
                f"{suggest(str(self.architecture), ARCHITECTURES)}"
            )
        if self.calibrate and self.architecture != "compact":
            raise NWBDecodeError(
                f"{self.architecture!r} has no weights that channels own, so it cannot be "
                "calibrated; leave out `calibrate`"
            )
        if self.calibrate and self.init is not None:
            check_calibration(self.get_params(), self.init.config.get("settings", {}))
        if self.architecture == "frey2021" and self.window % STRIDE:
            raise NWBDecodeError(
                f"the published network needs a window of a multiple of {STRIDE} bins; "
                f"found {self.window}"
            )

    def _device(self) -> torch.device:
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)

    def _threads(self) -> AbstractContextManager[None]:
        """Threads to work with: the published network has enough to do for all."""
        return nullcontext() if self.architecture == "frey2021" else one_thread()

    def _build(self, n_frequencies: int, n_channels: int) -> torch.nn.Module:
        heads = [coding.width for coding in self.codings_]
        if self.architecture == "frey2021":
            return Frey2021(n_frequencies, n_channels, heads)
        return Compact(
            n_frequencies, n_channels, heads, window=self.window, before=self.window_.before,
            hidden=self.hidden, dropout=self.dropout, lags=self.lags,
            classes=[coding.kind == "categorical" for coding in self.codings_],
        )  # fmt: skip

    def _schedule(self) -> Schedule:
        if self.architecture == "frey2021":
            return published(
                self.window, learning_rate=self.learning_rate, epochs=self.epochs,
                patience=self.patience,
            )  # fmt: skip
        return default(
            self.window, learning_rate=self.learning_rate, epochs=self.epochs,
            patience=self.patience, calibrate=self.calibrate,
        )  # fmt: skip

    def _windows(self, bins: TrainingBins) -> tuple[Schedule, np.ndarray]:
        return training_windows(self._schedule(), self.window, bins.kept, bins.segment)

    def _offsets(self, length: int) -> np.ndarray:
        """Bins of a training window at which the network's outputs stand."""
        if self.architecture == "frey2021":
            last = STRIDE - 1 if self.decode_at == "end" else 0
            return np.arange(0, length, STRIDE) + last
        return np.arange(length - self.window + 1) + self.window_.before

    def _forward(
        self, net: torch.nn.Module, features: torch.Tensor, wanted: np.ndarray
    ) -> list[torch.Tensor]:
        """Outputs on all bins, NaN where not wanted."""
        net.eval()
        widths, window = [coding.width for coding in self.codings_], self.window_
        if self.architecture == "frey2021":
            column = -1 if self.decode_at == "end" else window.before // STRIDE
            return by_windows(net, features, wanted, widths, window, column)
        return by_runs(net, features, wanted, widths, window)

    def _outputs(self, power: xr.DataArray, wanted: np.ndarray) -> list[np.ndarray]:
        device = next(self.network_.parameters()).device
        features = torch.from_numpy(scaled(power, self.scaling_)).to(device)
        with self._threads():
            outputs = self._forward(self.network_, features, wanted)
        return [out.cpu().numpy() for out in outputs]

    def _arrays(self) -> dict[str, np.ndarray]:
        state = self.network_.state_dict()
        return {f"network.{name}": value.cpu().numpy() for name, value in state.items()}

    def _restore(self, config: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> None:
        super()._restore(config, arrays)
        self.check_settings()
        sizes = len(self.frequencies_), len(self.channels_)
        with torch.device("meta"):  # shapes without memory: the settings may lie
            net = self._build(*sizes)
        state = {
            name.removeprefix("network."): torch.from_numpy(value.copy())
            for name, value in arrays.items()
            if name.startswith("network.")
        }
        expected = {name: tuple(value.shape) for name, value in net.state_dict().items()}
        found = {name: tuple(value.shape) for name, value in state.items()}
        if expected != found:
            wrong = sorted(set(expected.items()) ^ set(found.items()))[:3]
            raise NWBDecodeError(f"stored weights do not fit the stored settings, first at {wrong}")
        net = self._build(*sizes)
        net.load_state_dict(state)
        self.network_ = net.to(self._device()).eval()


def _around(bins: Any, window: Window) -> np.ndarray:
    """Bins that the windows of set-aside bins may read: those near enough, not kept."""
    where = np.flatnonzero(bins.held)
    near = np.zeros_like(bins.held)
    if where.size:
        grown = np.convolve(bins.held, np.ones(2 * window.size + 1), mode="same") > 0
        near = grown & bins.train & ~bins.kept
    return near


def _values(power: xr.DataArray) -> Any:
    """Index rows of the features without reading the rest."""

    class Rows:
        def __getitem__(self, where: np.ndarray) -> np.ndarray:
            return power[where].to_numpy()

    return Rows()


def _frequencies(power: xr.DataArray) -> np.ndarray:
    return power["frequency"].to_numpy()
