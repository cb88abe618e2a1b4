"""The NWB extension ``ndx-decoding``: decoders and the provenance of their predictions.

Importing it registers the types with pynwb. It needs only hdmf and pynwb and
uses nothing else of this package, so it can be published on its own. A file
caches the specification: reading it needs neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pynwb import get_class, load_namespaces

__all__ = ["Decoder", "DecodingRun"]

load_namespaces(str(Path(__file__).parent / "spec" / "ndx-decoding.namespace.yaml"))

Decoder: Any = get_class("Decoder", "ndx-decoding")
DecodingRun: Any = get_class("DecodingRun", "ndx-decoding")
