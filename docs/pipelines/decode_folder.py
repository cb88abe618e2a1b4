"""Decode every recording in a folder; run it again after adding some, or after a crash.

python decode_folder.py RECORDINGS RESULTS TARGET [SETTINGS.toml]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nwbdecode as nd


def decode_folder(
    recordings: Path, results: Path, target: str, config: Path | None = None
) -> dict[str, str]:
    """Decode a target of each recording, and say what became of each."""
    results.mkdir(parents=True, exist_ok=True)
    became = {}
    for recording in sorted(recordings.glob("*.nwb")):
        output = results / f"{recording.stem}_decoded.nwb"
        before = output.exists()
        try:
            # What is there of the same recording and settings is given back, not made again.
            nd.fit(
                recording, targets=target, output=output, config=config, exists="skip",
                progress=False,
            )  # fmt: skip
            page = output.with_suffix(".html")
            if not before or not page.exists():
                nd.report(output, page)
            became[recording.name] = "skipped" if before else "done"
        except nd.NWBDecodeError as error:
            # One recording without the target shall not cost those after it.
            became[recording.name] = f"failed: {error}"
    return became


if __name__ == "__main__":
    recordings, results, target, *config = sys.argv[1:]
    became = decode_folder(
        Path(recordings), Path(results), target, Path(config[0]) if config else None
    )
    print(json.dumps(became, indent=2))
    sys.exit(any(told.startswith("failed") for told in became.values()))
