"""Many recordings, with one seed or several: every fit is a task, and one that fails is told."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from nwbdecode.errors import NWBDecodeError

if TYPE_CHECKING:
    from nwbdecode.cluster import Cluster
    from nwbdecode.pipeline import AnyConfig
    from nwbdecode.results.runs import Exists

    #: What became of one fit.
    Became: TypeAlias = dict[str, Any]


def fit_many(
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    targets: str | Sequence[str] | Mapping[str, str],
    output: str | os.PathLike[str],
    *,
    seeds: Sequence[int] | None = None,
    config: AnyConfig = None,
    exists: Exists | Literal["skip"] = "skip",
    download: bool = False,
    n_jobs: int | None = None,
    client: Cluster | None = None,
    progress: bool = True,
    **options: Any,
) -> list[Became]:
    """Decode the same targets of many recordings; none that fails costs the others.

    Parameters
    ----------
    sources : path, address, or several
        Recordings; a folder stands for the NWB files in it, and a dandiset or a pattern
        such as ``"DANDI:000552/sub-*/*.nwb"`` for its assets.
    targets, config
        As for `fit`.
    output : path
        Folder for the results, ``NAME_decoded.nwb``, or ``NAME_seedK_decoded.nwb`` where
        `seeds` are given.
    seeds : sequence of int, optional
        Decode each recording once with each, instead of with that of the settings.
    exists : {"skip", "error", "replace", "new"}, default "skip"
        As for `fit`: what is there already is not made again.
    download : bool, default False
        As for `open`.
    n_jobs : int, optional
        Recordings decoded side by side in processes with one thread each; by default 1.
    client : distributed.Client or str, optional
        Dask cluster whose workers decode one recording each, with one thread, or the
        address of its scheduler. All its machines must see recordings on disk, the
        cache's folder and that of the results under the same path.
    progress : bool, default True
    **options
        ``signal``, ``channels``, ``time``, ``only`` and ``exclude``, as for `fit`.

    Returns
    -------
    list of dict
        For each fit ``source``, ``seed``, ``output``, ``status`` (done, skipped or failed)
        and, if it failed, ``error``.

    Raises
    ------
    NWBDecodeError
        If there is no recording, two results would have the same name, a setting is
        wrong, or the cluster cannot be used.

    Examples
    --------
    >>> import nwbdecode as nd
    >>> nd.fit_many("recordings", "position", "results", seeds=range(3))  # doctest: +SKIP
    """
    from tqdm.auto import tqdm

    from nwbdecode.cluster import connected
    from nwbdecode.config import FitConfig
    from nwbdecode.evaluate.jobs import job_count, side_by_side

    if seeds is not None and (not seeds or len(set(seeds)) < len(seeds)):
        raise NWBDecodeError(
            f"seeds are {list(seeds)}; expected at least one, and none twice: each gives a file"
        )
    settings, folder = FitConfig.of(config), Path(output).absolute()
    named = _named(_listed(sources), folder)
    folder.mkdir(parents=True, exist_ok=True)
    # The first seed of each recording computes the features, which the others find there.
    waves: list[list[Became]] = []
    for seed in [settings.seed] if seeds is None else list(seeds):
        told = "" if seeds is None else f"_seed{seed}"
        waves.append([
            {"source": source, "seed": seed, "output": str(folder / f"{name}{told}_decoded.nwb")}
            for name, source in named.items()
        ])  # fmt: skip
    waves = [waves[0], [one for wave in waves[1:] for one in wave]]
    n_jobs = job_count(n_jobs, max(map(len, waves)), client)
    became: list[Became] = []
    total = sum(map(len, waves))
    how = {"targets": targets, "exists": exists, **options}
    with (
        connected(client) as cluster,
        tqdm(total=total, desc="recordings", disable=not progress) as bar,
    ):
        for wave in waves:
            each = ((one, settings.changed({"seed": one["seed"]})) for one in wave)
            with closing(
                side_by_side(
                    _fitted, each, n_jobs, shared=(how, download), client=cluster,
                    done=lambda number: bar.update(),
                    failed=_failing(wave),
                )
            ) as done:  # fmt: skip
                became.extend(done)
    return became


def _fitted(how: dict[str, Any], download: bool, asked: Became, settings: Any) -> Became:
    """Decode one recording, and say what became of it, whatever it was."""
    from nwbdecode.load import open as open_source
    from nwbdecode.pipeline import fit

    there = os.path.exists(asked["output"])
    lies: list[str] = []
    try:
        with open_source(asked["source"], download=download, cache=settings.cache) as opened:
            fit(
                opened, output=asked["output"], config=settings, progress=False,
                announce=lambda file, run: lies.append(file), **how,
            )  # fmt: skip
    except Exception as error:  # whatever it was: the other recordings go on
        return _failed(asked, error)
    skipped = there and how["exists"] == "skip"
    return {**asked, "output": lies[-1], "status": "skipped" if skipped else "done"}


def _failing(wave: Sequence[Became]) -> Callable[[int, Exception], Became]:
    """Give what makes an answer of a fit whose workers were lost again and again."""
    return lambda number, error: _failed(wave[number], error)


def _failed(asked: Became, error: Exception) -> Became:
    kind = "" if isinstance(error, NWBDecodeError | OSError) else f"{type(error).__name__}: "
    return {**asked, "status": "failed", "error": f"{kind}{error}"}


def _listed(sources: Any) -> list[str]:
    """Name every recording that was given or is stood for."""
    from nwbdecode.load.location import assets, is_several
    from nwbdecode.load.zarr import is_zarr

    found: list[str] = []
    for source in [sources] if isinstance(sources, str | os.PathLike) else sources:
        path = Path(os.fspath(source)).expanduser()
        if is_several(source):
            found += [asset.label for asset in assets(source)]
        elif path.is_dir() and not is_zarr(path):
            held = sorted([*path.glob("*.nwb"), *path.glob("*.nwb.zarr")])
            if not held:
                raise NWBDecodeError(f"the folder {str(path)!r} holds no file named *.nwb")
            found += [str(one.absolute()) for one in held]
        else:
            found.append(str(path.absolute()) if path.exists() else os.fspath(source))
    if not found:
        raise NWBDecodeError("no recording was given; name one at least, or a folder of them")
    return found


def _named(sources: Sequence[str], folder: Path) -> dict[str, str]:
    """Give each recording the name that its result will have."""
    named: dict[str, str] = {}
    for source in sources:
        name = re.sub(r"(\.nwb)?(\.zarr)?$", "", source.rstrip("/").rpartition("/")[2])
        if name in named:
            raise NWBDecodeError(
                f"the results of {named[name]!r} and of {source!r} would have the same name; "
                "decode them into folders of their own"
            )
        if os.path.exists(source) and Path(source).resolve().parent == folder.resolve():
            raise NWBDecodeError(
                f"results would lie beside the recordings in {str(folder)!r}, and the next time be "
                "taken for some; give another folder"
            )
        named[name] = source
    return named
