"""The shell's door: one command a stage, prose on stderr, results on stdout.

Heavy imports stay inside the commands, so that help comes at once.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from nwbdecode import __version__
from nwbdecode.cli_imaging import IMAGING
from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from nwbdecode.decoding import Decoding

Command = Callable[..., Any]

_TARGET = """\b
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


class _Door(click.Group):
    """A group whose commands tell the user's errors in one line and exit 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (NWBDecodeError, OSError) as error:
            if ctx.meta.get("debug"):
                raise
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)


class _Span(click.ParamType):
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


@click.group(cls=_Door, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nwbdecode")
def cli() -> None:
    """Decode behavior from the raw signals of an NWB file.

    \b
    See what a file holds, decode it, look at the result:
      nwbdecode inspect session.nwb
      nwbdecode fit session.nwb --target behavior/Position/led1:speed -o decoded.nwb
      nwbdecode report decoded.nwb -o report.html
    Decode another recording with the same decoders:
      nwbdecode predict decoded.nwb other.nwb -o other_decoded.nwb
    No recording at hand:
      nwbdecode demo

    Every command takes --help, --json (a machine's answer on stdout) and --debug
    (a traceback for errors). Exit codes: 0 done, 1 failed, 2 wrong usage.
    """


def _common(command: Command) -> Command:
    """Give a command ``--json`` and ``--debug``."""

    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        ctx.meta["debug"] = value

    debug = click.option(
        "--debug", is_flag=True, expose_value=False, is_eager=True, callback=remember,
        help="Show a traceback for errors.",
    )  # fmt: skip
    machine = click.option(
        "--json", "as_json", is_flag=True, help="Print the answer as JSON on stdout."
    )
    return machine(debug(command))


def _writing(command: Command) -> Command:
    """Give a command ``--output`` and ``--overwrite``."""
    output = click.option(
        "-o", "--output", required=True, type=click.Path(dir_okay=False), help="NWB file to write."
    )
    overwrite = click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
    return output(overwrite(command))


def _from_network(command: Command) -> Command:
    """Give a command ``--download``."""
    return click.option(
        "--download", is_flag=True,
        help="Fetch a remote recording whole instead of streaming what is read.",
    )(command)  # fmt: skip


def _selecting(command: Command) -> Command:
    """Give a command ``--signal``, ``--channels``, ``--time`` and the choice of epochs."""
    signal = click.option(
        "--signal", help="Path of the signal in the file, such as processing/ecephys/LFP/LFP."
    )
    channels = click.option(
        "--channels", metavar="QUERY",
        help="Ids such as 0,3,5-8, or a condition such as \"location == 'CA1'\".",
    )  # fmt: skip
    time = click.option(
        "--time", type=_Span(), metavar="A:B",
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
        "--keep-invalid", is_flag=True, help="Keep what the file marks as invalid_times."
    )
    return signal(channels(time(only(exclude(invalid(command))))))


@cli.command()
@click.argument("source", type=click.Path())
@click.option("--full", is_flag=True, help="Read every clock and value rather than probe them.")
@_from_network
@_common
def inspect(source: str, full: bool, download: bool, as_json: bool) -> None:
    """List what SOURCE holds: signals to decode from, targets to decode.

    SOURCE is a path or an address; of a dandiset, its NWB files are listed.

    \b
    nwbdecode inspect session.nwb
    nwbdecode inspect session.nwb --json | jq -r '.signals[].path'
    nwbdecode inspect DANDI:000552
    nwbdecode inspect 'DANDI:000552/sub-*/*.nwb'
    nwbdecode inspect DANDI:000552@draft/sub-x/sub-x_ses-1.nwb
    """
    from nwbdecode.load import open as open_source
    from nwbdecode.load.display import as_text, listed_assets
    from nwbdecode.load.location import assets, is_several

    if is_several(source):
        there = assets(source)
        facts = [asset.facts() for asset in there]
        click.echo(_json({"assets": facts}) if as_json else listed_assets(there))
        return
    with open_source(source, download=download) as opened:
        found = opened.catalog(full=full)
    click.echo(_json(found) if as_json else as_text(found))


_SETTINGS: list[tuple[str, str, dict[str, Any]]] = [
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
    ("--window", "decoder.window", {"type": int, "help": "Bins read to decode one [64]."}),
    ("--decode-at", "decoder.decode_at",
     {"type": click.Choice(["center", "end"]), "help": "Which bin of the window [center]."}),
    ("--architecture", "decoder.architecture",
     {"type": click.Choice(["compact", "frey2021"]), "help": "Network [compact]."}),
    ("--epochs", "decoder.epochs", {"type": int, "help": "Most epochs of training."}),
    ("--device", "decoder.device", {"help": "cpu, cuda, mps or auto [auto]."}),
    ("--folds", "evaluation.folds", {"type": int, "help": "Blocks of cross-validation [5]."}),
    ("--seed", "seed", {"type": int, "help": "Seed of everything drawn [0]."}),
    ("--cache", "cache",
     {"type": click.Path(file_okay=False), "help": "Folder to keep features in."}),
    *IMAGING,
]  # fmt: skip


def _settings(command: Command) -> Command:
    """Give a command one option for each setting, in the order listed."""
    for flag, key, how in reversed(_SETTINGS):
        command = click.option(flag, key.replace(".", "__"), **how)(command)
    return command


@cli.command(epilog=_TARGET)
@click.argument("source", type=click.Path())
@click.option(
    "--target", "targets", multiple=True, required=True, metavar="TARGET",
    help="What to decode, as below; may be given several times.",
)  # fmt: skip
@_selecting
@_from_network
@_writing
@_settings
@click.option("--no-importance", is_flag=True, help="Skip importance; it can be added later.")
@click.option("--config", type=click.Path(dir_okay=False), help="TOML or JSON file of settings.")
@_common
def fit(
    source: str, targets: tuple[str, ...], signal: str | None, channels: str | None,
    time: tuple[float | None, float | None] | None, only: tuple[str, ...],
    exclude: tuple[str, ...], keep_invalid: bool, output: str, overwrite: bool,
    no_importance: bool, config: str | None, download: bool, as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Decode targets from a signal of SOURCE, cross-validated, into a new NWB file.

    \b
    nwbdecode fit session.nwb --signal processing/ecephys/LFP/LFP \\
      --target processing/behavior/Position/led1:speed --output decoded.nwb
    nwbdecode fit session.nwb --target position --channels "location == 'CA1'" \\
      --time 0:1200 --bin 0.1 --window 32 -o decoded.nwb
    nwbdecode fit session.nwb --target tone@categorical --config settings.toml -o decoded.nwb
    nwbdecode fit session.nwb --target trials/choice --only trials \\
      --exclude "epochs[label == 'stimulation']" -o decoded.nwb

    Options win over the settings file, whose sections are [signal], [features], [epochs],
    [decoder] and [evaluation].
    """
    from nwbdecode import pipeline
    from nwbdecode.config import FitConfig
    from nwbdecode.load import open as open_source
    from nwbdecode.load.epochs import notes_of
    from nwbdecode.load.targets import announced

    changes = {k.replace("__", "."): v for k, v in given.items() if v is not None}
    if changes.get("features.causal"):
        changes["decoder.decode_at"] = "end"
    if no_importance:
        changes["evaluation.importance"] = []
    if keep_invalid:
        changes["epochs.keep_invalid"] = True
    changes |= {f"epochs.{k}": list(v) for k, v in (("only", only), ("exclude", exclude)) if v}
    settings = FitConfig.of(config).changed(changes)
    pipeline.check_output(output, overwrite=overwrite)
    with open_source(source, download=download) as opened:
        taken = opened.signal(
            signal, channels=channels, time=time, **settings.signal.model_dump(),
            **settings.epochs.model_dump(), cache=settings.cache,
        )  # fmt: skip
        read = opened.targets(list(targets))
        for line in (*map(announced, read.values()), *notes_of(taken)):
            click.echo(line, err=True)
        _announce(pipeline.estimate(taken, settings))
        result = pipeline.fit(
            opened, taken.path, read, output,
            config=settings, channels=channels, time=time, overwrite=overwrite,
        )  # fmt: skip
    _tell(result, {"output": output}, as_json=as_json)


@cli.command()
@click.argument("decoded", type=click.Path(dir_okay=False))
@click.argument("source", type=click.Path())
@_writing
@click.option(
    "--use", type=click.Choice(["auto", "final", "ensemble"]), default="auto", show_default=True,
    help="Which decoders: the ones that may be scored, the refitted one, or the folds' mean.",
)  # fmt: skip
@_selecting
@_from_network
@_common
def predict(
    decoded: str, source: str, output: str, overwrite: bool, use: Any, signal: str | None,
    channels: str | None, time: tuple[float | None, float | None] | None,
    only: tuple[str, ...], exclude: tuple[str, ...], keep_invalid: bool, download: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Decode SOURCE with the decoders in DECODED, a file that fit wrote.

    On the recording that they were trained on, every bin is predicted by the
    decoder that never saw it; on any other, by the one refitted on all data.

    \b
    nwbdecode predict monday_decoded.nwb tuesday.nwb -o tuesday_decoded.nwb
    """
    from nwbdecode import pipeline
    from nwbdecode.load import open as open_source

    result = pipeline.predict(
        decoded, open_source(source, download=download), output, use=use, signal=signal,
        channels=channels, time=time, only=only, exclude=exclude, keep_invalid=keep_invalid,
        overwrite=overwrite,
    )  # fmt: skip
    said = result.recipe["prediction"]
    about = {
        k: said[k] for k in ("use", "in_sample", "unscored", "largest_difference") if k in said
    }
    if said["in_sample"]:
        click.echo("predicted in-sample: the decoder was trained on this, so no score", err=True)
    for name, why in said["unscored"].items():
        click.echo(f"{name} is not scored: {why}", err=True)
    _tell(result, {"output": output, **about}, as_json=as_json)


@cli.command()
@click.argument("decoded", type=click.Path(dir_okay=False))
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), help="HTML file to write."
)
@_common
def report(decoded: str, output: str, as_json: bool) -> None:
    """Show DECODED in one self-contained HTML file: scores, traces, arena, importance.

    \b
    nwbdecode report decoded.nwb --output report.html
    """
    from nwbdecode.explore import report as write_report

    path = write_report(decoded, output)
    click.echo(_json({"output": str(path)}) if as_json else f"report: {path}")


@cli.command()
@click.argument("decoded", type=click.Path(dir_okay=False))
@click.option("--source", type=click.Path(), help="The recording, if it moved since the fit.")
@click.option(
    "--by", multiple=True, type=click.Choice(["frequency", "channel"]),
    default=("frequency", "channel"), show_default=True,
)  # fmt: skip
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@_writing
@_common
def importance(
    decoded: str, source: str | None, by: tuple[str, ...], repeats: int, seed: int,
    output: str, overwrite: bool, as_json: bool,
) -> None:  # fmt: skip
    """Measure which bands and channels of DECODED carry the information.

    \b
    nwbdecode importance decoded.nwb --output with_importance.nwb
    nwbdecode importance decoded.nwb --repeats 20 --overwrite --output decoded.nwb
    """
    from nwbdecode import pipeline
    from nwbdecode.results import write

    pipeline.check_output(output, overwrite=overwrite)
    result = pipeline.importance(decoded, source=source, by=by, repeats=repeats, random_state=seed)
    write(result, output, overwrite=overwrite)
    for axis in by:
        table = result.importance[axis]["value"].to_pandas().T
        click.echo(f"\nrise of held-out error by {axis}\n{table.round(3).to_string()}", err=True)
    rows = {axis: _rows(result.importance[axis].to_dataframe()) for axis in by}
    click.echo(_json({"output": output, "importance": rows}) if as_json else output)


@cli.command()
@click.argument("modality", type=click.Choice(["ephys", "ophys", "ecog"]), default="ephys")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False),
    help="Folder to write into [nwbdecode-demo; nwbdecode-demo-ophys, nwbdecode-demo-ecog].",
)  # fmt: skip
@click.option(
    "--duration", type=click.FloatRange(min=60),
    help="Seconds to simulate [ephys 600, ophys 480, ecog 420, of which 90 at least].",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@_common
def demo(
    modality: str, output: str | None, duration: float | None, seed: int, as_json: bool
) -> None:
    """Simulate a recording, decode it, and write the result and a report.

    It takes a few minutes. The recording states what was planted in it, under
    processing/ground_truth: compare it with the importance in the report.

    \b
    ephys  A rat forages in a box with 16 channels in CA1: position, head
           direction and speed. Place cells, theta and broken wires.
    ophys  A two-photon movie of a mouse that runs and hears tones: the tone and
           the speed, from pixels by masks, from pixels by a grid that knows no
           cells, and from extracted traces. The scores stand side by side.
    ecog   An 8 x 8 grid on the hand area: the flexion of five fingers, and which
           of them moves. High gamma, slow potentials, a noisy reference.

    \b
    nwbdecode demo
    nwbdecode demo ophys
    nwbdecode demo ecog --json | jq '.scores[] | select(.decoder == "cnn")'
    nwbdecode demo ephys --output /tmp/demo --duration 300 --seed 1
    """
    from nwbdecode.demo import run_each, side_by_side

    folder = output or ("nwbdecode-demo" if modality == "ephys" else f"nwbdecode-demo-{modality}")
    results, files = run_each(
        folder, modality=modality, duration=duration, seed=seed, announce=_announce
    )
    if len(results) == 1:
        _tell(results[""], files, as_json=as_json)
        return
    rows = [
        {"signal": name, **row}
        for name, result in results.items()
        for row in _rows(result.score_table(), index=False)
    ]
    _print_scores(side_by_side(results), rows, files, as_json=as_json)


def _announce(expected: dict[str, Any]) -> None:
    """Say on stderr what is about to happen, before it takes long."""
    seconds = expected["seconds"]
    about = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 1):.0f} s"
    heading = f"{expected['signal']}: " if "signal" in expected else ""
    network = expected.get("stream")
    if network:
        click.echo(
            f"streams about {network['bytes'] / 1e6:.1f} MB from {network['host']}, in about "
            f"{max(network['seconds'], 1):.0f} s ({network['held'] / 1e6:.1f} MB of the file are "
            f"held), and keeps them in {network['cache']} (at most "
            f"{network['most_bytes'] / 1e9:.1f} GB; --time and --channels ask for less)",
            err=True,
        )
    click.echo(
        f"{heading}reads {expected['bytes_read'] / 1e6:.1f} MB: {expected['channels']} channels, "
        f"{expected['bands']} bands, {expected['bins']} bins\n"
        f"keeps {expected['bytes_stored'] / 1e6:.1f} MB of features in {expected['cache']}\n"
        f"takes about {about} (an estimate; it can be off by a factor of three)\n"
        f"{_by_modality(expected['by_modality'])}",
        err=True,
    )


def _by_modality(decided: dict[str, Any]) -> str:
    """Say which settings the kind of signal decided."""
    settings = decided["settings"]
    words = {True: "on", False: "off"}
    told = [
        f"{name} {words[value] if isinstance(value, bool) else value}"
        for name, value in settings.items()
    ]
    return f"taken as {decided['modality']}; its defaults: {', '.join(told) or 'none needed'}"


def _tell(result: Decoding, facts: dict[str, Any], *, as_json: bool) -> None:
    """Print the scores and the files: a table, or JSON."""
    scored = bool(result.scores.data_vars)
    table = result.score_table() if scored else None
    rows = _rows(table, index=False) if scored else []
    _print_scores(table, rows, facts, as_json=as_json)


def _print_scores(
    table: Any, rows: list[dict[str, Any]], facts: dict[str, Any], *, as_json: bool
) -> None:
    """Print a table of scores and what else is to be said, or both as JSON."""
    if as_json:
        click.echo(_json({**facts, "scores": rows}))
        return
    if table is not None:
        click.echo(table.to_string(index=False, float_format=lambda v: f"{v:.3f}"))
        click.echo("chance: what 95 % of circularly shifted targets do not beat", err=True)
    for name, value in facts.items():
        if value not in ({}, False):
            click.echo(f"{name}: {value}")


def _rows(table: Any, *, index: bool = True) -> list[dict[str, Any]]:
    table = table.reset_index() if index else table
    return json.loads(table.to_json(orient="records", double_precision=15))


def _json(value: Any) -> str:
    # Strict JSON has no NaN: pipelines in other languages would stumble over it.
    return json.dumps(_strict(value), indent=2, ensure_ascii=False, allow_nan=False, default=str)


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def main() -> None:
    """Run the command line."""
    try:
        cli(prog_name="nwbdecode")
    except BrokenPipeError:
        # Whoever read the output, such as head, has enough of it.
        sys.stderr.close()
        sys.exit(0)
