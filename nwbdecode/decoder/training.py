"""The training loop: windows gathered from one array, losses that need no weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from nwbdecode.decoder.coding import Coding
from nwbdecode.decoder.schedule import Schedule


@dataclass
class History:
    """Losses by epoch, one at chance."""

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


def loss_of(outputs: torch.Tensor, truth: torch.Tensor, coding: Coding) -> torch.Tensor:
    """Loss of one target over its present values, divided by that of a constant.

    Parameters
    ----------
    outputs, truth : tensors, shape (..., width)
        Rows of `truth` that are NaN do not count.
    coding : Coding
    """
    present = torch.isfinite(truth).all(-1)
    if not bool(present.any()):
        return outputs.sum() * 0.0
    outputs, truth = outputs[present], truth[present]
    if coding.kind == "categorical":
        return functional.cross_entropy(outputs, truth) / coding.chance
    return functional.mse_loss(outputs, truth) / coding.chance


def train_network(
    net: nn.Module,
    features: torch.Tensor,
    truth: list[torch.Tensor],
    codings: list[Coding],
    starts: np.ndarray,
    offsets: np.ndarray,
    schedule: Schedule,
    *,
    validate: Callable[[nn.Module], float] | None,
    generator: torch.Generator,
    report: Callable[[int, History], None] | None = None,
) -> History:
    """Train in place and leave the best weights in `net`.

    Parameters
    ----------
    net : torch.nn.Module
    features : tensor, shape (time, frequency, channel)
        Scaled, on the device.
    truth : list of tensors, shape (time, width)
    codings : list of Coding
    starts : int array
        First bins that training windows may have.
    offsets : int array
        Where in a window its outputs are decoded.
    schedule : Schedule
    validate : callable, optional
        Gives the validation loss of a network; without it training runs its course.
    generator : torch.Generator
        Draws the windows.
    report : callable, optional
        Called after each epoch.
    """
    optimizer: torch.optim.Optimizer
    # One call a step instead of several for every weight: a tenth of the time on a CPU.
    fused = features.device.type in {"cpu", "cuda"} or None
    if schedule.optimizer == "amsgrad":
        optimizer = torch.optim.Adam(
            net.parameters(), schedule.learning_rate, amsgrad=True, fused=fused
        )
        annealed = None
    else:
        optimizer = torch.optim.AdamW(
            net.parameters(),
            schedule.learning_rate,
            weight_decay=schedule.weight_decay,
            fused=fused,
        )
        total = schedule.epochs * schedule.steps
        annealed = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, schedule.learning_rate, total_steps=total, pct_start=0.1
        )
    kept = copy.deepcopy(net) if schedule.average else net
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(  # type: ignore[no-untyped-call]
        schedule.average
    )
    # Listed once: torch's own `AveragedModel` walks through all modules at every step.
    running = [weight.detach() for weight in kept.parameters()]
    learned = [weight.detach() for weight in net.parameters()]
    at = torch.as_tensor(starts, device=features.device)
    within = torch.arange(schedule.length, device=features.device)
    decoded = torch.as_tensor(offsets, device=features.device)
    history, best, best_state, waited = History(), np.inf, None, 0
    for epoch in range(schedule.epochs):
        net.train()
        losses: list[torch.Tensor] = []
        for _ in range(schedule.steps):
            drawn = torch.randint(len(at), (schedule.batch,), generator=generator)
            first = at[drawn.to(at.device)][:, None]
            outputs = net(features[first + within])
            loss = torch.stack(
                [
                    loss_of(out, values[first + decoded], coding)
                    for out, values, coding in zip(outputs, truth, codings, strict=True)
                ]
            ).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
            if annealed is not None:
                annealed.step()
            if schedule.average and not history.train and not losses:
                for held, weight in zip(running, learned, strict=True):
                    held.copy_(weight)
            elif schedule.average:
                average(running, learned, None)
            losses.append(loss.detach())
        history.train.append(float(torch.stack(losses).mean()) / len(codings))
        value = np.nan if validate is None else validate(kept.eval())
        history.validation.append(value)
        if report is not None:
            report(epoch, history)
        if validate is None:
            continue
        if value < best:
            best, waited = value, 0
            best_state = {k: v.detach().clone() for k, v in kept.state_dict().items()}
        else:
            waited += 1
            if schedule.patience and waited >= schedule.patience:
                break
    net.load_state_dict(best_state if best_state is not None else kept.state_dict())
    net.eval()
    return history
