"""Held-out error of the default network, of ridge and of the published network, and their time.

    python -m benchmarks.networks [--seeds 3] [--only compact ridge]
    python -m benchmarks.networks --modality ecog --seeds 1
    python -m benchmarks.networks --recording FILE --signal PATH --target SPEC --bin 0.1 --window 32
    python -m benchmarks.networks --only compact --epochs 2 ...
    python -m benchmarks.networks --steps
    python -m benchmarks.networks --table

One purged fold of the CA1 simulation, of that of another modality (with the bins, bands and
window that its demonstration takes), or of a recording of your own, is decoded by each
decoder with as many seeds (which also seed the simulation). The published network takes its
own full schedule, 20 epochs of 250 steps, which is half an hour of one core a seed. Each
result is a line of ``benchmarks/results/networks.jsonl``; what is there is not run again, so
an interrupted comparison goes on where it stopped. Chance is the 95 % point of scores against
circularly shifted targets. Seconds are CPU seconds of the fit, one thread.

``--epochs`` trains the networks for fewer: how few reach the published network's final
error tells how much sooner. ``--steps`` times one step of training, on 8 windows of 64 bins,
26 bands and 16 or 128 channels: CPU seconds of one thread, the networks in turn, the median
of the rounds and their range, and the ratio within rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import facts, spread

RESULTS = Path(__file__).parent / "results" / "networks.jsonl"
DECODERS = ("ridge", "compact", "frey2021")
#: What a table shows of a target: the first of these that it has.
MEASURES = ("balanced_accuracy", "r", "error")
#: Correlations that say little beside an error.
NOT_OF = {("r", "position"), ("r", "head_direction")}
#: What a modality's simulation is called in the results, and the signal that is decoded.
NAMES = {"ephys": "ca1", "ecog": "ecog", "ophys": "ophys traces"}
SIGNALS = {"ephys": "", "ecog": "", "ophys": "traces"}
#: Test block in the middle of the recording.
FOLD = 2


def main() -> None:
    asked = _arguments()
    if asked.table:
        print(table(done()))
        return
    if asked.steps:
        print(steps())
        return
    import torch

    torch.set_num_threads(1)
    name = Path(asked.recording).stem if asked.recording else NAMES[asked.modality]
    window = asked.window or (64 if asked.recording else settings(asked).decoder.window)
    for seed in range(asked.seeds):
        held = {(line["recording"], line["seed"], line["decoder"]) for line in done()}
        label = f" {asked.epochs} epochs" if asked.epochs else ""
        missing = [kind for kind in asked.only if (name, seed, kind + label) not in held]
        if not missing:
            continue
        power, targets = features(asked, seed)
        for kind in missing:
            line = {
                "recording": name,
                "seed": seed,
                "decoder": kind + label,
                "window": window,
            }
            line |= measured(kind, power, targets, seed, window, asked.epochs)
            RESULTS.parent.mkdir(exist_ok=True)
            with RESULTS.open("a") as file:
                file.write(json.dumps(line) + "\n")
    print(table(done()))


def steps(rounds: int = 5) -> str:
    """Time steps of both networks, append them to the results, and set them side by side."""
    import numpy as np
    import pandas as pd
    import torch

    torch.set_num_threads(1)
    rows, line = [], facts("nwbdecode", "torch")
    for channels in (16, 128):
        seconds: dict[str, list[float]] = {"compact": [], "frey2021": []}
        step = {kind: stepper(kind, channels) for kind in seconds}
        for round_ in range(rounds + 1):
            for kind, taken in seconds.items():
                began = time.process_time()
                step[kind]()
                if round_:  # the first makes room
                    taken.append(time.process_time() - began)
        ratio = np.array(seconds["frey2021"]) / seconds["compact"]
        told = {kind: spread(taken) for kind, taken in seconds.items()}
        rows.append({"channels": channels, **told, "frey2021 / compact": spread(ratio)})
        line[f"{channels} channels"] = seconds
    with (RESULTS.parent / "network_steps.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    return pd.DataFrame(rows).to_string(index=False)


def stepper(kind: str, channels: int) -> Any:
    """Make one step of training callable, on windows of noise."""
    import torch

    from nwbdecode.decoder.compact import Compact
    from nwbdecode.decoder.frey2021 import Frey2021

    heads, x = [2, 2, 1], torch.randn(8, 64, 26, channels)
    net: Any = Frey2021(26, channels, heads)
    if kind == "compact":
        net = Compact(26, channels, heads, window=64, before=31)
    optimizer = torch.optim.Adam(net.train().parameters(), 1e-3)

    def step() -> None:
        loss = torch.stack([out.square().mean() for out in net(x)]).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def features(asked: argparse.Namespace, seed: int) -> tuple[Any, Any]:
    """Compute power and targets of the simulation with this seed, or of the recording."""
    import nwbdecode as nd
    from nwbdecode import simulate
    from nwbdecode.demo import MODALITIES

    with tempfile.TemporaryDirectory() as scratch:
        if asked.recording:
            path, targets, signal, how, own = asked.recording, asked.target, asked.signal, {}, {}
        else:
            chosen, set_up = MODALITIES[asked.modality], settings(asked)
            path = Path(scratch) / "recording.nwb"
            getattr(simulate, chosen.write)(path, duration=chosen.duration, seed=seed)
            targets, (signal, _) = dict(chosen.targets), chosen.signals[SIGNALS[asked.modality]]
            how, own = set_up.features.model_dump(), set_up.signal.model_dump()
        if asked.bin:
            how["bin"] = asked.bin
        with nd.open(path) as source:
            power = nd.wavelet_power(source.signal(signal, **own), store=scratch, **how).load()
            return power, nd.align(source.targets(targets), power).load()


def settings(asked: argparse.Namespace) -> Any:
    """Give the settings that a modality's demonstration decodes with."""
    from nwbdecode.config import FitConfig
    from nwbdecode.demo import MODALITIES

    chosen = MODALITIES[asked.modality]
    return FitConfig.of(dict(chosen.settings)).changed(chosen.signals[SIGNALS[asked.modality]][1])


