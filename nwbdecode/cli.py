"""The shell's door: one command a stage, prose on stderr, results on stdout.

Heavy imports stay inside the commands, so that help comes at once.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from nwbdecode import __version__
from nwbdecode.cli_answers import (
    Whereabouts,
    announce,
    as_json_text,
    failed,
    is_done,
    print_scores,
    records,
    tell,
)
from nwbdecode.cli_many import fit_many
from nwbdecode.cli_options import (
    TARGET,
    beginning,
    common,
    from_network,
    in_parallel,
    matching,
    of_modality,
    on_cluster,
    reading_run,
    run_settings,
    selecting,
    settings_of,
    writing,
    writing_or_appending,
    writing_or_skipping,
)
from nwbdecode.errors import NWBDecodeError


class _Door(click.Group):
    """A group whose commands tell the user's errors in one line and exit 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (NWBDecodeError, OSError) as error:
            if ctx.meta.get("debug"):
                raise
            failed(error, as_json=bool(ctx.meta.get("json")))
            ctx.exit(1)


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
    See and remove what is kept between runs:
      nwbdecode cache

    Every command takes --help, --json (a machine's answer on stdout) and --debug
    (a traceback for errors). Exit codes: 0 done or, with --exists skip, done before;
    1 failed; 2 wrong usage. The JSON's "status" is done, skipped or failed.
    """


@cli.command()
@click.argument("source", type=click.Path())
@click.option("--full", is_flag=True, help="Read every clock and value rather than probe them.")
@from_network
@common
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
        click.echo(as_json_text({"assets": facts}) if as_json else listed_assets(there))
        return
    with open_source(source, download=download) as opened:
        found = opened.catalog(full=full)
    click.echo(as_json_text(found) if as_json else as_text(found))


@cli.command(epilog=TARGET)
@click.argument("source", type=click.Path())
@click.option(
    "--target", "targets", multiple=True, required=True, metavar="TARGET",
    help="What to decode, as below; may be given several times.",
)  # fmt: skip
@selecting
@from_network
@beginning
@writing_or_appending
@run_settings
@in_parallel
@on_cluster
@click.option("--no-importance", is_flag=True, help="Skip importance; it can be added later.")
@click.option("--config", type=click.Path(dir_okay=False), help="TOML or JSON file of settings.")
@common
def fit(
    source: str, targets: tuple[str, ...], signal: str | None, channels: str | None,
    time: tuple[float | None, float | None] | None, only: tuple[str, ...],
    exclude: tuple[str, ...], keep_invalid: bool | None, output: str | None, append: bool,
    exists: Any, run: str | None, init: str | None, init_run: str | None, match: Any,
    n_jobs: Any, scheduler: str | None, no_importance: bool, config: str | None, download: bool,
    as_json: bool,
    **given: Any,
) -> None:  # fmt: skip
    """Decode targets from a signal of SOURCE, cross-validated, into a new file or SOURCE itself.

    \b
    nwbdecode fit session.nwb --signal processing/ecephys/LFP/LFP \\
      --target processing/behavior/Position/led1:speed --output decoded.nwb
    nwbdecode fit session.nwb --target position --channels "location == 'CA1'" \\
      --time 0:1200 --bin 0.1 --window 32 -o decoded.nwb
    nwbdecode fit session.nwb --target tone@categorical --config settings.toml -o decoded.nwb
    nwbdecode fit session.nwb --target trials/choice --only trials \\
      --exclude "epochs[label == 'stimulation']" -o decoded.nwb
    nwbdecode fit session.nwb --target position --append --run theta --exists replace
    nwbdecode fit tuesday.nwb --target position --init monday_decoded.nwb -o tuesday_decoded.nwb
    nwbdecode fit session.nwb --target position -o decoded.nwb --exists skip --json
    nwbdecode fit session.nwb --target position -o decoded.nwb --scheduler tcp://10.0.0.1:8786

    Options win over the settings file, whose sections are [signal], [features], [epochs],
    [decoder] and [evaluation].
    """
    from nwbdecode import pipeline
    from nwbdecode.decoding import NO_IMPORTANCE
    from nwbdecode.estimate import estimate
    from nwbdecode.keeping import Destination
    from nwbdecode.load import open as open_source
    from nwbdecode.load.epochs import notes_of
    from nwbdecode.load.targets import announced

    settings = settings_of(
        config, given, only=only, exclude=exclude, keep_invalid=keep_invalid,
        no_importance=no_importance,
    )  # fmt: skip
    if output is None and not append:
        raise click.UsageError("give --output FILE for a new file, or --append for SOURCE itself")
    lies = Whereabouts()
    with open_source(source, download=download, cache=settings.cache) as opened:
        done = is_done(output, source, run, exists)
        if exists != "skip":
            Destination(output, append, exists, run).check(opened)
        taken = opened.signal(
            signal, channels=channels, time=time, **settings.signal.model_dump(),
            **settings.epochs.model_dump(), cache=settings.cache,
        )  # fmt: skip
        read = opened.targets(list(targets), keep_invalid=settings.epochs.keep_invalid)
        if not done:
            for line in (*map(announced, read.values()), *notes_of(taken)):
                click.echo(line, err=True)
            announce(estimate(taken, settings, n_targets=len(read)))
        result = pipeline.fit(
            opened, taken.path, read, output,
            config=settings, channels=channels, time=time, init=init, init_run=init_run,
            match=match, append=append, exists=exists, run=run, announce=lies, n_jobs=n_jobs,
            client=scheduler,
        )  # fmt: skip
    if NO_IMPORTANCE in result.recipe:
        raise NWBDecodeError(
            f"importance could not be measured ({result.recipe[NO_IMPORTANCE]}). All else is in "
            f"{lies.told['output']!r}; `nwbdecode importance` adds it"
        )
    about: dict[str, Any] = {"status": "skipped" if done else "done", **lies.told}
    if init is not None:
        begun = result.recipe["init"]
        about["init"] = {
            k: begun[k] for k in ("channels", "of", "targets", "fresh_targets", "share")
        }
        click.echo(
            f"began from {init}: {begun['channels']} of {begun['of']} channels, "
            f"{begun['share']:.0%} of the weights; targets known: "
            f"{', '.join(begun['targets']) or 'none'}",
            err=True,
        )
    tell(result, about, as_json=as_json)


@cli.command()
@click.argument("decoded", type=click.Path(dir_okay=False))
@click.argument("source", type=click.Path())
@writing_or_skipping
@click.option(
    "--use", type=click.Choice(["auto", "final", "ensemble"]), default="auto", show_default=True,
    help="Which decoders: the ones that may be scored, the refitted one, or the folds' mean.",
)  # fmt: skip
@click.option("--final", "use", flag_value="final", help="The same as --use final.")
@matching
@reading_run
@selecting
@of_modality
@on_cluster
@from_network
@common
def predict(
    decoded: str, source: str, output: str, exists: Any, use: Any, match: Any, run: str | None,
    signal: str | None,
    channels: str | None, time: tuple[float | None, float | None] | None,
    only: tuple[str, ...], exclude: tuple[str, ...], keep_invalid: bool | None,
    modality: Any, scheduler: str | None, download: bool, as_json: bool,
) -> None:  # fmt: skip
    """Decode SOURCE with the decoders in DECODED, a file that fit wrote.

    On the recording that they were trained on, every bin is predicted by the
    decoder that never saw it; on any other, by the one refitted on all data.

    \b
    nwbdecode predict monday_decoded.nwb tuesday.nwb -o tuesday_decoded.nwb
    nwbdecode predict monday_decoded.nwb tuesday.nwb --match position -o tuesday_decoded.nwb
    nwbdecode predict monday_decoded.nwb monday.nwb --final -o monday_in_sample.nwb
    """
    from nwbdecode import onward
    from nwbdecode.load import open as open_source

    done, lies = is_done(output, source, None, exists), Whereabouts()
    with open_source(source, download=download) as opened:
        result = onward.predict(
            decoded, opened, output, use=use, match=match, run=run, signal=signal,
            channels=channels, time=time, only=only, exclude=exclude,
            keep_invalid=keep_invalid, modality=modality, exists=exists, client=scheduler,
            announce=lies,
        )  # fmt: skip
    said = result.recipe["prediction"]
    told = ("use", "in_sample", "unscored", "largest_difference", "match", "missing_channels")
    about = {"status": "skipped" if done else "done", **lies.told}
    about |= {k: said[k] for k in told if k in said}
    if said.get("missing_channels"):
        missing = ", ".join(map(str, said["missing_channels"]))
        click.echo(
            f"channels {missing} are missing; they are taken to be as in the middle of training",
            err=True,
        )
    if said["in_sample"]:
        click.echo("predicted in-sample: the decoder was trained on this, so no score", err=True)
    for name, why in said["unscored"].items():
        click.echo(f"{name} is not scored: {why}", err=True)
    tell(result, about, as_json=as_json)


@cli.command()
@click.argument("decoded", type=click.Path(dir_okay=False))
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), help="HTML file to write."
)
@reading_run
@common
def report(decoded: str, output: str, run: str | None, as_json: bool) -> None:
    """Show DECODED in one self-contained HTML file: scores, traces, arena, importance.

    \b
    nwbdecode report decoded.nwb --output report.html
    """
    from nwbdecode.explore import report as write_report
    from nwbdecode.results import read

    path = write_report(read(decoded, run=run), output)
    click.echo(as_json_text({"output": str(path)}) if as_json else f"report: {path}")


@cli.command()
@click.argument("decoded", type=click.Path(dir_okay=False))
@click.option("--source", type=click.Path(), help="The recording, if it moved since the fit.")
@click.option(
    "--by", multiple=True, type=click.Choice(["frequency", "channel"]),
    default=("frequency", "channel"), show_default=True,
)  # fmt: skip
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@writing
@reading_run
@in_parallel
@on_cluster
@common
def importance(
    decoded: str, source: str | None, by: tuple[str, ...], repeats: int, seed: int,
    output: str, exists: Any, run: str | None, n_jobs: Any, scheduler: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure which bands and channels of DECODED carry the information.

    \b
    nwbdecode importance decoded.nwb --output with_importance.nwb
    nwbdecode importance decoded.nwb --repeats 20 --exists replace --output decoded.nwb
    """
    from nwbdecode import onward
    from nwbdecode.keeping import Destination
    from nwbdecode.results import read

    lies = Whereabouts()
    place = Destination(output, exists=exists, run=run, announce=lies)
    place.check()
    stored = read(decoded, run=run)
    result = onward.importance(
        stored, source=source, by=by, repeats=repeats, random_state=seed,
        n_jobs=None if n_jobs == "auto" else n_jobs, client=scheduler,
    )  # fmt: skip
    place.keep(result)
    for axis in by:
        table = result.importance[axis]["value"].to_pandas().T
        click.echo(f"\nrise of held-out error by {axis}\n{table.round(3).to_string()}", err=True)
    rows = {axis: records(result.importance[axis].to_dataframe()) for axis in by}
    answer = as_json_text({**lies.told, "importance": rows})
    click.echo(answer if as_json else lies.told["output"])


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
@common
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
        folder, modality=modality, duration=duration, seed=seed, announce=announce
    )
    if len(results) == 1:
        tell(results[""], files, as_json=as_json)
        return
    rows = [
        {"signal": name, **row}
        for name, result in results.items()
        for row in records(result.score_table(), index=False)
    ]
    print_scores(side_by_side(results), rows, files, as_json=as_json)


