"""Options that the shell's commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from nwbdecode.cli_imaging import IMAGING

if TYPE_CHECKING:
    from nwbdecode.config import FitConfig

Command = Callable[..., Any]


class Span(click.ParamType):
    """START:STOP in seconds, either of which may be left out."""

    name = "A:B"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float | None, float | None]:
        if isinstance(value, tuple):
            return value
        low, colon, high = str(value).partition(":")
        try:
            if not colon:
                raise ValueError
            return (float(low) if low else None, float(high) if high else None)
        except ValueError:
            self.fail(f"{value!r} is no time; write START:STOP in seconds, such as 0:600 or 600:")


TARGET = """\b
TARGET is [NAME=]PATH[[COLUMN,...]][,PATH][:DERIVATION[(OPTION=NUMBER,...)]][@KIND]
  behavior/Position/led1                   the series as it is
  run=behavior/Position/led1:speed         speed of a position, named run
  led1:speed(median=0.3,gaussian=0.2)      with its own smoothing, in seconds
  led1,led2:head_direction                 angle between two LEDs, front first
  stimulus/tone@categorical                classes rather than numbers
  led1[x]                                  one column of a series
  trials/choice                            a column, over each trial
  trials/choice:window(start=0,stop=0.5)   over a window after each trial's start
  events/licks:near(start=0,stop=0.2)      near an event, or away from all