def measured(
    kind: str, power: Any, targets: Any, seed: int, window: int, epochs: int | None
) -> dict[str, Any]:
    """Fit a decoder on the training bins of one fold and score it on the test bins."""
    from nwbdecode.decoder import CNNDecoder, RidgeDecoder
    from nwbdecode.evaluate import PurgedKFold

    made: Any = RidgeDecoder(window=window)
    if kind != "ridge":
        # Patience 0: the published schedule is run to its end.
        published = {"patience": 0} if kind == "frey2021" else {}
        made = CNNDecoder(
            architecture=kind,
            window=window,
            random_state=seed,
            epochs=epochs,
            progress=True,
            **published,
        )
    fold = list(PurgedKFold().split(power, targets, CNNDecoder(window=window).window_))[FOLD]
    started = time.process_time(), time.perf_counter()
    made.fit(power, targets, fold.train)
    line: dict[str, Any] = {
        "cpu_seconds": round(time.process_time() - started[0], 1),
        "wall_seconds": round(time.perf_counter() - started[1], 1),
        "load_before": os.getloadavg()[2],
    }
    predictions = made.predict(power, fold.test)
    return line | {"scores": {name: scored(predictions[name], targets[name]) for name in targets}}


def scored(predicted: Any, truth: Any) -> dict[str, float]:
    """Give each metric of one target and the 95 % point of chance for it."""
    import numpy as np

    from nwbdecode.decoding import METRICS
    from nwbdecode.evaluate import metric_values
    from nwbdecode.evaluate.chance import chance_point, shifted_scores

    kind, y, q = truth.attrs["kind"], truth.to_numpy(), predicted.to_numpy()
    known = np.isfinite(y.reshape(len(y), -1)).all(1) & np.isfinite(q.reshape(len(q), -1)).all(1)
    values = metric_values(kind, y[known], q[known])
    null = shifted_scores(
        kind, y[known], q[known], least=300, n_shifts=1000, rng=np.random.default_rng(0)
    )
    chance = {f"chance_{m}": chance_point(null[m], better) for m, better in METRICS[kind].items()}
    return {name: round(float(value), 4) for name, value in {**values, **chance}.items()}


def done() -> list[dict[str, Any]]:
    """Read the results that are there."""
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text().splitlines()]


def table(lines: list[dict[str, Any]]) -> str:
    """Set mean and range over seeds side by side, and how much longer the published one trains."""
    import pandas as pd

    rows = []
    for line in lines:
        for target, scores in line["scores"].items():
            metric = next(m for m in MEASURES if m in scores and (m, target) not in NOT_OF)
            shared = {"recording": line["recording"], "measure": f"{target} {metric}"}
            rows.append({**shared, "decoder": line["decoder"], "value": scores[metric]})
            if line["decoder"] == "compact":
                rows.append({**shared, "decoder": "chance", "value": scores[f"chance_{metric}"]})
        rows.append({
            "recording": line["recording"], "measure": "CPU seconds of a fit",
            "decoder": line["decoder"], "value": line["cpu_seconds"],
        })  # fmt: skip
    grouped = pd.DataFrame(rows).dropna().groupby(["recording", "measure", "decoder"])["value"]
    shown = grouped.agg(
        lambda v: f"{v.mean():.3g} ({v.min():.3g}-{v.max():.3g}, n={len(v)})"
    ).unstack()
    means = grouped.mean().unstack()
    if {"compact", "frey2021"} <= set(means):
        time_row = means.index.get_level_values("measure") == "CPU seconds of a fit"
        ratio = (means["frey2021"] / means["compact"]).where(time_row)
        shown["frey2021 / compact"] = ratio.map("{:.1f} x".format).where(ratio.notna(), "")
    return shown.fillna("").to_string()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=DECODERS, default=DECODERS)
    parser.add_argument("--modality", choices=NAMES, default="ephys", help="which simulation")
    parser.add_argument("--recording", help="a file in place of a simulation")
    parser.add_argument("--signal")
    parser.add_argument("--target", nargs="+")
    parser.add_argument("--bin", type=float)
    parser.add_argument("--window", type=int, help="bins; by default the demonstration's, or 64")
    parser.add_argument("--epochs", type=int, help="train the networks for so many")
    parser.add_argument("--steps", action="store_true", help="time single steps of training")
    parser.add_argument("--table", action="store_true", help="print what is there, run nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