@cli.command()
@click.option("--clean", is_flag=True, help="Remove it; all of it can be made or fetched again.")
@click.option(
    "--kind", "kinds", multiple=True,
    type=click.Choice(["features", "traces", "streams", "downloads"]),
    help="Of this kind alone. May be given several times.",
)  # fmt: skip
@click.option(
    "--older-than", type=click.FloatRange(min=0), default=1 / 24, metavar="DAYS",
    help="Remove only what was not used for so long [an hour].",
)  # fmt: skip
@click.option("--cache", type=click.Path(file_okay=False), help="Folder, if not the usual one.")
@common
def cache(
    clean: bool, kinds: tuple[str, ...], older_than: float, cache: str | None, as_json: bool
) -> None:
    """Show what is kept between runs, or remove it: features, traces, what was streamed.

    \b
    nwbdecode cache
    nwbdecode cache --clean --kind features --older-than 7
    """
    from nwbdecode import caching
    from nwbdecode.blocks import cache_folder
    from nwbdecode.cli_answers import tell_kept

    kinds = kinds or caching.KINDS
    removed: list[caching.Kept] = []
    if clean:
        removed, _ = caching.clean(cache, kinds=kinds, older_than=older_than * 86400)
    left = [entry for entry in caching.kept(cache) if entry.kind in kinds]
    tell_kept(cache or str(cache_folder()), left, removed, as_json=as_json)


cli.add_command(fit_many)


def main() -> None:
    """Run the command line."""
    try:
        cli(prog_name="nwbdecode")
    except BrokenPipeError:
        # Whoever read the output, such as head, has enough of it.
        sys.stderr.close()
        sys.exit(0)