A path may be cut to an end that is unique in the file."""


def common(command: Command) -> Command:
    """Give a command ``--json`` and ``--debug``."""

    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        ctx.meta["debug"] = value

    debug = click.option(
        "--debug", is_flag=True, expose_value=False, is_eager=True, callback=remember,
        help="Show a traceback for errors.",
    )  # fmt: skip

    def answer(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
        ctx.meta["json"] = value
        return value

    machine = click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=answer,
        help="Print the answer, or why there is none, as JSON on stdout.",
    )  # fmt: skip
    return machine(debug(command))


def writing(command: Command) -> Command:
    """Give a command ``--output`` and ``--exists``."""
    return _output(required=True)(_exists(command))


def writing_or_appending(command: Command) -> Command:
    """Give a command ``--output``, ``--append``, ``--exists`` and ``--run``."""
    append = click.option(
        "--append", is_flag=True,
        help="Add the result to SOURCE itself, a local file, instead of writing a new one.",
    )  # fmt: skip
    run = click.option("--run", metavar="NAME", help="Name of the run, if a file holds several.")
    return _output(required=False)(append(_exists(run(command), "skip")))


def writing_or_skipping(command: Command) -> Command:
    """Give a command ``--output`` and ``--exists``, which may skip what is done."""
    return _output(required=True)(_exists(command, "skip"))


def beginning(command: Command) -> Command:
    """Give a command ``--init``, ``--init-run`` and ``--match``."""
    init = click.option(
        "--init", type=click.Path(dir_okay=False), metavar="DECODED",
        help="Begin from the decoder that another session trained: a file that fit wrote.",
    )  # fmt: skip
    run = click.option(
        "--init-run",
        metavar="NAME",
        help="Which run of the file to begin from, if it holds several.",
    )
    return init(run(matching(command)))


def matching(command: Command) -> Command:
    """Give a command ``--match``."""
    return click.option(
        "--match", type=click.Choice(["id", "position", "order"]), default="id", show_default=True,
        help="How the channels trained on are found in SOURCE: by id, by nearest place, or one "
        "after the other.",
    )(command)  # fmt: skip


def _output(*, required: bool) -> Callable[[Command], Command]:
    return click.option(
        "-o", "--output", required=required, type=click.Path(dir_okay=False),
        help="NWB file to write.",
    )  # fmt: skip


def _exists(command: Command, *more: str) -> Command:
    skipping = " Skip: it is done already if it was made of the same by the same settings."
    return click.option(
        "--exists", type=click.Choice(["error", "replace", "new", *more]), default="error",
        show_default=True,
        help="If the file (or the run) is there: fail, replace it, or take the next free name."
        + (skipping if more else ""),
    )(command)  # fmt: skip


def reading_run(command: Command) -> Command:
    """Give a command ``--run``, of the result that it reads."""
    return click.option("--run", metavar="NAME", help="Which run of DECODED, if it holds several.")(
        command
    )


def from_network(command: Command) -> Command:
    """Give a command ``--download``."""
    return click.option(
        "--download", is_flag=True,
        help="Fetch a remote recording whole instead of streaming what is read.",
    )(command)  # fmt: skip


def selecting(command: Command) -> Command:
    """Give a command ``--signal``, ``--channels``, ``--time`` and the choice of epochs."""
    signal = click.option(
        "--signal", help="Path of the signal in the file, such as processing/ecephys/LFP/LFP."
    )
    channels = click.option(
        "--channels", metavar="QUERY",
        help="Ids such as 0,3,5-8, or a condition such as \"location == 'CA1'\".",
    )  # fmt: skip
    time = click.option(
        "--time", type=Span(), metavar="A:B",
        help="Seconds on the session's clock; either end may be left out.",
    )  # fmt: skip
    only = click.option(
        "--only", multiple=True, metavar="EPOCHS",
        help="Decode these times alone: a table of intervals such as trials, or rows of it such "
        "as \"epochs[label == 'run']\". May be given several times.",
    )  # fmt: skip
    exclude = click.option(
        "--exclude",
        multiple=True,
        metavar="EPOCHS",
        help="Let nothing read these times. The file's invalid_times always are among them.",
    )
    invalid = click.option(
        "--keep-invalid/--no-keep-invalid",
        default=None,
        help="Keep what the file marks as invalid_times, or not [not; predict: as in training].",
    )
    return signal(channels(time(only(exclude(invalid(command))))))


_MODALITY: dict[str, Any] = {
    "type": click.Choice(["ephys", "ecog"]),
    "help": "What the electrodes record, which decides defaults [by words in the file].",
}
_SETTINGS: list[tuple[str, str, dict[str, Any]]] = [
    ("--modality", "signal.modality", _MODALITY),
    ("--bin", "features.bin", {"type": float, "help": "Width of a time bin, s [1/30]."}),
    ("--lowest-frequency", "features.lowest",
     {"type": float, "help": "Lowest band, Hz [2]. Higher bands need less data."}),
    ("--highest-frequency", "features.highest",
     {"type": float,
      "help": "Highest band, Hz [40 % of the rate, at most 15000; ECoG: at most 200]."}),
    ("--bands", "features.n_bands", {"type": int, "help": "Number of log-spaced bands [26]."}),
    ("--reference", "features.reference",
     {"type": click.Choice(["none", "average", "median", "bipolar"]),
      "help": "What each electrode is referenced to in its group [none; ECoG: average]."}),
    ("--reference-by", "features.reference_by",
     {"metavar": "COLUMN",
      "help": "Column of the channel table that groups electrodes, or all [their group]."}),
    ("--notch", "features.notch",
     {"type": float, "metavar": "HZ",
      "help": "Remove line noise, 50 or 60 Hz, and its harmonics [not]."}),
    ("--remainder/--no-remainder", "features.remainder",
     {"default": None,
      "help": "Keep the slow signal below the bands, or not [not; ECoG: keep]."}),
    ("--causal", "features.causal",
     {"is_flag": True, "default": None,
      "help": "Read nothing after the decoded bin: causal bands and --decode-at end."}),
    ("--tolerance", "features.tolerance",
     {"type": float, "metavar": "SHARE",
      "help": "Relative error that stored power may have: 0.004 leaves a third of it [0]."}),
    ("--window", "decoder.window", {"type": int, "help": "Bins read to decode one [64]."}),
    ("--decode-at", "decoder.decode_at",
     {"type": click.Choice(["center", "end"]), "help": "Which bin of the window [center]."}),
    ("--architecture", "decoder.architecture",
     {"type": click.Choice(["compact", "frey2021"]), "help": "Network [compact]."}),
    ("--calibrate", "decoder.calibrate",
     {"is_flag": True, "default": None,
      "help": "With --init: train what tells channels apart, and keep all else."}),
    ("--epochs", "decoder.epochs", {"type": int, "help": "Most epochs of training."}),
    ("--device", "decoder.device", {"help": "cpu, cuda, mps or auto [auto]."}),
    ("--folds", "evaluation.folds", {"type": int, "help": "Blocks of cross-validation [5]."}),
    ("--seed", "seed", {"type": int, "help": "Seed of everything drawn [0]."}),
    ("--cache", "cache",
     {"type": click.Path(file_okay=False),
      "help": "Folder to keep features, traces and streams in."}),
    *IMAGING,
]  # fmt: skip


class Jobs(click.ParamType):
    """A number of processes, or auto."""

    name = "N"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "auto" or isinstance(value, int):
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is no number of processes; give one, -1 for all, or auto")


def of_modality(command: Command) -> Command:
    """Give a command ``--modality``, where it is no setting."""
    how = {**_MODALITY, "help": "What the electrodes record [as in training, or by the file]."}
    return click.option("--modality", **how)(command)


def in_parallel(command: Command) -> Command:
    """Give a command ``--jobs``."""
    return click.option(
        "--jobs", "n_jobs", type=Jobs(), default="auto", show_default=True,
        help="Processes that folds are trained in, with one thread each; -1 for all processors, "
        "1 for none beside this one. auto: as many as there are, if half the memory holds them.",
    )(command)  # fmt: skip


def on_cluster(command: Command) -> Command:
    """Give a command ``--scheduler``."""
    return click.option(
        "--scheduler", metavar="ADDRESS",
        help="Work on a Dask cluster, such as tcp://10.0.0.1:8786, instead of here. All machines "
        "must see recording and cache under the same path.",
    )(command)  # fmt: skip


def settings_of(
    config: str | None,
    given: dict[str, Any],
    *,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    keep_invalid: bool | None,
    no_importance: bool,
) -> FitConfig:
    """Make the settings of a file and of options, which win over it."""
    from nwbdecode.config import FitConfig

    changes = {k.replace("__", "."): v for k, v in given.items() if v is not None}
    if changes.get("features.causal"):
        changes["decoder.decode_at"] = "end"
    if no_importance:
        changes["evaluation.importance"] = []
    if keep_invalid is not None:
        changes["epochs.keep_invalid"] = keep_invalid
    changes |= {f"epochs.{k}": list(v) for k, v in (("only", only), ("exclude", exclude)) if v}
    return FitConfig.of(config).changed(changes)


def run_settings(command: Command) -> Command:
    """Give a command one option for each setting, in the order listed."""
    for flag, key, how in reversed(_SETTINGS):
        command = click.option(flag, key.replace(".", "__"), **how)(command)
    return command
