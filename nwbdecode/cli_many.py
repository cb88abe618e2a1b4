"""The shell's door to many recordings: one command, an answer for each of them."""

from __future__ import annotations

from typing import Any

import click

from nwbdecode.cli_answers import as_json_text
from nwbdecode.cli_options import (
    TARGET,
    common,
    from_network,
    on_cluster,
    run_settings,
    selecting,
    settings_of,
)


class Seeds(click.ParamType):
    """Whole numbers with commas between them."""

    name = "K,K,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        try:
            return [int(part) for part in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r} are no seeds; write whole numbers such as 0,1,2")


@click.command("fit-many", epilog=TARGET)
@click.argument("sources", nargs=-1, required=True, type=click.Path())
@click.option(
    "--target", "targets", multiple=True, required=True, metavar="TARGET",
    help="What to decode, as below; may be given several times.",
)  # fmt: skip
@click.option(
    "-o", "--output", required=True, type=click.Path(file_okay=False),
    help="Folder for the results, NAME_decoded.nwb or NAME_seedK_decoded.nwb.",
)  # fmt: skip
@click.option("--seeds", type=Seeds(), help="Decode each recording once with each of these.")
@click.option(
    "--exists", type=click.Choice(["skip", "error", "replace", "new"]), default="skip",
    show_default=True, help="What is done where a result is there already; as for fit.",
)  # fmt: skip
@selecting
@from_network
@run_settings
@click.option(
    "--jobs", "n_jobs", type=int, metavar="N",
    help="Recordings decoded side by side, each in a process with one thread [1]; -1 for all "
    "processors.",
)  # fmt: skip
@on_cluster
@click.option("--no-importance", is_flag=True, help="Skip importance; it can be added later.")
@click.option("--config", type=click.Path(dir_okay=False), help="TOML or JSON file of settings.")
@common
def fit_many(
    sources: tuple[str, ...], targets: tuple[str, ...], output: str,
    seeds: list[int] | None, exists: Any, signal: str | None, channels: str | None,
    time: tuple[float | None, float | None] | None, only: tuple[str, ...],
    exclude: tuple[str, ...], keep_invalid: bool | None, n_jobs: int | None,
    scheduler: str | None, no_importance: bool, config: str | None, download: bool,
    as_json: bool, **given: Any,
) -> None:  # fmt: skip
    """Decode the same targets of many SOURCES; none that fails costs the others.

    A folder stands for the NWB files in it, a dandiset or a pattern for its assets. The exit
    code is 1 if any failed; run it again to make those that are missing.

    \b
    nwbdecode fit-many recordings --target position -o results
    nwbdecode fit-many recordings --target position -o results --seeds 0,1,2 --jobs 4
    nwbdecode fit-many 'DANDI:000552/sub-*/*.nwb' --target position -o results \\
      --scheduler tcp://10.0.0.1:8786 --json
    """
    from nwbdecode import many

    settings = settings_of(
        config, given, only=only, exclude=exclude, keep_invalid=keep_invalid,
        no_importance=no_importance,
    )  # fmt: skip
    became = many.fit_many(
        sources, list(targets), output, seeds=seeds, config=settings, exists=exists,
        download=download, n_jobs=n_jobs, client=scheduler, signal=signal, channels=channels,
        time=time,
    )  # fmt: skip
    failed = [one for one in became if one["status"] == "failed"]
    if as_json:
        answer = {"status": "failed" if failed else "done", "runs": became}
        click.echo(as_json_text(answer))
    else:
        for one in became:
            click.echo(f"{one['status']}: {one['output']}")
    for one in failed:
        click.echo(f"error: {one['source']}: {one['error']}", err=True)
    if failed:
        click.get_current_context().exit(1)
