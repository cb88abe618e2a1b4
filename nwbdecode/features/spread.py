"""Features computed by a cluster: runs of blocks are tasks that write into one store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nwbdecode.cluster import SharedFolder, connected, in_tasks
from nwbdecode.features.walk import fill_here

if TYPE_CHECKING:
    from nwbdecode.cluster import Cluster
    from nwbdecode.features.store import FeatureStore
    from nwbdecode.load.signal import Signal

#: Tasks that each worker gets in the mean: the last ones to end are short against the whole.
_EACH = 4
#: Most blocks of a task. Neighbors are computed together, since each run reads what lies around it.
_MOST = 64


def fill_there(
    client: Cluster,
    signal: Signal,
    recipe: dict[str, Any],
    kept: FeatureStore,
    *,
    memory: int,
    progress: bool,
) -> None:
    """Let the workers of a cluster compute the blocks that a store lacks.

    Each opens the recording itself and writes into the store, so that nothing but numbers
    of blocks travels. What a lost worker had written is not computed again.

    Parameters
    ----------
    client : distributed.Client or str
    signal, recipe, memory, progress
        As for `compute`.
    kept : FeatureStore
        In a folder that the workers see under the same path.

    Raises
    ------
    NWBDecodeError
        If a worker does not see the folder, or cannot read the recording.
    """
    from tqdm.auto import tqdm

    missing = kept.missing()
    # Zarr warns of files that are none of its own: the mark lies beside the store.
    path = kept.path.absolute()
    with connected(client) as cluster, SharedFolder.of(cluster, path.parent) as folder:
        workers = max(1, len(cluster.nthreads()))
        runs = _runs(missing, max(1, min(_MOST, len(missing) // (_EACH * workers))))
        done = in_tasks(
            cluster,
            _filled,
            ((run,) for run in runs),
            shared=(folder, path, signal, recipe, memory),
        )
        with tqdm(total=len(missing), desc="features", unit="block", disable=not progress) as bar:
            for number, _ in done:
                bar.update(len(runs[number]))


def _runs(blocks: list[int], size: int) -> list[list[int]]:
    """Cut into runs of neighbors.

    Examples
    --------
    >>> _runs([0, 1, 2, 5, 6], 2)
    [[0, 1], [2], [5, 6]]
    """
    runs: list[list[int]] = []
    for block in blocks:
        if runs and len(runs[-1]) < size and runs[-1][-1] == block - 1:
            runs[-1].append(block)
        else:
            runs.append([block])
    return runs


def _filled(
    folder: SharedFolder,
    path: Path,
    signal: Signal,
    recipe: dict[str, Any],
    memory: int,
    blocks: list[int],
) -> list[int]:
    folder.check()
    return fill_here(signal, recipe, path, blocks, memory)
